"""Terminals: none unless a service declares them, and then its own."""

import subprocess
from pathlib import Path

import pytest

import boxes
import wire_client as w

SOURCE = Path(__file__).with_name("terminals.c")


@pytest.fixture(scope="module")
def program(scratch):
    path = scratch / "terminals"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path, SOURCE],
                   check=True)
    return path.read_bytes()


def run(node, program, declared, variables=()):
    """What the program says in an instance of its own, by its first words."""
    tree = boxes.tar_bytes(boxes.busybox_entries() + [boxes.entry("terminals", program)])
    extra = {"xattrs": {"terminals": declared}} if declared else {}
    box = node.import_box(tree, boxes.described(
        tag="terminals", init={"entry_path": ["terminals"], **extra}, api=[],
        envs=[name for name, _ in variables]))
    started = node.start_service(box.service_id, environment=variables)
    state = node.watch_until_ended(started.token)
    assert state.ended.cause == w.sandbox.END_CAUSE_EXITED, state
    text = node.output(started.token)[0].decode()
    return dict(line.split(" ", 1) for line in text.splitlines()), text


@pytest.mark.parametrize("declared", [None, "false"])
def test_there_is_no_terminal_where_none_is_declared(node, program, declared):
    said, text = run(node, program, declared)
    assert said == {"open": "ENOENT"}, text


def test_a_terminal_of_one_s_own_works_and_what_reaches_further_is_refused(node, program):
    said, text = run(node, program, "true")
    for word in ("open", "unlock", "open-terminal", "set-size", "size", "settings", "set", "take"):
        assert said[word] == "ok", text
    # Counted from the first: the host has others.
    assert said["name"] == "/dev/pts/0" and said["rows"] == "33" and said["read"] == "typed", text
    for word in ("type-for-others", "type-wide", "paste", "console", "discipline", "exclusive"):
        assert said[word] == "EPERM", text


def test_there_are_as_many_as_the_bound(node, program):
    said, text = run(node, program, "true", [("MANY", b"1")])
    assert said["opened"] == "64 then ENOSPC", text


def test_a_word_that_is_none_is_refused_by_its_key(node, program):
    with pytest.raises(w.Fault) as refused:
        run(node, program, "console")
    assert (refused.value.code, refused.value.subject) == (
        "UNSUPPORTED", "init.xattrs.terminals console")
