"""What a service meets at its very first instruction: its node listens already."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

import boxes
from node import wait_until

HERE = Path(__file__).resolve().parent
NAMES = [{"tags": ["dns"]}]


@pytest.fixture(scope="module")
def first(node, scratch):
    """A service whose first act is to connect to its node."""
    program = scratch / "first"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program,
                    HERE / "first.c"], check=True)
    tree = boxes.tar_bytes([boxes.entry("first", program.read_bytes())])
    return node.import_box(tree, boxes.described(
        tag="first", init={"entry_path": ["first"]}, api=[], network=NAMES)).service_id


def said(node, started):
    def whole():
        lines = node.output(started.token)[0].decode().splitlines()
        return lines if len(lines) == 2 else None
    return wait_until(whole, 60, "both questions are answered or refused")


def test_its_node_answers_whoever_asks_with_the_first_instruction(node, first):
    for _ in range(8):
        started = node.start_service(first)
        try:
            assert said(node, started) == ["door answered", "names answered"]
        finally:
            node.stop_service(started.token, grace_ms=0)


def test_a_service_has_the_door_s_port_where_it_declares_it(node):
    """Linux gives a port to whoever listens on all addresses, or to who listens on one: the door is at
    another one, which the service's file says."""
    request = r"GET /v1/identity HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
    tree, description = boxes.script_box(
        # As late as can be for whoever is quicker.
        "/bin/busybox sleep 1",
        "/bin/busybox cat /celaut.json && echo",
        f'printf "{request}" | /bin/busybox nc -w 60 10.64.0.1 2353 | /bin/busybox head -n 1',
        "exec /bin/busybox nc -ll -p 2352 -e /bin/busybox cat",
        api=[{"port": 2352, "transport": "tcp"}],
        config_declaration={"path": "celaut.json", "format": "json"})
    started = node.start_service(node.import_box(tree, description).service_id)
    try:
        told, answer = said(node, started)
        [slot] = json.loads(told)["gateway"]["uriSlot"]
        assert slot["uri"] == [{"ip": "10.64.0.1", "port": 2353}]
        assert answer.startswith("HTTP/1.1 200")
        [address] = started.instance.addresses
        with socket.create_connection(("127.0.0.1", address.port), 30) as connection:
            connection.sendall(b"own")
            assert connection.recv(3) == b"own"
    finally:
        node.stop_service(started.token, grace_ms=0)
