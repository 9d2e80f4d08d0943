"""Any daemon may be killed at any moment: it comes back, nothing acknowledged is lost or done twice,
and what runs goes on."""

import os
import random
import signal
import socket
import threading
import time

import pytest

import boxes
import wire_client as w
from node import DAEMONS, PATIENCE, Traces, repeated, wait_until

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))


@pytest.fixture(autouse=True)
def nothing_is_left(node):
    traces = Traces()
    yield
    for name in DAEMONS:
        node.wait_for(name)
    last = {}

    def gone():
        nonlocal last
        last = leftovers(traces)
        return not last
    try:
        wait_until(gone, 60, "nothing is left")
    except AssertionError:
        raise AssertionError(f"left behind: {last}") from None
    assert node.list_services() == []


def leftovers(before):
    """What is new and is no daemon: no instance process, mount, cgroup, loop device or listener."""
    new = Traces().new_since(before)
    new["processes"] = [one for one in new.get("processes", []) if not is_daemon(one)]
    new.pop("namespaces", None)
    return {kind: found for kind, found in new.items() if found}


def is_daemon(text):
    return any(name in text for name in (*DAEMONS, "sandbox-launcher"))


def small_box(node, name):
    return node.import_box(
        boxes.tar_bytes([boxes.entry("start", boxes.script("exit 0")),
                         boxes.entry("name", name.encode())]),
        boxes.described(tag=name, init={"entry_path": ["start"]}, api=[]))


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_killed_daemon_comes_back_at_the_same_socket(node, daemon):
    others = {name: node.pid(name) for name in DAEMONS if name != daemon}
    node.kill(daemon)
    assert {name: node.pid(name) for name in others} == others, "the others did not notice"


@pytest.mark.parametrize("daemon", DAEMONS)
def test_an_instance_goes_on_while_a_daemon_is_killed(node, start_probe, daemon):
    probe = start_probe()
    probe.ask("say before")
    node.kill(daemon)
    wait_until(lambda: answers(probe), 60, "the same address answers")
    probe.ask("say after")
    [listed] = repeated(node.list_services)
    assert listed.instance_id == probe.started.instance.instance_id
    assert listed.state.phase == w.sandbox.PHASE_READY
    assert list(listed.addresses) == list(probe.started.instance.addresses)
    wait_until(lambda: b"after\n" in repeated(lambda: node.output(probe.token))[0], 60, "output goes on")
    assert node.output(probe.token)[0] == b"probe ready\nbefore\nafter\n"
    state = repeated(probe.stop).state
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state


def answers(probe):
    try:
        return probe.run("echo alive", timeout=10) == ("alive\n", 0)
    except OSError:
        return False


def test_an_open_relayed_connection_survives_the_supervisor(node, start_probe):
    probe = start_probe()
    with socket.create_connection(probe.address, timeout=PATIENCE) as connection:
        connection.sendall(b"run echo ")
        node.kill("sandbox-supervisor")
        connection.sendall(b"whole\n")
        assert connection.makefile("rb").read() == b"whole\n=0\n"


def test_what_a_dying_gateway_carried_ends_at_both_ends_and_the_same_port_is_back(node):
    """What its page says is lost, and nothing more."""
    box = node.import_box(*boxes.script_box(
        "exec /bin/busybox nc -ll -p 7000 -e /bin/busybox cat",
        api=[{"port": 7000, "transport": "tcp"}]))
    started = node.start_service(box.service_id)
    [address] = started.instance.addresses

    def processes():
        [listed] = repeated(node.list_services)
        return listed.state.usage.processes
    with open_echo(address) as direct, open_tunnel(node, started.token) as tunnel:
        # One each, the listener, and the one that met the node's own look at the slot: busybox does
        # not always reap its first.
        held = wait_until(lambda: (count := processes()) in (3, 4) and count, 60, "one for each")
        pid = node.pid("gateway-broker")
        os.kill(pid, signal.SIGKILL)
        for connection in (direct, tunnel):
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:
                pass
        end = time.monotonic() + PATIENCE
        while True:
            try:
                open_echo(address).close()
                break
            except (ConnectionRefusedError, ConnectionResetError):
                # Anything else, such as silence, is not what a caller was told to expect.
                assert time.monotonic() < end
            time.sleep(0.001)
    node.wait_for("gateway-broker", other_than=pid)
    wait_until(lambda: processes() <= held - 2, 60, "the service has lost them too")
    stopped = repeated(lambda: node.stop_service(started.token, grace_ms=0))
    assert stopped.state.ended.cause == w.sandbox.END_CAUSE_STOPPED


def open_echo(address):
    """A connection that has brought a word back."""
    return greeted(socket.create_connection((address.host, address.port), timeout=PATIENCE))


def open_tunnel(node, token):
    request = w.gateway.OpenTunnelRequest(
        instance=w.gateway.InstanceReference(token=token), slot=7000)
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        _, [descriptor] = connection.call_with_descriptors("GatewayBroker.OpenTunnel", request)
    opened = socket.socket(fileno=descriptor)
    opened.settimeout(PATIENCE)
    return greeted(opened)


def greeted(connection):
    connection.sendall(b"hello")
    received = b""
    while len(received) < 5:
        part = connection.recv(5)
        if not part:
            connection.close()
            raise ConnectionResetError("the stream ended")
        received += part
    return connection


@pytest.mark.parametrize("line,cause,value", [
    ("exit 42", "END_CAUSE_EXITED", 42), ("signal 11", "END_CAUSE_SIGNALLED", 11),
    ("allocate 500", "END_CAUSE_OUT_OF_MEMORY", None)])
def test_no_exit_status_is_lost_while_the_supervisor_is_dead(node, start_probe, line, cause, value):
    probe = start_probe()
    pid = node.pid("sandbox-supervisor")
    # Stopped first, so that the instance surely ends before the successor is there.
    os.kill(pid, signal.SIGSTOP)
    try:
        probe.ask(line, timeout=3)
    except OSError:
        pass
    os.kill(pid, signal.SIGKILL)
    node.wait_for("sandbox-supervisor", other_than=pid)
    state = repeated(lambda: node.watch_until_ended(probe.token))
    assert state.ended.cause == getattr(w.sandbox, cause), state
    assert value in (None, state.ended.exit_code, state.ended.signal), state


def test_boxes_are_there_after_the_builder_is_killed(node):
    kept = [small_box(node, f"kept-{number}").service_id for number in range(3)]
    node.kill("box-builder")
    assert set(kept) <= {box.service_id for box in node.list_boxes()}
    for service_id in kept:
        node.remove_box(service_id)
    node.kill("box-builder")
    assert not set(kept) & {box.service_id for box in node.list_boxes()}


def test_a_builder_killed_while_importing_leaves_a_whole_store(node):
    print(f"CELAUT_SEED={SEED}")
    chance = random.Random(SEED)
    content = [(f"f{n}", os.urandom(20_000)) for n in range(400)]
    tree = boxes.tar_bytes(
        [boxes.entry("start", boxes.script("exit 0"))]
        + [boxes.entry(name, data) for name, data in content])
    description = boxes.described(tag="crash", init={"entry_path": ["start"]}, api=[])
    acknowledged = None
    for _ in range(8):
        pid = node.pid("box-builder")
        timer = threading.Timer(chance.uniform(0.0, 0.15), os.kill, (pid, signal.SIGKILL))
        timer.start()
        try:
            acknowledged = node.import_box(tree, description)
        except (w.Closed, w.Fault, OSError):
            pass
        timer.join()
        node.wait_for("box-builder", other_than=pid)
        listed = [box.service_id for box in repeated(node.list_boxes)]
        if acknowledged:
            assert acknowledged.service_id in listed
    box = node.import_box(tree, description)
    assert acknowledged is None or box.service_id == acknowledged.service_id
    # Whole: what was stored before a kill reads back as it was sent.
    started = node.import_box(tree, description)
    assert started.already_present
    reply = node.remove_box(box.service_id)
    assert reply.freed_bytes >= 400 * 20_000


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_start_interrupted_at_any_moment_happens_exactly_once(node, probe_tree, daemon):
    print(f"CELAUT_SEED={SEED}")
    chance = random.Random(SEED + DAEMONS.index(daemon))
    box = node.import_box(probe_tree, boxes.described())
    for _ in range(6):
        key, pid = os.urandom(16), node.pid(daemon)
        timer = threading.Timer(chance.uniform(0.0, 0.2), os.kill, (pid, signal.SIGKILL))
        timer.start()
        def start(key=key):
            return node.start_service(box.service_id, key=key)
        started = repeated(start)
        timer.join()
        node.wait_for(daemon, other_than=pid)
        again = repeated(start)
        assert again.token == started.token
        assert len(repeated(node.list_services)) == 1
        repeated(lambda: node.stop_service(started.token, grace_ms=0))


def test_a_token_outlives_the_gateway(node, start_probe):
    probe = start_probe()
    node.kill("gateway-broker")
    with pytest.raises(w.Fault):
        node.stop_service(os.urandom(32).hex())
    assert repeated(probe.stop).state.ended.cause == w.sandbox.END_CAUSE_STOPPED


def test_all_daemons_killed_at_once_come_back(node, start_probe):
    probe = start_probe()
    pids = {name: node.pid(name) for name in DAEMONS}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in pids.items():
        node.wait_for(name, other_than=pid)
    wait_until(lambda: answers(probe), 60, "the instance answers")
    assert repeated(probe.stop).state.ended.cause == w.sandbox.END_CAUSE_STOPPED


def test_a_daemon_that_dies_again_and_again_is_started_with_growing_pauses(fresh_node):
    for _ in range(5):
        fresh_node.kill("gateway-broker")
    assert fresh_node.status("box-builder").daemon == "box-builder"
