"""The HTTP doors of a real node: what they answer to who is right and who is wrong, to the slow, the
large and the many, on the port of this host and inside an instance."""

import base64
import http.client
import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import PATIENCE, Node, wait_until
from probe import Probe

MEBIBYTE = 1 << 20
INSIDE = ("10.64.0.1", 2352)
# Soon, so that who stalls is waited for, and not before somebody on a loaded machine has sent a request.
REQUEST_SECONDS = 15


def free_port():
    """One that nobody has, and that no program is given as any: it is still free when a node listens."""
    any_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = secrets.choice(range(10_000, any_from if any_from > 12_000 else 32_000))
        with socket.socket() as listener:
            try:
                listener.bind(("", port))
                return port
            except OSError:
                continue


class Door:
    """The door of a node for somebody with a token."""

    def __init__(self, port, token=None):
        self.port, self.token = port, token

    def ask(self, method, path, body=None, token=None, **headers):
        """(status, body) of one request; the body as JSON where it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if token or self.token:
            fields["Authorization"] = f"Bearer {token or self.token}"
        text = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        try:
            connection.request(method, path, text, fields)
            response = connection.getresponse()
            data = response.read()
            if response.getheader("content-type") == "application/json":
                data = json.loads(data)
            return response.status, data
        finally:
            connection.close()

    def start(self, service, key=None, **fields):
        return self.ask("POST", "/v1/instances", {"service": service, **fields},
                        Idempotency_Key=key or os.urandom(16).hex())

    def raw(self, data, within=PATIENCE):
        """What comes back for these bytes, until the door closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=within) as connection:
            try:
                connection.sendall(data)
            except OSError:
                pass
            return rest_of(connection)


def rest_of(connection):
    answer = b""
    try:
        while part := connection.recv(65_536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def identity(started):
    return base64.b64decode(started["instance"]["instanceId"]).hex()


@pytest.fixture(scope="module")
def node():
    port = free_port()
    config = {"gateway-broker": f"[http]\nport = {port}\n[limits]\nhttp_connections = 48\n"
              f"http_request_seconds = {REQUEST_SECONDS}\n"}
    with Node(config=config) as node:
        node.http = port
        yield node


@pytest.fixture(scope="module")
def door(node):
    """For a client."""
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        client = connection.call(
            "GatewayBroker.AddClient", w.gateway.AddClientRequest(key=os.urandom(16), name="tests"))
    return Door(node.http, client.token)


@pytest.fixture(scope="module")
def service(node, tmp_path_factory):
    tree = boxes.probe_tree(tmp_path_factory.mktemp("probe"))
    bounds = {"mem_limit": 128 * MEBIBYTE, "disk_space": 64 * MEBIBYTE}
    return node.import_box(tree, boxes.described(
        tag="probe", resources={"at_init": bounds, "at_most": bounds})).service_id.hex()


@pytest.fixture
def started(door, service):
    status, answer = door.start(service)
    assert status == 201, answer
    yield answer
    status, answer = door.ask("DELETE", f"/v1/instances/{identity(answer)}")
    assert status in (200, 404), answer


class Inside(Probe):
    """The probe of an instance that was started over HTTP."""

    def __init__(self, started):
        [address] = started["instance"]["addresses"]
        self.address = (address["host"], address["port"])

    def http(self, method, path, body="", *headers):
        """What the door inside says to the instance: (status, JSON)."""
        lines = [f"{method} {path} HTTP/1.1", "Host: gateway", "Connection: close",
                 f"Content-Length: {len(body)}", *headers, "", body]
        text = "\\r\\n".join(lines).replace("'", "'\\''")
        output, _ = self.run(f"printf '{text}' | nc {INSIDE[0]} {INSIDE[1]}")
        head, _, data = output.partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 "), output
        return int(head.split()[1]), json.loads(data)


# What is right

def test_a_service_is_started_looked_at_and_stopped_over_http(door, service):
    status, answer = door.start(service, name="over-http")
    assert status == 201 and len(answer["token"]) == 64, answer
    instance = identity(answer)
    status, report = door.ask("GET", f"/v1/instances/{instance}")
    assert status == 200 and report["instance"]["name"] == "over-http"
    status, found = door.ask("GET", "/v1/instances")
    assert "over-http" in [one["name"] for one in found["instances"]]
    status, ended = door.ask("DELETE", f"/v1/instances/{instance}?grace_ms=0")
    assert status == 200 and ended["refund"] == "0"
    assert ended["instance"]["state"]["phase"] == "PHASE_ENDED"


def test_the_same_key_gives_the_same_instance_and_with_other_content_a_refusal(
        door, service, started):
    key = os.urandom(16).hex()
    first, second = door.start(service, key=key), door.start(service, key=key)
    assert first[0] == second[0] == 201 and identity(first[1]) == identity(second[1])
    assert first[1]["token"] == second[1]["token"]
    status, fault = door.start(service, key=key, name="other")
    assert (status, fault["reason"]) == (409, "FAULT_REASON_KEY_REUSED")
    door.ask("DELETE", f"/v1/instances/{identity(first[1])}?grace_ms=0")


def test_a_stream_of_states_ends_with_the_instance(door, service):
    _, answer = door.start(service)
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(
            f"GET /v1/instances/{identity(answer)}/states HTTP/1.1\r\nHost: x\r\n"
            f"Connection: close\r\nAuthorization: Bearer {answer['token']}\r\n\r\n".encode())
        seen = connection.recv(65_536)
        door.ask("DELETE", f"/v1/instances/{identity(answer)}?grace_ms=0")
        seen += rest_of(connection)
    assert b"text/event-stream" in seen and b"event: item" in seen
    assert b"PHASE_READY" in seen and b"PHASE_ENDED" in seen


def test_a_tunnel_carries_bytes_both_ways_after_the_upgrade(door, started):
    slot = started["instance"]["addresses"][0]["slot"]
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(
            f"GET /v1/instances/-/slots/{slot} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
            f"Upgrade: celaut-tunnel\r\nAuthorization: Bearer {started['token']}\r\n\r\n"
            "run echo through\n".encode())
        seen = rest_of(connection)
    head, _, body = seen.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and body.startswith(b"through\n"), seen


def test_the_description_of_the_door_names_every_place_of_it(door):
    status, document = Door(door.port).ask("GET", "/openapi.json")
    assert status == 200 and document["openapi"] == "3.1.0"
    assert "post" in document["paths"]["/v1/instances"]
    named = json.dumps(document)
    for reference in set(part.split('"')[0] for part in named.split("#/components/schemas/")[1:]):
        assert reference in document["components"]["schemas"]


# Inside

def test_an_instance_is_known_inside_without_a_token(started):
    status, answer = Inside(started).http("GET", "/v1/identity")
    assert (status, answer["kind"]) == (200, "IDENTITY_KIND_INSTANCE")
    assert answer["instanceId"] == started["instance"]["instanceId"]


def test_an_instance_starts_a_child_through_its_own_door_and_stops_it(door, service, started):
    probe = Inside(started)
    body = json.dumps({"service": service, "memoryBytes": str(16 * MEBIBYTE),
                       "diskBytes": str(8 * MEBIBYTE)})
    key = f"Idempotency-Key: {os.urandom(16).hex()}"
    status, child = probe.http("POST", "/v1/instances", body, key)
    assert status == 201, child
    assert child["instance"]["parentId"] == started["instance"]["instanceId"]
    [address] = child["instance"]["addresses"]
    assert address["host"].startswith("10.64.") and address["inside"]
    said, _ = probe.run(f"echo 'run echo hello' | nc {address['host']} {address['port']}")
    assert said.startswith("hello")
    status, ended = probe.http("DELETE", f"/v1/instances/{identity(child)}?grace_ms=0")
    assert status == 200 and ended["instance"]["state"]["phase"] == "PHASE_ENDED", ended


def test_an_instance_sees_nothing_of_others_through_its_door(door, service, started):
    status, other = door.start(service)
    assert status == 201
    probe = Inside(started)
    for path in (f"/v1/instances/{identity(other)}", "/v1/instances/-"):
        status, fault = probe.http("GET", path)
        assert status in (401, 403, 404), fault
    # A client's token says nothing inside.
    status, fault = probe.http("GET", "/v1/identity", "", f"Authorization: Bearer {door.token}")
    assert (status, fault["code"]) == (401, "FAULT_CODE_UNAUTHORIZED")
    door.ask("DELETE", f"/v1/instances/{identity(other)}?grace_ms=0")


# What is wrong

@pytest.mark.parametrize("token", [None, "0" * 64, "short", "z" * 64])
def test_who_shows_no_token_or_a_wrong_one_is_told_so(node, token):
    stranger = Door(node.http, token)
    for method, path in (("GET", "/v1/instances"), ("POST", "/v1/instances"),
                         ("DELETE", "/v1/instances/-"), ("GET", "/v1/identity")):
        status, fault = stranger.ask(method, path, Idempotency_Key="0" * 16)
        assert (status, fault["code"]) == (401, "FAULT_CODE_UNAUTHORIZED"), (method, path)


def test_a_token_opens_only_what_it_was_granted_for_and_only_until_it_is_revoked(door, started):
    instance = identity(started)
    own = Door(door.port, started["token"])
    status, granted = own.ask(
        "POST", f"/v1/instances/{instance}/tokens", {"scopes": ["TOKEN_SCOPE_OBSERVE"]},
        Idempotency_Key=os.urandom(16).hex())
    assert status == 201, granted
    narrow = Door(door.port, granted["token"])
    assert narrow.ask("GET", "/v1/instances/-")[0] == 200
    status, fault = narrow.ask("DELETE", "/v1/instances/-")
    assert (status, fault["code"]) == (403, "FAULT_CODE_FORBIDDEN")
    assert narrow.ask("GET", "/v1/instances/" + "0" * 32)[0] == 401
    assert own.ask("POST", "/v1/revocations", {"token": granted["token"]})[0] == 200
    status, fault = narrow.ask("GET", "/v1/instances/-")
    assert (status, fault["code"]) == (401, "FAULT_CODE_UNAUTHORIZED")


@pytest.mark.parametrize("method, path, body, headers, status, code", [
    ("GET", "/nothing", None, {}, 404, "UNKNOWN_METHOD"),
    ("PUT", "/v1/instances", None, {}, 405, "UNKNOWN_METHOD"),
    ("GET", "/v1/instances/nobody-here", None, {}, 404, "NOT_FOUND"),
    ("GET", "/v1/instances?ended=maybe", None, {}, 400, "INVALID"),
    ("GET", "/v1/instances?other=1", None, {}, 400, "INVALID"),
    ("GET", "/v1/instances?ended=true&ended=true", None, {}, 400, "INVALID"),
    ("GET", "/v1/instances/%zz", None, {}, 400, "INVALID"),
    ("GET", "/v1/instances/%ff", None, {}, 400, "INVALID"),
    ("GET", "/v1/instances/" + "a" * 5_000, None, {}, 413, "TOO_LARGE"),
    ("POST", "/v1/instances", b"{", {"Idempotency_Key": "0" * 16}, 400, "INVALID"),
    ("POST", "/v1/instances", b"[" * 10_000, {"Idempotency_Key": "0" * 16}, 400, "INVALID"),
    ("POST", "/v1/instances", {"unknown": 1}, {"Idempotency_Key": "0" * 16}, 400, "INVALID"),
    ("POST", "/v1/instances", {"service": "x"}, {}, 400, "INVALID"),
    ("POST", "/v1/instances", {"service": "x"}, {"Idempotency_Key": "short"}, 400, "INVALID"),
    ("GET", "/v1/identity", None, {"Celaut_Deadline_Ms": "soon"}, 400, "INVALID"),
    ("GET", "/v1/identity", None, {"Celaut_Deadline_Ms": "0"}, 400, "INVALID"),
    ("POST", "/v1/instances", b"x" * (MEBIBYTE // 2), {}, 413, "TOO_LARGE"),
    ("POST", "/v1/instances", b"a=b", {"Content_Type": "text/plain"}, 422, "UNSUPPORTED"),
])
def test_a_wrong_request_gets_the_answer_that_says_what_is_wrong(
        door, method, path, body, headers, status, code):
    got, fault = door.ask(method, path, body, **headers)
    assert (got, fault["code"]) == (status, f"FAULT_CODE_{code}"), fault


def test_a_deadline_that_passes_is_told_and_the_start_can_be_asked_for_again(door, service):
    key = os.urandom(16).hex()
    status, fault = door.ask("POST", "/v1/instances", {"service": service}, Idempotency_Key=key,
                             Celaut_Deadline_Ms="1")
    assert (status, fault["code"]) == (408, "FAULT_CODE_DEADLINE_EXCEEDED")
    status, answer = door.start(service, key=key)
    assert status == 201, answer
    door.ask("DELETE", f"/v1/instances/{identity(answer)}?grace_ms=0")


# The large, the slow and the many

def test_endless_headers_end_at_their_limit(door):
    line = b"X-Filler: " + b"x" * 1_000 + b"\r\n"
    answer = door.raw(b"GET / HTTP/1.1\r\nHost: x\r\n" + line * 2_000)
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b"", answer[:200]
    assert door.ask("GET", "/v1/identity")[0] == 200


@pytest.mark.parametrize("noise", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 400, b"HELLO\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200])
def test_noise_is_answered_or_hung_up_on_and_others_do_not_notice(door, noise):
    answer = door.raw(noise)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4") or answer[3:4] in (b"\x04", b"\x07")
    assert door.ask("GET", "/v1/identity")[0] == 200


def test_more_connections_than_the_limit_are_refused_and_are_had_again(door):
    held = []
    try:
        refused = b""
        for _ in range(64):
            held.append(socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE))
        for connection in held[::-1]:
            connection.settimeout(REQUEST_SECONDS / 2)
            try:
                refused = connection.recv(4_096)
            except TimeoutError:
                continue
            break
        assert refused.startswith(b"HTTP/1.1 429 ") and b"FAULT_CODE_LIMIT_REACHED" in refused
    finally:
        for connection in held:
            connection.close()
    def answers():
        try:
            return door.ask("GET", "/v1/identity")[0] == 200
        except (OSError, http.client.HTTPException):
            # Refused before the request was read.
            return False
    wait_until(answers, 60, "the door answers again")


def test_half_a_request_is_given_up(door):
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(b"POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab")
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"FAULT_CODE_DEADLINE_EXCEEDED" in answer


def test_a_caller_that_goes_away_in_a_stream_leaves_nothing_behind(node, door, started):
    def begins():
        with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
            try:
                connection.sendall(
                    b"GET /v1/instances/-/reports?output=true HTTP/1.1\r\nHost: x\r\n"
                    b"Authorization: Bearer " + started["token"].encode() + b"\r\n\r\n")
                return b" 200 " in connection.recv(4_096)
            except ConnectionError:
                # No room while those that left have yet to be noticed.
                return False

    def go_away(times):
        for _ in range(times):
            wait_until(begins, 60, "its stream begins")

    def descriptors():
        return len(os.listdir(f"/proc/{node.pid('gateway-broker')}/fd"))

    # What is made once stays: connections to the supervisor, sockets kept ready.
    go_away(5)
    time.sleep(1)
    before = descriptors()
    go_away(60)
    wait_until(
        lambda: descriptors() <= before + 8, PATIENCE,
        "the descriptors of those who left are closed")


def test_an_instance_that_floods_its_door_does_not_keep_others_from_theirs(door, service, started):
    probe = Inside(started)
    _, other = door.start(service)
    flood = threading.Thread(target=lambda: probe.run(
        "for i in $(seq 1 300); do (sleep 3 | nc 10.64.0.1 2352 > /dev/null) & done; wait",
        timeout=300))
    flood.start()
    try:
        for _ in range(5):
            assert Inside(other).http("GET", "/v1/identity")[0] == 200
            assert door.ask("GET", "/v1/identity")[0] == 200
    finally:
        flood.join()
    door.ask("DELETE", f"/v1/instances/{identity(other)}?grace_ms=0")
