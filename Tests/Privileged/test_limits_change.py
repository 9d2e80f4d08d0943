"""Limits that change while an instance runs, its use as a stream, its lifetime, sockets inside."""

import socket

import pytest

import hostile
import wire_client as w
from node import PATIENCE, wait_until
from supervisor import OpenBox, Supervisor

MEBIBYTE = 1 << 20
LOOPBACK = 0x7F000001
GATEWAY = 0x0A400001
CHILD = 0x0A5F1234  # 10.95.18.52


@pytest.fixture(scope="module")
def opened(node, scratch):
    box_id = node.import_box(hostile.tree(scratch), hostile.description()).service_id
    with OpenBox(node, box_id) as box:
        yield box


@pytest.fixture(scope="module")
def supervisor(node, opened):
    with Supervisor(node) as connection:
        yield connection


@pytest.fixture
def instance(supervisor, opened):
    instance = sleeper(supervisor, opened)
    yield instance
    supervisor.stop(instance)
    supervisor.forget(instance)


def sleeper(supervisor, opened):
    """It tries to fork for ever. What a fork that fails took is given back late by a busy kernel: memory must
    not be what ends it."""
    instance = supervisor.start(
        opened, ["hostile"], environment=hostile.environment("fork-bomb-without-end"), processes=8,
        memory_bytes=1024 * MEBIBYTE)
    supervisor.wait_ready(instance)
    return instance


def update(supervisor, instance, **limits):
    return supervisor.connection.call(
        "SandboxSupervisor.UpdateLimits",
        w.sandbox.UpdateLimitsRequest(instance_id=instance, limits=w.sandbox.Limits(**limits)))


def usage(supervisor, instance, interval_ms=0):
    return supervisor.connection.stream(
        "SandboxSupervisor.WatchUsage",
        w.sandbox.WatchUsageRequest(instance_id=instance, interval_ms=interval_ms))


def listeners(supervisor, instance, transport, *endpoints):
    request = w.sandbox.OpenListenersRequest(instance_id=instance, transport=transport)
    for address, port in endpoints:
        request.endpoints.add(address=address, port=port)
    _, descriptors = supervisor.connection.call_with_descriptors(
        "SandboxSupervisor.OpenListeners", request)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def test_a_limit_grows_while_it_runs_and_what_is_not_named_stays(supervisor, instance):
    state = update(supervisor, instance, processes=12, memory_bytes=1536 * MEBIBYTE)
    assert state.limits.processes == 12
    assert state.limits.memory_bytes == 1536 * MEBIBYTE
    assert state.limits.disk_bytes == 64 * MEBIBYTE
    wait_until(lambda: [*usage(supervisor, instance)][0].usage.processes >= 12, PATIENCE,
               "the bomb fills its new limit")


def test_a_limit_below_use_is_refused_and_nothing_changes(supervisor, instance):
    wait_until(lambda: [*usage(supervisor, instance)][0].usage.processes >= 8, PATIENCE,
               "the bomb fills its limit")
    with pytest.raises(w.Fault) as refused:
        update(supervisor, instance, processes=2, memory_bytes=2048 * MEBIBYTE)
    assert refused.value.code == "IN_USE"
    [item] = usage(supervisor, instance)
    assert item.limits.processes == 8
    assert item.limits.memory_bytes == 1024 * MEBIBYTE


def test_what_cannot_change_is_refused_by_name(supervisor, instance):
    with pytest.raises(w.Fault) as refused:
        update(supervisor, instance, disk_bytes=1 << 30)
    assert (refused.value.code, refused.value.subject) == ("UNSUPPORTED", "limits.disk_bytes")


def test_use_is_told_again_and_again_and_ends_with_the_instance(supervisor, opened):
    instance = sleeper(supervisor, opened)
    stream, items = usage(supervisor, instance, interval_ms=100), []
    # Memory over time is counted once a second.
    while len(items) < 4 or not items[-1].usage.memory_byte_seconds:
        items.append(next(stream))
    supervisor.stop(instance)
    items += stream
    supervisor.forget(instance)
    assert items[-1].phase == w.sandbox.PHASE_ENDED
    assert items[-1].usage.memory_bytes == 0
    assert items[-1].usage.memory_byte_seconds > 0
    used = [item.usage.cpu_us for item in items]
    assert used == sorted(used) and used[-1] > 0


def test_past_its_deadline_it_is_killed_and_the_cause_is_told(supervisor, opened):
    instance = sleeper(supervisor, opened)
    wait_until(lambda: [*usage(supervisor, instance)][0].usage.processes >= 8, PATIENCE,
               "the bomb fills its limit")
    # Since it was accepted, however long it took to be ready.
    [item] = usage(supervisor, instance)
    [listed] = [one for one in supervisor.list() if one.instance_id == instance]
    deadline_ms = item.time_ms - listed.accepted_at_ms + 1_500
    update(supervisor, instance, deadline_ms=deadline_ms)
    state = supervisor.wait_ended(instance)
    supervisor.forget(instance)
    assert state.ended.cause == w.sandbox.END_CAUSE_DEADLINE
    assert "processes" in state.ended.limits_met
    assert state.ended_at_ms - state.accepted_at_ms >= deadline_ms - 100


def test_a_deadline_can_be_given_later(supervisor, opened):
    instance = sleeper(supervisor, opened)
    update(supervisor, instance, deadline_ms=1)
    assert supervisor.wait_ended(instance).ended.cause == w.sandbox.END_CAUSE_DEADLINE
    supervisor.forget(instance)


@pytest.mark.parametrize("address", [LOOPBACK, GATEWAY, CHILD])
def test_a_listener_inside_is_reached_from_inside(supervisor, instance, address):
    [listener] = listeners(supervisor, instance, w.sandbox.TRANSPORT_TCP, (address, 6379))
    with listener:
        request = w.sandbox.OpenSocketsRequest(
            instance_id=instance, transport=w.sandbox.TRANSPORT_TCP, count=1)
        _, [descriptor] = supervisor.connection.call_with_descriptors(
            "SandboxSupervisor.OpenSockets", request)
        with socket.socket(fileno=descriptor) as client:
            client.setblocking(True)
            client.connect((".".join(map(str, address.to_bytes(4, "big"))), 6379))
            listener.setblocking(True)
            server, _ = listener.accept()
            with server:
                client.sendall(b"hello")
                server.setblocking(True)
                assert server.recv(5) == b"hello"


def test_a_datagram_socket_can_be_bound_inside(supervisor, instance):
    [bound] = listeners(supervisor, instance, w.sandbox.TRANSPORT_UDP, (CHILD, 53))
    with bound:
        assert bound.getsockname() == ("10.95.18.52", 53)


def test_an_endpoint_that_is_taken_is_named_and_no_other_is_kept(supervisor, instance):
    [first] = listeners(supervisor, instance, w.sandbox.TRANSPORT_TCP, (CHILD, 80))
    with first, pytest.raises(w.Fault) as refused:
        listeners(supervisor, instance, w.sandbox.TRANSPORT_TCP, (CHILD, 81), (CHILD, 80))
    assert (refused.value.code, refused.value.subject) == ("ALREADY_EXISTS", "10.95.18.52:80")
    [again] = listeners(supervisor, instance, w.sandbox.TRANSPORT_TCP, (CHILD, 81))
    again.close()


@pytest.mark.parametrize("address", [0, 0x08080808, 0x0A000001])
def test_an_address_that_is_not_the_instances_own_is_refused(supervisor, instance, address):
    with pytest.raises(w.Fault) as refused:
        listeners(supervisor, instance, w.sandbox.TRANSPORT_TCP, (address, 80))
    assert refused.value.code == "INVALID"
