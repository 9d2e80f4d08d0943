"""`boxes export` and `boxes import` as commands: each codec as a file and as a stream; what is neither;
and nothing of a box that moves the cursor of who looks at it."""

import hashlib
import json
import os
import random
import stat
import subprocess
import tarfile
import threading

import pytest

import boxes
import identity
from boxes import described, entry
from identity import blob
from node import CELAUTCTL, store_of, wait_until
from test_exchange import START, branch, import_bytes, service

PLAIN = described(init={"entry_path": ["start"]}, api=[])
LARGE = random.Random(11).randbytes(2_500_000)
CODECS = ["proto3", "bee", "json", "json+zip"]


@pytest.fixture(scope="module")
def box(node):
    made = node.import_box(boxes.tar_bytes([
        entry("start", START), entry("d/large", LARGE, mode=0o644), entry("d/empty", b"", mode=0o600),
        entry("l", kind=tarfile.SYMTYPE, link="d/large")]), PLAIN, tag="sample")
    yield made.service_id.hex()
    node.remove_box(made.service_id)


@pytest.fixture(scope="module")
def other():
    from node import Node
    with Node() as running:
        yield running


def ran(node, *words, **streams):
    return subprocess.run([CELAUTCTL, "boxes", *map(str, words), "--runtime", node.runtime], timeout=300,
                          stderr=subprocess.PIPE, **streams)


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_and_a_stream_are_the_same_bytes_and_the_same_box_any_way_they_come(
        node, other, box, tmp_path, codec):
    file, fifo = tmp_path / "box", tmp_path / "fifo"
    done = ran(node, "export", "sample", "--codec", codec, "-o", file)
    assert done.returncode == 0, done.stderr
    streamed = ran(node, "export", "sample", "--codec", codec, stdout=subprocess.PIPE)
    data = file.read_bytes()
    assert streamed.stdout == data and not streamed.stderr
    os.mkfifo(fifo)

    def by_fifo(*words):
        writer = threading.Thread(target=lambda: fifo.write_bytes(data), daemon=True)
        writer.start()
        try:
            return ran(other, "import", fifo, *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        finally:
            writer.join(60)

    def by_standard_input(*words):
        with open(file, "rb") as opened:
            return ran(other, "import", *words, stdin=opened, stdout=subprocess.PIPE)
    ways = {
        "a file": lambda *words: ran(other, "import", file, *words, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE),
        "standard input": by_standard_input,
        "a pipe": lambda *words: ran(other, "import", "-", *words, input=data, stdout=subprocess.PIPE),
        "a fifo": by_fifo}
    for way, come in ways.items():
        for words in ([], ["--codec", codec]):
            done = come("--expect", box, "--format", "json", *words)
            assert done.returncode == 0, (way, words, done.stderr)
            report = json.loads(done.stdout)
            assert (report["id"], report["alreadyPresent"], report["tags"]) == (box, False, []), way
            other.remove_box(bytes.fromhex(box))


@pytest.mark.parametrize("said", CODECS)
@pytest.mark.parametrize("codec", CODECS)
def test_a_box_in_one_codec_is_refused_as_another(node, other, box, tmp_path, codec, said):
    if codec == said:
        return
    file = tmp_path / "box"
    assert ran(node, "export", "sample", "--codec", codec, "-o", file).returncode == 0
    before = store_of(other)
    done = ran(other, "import", file, "--codec", said, stdin=subprocess.DEVNULL)
    assert done.returncode == 65, done.stderr
    # Told at once, and not after a search for an end.
    assert any(word in done.stderr.decode() for word in ("byte 0", "byte 2", '"zip"', "record at 0")), done.stderr
    wait_until(lambda: store_of(other) == before, 60, "the store is as it was")


def test_an_export_writes_into_what_is_no_file_and_leaves_it_what_it_is(node, box, tmp_path):
    device, fifo = tmp_path / "null", tmp_path / "fifo"
    os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(fifo)
    assert ran(node, "export", box, "-o", device).returncode == 0
    assert stat.S_ISCHR(device.stat().st_mode)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(fifo.read_bytes()), daemon=True)
    reader.start()
    done = ran(node, "export", box, "-o", fifo)
    reader.join(60)
    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO(fifo.stat().st_mode) and hashlib.sha3_256(heard[0]).hexdigest() == box
    # Standard output by another name: nothing but the box is in it.
    done = ran(node, "export", box, "-o", "/dev/stdout", stdout=subprocess.PIPE)
    assert done.returncode == 0 and hashlib.sha3_256(done.stdout).hexdigest() == box, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "null"]
    # A file is replaced when the whole is there, not before.
    file = tmp_path / "file"
    file.write_bytes(b"before")
    assert ran(node, "export", "nobody", "-o", file).returncode == 66 and file.read_bytes() == b"before"
    assert ran(node, "export", box, "-o", file).returncode == 0
    assert hashlib.sha3_256(file.read_bytes()).hexdigest() == box
    assert ran(node, "export", box, "-o", tmp_path).returncode == 73


def test_an_export_to_a_full_disk_or_a_reader_that_goes_says_so_and_leaves_no_file(node, box):
    with open("/dev/full", "wb") as full:
        done = ran(node, "export", box, stdout=full)
    assert done.returncode == 73 and b"full" in done.stderr, done.stderr
    head = subprocess.run(
        ["/bin/bash", "-c", 'set -o pipefail; "$1" boxes export "$2" --runtime "$3" | head -c 100 | wc -c',
         "-", CELAUTCTL, box, node.runtime], timeout=180, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (head.returncode, head.stdout.strip(), head.stderr) == (0, b"100", b"")


def test_an_answer_that_cannot_be_written_is_no_success_and_a_failure_nobody_hears_is_one(node, box):
    with open("/dev/full", "wb") as full:
        for words, streams, code in [
                (["list"], {"stdout": full, "stderr": subprocess.PIPE}, 73),
                (["inspect", "none"], {"stdout": subprocess.PIPE, "stderr": full}, 66)]:
            done = subprocess.run([CELAUTCTL, "boxes", *words, "--runtime", node.runtime], timeout=300, **streams)
            assert done.returncode == code, (words, done)
            assert b"ENOSPC" in (done.stderr or b"ENOSPC"), done


@pytest.mark.parametrize("what, told", [
    ("folder", "is a folder"), ("device", "is a device"), ("nothing", "cannot be read"),
    ("text", "none of the codecs"), ("empty", "ends before its end")])
def test_what_is_no_box_is_told_by_its_name(node, tmp_path, what, told):
    path = tmp_path / "given"
    if what == "folder":
        path.mkdir()
    elif what == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif what != "nothing":
        path.write_bytes(b"a text" if what == "text" else b"")
    before = store_of(node)
    done = ran(node, "import", path, stdin=subprocess.DEVNULL)
    text = done.stderr.decode()
    assert done.returncode in (65, 66) and told in text, (done.returncode, text)
    if what in ("folder", "device", "nothing"):
        assert str(path) in text
    wait_until(lambda: store_of(node) == before, 60, "the store is as it was")


def test_nothing_of_a_box_moves_the_cursor_of_who_looks_at_it(node, tmp_path):
    """Its texts are somebody else's: of a terminal's commands nothing is left but a mark."""
    escape = "\x1b[2J\x1b]0;x\x07\r\x9b1A"

    def made(name):
        tree = branch(f"a{escape}{name}", b"x") + branch("start", START, 0o100755)
        container = identity.tags(1, f"linux/{escape}") + blob(2, tree) + blob(3, blob(1, f"go{escape}\nid  0"))
        return import_bytes(node, blob(1, f"prose{escape}") + blob(2, container)).service_id.hex()
    one, two = made("1"), made("2")
    try:
        for words in (["boxes", "list"], ["boxes", "inspect", one], ["boxes", "diff", one, two],
                      ["boxes", "verify"], ["run", one]):
            done = node.command(*words)
            text = done.stdout + done.stderr
            assert not set(text) & set("\x1b\x07\r\x9b"), (words, text)
            # A line of its own making is none of ours.
            assert "\nid  0" not in text, text
            assert one[:16] in text or "\ufffd" in text or words == ["boxes", "verify"], (words, text)
        # For programs it is as it is.
        said = json.loads(node.command("boxes", "inspect", one, "--format", "json").stdout)
        assert said["box"]["architecture"] == f"linux/{escape}"
    finally:
        for box in (one, two):
            node.remove_box(bytes.fromhex(box))
