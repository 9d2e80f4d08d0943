"""A tunnel of datagrams through the HTTP door: each arrives as it was sent, or not at all."""

import os
import select
import socket
import struct

import pytest

import wire_client as w
from node import PATIENCE, Node
from test_families import PORT, datagram_service, peer  # noqa: F401
from test_http_door import Door, free_port


@pytest.fixture(scope="module")
def node():
    port = free_port()
    with Node(config={"gateway-broker": f"[http]\nport = {port}\n"}) as node:
        with node.connect("gateway-broker", "GatewayBroker") as connection:
            client = connection.call(
                "GatewayBroker.AddClient",
                w.gateway.AddClientRequest(key=os.urandom(16), name="datagrams"))
        node.door = Door(port, client.token)
        yield node


@pytest.fixture(scope="module")
def started(node, datagram_service):  # noqa: F811
    status, answer = node.door.start(datagram_service.hex())
    assert status == 201, answer
    yield answer


def upgraded(node, started, slot=PORT, name="celaut-tunnel-datagrams", more=b""):
    """(connection, head of the answer, what came behind it)"""
    connection = socket.create_connection(("127.0.0.1", node.door.port), timeout=PATIENCE)
    connection.sendall(
        f"GET /v1/instances/-/slots/{slot} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
        f"Upgrade: {name}\r\nAuthorization: Bearer {started['token']}\r\n\r\n".encode() + more)
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(4_096)
        assert part, head
        head += part
    head, _, rest = head.partition(b"\r\n\r\n")
    return connection, head, rest


def framed(datagram):
    return struct.pack(">H", len(datagram)) + datagram


def is_whole(rest):
    return len(rest) >= 2 and len(rest) >= 2 + struct.unpack(">H", rest[:2])[0]


def one(connection, rest):
    """(the next datagram, what came behind it)"""
    while not is_whole(rest):
        part = connection.recv(65_536)
        assert part, rest
        rest += part
    count = struct.unpack(">H", rest[:2])[0]
    return rest[2:2 + count], rest[2 + count:]


def test_datagrams_come_back_whole_in_any_size_and_cut_in_any_way(node, started):
    first = framed(b"with the request")
    connection, head, rest = upgraded(node, started, more=first)
    with connection:
        assert head.startswith(b"HTTP/1.1 101 ") and b"celaut-tunnel-datagrams" in head
        got, rest = one(connection, rest)
        assert got == b"with the request"
        for size in (1, 2, 1_000, 60_000):
            datagram = os.urandom(size)
            data = framed(b"") + framed(datagram)
            connection.sendall(data[:3])
            connection.sendall(data[3:])
            got, rest = one(connection, rest)
            assert got == datagram
        # Two in one write are two.
        connection.sendall(framed(b"one") + framed(b"two"))
        got, rest = one(connection, rest)
        again, rest = one(connection, rest)
        assert sorted((got, again)) == [b"one", b"two"]


def test_more_than_the_slot_takes_is_lost_and_the_tunnel_goes_on(node, started):
    connection, _, rest = upgraded(node, started)
    with connection:
        connection.sendall(b"".join(framed(b"x" * 8_000) for _ in range(2_000)))
        connection.sendall(framed(b"last"))
        for _ in range(60):
            connection.sendall(framed(b"again"))
            while is_whole(rest) or select.select([connection], [], [], 1)[0]:
                got, rest = one(connection, rest)
                if got == b"again":
                    return
        raise AssertionError("nothing comes back any more")


def test_the_kind_of_tunnel_is_that_of_the_slot(node, started):
    connection, head, _ = upgraded(node, started, name="celaut-tunnel")
    with connection:
        assert head.startswith(b"HTTP/1.1 404 "), head
    connection, head, _ = upgraded(node, started, slot=1)
    with connection:
        assert head.startswith(b"HTTP/1.1 404 "), head
