"""Descriptions that are no services: each gets an error that names the key at fault."""

import copy
import json

import pytest

import boxes
import wire_client as w
from boxes import described, entry
from node import Traces, nothing_new_since, store_of, wait_until

TREE = boxes.tar_bytes([
    entry("probe", b"\x7fELF"), entry("plain", b"no program", mode=0o644),
    entry("folder/inside", b"x")])


def with_resources(**at_init):
    description = described()
    description["resources"]["at_init"].update(at_init)
    return description


def with_unknown_resource():
    description = described()
    description["resources"]["at_most"]["memory"] = 1
    return description


BAD = {
    "an unknown key": (described(entrypiont=["probe"]), "UNKNOWN_KEY", "entrypiont"),
    "an unknown key inside": (with_unknown_resource(), "UNKNOWN_KEY", "memory"),
    "an unknown key in a slot": (
        described(api=[{"port": 1, "transport": "tcp", "prot": []}]), "UNKNOWN_KEY", "prot"),
    "no entrypoint": (described(init=None), "MISSING_KEY", ("init", "entry")),
    "an entrypoint that is not in the box": (
        described(init={"entry_path": ["usr", "bin", "absent"]}), "FILE_MISSING", "usr/bin/absent"),
    "an entrypoint that may not be executed": (
        described(init={"entry_path": ["plain"]}), "NOT_EXECUTABLE", "plain"),
    "an entrypoint that is a directory": (
        described(init={"entry_path": ["folder"]}), "NOT_EXECUTABLE", "folder"),
    "a shared directory that is not in the box": (
        described(shared_filesystems=[{"path": "/absent", "role": "shared"}]), "FILE_MISSING",
        "shared_filesystems /absent"),
    "a shared directory that is a file": (
        described(shared_filesystems=[{"path": "/folder/inside", "role": "guest"}]), "FILE_MISSING",
        "shared_filesystems /folder/inside"),
    "a role that there is not": (
        described(shared_filesystems=[{"path": "/folder", "role": "host"}]), None, "role host"),
    "port 0": (described(api=[{"port": 0, "transport": "tcp"}]), "OUT_OF_RANGE", "port"),
    "port 65,536": (described(api=[{"port": 65_536, "transport": "tcp"}]), "OUT_OF_RANGE", "port"),
    "a port below zero": (described(api=[{"port": -1, "transport": "tcp"}]), "OUT_OF_RANGE", "port"),
    "a port as text": (described(api=[{"port": "80", "transport": "tcp"}]), "WRONG_TYPE", "port"),
    "a memory limit below what can run": (
        with_resources(mem_limit=1_000), "BELOW_MINIMUM", "mem_limit"),
    "a disk limit below what can run": (
        with_resources(disk_space=1), "BELOW_MINIMUM", "disk_space"),
    "an api that is no list": (described(api={}), "WRONG_TYPE", "api"),
    "no architecture that can be": (
        described(architecture="linux/abacus"), None, "architecture"),
}


@pytest.fixture(autouse=True)
def nothing_is_stored(node):
    listed, store, traces = node.list_boxes(), store_of(node), Traces()
    yield
    assert node.list_boxes() == listed
    wait_until(lambda: store_of(node) == store, 60, "the store has what it had")
    nothing_new_since(traces)


def refused(node, description):
    with pytest.raises(w.Fault) as caught:
        node.import_box(TREE, description)
    return caught.value


@pytest.mark.parametrize("what", BAD)
def test_a_description_is_refused_by_key_for(node, what):
    description, reason, subjects = BAD[what]
    fault = refused(node, copy.deepcopy(description))
    assert fault.code in ("INVALID", "UNSUPPORTED"), fault
    assert reason is None or fault.reason == reason, fault
    subjects = [subjects] if isinstance(subjects, str) else subjects
    assert any(subject in fault.subject for subject in subjects), fault


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"null", b"{} {}", b'{"tag": "\xff"}', b"\x00" * 64, b"[" * 100_000,
    b'{"tag": 1e999999}'])
def test_text_that_is_no_description_is_refused(node, text):
    fault = refused(node, text)
    assert fault.code == "INVALID", fault
    assert fault.reason in ("MALFORMED", "WRONG_TYPE", "MISSING_KEY", "TOO_DEEP"), fault


def test_a_description_of_ten_megabytes_is_refused_by_size(node):
    fault = refused(node, json.dumps(described(tag="t" * 10_000_000)).encode())
    assert fault.code in ("TOO_LARGE", "INVALID"), fault
    assert fault.fault.limit > 0, fault


def test_the_same_key_twice_is_refused(node):
    fault = refused(node, b'{"tag": "a", ' + json.dumps(described()).encode()[1:])
    assert fault.code == "INVALID", fault
    assert "tag" in fault.subject, fault
