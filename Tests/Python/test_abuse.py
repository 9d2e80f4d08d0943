"""What a peer may do wrong, and what it must get: against every daemon, over the real sockets. After
each the same process still serves others."""

import json
import os
import random
import socket
import struct
import time

import pytest

import boxes
import wire_client as w
from node import DAEMONS, PATIENCE, wait_until

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
LISTS = {
    "box-builder": "BoxBuilder.ListBoxes",
    "sandbox-supervisor": "SandboxSupervisor.ListInstances",
    "gateway-broker": "GatewayBroker.ListServices",
}
STATUS = w.METHODS["Admin.GetStatus"]
CLIENT_UID = 64_999


@pytest.fixture(params=DAEMONS)
def daemon(node, request):
    """Each daemon; afterwards it must be the same process and answer."""
    before = node.pid(request.param)
    yield request.param
    assert node.pid(request.param) == before, node.log()[-2000:]


def a_description():
    """Of a service that would be good, so that only the tree is waited for."""
    return boxes.as_descriptor(json.dumps(boxes.described()).encode())


def raw(node, daemon, **options):
    return w.Connection(node.socket(daemon), ["Admin"], timeout=PATIENCE, **options)


def closing(connection):
    """Reads until the goodbye, or the end without one."""
    while True:
        try:
            connection.receive()
        except w.Closed as closed:
            return closed


def status_frame(transaction=1, **fields):
    return w.Frame(
        w.REQUEST, fields.pop("body", b""), STATUS.interface, STATUS.ordinal, transaction, **fields)


WRONG_HEADERS = {
    "magic": dict(magic=b"HTTP"),
    "version": dict(version=9),
    "flags": dict(flags=1),
    "body length": dict(body_length=1),
    "descriptors": dict(descriptor_count=3),
    "deadline": dict(deadline=86_400_000_001),
    "transaction": dict(transaction=0),
    "reserved": dict(reserved16=1),
    "reserved-high": dict(reserved32=1 << 31),
}


@pytest.mark.parametrize("field", WRONG_HEADERS)
def test_a_wrong_header_field_ends_the_connection_with_a_goodbye_that_names_it(node, daemon, field):
    with raw(node, daemon) as connection:
        connection.send(status_frame(**WRONG_HEADERS[field]))
        closed = closing(connection)
        assert (closed.reason, closed.subject) == ("PROTOCOL_ERROR", field.split("-")[0])


WRONG_FRAMES = {
    "a hello with an interface": (w.Frame(w.HELLO, interface=1), "interface"),
    "a hello with a method": (w.Frame(w.HELLO, method=1), "method"),
    "a hello with a transaction": (w.Frame(w.HELLO, transaction=1), "transaction"),
    "a request without an interface": (w.Frame(w.REQUEST, method=1, transaction=1), "interface"),
    "a request without a method": (w.Frame(w.REQUEST, interface=1, transaction=1), "method"),
    "a cancel with a body": (
        w.Frame(w.CANCEL, b"x", interface=1, method=1, transaction=1), "body length"),
    "a cancel with a deadline": (
        w.Frame(w.CANCEL, interface=1, method=1, transaction=1, deadline=1), "deadline"),
}


@pytest.mark.parametrize("what", WRONG_FRAMES)
def test_a_field_that_its_kind_may_not_have_is_named_in_the_goodbye_for(node, daemon, what):
    frame, field = WRONG_FRAMES[what]
    with raw(node, daemon) as connection:
        connection.send(frame)
        closed = closing(connection)
        assert (closed.reason, closed.subject) == ("PROTOCOL_ERROR", field)


@pytest.mark.parametrize("kind", [0, 10, 255])
def test_an_unknown_kind_ends_the_connection_with_a_goodbye_that_names_it(node, daemon, kind):
    with raw(node, daemon) as connection:
        connection.send(w.Frame(kind))
        closed = closing(connection)
        assert (closed.reason, closed.subject) == ("PROTOCOL_ERROR", "kind")


@pytest.mark.parametrize("kind", [w.REPLY, w.FAULT, w.ITEM, w.END])
def test_a_kind_that_only_a_listener_sends_ends_the_connection(node, daemon, kind):
    with raw(node, daemon) as connection:
        connection.send(w.Frame(kind, b"", STATUS.interface, STATUS.ordinal, 1))
        assert closing(connection).reason == "PROTOCOL_ERROR"


def test_a_second_hello_ends_the_connection(node, daemon):
    with raw(node, daemon) as connection:
        connection.send(w.Frame(w.HELLO, w.wire.Hello().SerializeToString()))
        assert closing(connection).reason == "PROTOCOL_ERROR"


def test_a_packet_shorter_than_a_header_ends_the_connection(node, daemon):
    with raw(node, daemon) as connection:
        connection.socket.send(b"CLTW")
        closed = closing(connection)
        assert (closed.reason, closed.subject) == ("PROTOCOL_ERROR", "header")


def test_a_packet_larger_than_any_frame_ends_the_connection(node, daemon):
    with raw(node, daemon) as connection:
        connection.socket.send(status_frame(body=bytes(w.BODY_BYTES_MAX + 1)).encode())
        assert closing(connection).reason in ("PROTOCOL_ERROR", "TRUNCATED")


def test_a_request_before_hello_ends_the_connection(node, daemon):
    with raw(node, daemon, hello=False) as connection:
        connection.send(status_frame())
        closed = closing(connection)
        assert closed.reason == "PROTOCOL_ERROR"


def test_a_hello_without_a_common_revision_gets_a_goodbye_that_says_so(node, daemon):
    with raw(node, daemon, hello=False) as connection:
        hello = w.wire.Hello(program="old")
        hello.interfaces.add(interface=STATUS.interface, revision_min=60_000, revision_max=60_001)
        connection.send(w.Frame(w.HELLO, hello.SerializeToString()))
        assert closing(connection).reason == "NO_COMMON_REVISION"


def test_a_hello_that_is_no_message_ends_the_connection(node, daemon):
    with raw(node, daemon, hello=False) as connection:
        connection.send(w.Frame(w.HELLO, b"\xff\xff\xff"))
        assert closing(connection).reason == "PROTOCOL_ERROR"


def test_silence_after_connecting_ends_with_a_goodbye_and_shuts_nobody_out(node, daemon):
    start = time.monotonic()
    with raw(node, daemon, hello=False) as connection:
        assert closing(connection).reason == "IDLE"
        assert time.monotonic() - start > 3


def test_an_unknown_method_is_a_fault_and_the_connection_stays(node, daemon):
    with raw(node, daemon) as connection:
        connection.inbox[1] = []
        connection.send(w.Frame(w.REQUEST, b"", STATUS.interface, 60_000, 1))
        connection.transactions = 1
        with pytest.raises(w.Fault) as caught:
            connection.answer(1)
        assert caught.value.code == "UNKNOWN_METHOD"
        assert connection.call("Admin.GetStatus", w.admin.GetStatusRequest()).daemon == daemon


def test_an_interface_that_is_not_served_is_a_fault_and_the_connection_stays(node, daemon):
    with raw(node, daemon) as connection:
        connection.inbox[1] = []
        connection.send(w.Frame(w.REQUEST, b"", 999, 1, 1))
        connection.transactions = 1
        with pytest.raises(w.Fault) as caught:
            connection.answer(1)
        assert caught.value.code == "UNSUPPORTED"
        assert connection.call("Admin.GetStatus", w.admin.GetStatusRequest()).daemon == daemon


def test_a_body_that_is_not_the_message_is_a_fault_that_says_malformed(node, daemon):
    with raw(node, daemon) as connection:
        connection.inbox[1] = []
        connection.send(status_frame(body=b"\x0a\xff\xff\xff\xff\x0f"))
        with pytest.raises(w.Fault) as caught:
            connection.answer(1)
        assert (caught.value.code, caught.value.reason) == ("INVALID", "MALFORMED")


def test_a_descriptor_too_many_is_a_fault_and_is_closed(node, daemon):
    reading, writing = os.pipe()
    with raw(node, daemon) as connection:
        connection.inbox[1] = []
        connection.send(status_frame(descriptors=[writing]))
        os.close(writing)
        with pytest.raises(w.Fault) as caught:
            connection.answer(1)
        assert (caught.value.code, caught.value.reason) == ("INVALID", "BAD_DESCRIPTOR")
        os.set_blocking(reading, False)
        # The daemon's copy was the last: its closing is what ends the pipe.
        wait_until(lambda: read_or_none(reading) == b"", 60, "the descriptor is closed")
    os.close(reading)


def read_or_none(descriptor):
    try:
        return os.read(descriptor, 1)
    except BlockingIOError:
        return None


def test_more_descriptors_than_a_frame_may_have_end_the_connection(node, daemon):
    null = os.open("/dev/null", os.O_RDONLY)
    with raw(node, daemon) as connection:
        connection.send(status_frame(descriptors=[null] * 17))
        assert closing(connection).reason in ("TRUNCATED", "PROTOCOL_ERROR")
    os.close(null)


def test_a_request_without_its_descriptors_is_a_fault(node):
    with w.Connection(node.socket("box-builder"), ["BoxBuilder"]) as connection:
        with pytest.raises(w.Fault) as caught:
            list(connection.stream("BoxBuilder.ImportBox", w.box.ImportBoxRequest()))
        assert (caught.value.code, caught.value.reason) == ("INVALID", "BAD_DESCRIPTOR")


def test_a_descriptor_of_another_kind_is_a_fault(node):
    folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    with w.Connection(node.socket("box-builder"), ["BoxBuilder"]) as connection:
        with pytest.raises(w.Fault) as caught:
            list(connection.stream(
                "BoxBuilder.ImportBox", w.box.ImportBoxRequest(), [folder, folder]))
        assert (caught.value.code, caught.value.reason) == ("INVALID", "BAD_DESCRIPTOR")
    os.close(folder)


def test_a_transaction_used_twice_ends_the_connection_or_the_request(node, daemon):
    with raw(node, daemon) as connection:
        connection.send(status_frame(5))
        connection.inbox[5] = []
        connection.answer(5)
        connection.send(status_frame(5))
        closed = closing(connection)
        assert (closed.reason, closed.subject) == ("PROTOCOL_ERROR", "transaction")


def test_credit_past_its_bound_ends_the_connection(node):
    method = "BoxBuilder.ImportBox"
    reading, writing = os.pipe()
    description = a_description()
    with w.Connection(node.socket("box-builder"), ["BoxBuilder"], timeout=PATIENCE) as connection:
        transaction = connection.start(method, w.box.ImportBoxRequest(), [reading, description])
        connection.give_credit(method, transaction, 65_535)
        assert closing(connection).reason == "PROTOCOL_ERROR"
    for descriptor in (reading, writing, description):
        os.close(descriptor)


def test_credit_for_a_stream_that_is_over_is_ignored(node, daemon):
    method = LISTS[daemon]
    with w.Connection(node.socket(daemon), [method.split(".")[0]], timeout=PATIENCE) as connection:
        list(connection.stream(method, w.METHODS[method].request()))
        for _ in range(3):
            connection.give_credit(method, connection.transactions, 65_535)
        list(connection.stream(method, w.METHODS[method].request()))


def test_a_cancel_for_what_never_was_or_is_over_is_ignored(node, daemon):
    with raw(node, daemon) as connection:
        connection.call("Admin.GetStatus", w.admin.GetStatusRequest())
        connection.cancel("Admin.GetStatus", 1)
        assert connection.call("Admin.GetStatus", w.admin.GetStatusRequest()).daemon == daemon


def in_a_child_as(uid, action):
    """Runs an action as another user; its text. The child is a fork, so that only it changes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            text = action()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


FOR_THE_MAINTAINER = [
    ("box-builder", "BoxBuilder.ListBoxes"),
    ("box-builder", "BoxBuilder.RemoveBox"),
    ("sandbox-supervisor", "SandboxSupervisor.ListInstances"),
    ("sandbox-supervisor", "SandboxSupervisor.StopInstance"),
]


@pytest.mark.parametrize("daemon_name,method", FOR_THE_MAINTAINER)
def test_another_user_may_not_call_what_is_for_the_maintainer(node, daemon_name, method):
    def call():
        with w.Connection(
                node.socket(daemon_name), [method.split(".")[0]], timeout=PATIENCE) as connection:
            transaction = connection.start(method, w.METHODS[method].request())
            connection.answer(transaction)
        return "answered"
    text = in_a_child_as(CLIENT_UID, call)
    # Stopped at the socket file, at the connection or at the method: never answered.
    assert text.startswith(("PermissionError", "Closed: FORBIDDEN", "Fault: FORBIDDEN")), text


def test_the_maintainer_may_not_call_what_is_for_the_gateway(node):
    with w.Connection(node.socket("sandbox-supervisor"), ["SandboxSupervisor"]) as connection:
        with pytest.raises(w.Fault) as caught:
            connection.call(
                "SandboxSupervisor.OpenSockets", w.sandbox.OpenSocketsRequest(instance_id=bytes(16)))
        assert caught.value.code == "FORBIDDEN"


def test_another_user_may_use_the_gateway(node):
    def call():
        with w.Connection(
                node.socket("gateway-broker"), ["GatewayBroker"], timeout=PATIENCE) as connection:
            return str(len(list(connection.stream(
                "GatewayBroker.ListServices", w.gateway.ListServicesRequest()))))
    assert in_a_child_as(CLIENT_UID, call) == "0"


def test_one_user_cannot_take_the_connections_of_others(node):
    def call():
        held, refused = [], None
        try:
            for _ in range(200):
                held.append(w.Connection(
                    node.socket("gateway-broker"), ["GatewayBroker"], timeout=PATIENCE))
        except w.Closed as closed:
            refused = closed
        return f"{len(held)} {refused.reason if refused else None}"
    # A user who has no other, not even one that is just ending.
    assert in_a_child_as(CLIENT_UID + 1, call) == "64 LIMIT_REACHED"
    assert node.status("gateway-broker").daemon == "gateway-broker"


def test_transactions_past_the_bound_get_a_fault_and_the_others_are_answered(node):
    """256 imports wait for a description that does not come; the next is refused, the rest can be ended."""
    method = "BoxBuilder.ImportBox"
    reading, writing = os.pipe()
    description, unsaid = os.pipe()
    with w.Connection(node.socket("box-builder"), ["BoxBuilder"], timeout=PATIENCE) as connection:
        started = [connection.start(method, w.box.ImportBoxRequest(), [reading, description])
                   for _ in range(257)]
        codes = {}
        for transaction in started[:-1]:
            connection.cancel(method, transaction)
        for transaction in started:
            try:
                while connection.answer(transaction).kind != w.END:
                    pass
            except w.Fault as fault:
                codes.setdefault(fault.code, []).append(transaction)
        # A daemon may bound imports lower; none of them is left without an answer.
        assert set(codes) <= {"CANCELLED", "LIMIT_REACHED"}, codes
        assert started[-1] in codes["LIMIT_REACHED"], codes
        assert not list(connection.stream("BoxBuilder.ListHolds", w.box.ListHoldsRequest()))
    for descriptor in (reading, writing, description, unsaid):
        os.close(descriptor)


def test_a_reader_that_does_not_read_is_dropped_and_others_are_served(node, daemon):
    with raw(node, daemon) as connection:
        connection.socket.settimeout(2)
        sent = 0
        try:
            for sent in range(1, 20_000):
                connection.send(status_frame(sent))
        except (OSError, w.Closed):
            pass
        assert node.status(daemon).daemon == daemon
        # What was held for it is bounded: it is not answered 20,000 times.
        answered, closed = 0, None
        connection.socket.settimeout(10)
        try:
            while True:
                connection.receive()
                answered += 1
        except w.Closed as reason:
            closed = reason
        except OSError:
            pass
        assert answered < 20_000
        assert sent < 19_999 or closed is not None


def test_memory_does_not_grow_with_what_a_peer_sends(node, daemon):
    with raw(node, daemon) as connection:
        for _ in range(200):
            connection.call("Admin.GetStatus", w.admin.GetStatusRequest())
        # An allocator may take its next piece at any of them, but not each time.
        grown = []
        while not grown or (grown[-1] >= 2 << 20 and len(grown) < 3):
            before = node.status(daemon).private_memory_bytes
            for _ in range(5_000):
                connection.call("Admin.GetStatus", w.admin.GetStatusRequest())
            grown.append(node.status(daemon).private_memory_bytes - before)
        assert grown[-1] < 2 << 20, f"{grown} bytes more after 5,000 requests each"


def test_garbage_packets_never_end_a_daemon(node, daemon):
    print(f"CELAUT_SEED={SEED}")
    chance = random.Random(SEED)
    good = status_frame().encode()
    null = os.open("/dev/null", os.O_RDONLY)
    for round_number in range(300):
        packet = bytearray(good)
        shape = round_number % 3
        if shape == 0:
            packet = bytearray(chance.randbytes(chance.randrange(1, 600)))
        else:
            packet += chance.randbytes(chance.randrange(0, 64))
            if shape == 2:
                struct.pack_into("<I", packet, 12, len(packet) - 40)
            for _ in range(chance.randrange(1, 4)):
                packet[chance.randrange(len(packet))] = chance.randrange(256)
        with raw(node, daemon, hello=chance.random() < 0.8) as connection:
            descriptors = [null] * chance.randrange(0, 4)
            if descriptors:
                socket.send_fds(connection.socket, [packet], descriptors)
            else:
                connection.socket.send(packet)
    os.close(null)
    assert node.status(daemon).daemon == daemon


def test_a_deadline_that_passes_ends_the_request_with_a_fault(node):
    reading, writing = os.pipe()
    description = a_description()
    with w.Connection(node.socket("box-builder"), ["BoxBuilder"], timeout=PATIENCE) as connection:
        start = time.monotonic()
        with pytest.raises(w.Fault) as caught:
            list(connection.stream(
                "BoxBuilder.ImportBox", w.box.ImportBoxRequest(), [reading, description],
                deadline=0.3))
        assert caught.value.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - start > 0.25
    for descriptor in (reading, writing, description):
        os.close(descriptor)


def test_a_cancel_ends_a_stream_that_would_not_end(node):
    reading, writing = os.pipe()
    description = a_description()
    with w.Connection(node.socket("box-builder"), ["BoxBuilder"], timeout=PATIENCE) as connection:
        transaction = connection.start(
            "BoxBuilder.ImportBox", w.box.ImportBoxRequest(), [reading, description])
        connection.cancel("BoxBuilder.ImportBox", transaction)
        with pytest.raises(w.Fault) as caught:
            while connection.answer(transaction).kind == w.ITEM:
                pass
        assert caught.value.code == "CANCELLED"
    for descriptor in (reading, writing, description):
        os.close(descriptor)
