"""Protocols/WIRE.md and the schemas are enough: a client that knows nothing else packs the redis
example, runs it, talks to it and stops it, on a node started with `celautctl up`."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import CELAUTCTL, DAEMONS, Traces, nothing_new_since

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "deploy" / "examples" / "redis"
TREE = Path(__file__).resolve().parent / "redis-tree"


@pytest.fixture(scope="module")
def example(scratch):
    """The example's programs as a tar stream and its description, made with tar, as anyone would."""
    tree = scratch / "redis"
    subprocess.run([TREE, tree], check=True, stdout=subprocess.DEVNULL)
    archive = scratch / "redis.tar"
    subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True)
    return archive, (EXAMPLE / "service.json").read_bytes()


def ask(address, *words):
    """One redis command over a plain socket; the first line of the answer and what follows it."""
    text = b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    with socket.create_connection((address.host, address.port), timeout=60) as connection:
        connection.sendall(text)
        with connection.makefile("rb") as lines:
            first = lines.readline()
            if first.startswith(b"$") and first != b"$-1\r\n":
                return lines.read(int(first[1:]))
            return first.strip()


def test_a_stranger_packs_runs_talks_to_and_stops_the_example(node, example):
    archive, description = example
    with open(archive, "rb") as tree, node.connect("box-builder", "BoxBuilder") as builder:
        box = boxes.import_box(builder, tree.fileno(), description)
    assert len(box.service_id) == 32
    assert [(slot.port, slot.transport) for slot in box.slots] == [(6379, "tcp")]

    before = Traces()
    started = node.start_service(box.service_id)
    assert re.fullmatch("[0-9a-f]{64}", started.token)
    assert started.instance.service_id == box.service_id
    assert started.instance.state.phase == w.sandbox.PHASE_READY
    [address] = started.instance.addresses
    assert (address.slot, address.host) == (6379, "127.0.0.1")
    assert ask(address, b"SET", b"name", b"celaut") == b"+OK"
    assert ask(address, b"GET", b"name") == b"celaut"
    megabyte = os.urandom(1 << 20)
    assert ask(address, b"SET", b"large", megabyte) == b"+OK"
    assert ask(address, b"GET", b"large") == megabyte

    [listed] = node.list_services()
    assert listed.instance_id == started.instance.instance_id
    ended = node.stop_service(started.token)
    assert ended.state.phase == w.sandbox.PHASE_ENDED
    assert ended.state.ended.cause == w.sandbox.END_CAUSE_STOPPED
    with pytest.raises(OSError):
        ask(address, b"PING")
    nothing_new_since(before)
    assert node.list_services() == []


def test_the_id_does_not_depend_on_how_the_tree_was_sent(node, example, scratch):
    """Order, compression and times of the stream are not part of a service."""
    archive, description = example
    tree = scratch / "redis"
    sent = [archive.read_bytes()]
    for options in (["--sort=name", "--mtime=@0"], ["--gzip"], ["--format=ustar", "--xz"]):
        sent.append(subprocess.run(
            ["tar", "-C", tree, *options, "-cf", "-", "."], check=True,
            stdout=subprocess.PIPE).stdout)
    assert len({node.import_box(one, description).service_id for one in sent}) == 1


def test_what_celautctl_packs_is_the_same_service(node, example):
    archive, description = example
    box = node.import_box(archive.read_bytes(), description)
    listed = node.command("boxes", "list", "--format", "json")
    assert listed.returncode == 0, listed.stderr
    assert box.service_id.hex() in listed.stdout


def test_a_key_used_again_gives_the_same_instance_token_and_addresses(node, example):
    archive, description = example
    box = node.import_box(archive.read_bytes(), description)
    key = os.urandom(16)
    first = node.start_service(box.service_id, key=key)
    again = node.start_service(box.service_id, key=key)
    try:
        assert again.token == first.token
        assert again.instance.instance_id == first.instance.instance_id
        assert list(again.instance.addresses) == list(first.instance.addresses)
        assert len(node.list_services()) == 1
    finally:
        node.stop_service(first.token)


def test_every_daemon_says_who_it_is(node):
    for daemon in DAEMONS:
        status = node.status(daemon)
        assert status.daemon == daemon
        assert Path(f"/proc/{status.process_id}/exe").resolve().name == daemon


def test_the_client_uses_nothing_but_the_standard_library_and_protobuf():
    text = (Path(__file__).parent / "wire_client.py").read_text()
    modules = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert modules <= set(sys.stdlib_module_names)
    assert CELAUTCTL.exists()
