"""What a caller can do with frames of HTTP/2 that no request needs: each ends at a bound, others are
answered meanwhile, and the gateway does not grow with it."""

import os
import socket
import struct
import threading
import time

import pytest

import wire_client as w
from node import PATIENCE, Node
from test_http_door import Door, free_port

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, _, PING, _, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
# Far less than what is sent, and more than buffers are.
GROWTH_KIB_MAX = 48 * 1_024


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


# RFC 7541: GET, http, "/v1/identity" and "x" as literals that are not indexed.
FIELDS = b"\x82\x86\x04\x0c/v1/identity\x01\x01x"


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + b"\x7f" + varint(len(value) - 127) + value


def varint(number):
    out = b""
    while number >= 128:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def rapid_reset():
    for number in range(1, 40_001, 2):
        yield (frame(HEADERS, END_STREAM | END_HEADERS, number, FIELDS)
               + frame(RESET, 0, number, struct.pack(">I", 8)))


def settings():
    for number in range(50_000):
        yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535 + number % 2))


def pings():
    for number in range(200_000):
        yield frame(PING, 0, 0, struct.pack(">Q", number))


def continuations():
    yield frame(HEADERS, END_STREAM, 1, FIELDS)
    for _ in range(2_000):
        yield frame(CONTINUATION, 0, 1, literal(b"x-filler", b"x" * 8_000))


def empty_continuations():
    yield frame(HEADERS, END_STREAM, 1, FIELDS)
    for _ in range(200_000):
        yield frame(CONTINUATION, 0, 1)


def large_headers():
    fields = FIELDS + literal(b"x-large", b"x" * 15_000)
    for number in range(1, 2_001, 2):
        yield frame(HEADERS, END_STREAM | END_HEADERS, number, fields)


def compressed_headers():
    # One entry of the table, named again and again by one byte.
    entry = b"\x40\x01b\x7f" + varint(3_900 - 127) + b"b" * 3_900
    yield frame(HEADERS, END_STREAM | END_HEADERS, 1, FIELDS + entry)
    for number in range(3, 2_001, 2):
        yield frame(HEADERS, END_STREAM | END_HEADERS, number, FIELDS + b"\xbe" * 10_000)


def many_streams():
    for number in range(1, 40_001, 2):
        yield frame(HEADERS, END_HEADERS, number, FIELDS)


def empty_data():
    yield frame(HEADERS, END_HEADERS, 1, FIELDS)
    for _ in range(200_000):
        yield frame(DATA, 0, 1)


def unknown_frames():
    for _ in range(100_000):
        yield frame(0x77, 0, 0, b"x" * 64)


def priorities():
    for number in range(1, 200_001, 2):
        yield frame(PRIORITY, 0, number, struct.pack(">IB", 0, 1))


@pytest.fixture(scope="module")
def node():
    port = free_port()
    with Node(config={"gateway-broker": f"[http]\nport = {port}\n"
                      "[limits]\nhttp_request_seconds = 15\n"}) as node:
        node.http = port
        with node.connect("gateway-broker", "GatewayBroker") as connection:
            client = connection.call(
                "GatewayBroker.AddClient",
                w.gateway.AddClientRequest(key=os.urandom(16), name="floods"))
        node.door = Door(port, client.token)
        yield node


def memory(node):
    with open(f"/proc/{node.pid('gateway-broker')}/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def flood(port, frames, reads):
    """Sends until all is sent, the door ends it, or it takes no more for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        if not reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        ended = threading.Event()
        if reads:
            threading.Thread(target=drain, args=(connection, ended), daemon=True).start()
        batch = PREFACE + frame(SETTINGS)
        until = time.monotonic() + 20
        try:
            for one in frames:
                batch += one
                if len(batch) > 32_768:
                    connection.sendall(batch)
                    batch = b""
                if time.monotonic() > until:
                    break
            connection.sendall(batch)
        except OSError:
            return
        ended.wait(0.5)


def drain(connection, ended):
    try:
        while connection.recv(65_536):
            pass
    except OSError:
        pass
    ended.set()


FLOODS = [rapid_reset, settings, pings, continuations, empty_continuations, large_headers,
          compressed_headers, many_streams, empty_data, unknown_frames, priorities]


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "deaf"])
@pytest.mark.parametrize("frames", FLOODS, ids=lambda one: one.__name__)
def test_a_flood_of_frames_is_bounded_and_others_are_answered(node, frames, reads):
    process, before = node.pid("gateway-broker"), memory(node)
    floods = [threading.Thread(target=flood, args=(node.http, frames(), reads)) for _ in range(2)]
    for one in floods:
        one.start()
    answers = 0
    while any(one.is_alive() for one in floods) or not answers:
        assert node.door.ask("GET", "/v1/identity")[0] == 200
        answers += 1
    for one in floods:
        one.join()
    assert node.pid("gateway-broker") == process
    assert memory(node) - before < GROWTH_KIB_MAX


def test_a_good_request_among_the_frames_is_answered(node):
    """The floods above are refused for what they are, not because no request is understood."""
    token = f"Bearer {node.door.token}".encode()
    fields = FIELDS + b"\x0f\x08" + bytes([len(token)]) + token
    with socket.create_connection(("127.0.0.1", node.http), timeout=PATIENCE) as connection:
        connection.sendall(PREFACE + frame(SETTINGS)
                           + frame(HEADERS, END_STREAM | END_HEADERS, 1, fields))
        seen = b""
        while b"IDENTITY_KIND_CLIENT" not in seen:
            part = connection.recv(65_536)
            assert part, seen
            seen += part
