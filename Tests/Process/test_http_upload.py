"""Services that are handed over through the gateway, over HTTP and the native wire: the id first, the
content only if it is not known; nothing of what was cut, is too large or has another id."""

import hashlib
import http.client
import json
import os
import random
import socket
import struct
import time

import pytest

import boxes
import wire_client as w
from node import PATIENCE, Node, files_below, wait_until
from test_exchange import START, branch, export, service as canonical
from test_http_door import Door, free_port, rest_of

MEBIBYTE = 1 << 20
BODY_MAX = 48 * MEBIBYTE
# Soon, so that who stalls is waited for, and not before others on a loaded machine have asked.
REQUEST_SECONDS = 20
LIMITS = f"""
[limits]
http_request_seconds = {REQUEST_SECONDS}
upload_bytes = {BODY_MAX}
upload_bytes_per_user = {2 * BODY_MAX}
"""


def client_of(node, name):
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        added = connection.call(
            "GatewayBroker.AddClient", w.gateway.AddClientRequest(key=os.urandom(16), name=name))
    return Door(node.http, added.token)


@pytest.fixture(scope="module")
def node():
    port = free_port()
    with Node(config={"gateway-broker": f"[http]\nport = {port}\n{LIMITS}"}) as node:
        node.http = port
        yield node


@pytest.fixture(scope="module")
def elsewhere():
    """A node whose services are handed over."""
    with Node() as node:
        yield node


@pytest.fixture(scope="module")
def probe(elsewhere, tmp_path_factory):
    bounds = {"mem_limit": 64 * MEBIBYTE, "disk_space": 64 * MEBIBYTE}
    return elsewhere.import_box(
        boxes.probe_tree(tmp_path_factory.mktemp("probe")),
        boxes.described(tag="probe", resources={"at_init": bounds, "at_most": bounds})).service_id


@pytest.fixture
def door(node):
    return client_of(node, os.urandom(8).hex() + "-client")


def made(size, seed=1):
    """The bytes of a service that is some of this size, and its id."""
    content = random.Random(seed).randbytes(size)
    data = canonical(branch("start", START, 0o100755) + branch("z", content))
    return data, hashlib.sha3_256(data).hexdigest()


def put(door, service, data, query="", **headers):
    return door.ask("PUT", f"/v1/services/{service}{query}", data, **headers)


def listed(node):
    return {box.service_id.hex() for box in node.list_boxes()}


def stored(node):
    return files_below(node.state / "box-builder")


@pytest.mark.parametrize("codec, kind, query", [
    ("proto3", "application/octet-stream", ""), ("proto3", "application/protobuf", ""),
    ("json", "application/json", ""), ("json_zip", "application/zip", ""),
    ("bee", "application/octet-stream", ""), ("json_zip", None, "?codec=json+zip"),
])
def test_a_service_is_handed_over_in_any_codec_and_started_by_its_id(
        node, elsewhere, door, probe, codec, kind, query):
    data, _ = export(elsewhere, probe, getattr(w.box, f"CODEC_{codec.upper()}"))
    status, fault = door.start(probe.hex())
    assert (status, fault["code"]) == (404, "FAULT_CODE_NOT_FOUND"), fault
    assert (fault["reason"], fault["subject"]) == ("FAULT_REASON_NOT_UPLOADED", probe.hex())
    headers = {"Content_Type": kind} if kind else {}
    status, answer = put(door, probe.hex(), data, query, **headers)
    assert status == 200 and not answer.get("alreadyPresent"), answer
    status, started = door.start(probe.hex())
    assert status == 201, started
    door.ask("DELETE", "/v1/instances/-?grace_ms=0", token=started["token"])
    wait_until(lambda: removed(node, probe), 60, "the box is not held")


def removed(node, box):
    try:
        node.remove_box(box)
        return True
    except w.Fault:
        return False


def test_what_is_here_is_not_sent_again(node, door):
    data, name = made(3 * MEBIBYTE)
    assert put(door, "-", data)[0] == 200
    # Whoever waits for "100 Continue" sends nothing at all.
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(
            f"PUT /v1/services/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n"
            f"Expect: 100-continue\r\nAuthorization: Bearer {door.token}\r\n\r\n".encode())
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 200 ") and b'"alreadyPresent":true' in answer
    status, answer = put(door, name, data[:10])
    assert status == 200 and answer["alreadyPresent"]
    node.remove_box(bytes.fromhex(name))


def test_a_caller_that_waits_to_be_asked_is_asked_when_the_content_is_not_known(node, door):
    data, name = made(MEBIBYTE, seed=2)
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(
            f"PUT /v1/services/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n"
            f"Connection: close\r\n"
            f"Expect: 100-continue\r\nAuthorization: Bearer {door.token}\r\n\r\n".encode())
        assert connection.recv(4_096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(data)
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    node.remove_box(bytes.fromhex(name))


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_a_body_that_is_cut_is_nothing_even_where_it_could_be_all(node, door, part):
    data, name = made(2 * MEBIBYTE, seed=3)
    before, files = listed(node), stored(node)
    # At 1.0 all of the service came, and one byte was announced that never does.
    sent = data[:int(len(data) * part)]
    for ending in ("close", "reset"):
        with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
            connection.sendall(
                f"PUT /v1/services/- HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data) + 1}\r\n"
                f"Authorization: Bearer {door.token}\r\n\r\n".encode() + sent)
            time.sleep(0.3)
            if ending == "reset":
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: put(door, "-", b"x")[0] != 429, 60, "there is room for another")
        assert listed(node) == before
        wait_until(lambda: stored(node) == files, 60, "nothing is left")


def test_a_gateway_that_is_killed_in_an_upload_leaves_nothing_of_it(node, door):
    data, name = made(2 * MEBIBYTE, seed=4)
    before, files = listed(node), stored(node)
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(
            f"PUT /v1/services/- HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data) + 1}\r\n"
            f"Authorization: Bearer {door.token}\r\n\r\n".encode() + data)
        time.sleep(0.5)
        old = node.pid("gateway-broker")
        node.kill("gateway-broker")
    node.wait_for("gateway-broker", other_than=old)
    wait_until(lambda: stored(node) == files, 60, "nothing is left")
    assert listed(node) == before
    wait_until(lambda: put_works(door, data, name), 60, "it is handed over")
    node.remove_box(bytes.fromhex(name))


def put_works(door, data, name):
    try:
        return put(door, name, data)[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize("path, data, headers, status, code", [
    ("/v1/services/" + "0" * 64, made(10)[0], {}, 422, "CORRUPT"),
    ("/v1/services/" + "0" * 63, made(10)[0], {}, 400, "INVALID"),
    ("/v1/services/-", b"", {}, 400, "INVALID"),
    ("/v1/services/-", b"\xff" * 4_096, {}, 422, "UNSUPPORTED"),
    ("/v1/services/-", b"{" * 4_096, {}, 400, "INVALID"),
    ("/v1/services/-", made(10)[0], {"Content_Type": "text/plain"}, 422, "UNSUPPORTED"),
    ("/v1/services/-?codec=tar", made(10)[0], {}, 422, "UNSUPPORTED"),
])
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(
        node, door, path, data, headers, status, code):
    before, files = listed(node), stored(node)
    got, fault = door.ask("PUT", path, data, **headers)
    assert (got, fault["code"]) == (status, f"FAULT_CODE_{code}"), fault
    assert listed(node) == before
    wait_until(lambda: stored(node) == files, 60, "nothing is left")


def test_only_who_has_a_token_hands_anything_over(node):
    for token in (None, "0" * 64):
        got, fault = put(Door(node.http, token), "-", made(10)[0])
        assert (got, fault["code"]) == (401, "FAULT_CODE_UNAUTHORIZED")


def test_more_than_one_may_have_ends_at_the_limit_and_memory_does_not_grow_with_it(node, door):
    def grown():
        with open(f"/proc/{node.pid('gateway-broker')}/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    data, name = made(MEBIBYTE, seed=5)
    assert put(door, name, data)[0] == 200
    node.remove_box(bytes.fromhex(name))
    before, files, memory = listed(node), stored(node), grown()
    data, name = made(BODY_MAX + 1, seed=6)
    try:
        status, fault = put(door, name, data)
        assert (status, fault["code"]) == (413, "FAULT_CODE_TOO_LARGE"), fault
    except (BrokenPipeError, ConnectionResetError):
        # The answer came and the connection ended while all of it was still being sent.
        pass
    wait_until(lambda: stored(node) == files, 30, "nothing is left")
    assert listed(node) == before
    assert grown() - memory < 16 * 1_024
    # What was read counts: the day's bytes are used up by another one or two of these.
    for seed in range(7, 11):
        data, name = made(BODY_MAX - MEBIBYTE, seed=seed)
        try:
            if put(door, name, data)[0] == 200:
                node.remove_box(bytes.fromhex(name))
        except (BrokenPipeError, ConnectionResetError):
            continue
    status, fault = put(door, "-", made(10)[0])
    assert (status, fault["subject"]) == (429, "upload_bytes_per_user"), fault
    # Another client's are its own.
    assert put(client_of(node, "other-" + os.urandom(4).hex()), "-", made(10)[0])[0] == 200


def test_one_is_handed_over_at_once_and_who_stalls_makes_room(node, door):
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(
            f"PUT /v1/services/- HTTP/1.1\r\nHost: x\r\nContent-Length: {MEBIBYTE}\r\n"
            f"Authorization: Bearer {door.token}\r\n\r\n".encode() + made(10)[0])
        other = client_of(node, "second-" + os.urandom(4).hex())

        def is_full():
            status, fault = put(other, "-", made(10)[0])
            return (status, fault.get("subject")) == (429, "uploads")
        wait_until(is_full, REQUEST_SECONDS - 1, "there is no room")
        # Others are answered meanwhile.
        assert door.ask("GET", "/v1/identity")[0] == 200
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    wait_until(lambda: put(other, "-", made(10)[0])[0] == 200, 60, "there is room")


def test_a_body_without_a_length_is_taken(node, door):
    data, name = made(MEBIBYTE, seed=12)
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=PATIENCE)
    connection.request(
        "PUT", f"/v1/services/{name}", iter([data[:1_000], data[1_000:]]),
        {"Authorization": f"Bearer {door.token}"}, encode_chunked=True)
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status == 200, answer
    # The connection goes on.
    connection.request("GET", "/v1/identity", headers={"Authorization": f"Bearer {door.token}"})
    assert connection.getresponse().status == 200
    connection.close()
    node.remove_box(bytes.fromhex(name))


def test_the_native_door_takes_a_service_and_says_what_is_there(node):
    data, name = made(MEBIBYTE, seed=13)
    ask = w.gateway.UploadServiceRequest(service_id=bytes.fromhex(name))

    def upload(data):
        descriptor = boxes.as_descriptor(data)
        try:
            with node.connect("gateway-broker", "GatewayBroker") as connection:
                return connection.call("GatewayBroker.UploadService", ask, [descriptor], PATIENCE)
        finally:
            os.close(descriptor)
    with pytest.raises(w.Fault) as caught:
        node.start_service(name)
    assert (caught.value.code, caught.value.reason) == ("NOT_FOUND", "NOT_UPLOADED")
    assert not upload(data).already_present
    assert upload(b"").already_present
    node.remove_box(bytes.fromhex(name))


def test_the_specification_of_a_service_is_had_by_its_id(node, door, elsewhere, probe):
    data, _ = export(elsewhere, probe, w.box.CODEC_PROTO3)
    assert put(door, probe.hex(), data)[0] == 200
    status, raw = door.ask("GET", f"/v1/services/{probe.hex()}")
    assert status == 200 and 0 < len(raw) < len(data)
    status, read = door.ask("GET", f"/v1/services/{probe.hex()}?codec=json")
    assert status == 200 and read["container"]["architecture"], read
    status, fault = door.ask("GET", f"/v1/services/{probe.hex()}?codec=bee")
    assert (status, fault["code"]) == (422, "FAULT_CODE_UNSUPPORTED")
    status, fault = door.ask("GET", "/v1/services/" + "0" * 64)
    assert (status, fault["reason"]) == (404, "FAULT_REASON_NOT_UPLOADED")
    node.remove_box(probe)
