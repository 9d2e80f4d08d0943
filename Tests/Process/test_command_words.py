"""What a person types at celautctl: commands by their usual other names, words that are none, the tags they
choose, and the width of their terminal."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

import pytest

import boxes
from node import CELAUTCTL, PATIENCE
from test_exchange import START, branch, import_bytes, service

WHOLE = service(branch("start", START, 0o100755))


def typed(*words, **more):
    return subprocess.run([CELAUTCTL, *words], capture_output=True, text=True, timeout=PATIENCE, **more)


@pytest.mark.parametrize("words, group", [
    (["boxes", "erase", "x"], "celautctl boxes"), (["boxes", "rmm", "--runtime", "/nowhere"], "celautctl boxes"),
    (["boxes", "pull", "--format", "json"], "celautctl boxes"), (["networks", "show"], "celautctl networks"),
    (["image", "ls", "--all"], "celautctl")], ids=" ".join)
def test_a_word_that_is_no_command_is_named_and_not_the_options_behind_it(words, group):
    answer = typed(*words)
    wrong = words[group.count(" ")]
    assert answer.returncode == 64 and answer.stdout == ""
    assert answer.stderr.splitlines()[0] == f'celautctl: {group} has no command "{wrong}".'
    assert f"See: {group} --help" in answer.stderr and "option" not in answer.stderr


@pytest.mark.parametrize("words, said", [
    (["boxes", "remove", "--wrong", "x"], "Unknown option '--wrong'"),
    (["boxes", "remove"], "Missing expected argument"), (["ps", "x"], "Unexpected argument 'x'")], ids=" ".join)
def test_what_is_wrong_behind_a_command_is_said_of_the_command(words, said):
    answer = typed(*words)
    assert answer.returncode == 64 and said in answer.stderr and "has no command" not in answer.stderr


@pytest.mark.parametrize("words", [
    ["--help"], ["help", "boxes"], ["boxes", "--help"], ["box", "ls", "--help"], ["--version"]], ids=" ".join)
def test_help_is_given_as_before(words):
    answer = typed(*words)
    assert answer.returncode == 0 and answer.stdout and answer.stderr == ""


def test_the_usual_other_names_do_the_same(node):
    box = import_bytes(node, WHOLE, tag="other-names").service_id.hex()
    for words in (["boxes", "ls"], ["box", "list"]):
        answer = node.command(*words, "--format", "json")
        assert answer.returncode == 0, answer.stderr
        assert [one["id"] for one in json.loads(answer.stdout)] == [box]
    for words in (["instances"], ["clients", "ls"], ["networks", "ls"]):
        answer = node.command(*words)
        assert answer.returncode == 0, (words, answer.stderr)
    assert node.command("boxes", "rm", "other-names").returncode == 0
    assert node.list_boxes() == []


@pytest.mark.parametrize("tag", ["ab" * 32, "AB" * 32])
def test_a_tag_that_looks_like_an_id_is_refused_where_it_is_given(node, tmp_path, tag):
    file, folder, tree = tmp_path / "box.celaut", tmp_path / "project", tmp_path / "tree"
    file.write_bytes(WHOLE)
    folder.mkdir()
    tree.mkdir()
    (tree / "start").write_bytes(START)
    (tree / "start").chmod(0o755)
    described = boxes.described(init={"entry_path": ["start"]}, api=[])
    pack = ["pack", "--rootfs", tree, folder]
    for words, more in ((["boxes", "import", file, "--tag", tag], {}), ([*pack, "--tag", tag], {}),
                        (pack, {"tag": tag}), (pack, {"tag": ["good", tag]})):
        (folder / "service.json").write_text(json.dumps({**described, **more}))
        answer = node.command(*words)
        assert answer.returncode == 65, (words, answer.stderr)
        assert '"Tag" has 64 hexadecimal digits, as the id of a box has: it would be taken for one.' in \
            answer.stderr.replace('"tag"', '"Tag"'), answer.stderr
        assert node.list_boxes() == []
    # One digit less or more is a name like others.
    for good in (tag[:-1], tag + "0"):
        assert list(import_bytes(node, WHOLE, tag=good).tags) == [good]
        assert node.command("boxes", "remove", good).returncode == 0


def shown(node, columns, *words):
    """What a terminal of a width gets, line by line; a few, for which its buffer has room."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            made = subprocess.run(
                [CELAUTCTL, *words, "--runtime", node.runtime], stdin=subprocess.DEVNULL, stdout=theirs,
                stderr=subprocess.PIPE, timeout=PATIENCE)
        finally:
            os.close(theirs)
        assert made.returncode == 0, made.stderr
        said = b""
        try:
            # Each read has what the kernel handed over by then.
            while part := terminal.read(1 << 16):
                said += part
        except OSError:  # EIO: nobody has the other end any more, and all is read
            pass
        return said.decode().splitlines()


def test_a_list_of_boxes_fits_a_terminal_and_is_whole_anywhere_else(node):
    tags = ["registry.example/images/web-server:1.2", "t" * 120]
    for tag in tags:
        box = import_bytes(node, WHOLE, tag=tag).service_id
    try:
        lines = shown(node, 80, "boxes", "list")
        assert len(lines) == 2 and max(map(len, lines)) == 80, lines
        # Both ends of the column stay, and so does every other one.
        assert lines[1].startswith(f"{box.hex()[:16]}  registry") and "ttt" in lines[1]
        assert lines[1].split()[0::1][-1] == "/start" and "…" in lines[1]
        assert "…" not in shown(node, 300, "boxes", "list")[1]
        piped = node.command("boxes", "list").stdout.splitlines()[1]
        assert ",".join(tags) in piped and "…" not in piped
        for listed in (node.command("boxes", "list", "--format", "json").stdout,
                       "\n".join(shown(node, 80, "boxes", "list", "--format", "json"))):
            assert json.loads(listed)[0]["tags"] == tags
    finally:
        node.remove_box(box)
