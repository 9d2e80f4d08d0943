"""Trees that are no boxes: each gets an error that names the thing at fault, and leaves the store as
it was."""

import json
import os
import random
import tarfile
import threading

import pytest

import boxes
import wire_client as w
from boxes import entry
from node import Traces, files_below, nothing_new_since, store_of, wait_until

LONG_NAME = "n" * 70_000
DEEP_NAME = "/".join(["d" * 50] * 1_400)


def store(node):
    return files_below(node.state / "box-builder")


@pytest.fixture(autouse=True)
def store_stays_as_it_was(node, request):
    """After each test the store has the same objects and the node the same boxes."""
    if "good" in request.keywords:
        yield
        return
    listed, kept, traces = node.list_boxes(), store_of(node), Traces()
    yield
    assert node.list_boxes() == listed
    wait_until(lambda: store_of(node) == kept, 60, "the store has what it had")
    nothing_new_since(traces)


def refused(node, tree, description=None):
    with pytest.raises(w.Fault) as caught:
        node.import_box(tree, description or boxes.described())
    return caught.value


def probe_with(*entries):
    """A tree that would be good but for these entries."""
    return boxes.tar_bytes(
        [entry("probe", b"\x7fELF")] + [boxes.entry("before", b"stored first")] + list(entries))


BAD_ENTRIES = {
    "a name that leaves the tree": (
        [entry("../escaped", b"x")], "PATH_ESCAPES", "../escaped"),
    "a name that leaves the tree from within": (
        [entry("a/../../escaped", b"x")], "PATH_ESCAPES", "escaped"),
    "an absolute name": (
        [entry("/etc/escaped", b"x")], "PATH_ABSOLUTE", "/etc/escaped"),
    "a hard link out of the tree": (
        [entry("link", kind=tarfile.LNKTYPE, link="../../etc/passwd")], "PATH_ESCAPES", "link"),
    "a hard link to an absolute name": (
        [entry("link", kind=tarfile.LNKTYPE, link="/etc/passwd")], ("PATH_ABSOLUTE", "PATH_ESCAPES"),
        "link"),
    "a hard link to what is not there": (
        [entry("link", kind=tarfile.LNKTYPE, link="nowhere")], "FILE_MISSING", "nowhere"),
    "a character device": (
        [entry("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)], "SPECIAL_FILE", "dev/null"),
    "a block device": (
        [entry("dev/disk", kind=tarfile.BLKTYPE, devmajor=8, devminor=0)], "SPECIAL_FILE", "dev/disk"),
    "a fifo": (
        [entry("pipe", kind=tarfile.FIFOTYPE)], "SPECIAL_FILE", "pipe"),
    "a name of 70,000 bytes": (
        [entry(LONG_NAME, b"x")], "NAME_TOO_LONG", "nnnnnnnn"),
    "a path of 70,000 bytes": (
        [entry(DEEP_NAME, b"x")], ("NAME_TOO_LONG", "TOO_DEEP"), "dddddddd"),
    "the same name as file and directory": (
        [entry("twice", b"x"), entry("twice/under", b"x")], "DUPLICATE", "twice"),
    "a file through a symbolic link": (
        [entry("way", kind=tarfile.SYMTYPE, link="/tmp"), entry("way/escaped", b"x")],
        ("DUPLICATE", "PATH_ESCAPES"), "way"),
}


@pytest.mark.parametrize("what", BAD_ENTRIES)
def test_a_tree_is_refused_by_name_for(node, what):
    entries, reasons, subject = BAD_ENTRIES[what]
    fault = refused(node, probe_with(*entries))
    assert fault.code in ("INVALID", "TOO_LARGE"), fault
    assert fault.reason in ([reasons] if isinstance(reasons, str) else reasons), fault
    assert subject in fault.subject, fault
    assert not os.path.exists("/tmp/escaped") and not os.path.exists("/etc/escaped")


def test_a_million_empty_files_are_refused_by_count(node):
    """Written as a stream, so that the test does not hold it either."""
    reading, writing = os.pipe()

    def write():
        header = bytearray(tarfile.TarInfo("f" * 20).tobuf(tarfile.USTAR_FORMAT))
        try:
            with os.fdopen(writing, "wb", buffering=1 << 20) as pipe:
                for number in range(1_000_000):
                    header[0:20] = b"%04d/%015d" % (number // 500, number)
                    header[148:156] = b"        "
                    header[148:156] = b"%06o\0 " % sum(header)
                    pipe.write(header)
                pipe.write(bytes(1024))
        except BrokenPipeError:
            pass
    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(w.Fault) as caught:
            node.import_box(reading, boxes.described())
    finally:
        os.close(reading)
        writer.join()
    assert caught.value.reason == "TOO_MANY_ENTRIES", caught.value
    assert caught.value.fault.limit >= 100_000, caught.value


@pytest.mark.parametrize("kept", [1, 511, 700, 1536 + 100, 5000])
def test_a_truncated_stream_is_refused_as_truncated(node, kept):
    whole = probe_with(entry("data", bytes(range(256)) * 64))
    fault = refused(node, whole[:kept])
    assert fault.code == "INVALID", fault
    assert fault.reason in ("TRUNCATED", "MALFORMED"), fault


def test_a_truncated_compressed_stream_is_refused_as_truncated(node):
    whole = boxes.tar_bytes(
        [entry("probe", b"\x7fELF"), entry("data", os.urandom(100_000))], mode="w:gz")
    fault = refused(node, whole[:60_000])
    assert (fault.code, fault.reason) == ("INVALID", "TRUNCATED"), fault


def test_bytes_that_are_no_archive_are_refused(node):
    # Of a fixed seed: by chance, two bytes would be the mark of some archive.
    fault = refused(node, random.Random(4).randbytes(50_000))
    assert (fault.code, fault.reason) == ("INVALID", "MALFORMED"), fault


def test_an_empty_stream_is_refused(node):
    assert refused(node, b"").code == "INVALID"


def test_a_caller_that_goes_away_in_the_middle_leaves_nothing(node):
    reading, writing = os.pipe()
    description = boxes.as_descriptor(json.dumps(boxes.described()).encode())
    connection = node.connect("box-builder", "BoxBuilder")
    connection.start("BoxBuilder.ImportBox", w.box.ImportBoxRequest(), [reading, description])
    for descriptor in (reading, description):
        os.close(descriptor)
    os.write(writing, probe_with(entry("data", bytes(20_000)))[:20_000])
    connection.socket.close()
    os.close(writing)


@pytest.mark.good
def test_two_packs_of_the_same_tree_at_once_give_one_box(node):
    """Four, each on its own connection, over many files, some of them equal."""
    tree = boxes.tar_bytes(
        [entry("start", boxes.script("exit 0"))]
        + [entry(f"d{i % 7}/f{i}", os.urandom(2_000) if i % 3 else b"same" * 500)
           for i in range(2_000)])
    description = boxes.described(tag="twice", init={"entry_path": ["start"]}, api=[])
    found, failed = [], []

    def pack():
        try:
            found.append(node.import_box(tree, description))
        except BaseException as error:
            failed.append(error)
    threads = [threading.Thread(target=pack) for _ in range(4)]
    before = {box.service_id for box in node.list_boxes()}
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len({box.service_id for box in found}) == 1
    assert {box.service_id for box in node.list_boxes()} - before == {found[0].service_id}
    assert found[0].entries == 2_000 + 7 + 1
    files = store(node)
    again = node.import_box(tree, description)
    assert again.already_present and again.service_id == found[0].service_id
    assert store(node) == files
    node.remove_box(found[0].service_id)


@pytest.mark.good
def test_a_removed_box_frees_what_no_other_box_needs(node):
    shared, own = os.urandom(100_000), os.urandom(100_000)
    description = boxes.described(init={"entry_path": ["start"]}, api=[])
    start = entry("start", boxes.script("exit 0"))
    empty = store(node)
    first = node.import_box(boxes.tar_bytes([start, entry("shared", shared)]), description)
    alone = store(node)
    second = node.import_box(
        boxes.tar_bytes([start, entry("shared", shared), entry("own", own)]), description)
    assert sum(size for _, size in store(node) - alone) < 110_000
    reply = node.remove_box(second.service_id)
    assert reply.freed_bytes >= 100_000
    wait_until(lambda: store(node) == alone, 60, "only the first box is left")
    node.remove_box(first.service_id)
    wait_until(lambda: store(node) == empty, 60, "nothing is left")
