"""Families on a real node: who reaches whom at which address, what all of them may have together, who
ends before whom, and what of it outlives the gateway."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import DAEMONS, PATIENCE, Node, wait_until
from probe import Probe
from traces import Traces

MEBIBYTE = 1 << 20
PORT = boxes.PROBE_PORT
PEER_SOURCE = Path(__file__).resolve().parents[1] / "Bench" / "relay-peer.c"


@pytest.fixture(scope="module")
def peer(scratch):
    program = scratch / "relay-peer"
    subprocess.run(["gcc", "-O1", "-static", "-o", program, PEER_SOURCE], check=True)
    return program.read_bytes()


@pytest.fixture(scope="module")
def service(node, scratch, peer):
    """The probe, with a program beside it that sends datagrams."""
    program = scratch / "probe"
    boxes.probe_tree(scratch)
    tree = boxes.tar_bytes(boxes.busybox_entries() + [
        boxes.entry("tmp/", kind=boxes.tarfile.DIRTYPE, mode=0o1777),
        boxes.entry("probe", program.read_bytes()), boxes.entry("peer", peer)])
    bounds = {"mem_limit": 256 * MEBIBYTE, "disk_space": 256 * MEBIBYTE}
    return node.import_box(tree, boxes.described(
        tag="member", resources={"at_init": bounds, "at_most": bounds})).service_id


@pytest.fixture(scope="module")
def datagram_service(node, peer):
    bounds = {"mem_limit": 32 * MEBIBYTE, "disk_space": 16 * MEBIBYTE}
    return node.import_box(
        boxes.tar_bytes([boxes.entry("datagrams", peer)]),
        boxes.described(
            tag="datagrams", init={"entry_path": ["datagrams"]},
            api=[{"port": PORT, "transport": "udp"}],
            resources={"at_init": bounds, "at_most": bounds})).service_id


@pytest.fixture
def parent(node, service):
    before = Traces()
    started = Probe(node, node.start_service(service))
    yield started
    node.stop_service(started.token, grace_ms=0)
    wait_until(lambda: not left_since(before), 60, "nothing of the family is left")


def left_since(before):
    """What is new and is no daemon that came back."""
    new = Traces().new_since(before)
    new["processes"] = [one for one in new.get("processes", [])
                        if not any(name in one for name in DAEMONS)]
    new.pop("namespaces", None)
    return {kind: found for kind, found in new.items() if found}


def reference(token):
    return w.gateway.InstanceReference(token=token)


def start_child(node, service, parent_token, memory=64, disk=32, **fields):
    return node.start_service(
        service, memory_bytes=memory * MEBIBYTE, disk_bytes=disk * MEBIBYTE, processes=64,
        parent=reference(parent_token), **fields)


def the_address(started, inside):
    [address] = [one for one in started.instance.addresses if one.inside == inside]
    return address


def hear(probe, host, port=PORT, what="echo heard", seconds=30):
    """What somebody at an address answers an instance; empty where nobody does."""
    output, _ = probe.run(f"(echo 'run {what}' | nc -w {seconds} {host} {port}) 2>/dev/null")
    return output


def call(node, method, request):
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        return connection.call(f"GatewayBroker.{method}", request, deadline=PATIENCE)


def report(node, token):
    return call(node, "InspectService", w.gateway.InspectServiceRequest(instance=reference(token)))


def introduce(node, token, to):
    return call(node, "IntroduceService", w.gateway.IntroduceServiceRequest(
        instance=reference(token), to=reference(to)))


def asked_inside(parent, child_host, line):
    """A line to a child's probe, by way of its parent's network."""
    output, _ = parent.run(f"(echo '{line}' | nc -w 60 {child_host} {PORT}) 2>/dev/null")
    return output


def test_a_child_is_reached_by_its_parent_at_its_own_port_and_by_nobody_else(
        node, service, parent):
    one = start_child(node, service, parent.token)
    other = start_child(node, service, parent.token)
    hosts = [the_address(child, parent.started.instance.instance_id).host for child in (one, other)]
    assert hosts == ["10.64.1.0", "10.64.1.1"]
    for child in (one, other):
        # The only address it has: none of this host.
        assert [address.port for address in child.instance.addresses] == [PORT]
    assert [hear(parent, host) for host in hosts] == ["heard\n=0\n"] * 2
    inner = f"run echo \"run echo heard\" | nc -w 2 {hosts[1]} {PORT}"
    assert "heard" not in asked_inside(parent, hosts[0], inner)


def test_a_sibling_is_reached_once_it_is_introduced_and_only_from_that_side(node, service, parent):
    one = start_child(node, service, parent.token)
    other = start_child(node, service, parent.token)
    shown = introduce(node, other.token, to=one.token)
    [inside] = [address for address in shown.addresses
                if address.inside == one.instance.instance_id]
    assert (inside.host, inside.port) == ("10.65.1.1", PORT)
    there = f"run echo \"run echo heard\" | nc -w 30 {inside.host} {PORT}"
    back = f"run echo \"run echo heard\" | nc -w 2 10.65.1.0 {PORT}"
    assert "heard" in asked_inside(parent, "10.64.1.0", there)
    assert "heard" not in asked_inside(parent, "10.64.1.1", back)
    with pytest.raises(w.Fault) as caught:
        introduce(node, parent.token, to=one.token)
    assert caught.value.code == "FORBIDDEN"
    # Again, on the command line, and after the gateway was killed: the same.
    assert introduce(node, other.token, to=one.token) == shown
    said = node.command("introduce", other.token, "--to", one.token)
    assert said.returncode == 0, said.stderr
    holder = one.instance.instance_id.hex()[:12]
    assert said.stdout.split() == f"slot {PORT}/tcp 10.65.1.1:{PORT} inside {holder}".split()
    node.kill("gateway-broker")
    wait_until(lambda: hear(parent, "10.64.1.0", seconds=5), 120, "the child is reached again")
    wait_until(lambda: "heard" in asked_inside(parent, "10.64.1.0", there), 120,
               "the sibling is reached again")


def test_an_address_is_gone_with_its_child_and_not_given_again(node, service, parent):
    one = start_child(node, service, parent.token)
    assert hear(parent, "10.64.1.0") == "heard\n=0\n"
    node.stop_service(one.token, grace_ms=0)
    assert hear(parent, "10.64.1.0", seconds=1) == ""
    later = start_child(node, service, parent.token)
    assert the_address(later, parent.started.instance.instance_id).host == "10.64.1.1"
    assert hear(parent, "10.64.1.0", seconds=1) == ""


def test_a_killed_gateway_forgets_no_family_and_no_address(node, service, parent):
    child = start_child(node, service, parent.token)
    grandchild = start_child(node, service, child.token, memory=32, disk=16)
    node.kill("gateway-broker")
    wait_until(lambda: hear(parent, "10.64.1.0", seconds=5), 120, "the child is reached again")
    inner = f"run echo \"run echo heard\" | nc -w 30 10.64.1.0 {PORT}"
    wait_until(lambda: "heard" in asked_inside(parent, "10.64.1.0", inner), 120,
               "the grandchild is reached again")
    assert [bytes(one) for one in report(node, parent.token).child_ids] == [
        child.instance.instance_id]
    assert Probe(node, parent.started).run("echo on the same port") == ("on the same port\n", 0)
    node.stop_service(parent.token, grace_ms=0)
    for one in (child, grandchild):
        state = report(node, one.token).instance.state
        assert state.phase == w.sandbox.PHASE_ENDED


def test_a_family_ends_from_its_youngest_up(node, service, parent):
    child = start_child(node, service, parent.token)
    grandchild = start_child(node, service, child.token, memory=32, disk=16)
    node.stop_service(parent.token, grace_ms=2_000)
    ends = [report(node, token).instance.state.ended_at_ms
            for token in (grandchild.token, child.token, parent.token)]
    assert 0 < ends[0] <= ends[1] <= ends[2]


def test_a_parent_that_crashes_takes_its_family_along(node, service, parent):
    child = start_child(node, service, parent.token)
    parent.ask("exit 3")
    state = node.watch_until_ended(child.token)
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED


@pytest.mark.parametrize("name, fields", [
    ("family.memory_bytes", {"memory": 130}), ("family.disk_bytes", {"disk": 200})])
def test_children_together_have_no_more_than_their_parent(node, service, parent, name, fields):
    start_child(node, service, parent.token, memory=128, disk=64)
    with pytest.raises(w.Fault) as caught:
        start_child(node, service, parent.token, **fields)
    assert (caught.value.code, caught.value.subject) == ("INVALID", name)
    left = {"family.memory_bytes": 128, "family.disk_bytes": 192}[name]
    assert caught.value.fault.limit == left * MEBIBYTE
    start_child(node, service, parent.token, memory=128, disk=64)


def test_starts_that_come_together_do_not_have_more_either(node, service, parent):
    started, refused = [], []

    def start():
        try:
            started.append(start_child(node, service, parent.token, memory=100))
        except w.Fault as fault:
            refused.append(fault.subject)
    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 2 and set(refused) == {"family.memory_bytes"}


def test_a_child_is_not_allowed_to_outlive_its_parent(node, service):
    parent = node.start_service(service, lifetime_ms=600_000)
    with pytest.raises(w.Fault) as caught:
        start_child(node, service, parent.token, lifetime_ms=600_000)
    assert caught.value.subject == "family.lifetime_ms"
    child = start_child(node, service, parent.token)
    assert 0 < report(node, child.token).instance.state.limits.deadline_ms < 600_000
    node.stop_service(parent.token, grace_ms=0)


def test_a_family_is_no_deeper_than_its_bound(node, service, parent):
    # Each generation asks for as much as the one before.
    token, memory, disk = parent.token, 256, 256
    for _ in range(7):
        token = start_child(node, service, token, memory=memory, disk=disk).token
    with pytest.raises(w.Fault) as caught:
        start_child(node, service, token, memory=memory, disk=disk)
    assert (caught.value.code, caught.value.subject) == ("LIMIT_REACHED", "depth")


def test_datagrams_reach_a_slot_from_this_host_from_a_parent_and_through_a_tunnel(
        node, datagram_service, parent):
    started = node.start_service(datagram_service)
    [address] = started.instance.addresses
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(60)
        caller.connect((address.host, address.port))
        for text in (b"one", b"a longer one", b"x" * 60_000):
            caller.send(text)
            assert caller.recv(65_536) == text
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        request = w.gateway.OpenTunnelRequest(
            instance=reference(started.token), slot=PORT, transport=w.sandbox.TRANSPORT_UDP)
        _, [end] = connection.call_with_descriptors(
            "GatewayBroker.OpenTunnel", request, deadline=60)
    with socket.socket(fileno=end) as tunnel:
        tunnel.setblocking(True)
        tunnel.settimeout(60)
        tunnel.send(b"through")
        assert tunnel.recv(65_536) == b"through"
    total = 3 + 12 + 60_000 + 7

    def counted():
        [traffic] = report(node, started.token).traffic
        return (traffic.connections, traffic.bytes_to_instance, traffic.bytes_from_instance)
    wait_until(lambda: counted() == (2, total, total), 60, "every byte is counted")
    node.stop_service(started.token, grace_ms=0)
    child = start_child(node, datagram_service, parent.token, memory=16, disk=16)
    host = the_address(child, parent.started.instance.instance_id).host
    assert parent.run(f"/peer datagram {host} {PORT}") == ("one\n", 0)


def test_a_port_that_the_parent_has_itself_on_all_addresses_is_another_there(
        node, datagram_service, parent):
    output, status = parent.run("cp /peer /tmp/datagrams; /tmp/datagrams </dev/null >/dev/null 2>&1 &")
    assert status == 0, output
    wait_until(lambda: ":1B58 " in parent.run("cat /proc/net/udp")[0], 60, "the parent has the port")
    child = start_child(node, datagram_service, parent.token, memory=16, disk=16)
    address = the_address(child, parent.started.instance.instance_id)
    assert (address.host, address.port) == ("10.64.1.0", PORT + 20_000)
    assert parent.run(f"/peer datagram {address.host} {address.port}") == ("one\n", 0)
    node.kill("gateway-broker")
    wait_until(
        lambda: parent.run(f"/peer datagram {address.host} {address.port}") == ("one\n", 0), 120,
        "the child is reached at the same port again")


def test_a_port_that_the_parent_declares_is_left_to_it_until_it_has_it(node):
    listening = f"exec /bin/busybox nc -ll -p {PORT} -e /bin/busybox cat"
    own = [{"port": PORT, "transport": "tcp"}]
    late = node.import_box(*boxes.script_box(
        "until [ -e /go ]; do /bin/busybox sleep 0.05; done", listening, api=own))
    prompt = node.import_box(*boxes.script_box(listening, api=own))
    request = w.gateway.StartServiceRequest(
        key=os.urandom(16), service=late.service_id.hex(), ready_deadline_ms=180_000)
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        items = connection.stream("GatewayBroker.StartService", request, deadline=180)
        parent = next(items).accepted.instance_id
        running = next(one.changed for one in items
                       if one.changed.state.phase == w.sandbox.PHASE_STARTING)
        assert running.instance_id == parent
        try:
            child = node.start_service(
                prompt.service_id, memory_bytes=16 * MEBIBYTE, disk_bytes=16 * MEBIBYTE,
                processes=64, parent=w.gateway.InstanceReference(instance=parent.hex()))
            address = the_address(child, parent)
            assert (address.host, address.port) == ("10.64.1.0", PORT + 20_000)
            record = node.state / "sandbox-supervisor/instances" / parent.hex() / "witness"
            pid = record.read_text().split()[0]
            Path(f"/proc/{pid}/root/go").touch()
            [*_, last] = items
            assert last.started.instance.state.phase == w.sandbox.PHASE_READY
        finally:
            connection.call("GatewayBroker.StopService", w.gateway.StopServiceRequest(
                instance=w.gateway.InstanceReference(instance=parent.hex())), deadline=PATIENCE)


def test_counts_are_exact_over_a_stopped_gateway_and_at_the_end(node, service):
    started = node.start_service(service)
    probe = Probe(node, started)
    sent = received = 0
    for size in (1, 1_000, 100_000):
        line = "run head -c %d /dev/zero" % size
        sent += len(line) + 1
        received += len(probe.ask(line))
    def counted():
        [traffic] = report(node, started.token).traffic
        return (traffic.connections, traffic.bytes_to_instance, traffic.bytes_from_instance)
    # The last bytes may have reached us before they were counted.
    wait_until(lambda: counted() == (3, sent, received), 60, "every byte is counted")
    pid = node.pid("gateway-broker")
    subprocess.run(["kill", "-TERM", str(pid)], check=True)
    node.wait_for("gateway-broker", other_than=pid)
    assert counted() == (3, sent, received)
    line = "run true"
    received += len(probe.ask(line))
    sent += len(line) + 1
    wait_until(lambda: counted() == (4, sent, received), 60, "every byte is counted")
    [stopped] = call(node, "StopService", w.gateway.StopServiceRequest(
        instance=reference(started.token))).traffic
    assert counted() == (4, sent, received)
    assert (stopped.connections, stopped.bytes_to_instance,
            stopped.bytes_from_instance) == (4, sent, received)


@pytest.mark.parametrize("policy, host", [
    ('address = "none"', None), ('address = "127.0.0.2"', "127.0.0.2")])
def test_slots_are_published_where_the_configuration_says(peer, policy, host):
    with Node(config={"gateway-broker": f"[publish]\n{policy}\n"}) as node:
        box = node.import_box(
            boxes.tar_bytes([boxes.entry("echo", peer)]),
            boxes.described(init={"entry_path": ["echo"]}))
        started = node.start_service(box.service_id)
        assert [one.host for one in started.instance.addresses] == ([host] if host else [])
        for address in started.instance.addresses:
            with socket.create_connection((address.host, address.port), 60) as connection:
                connection.sendall(b"x")
                assert connection.recv(1) == b"x"
        with node.connect("gateway-broker", "GatewayBroker") as connection:
            _, [end] = connection.call_with_descriptors(
                "GatewayBroker.OpenTunnel",
                w.gateway.OpenTunnelRequest(instance=reference(started.token), slot=PORT),
                deadline=60)
        with socket.socket(fileno=end) as tunnel:
            tunnel.setblocking(True)
            tunnel.settimeout(60)
            tunnel.sendall(b"y")
            assert tunnel.recv(1) == b"y"
        node.stop_service(started.token, grace_ms=0)
