"""Networks: what an instance can reach is what it declared, what all above it declared, and what the
operator allows; and nothing else, whatever it tries."""

import json
import os
import socket
import threading

import pytest

import boxes
import wire_client as w
from node import Node, wait_until
from probe import Probe


class Site:
    """A server of this host that says who it is and echoes, on a port of its own."""

    def __init__(self, name):
        self.name = name.encode()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection:
            try:
                connection.sendall(self.name + b"\n")
                while part := connection.recv(65_536):
                    connection.sendall(part)
            except OSError:
                pass

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module")
def sites():
    made = {name: Site(name) for name in ("first", "second", "denied")}
    yield made
    for site in made.values():
        site.close()


@pytest.fixture(scope="module")
def node(sites):
    policy = f"""
[networks]
allow = ["web", "cluster*", "family-*"]
deny = ["*-denied"]

[networks.named.web]
endpoints = ["first.example:80=127.0.0.1:{sites['first'].port}", "localhost:{sites['second'].port}"]
protocols = ["http"]

[networks.named.web-denied]
endpoints = ["127.0.0.1:{sites['denied'].port}"]
"""
    with Node(config={"gateway-broker": policy}) as running:
        yield running


@pytest.fixture
def start(node, probe_tree):
    """Starts probes; `network` as in service.json, `parent` a probe. All are stopped at the end."""
    started = []

    def start(network=(), parent=None, environment=(), **changes):
        box = node.import_box(probe_tree, boxes.described(network=list(network), **changes))
        more = {}
        if parent is not None:
            more["parent"] = w.gateway.InstanceReference(token=parent.token)
        service = node.start_service(
            box.service_id, environment=environment, memory_bytes=8 << 20 if parent else 0, **more)
        probe = Probe(node, service)
        started.append(probe)
        return probe
    yield start
    for probe in reversed(started):
        probe.stop(grace_ms=0)


def resolve(probe, *tags):
    """The peers, or the fault."""
    with probe.node.connect("gateway-broker", "GatewayBroker") as connection:
        return list(connection.call(
            "GatewayBroker.ResolveNetwork",
            w.gateway.ResolveNetworkRequest(
                instance=w.gateway.InstanceReference(token=probe.token), tags=tags)).peers)


def refused(probe, *tags):
    with pytest.raises(w.Fault) as refusal:
        resolve(probe, *tags)
    return refusal.value


def said_at(probe, host, port):
    """What a server says to whoever connects from inside."""
    output, _ = probe.run(f"busybox nc -w 60 {host} {port} </dev/null")
    return output.strip()


def written(probe):
    """All that an instance wrote so far; what it writes is there a little later."""
    return probe.node.output(probe.token)[0].decode()


def reaches(probe, host, port):
    return probe.ask(f"connect {host} {port}") == "ok\n"


WEB = {"tags": ["web"], "protocol_stack": ["http"]}
DNS = {"tags": ["dns"]}


def test_a_declared_network_is_there_and_nothing_beside_it(start, sites):
    probe = start([WEB])
    peers = {peer.name: peer for peer in resolve(probe, "web")}
    assert set(peers) == {"first.example", "localhost"}
    assert peers["first.example"].port == 80
    assert said_at(probe, peers["first.example"].host, 80) == "first"
    second = sites["second"].port
    assert said_at(probe, peers["localhost"].host, second) == "second"
    # Neither the real address, nor another port of a peer, nor the peer's neighbours.
    assert not reaches(probe, "127.0.0.1", sites["first"].port)
    assert not reaches(probe, peers["first.example"].host, second)
    for host in ("10.66.0.3", "10.66.0.0", "10.64.1.0", "192.0.2.1"):
        assert not reaches(probe, host, 80)


def test_the_configuration_file_has_the_peers_from_the_first_moment(start):
    probe = start([WEB, DNS], config_declaration={"path": "etc/celaut.json", "format": "json"})
    told = json.loads(probe.run("cat /etc/celaut.json")[0])
    [web, names] = told["networkResolution"]
    assert web["tags"] == ["web"] and len(web["peerInstances"]) == 2
    uris = [peer["uriSlot"][0]["uri"][0] for peer in web["peerInstances"]]
    assert [uri["ip"] for uri in uris] == ["10.66.0.1", "10.66.0.2"]
    assert said_at(probe, uris[0]["ip"], uris[0]["port"]) == "first"
    assert names["peerInstances"][0]["uriSlot"][0]["uri"] == [{"ip": "10.64.0.1", "port": 53}]
    assert told["gateway"]["uriSlot"][0]["uri"] == [{"ip": "10.64.0.1", "port": 2352}]


def test_what_was_not_declared_is_refused_by_its_name(start, sites):
    probe = start([WEB])
    fault = refused(probe, "cluster")
    assert fault.code == "FORBIDDEN" and fault.subject == "network cluster"
    assert fault.lines == ["web"]
    plain = start()
    assert refused(plain, "web").code == "FORBIDDEN"
    assert not reaches(plain, "10.66.0.1", 80)


def test_what_the_operator_denies_or_does_not_allow_is_not_given(start, sites):
    probe = start([{"tags": ["web-denied"]}, {"tags": ["unheard-of"]}, {"tags": ["web", "x-denied"]}])
    for tag in ("web-denied", "unheard-of", "web"):
        fault = refused(probe, tag)
        assert fault.code == "UNSUPPORTED" and fault.subject == f"network {tag}", tag
    assert not reaches(probe, "10.66.0.1", sites["denied"].port)


def lookup(probe, name, server="127.0.0.1"):
    """What is said of a name. On a busy machine an answer may come after who asked has gone."""
    def told():
        said = probe.run(f"busybox nslookup {name} {server}")[0]
        return None if "timed out" in said else said
    return wait_until(told, 100, "an answer")


def test_names_are_answered_for_what_was_given_only(start):
    probe = start([WEB, DNS])
    peers = {peer.name: peer.host for peer in resolve(probe, "web")}
    for server in ("127.0.0.1", "10.64.0.1"):
        assert peers["first.example"] in lookup(probe, "first.example", server)
    both = lookup(probe, "web")
    assert all(host in both for host in peers.values())
    for name in ("example.org", "second.example", "cluster"):
        assert "10.66" not in lookup(probe, name), name
    silent = start([WEB])
    assert "10.66" not in silent.run("busybox nslookup first.example 127.0.0.1")[0]


def test_instances_of_one_network_are_each_other_s_peers_while_they_live(start):
    cluster = {"tags": ["cluster"], "protocol_stack": ["probe"]}
    api = [{"port": boxes.PROBE_PORT, "transport": "tcp", "protocol": ["probe"]}]
    first = start([cluster], api=api)
    assert resolve(first, "cluster") == []
    other = start([cluster], api=[{"port": boxes.PROBE_PORT, "transport": "tcp"}])
    second = start([cluster], api=api)
    [peer] = resolve(first, "cluster")
    # The port is one of its own slots, which it may have on all addresses.
    assert peer.port != boxes.PROBE_PORT
    answer, _ = first.run(f"echo say hello | busybox nc -w 60 {peer.host} {peer.port}")
    assert answer.strip() == "ok"
    wait_until(lambda: "hello" in written(second), 60, "it said what it was told")
    # The one that does not speak it is no peer; it has them.
    assert len(resolve(other, "cluster")) == 2
    second.stop(grace_ms=0)
    wait_until(lambda: not reaches(first, peer.host, peer.port), 60, "the address is dead")
    assert resolve(first, "cluster") == []
    third = start([cluster], api=api)
    [later] = resolve(first, "cluster")
    assert later.host != peer.host
    assert not reaches(first, peer.host, peer.port)
    third.stop(grace_ms=0)


def test_a_variable_of_the_network_parts_its_peers(start):
    network = {"tags": ["cluster-x"], "environment_variable": "CHAIN"}
    one = start([network], environment=[("CHAIN", b"a")])
    start([network], environment=[("CHAIN", b"b")])
    same = start([network], environment=[("CHAIN", b"a")])
    assert len(resolve(same, "cluster-x")) == 1
    assert len(resolve(one, "cluster-x")) == 1


def test_a_child_has_at_most_what_every_ancestor_declared(start, sites):
    resources = {"at_init": {"mem_limit": 64 << 20, "disk_space": 256 << 20}}
    small = {"at_init": {"mem_limit": 8 << 20, "disk_space": 16 << 20}}
    grandparent = start([{"tags": ["family-a"]}], resources=resources)
    parent = start([WEB, {"tags": ["family-a"]}], parent=grandparent, resources=small)
    fault = refused(parent, "web")
    assert fault.code == "FORBIDDEN" and fault.subject == "family.network web"
    assert resolve(parent, "family-a") != []
    parent.stop(grace_ms=0)
    rich = start([WEB], resources=resources)
    child = start([WEB], parent=rich, resources=small)
    assert len(resolve(child, "web")) == 2


def test_a_family_s_addresses_lead_to_who_they_were_given_for_and_no_longer_than_it_lives(start):
    """The parent reaches a child; the child neither its parent nor its sibling; nobody a dead one."""
    resources = {"at_init": {"mem_limit": 64 << 20, "disk_space": 256 << 20}}
    small = {"at_init": {"mem_limit": 8 << 20, "disk_space": 16 << 20}}
    parent = start(resources=resources)
    first = start(parent=parent, resources=small)
    second = start(parent=parent, resources=small)
    [place] = first.started.instance.addresses
    [other] = second.started.instance.addresses
    assert place.inside == other.inside == parent.started.instance.instance_id
    assert place.host != other.host

    def inside(address, command):
        """A command inside a child, by way of its parent."""
        return parent.run(
            f"echo 'run {command}' | busybox nc -w 60 {address.host} {address.port}")[0]
    assert "hello" in inside(place, "echo hello")
    # The probe listens on 127.0.0.1 only, so that whatever takes a connection elsewhere is the node.
    for target in (place.host, other.host, "10.64.0.2", "10.65.1.0", "10.66.0.1"):
        answer = inside(
            place, f"busybox nc -w 60 {target} {boxes.PROBE_PORT} </dev/null && echo open")
        assert "refused" in answer and "open" not in answer, (target, answer)
    first.stop(grace_ms=0)
    wait_until(lambda: not reaches(parent, place.host, place.port), 60, "the address is dead")
    third = start(parent=parent, resources=small)
    [later] = third.started.instance.addresses
    assert later.host not in (place.host, other.host)
    assert not reaches(parent, place.host, place.port)
    assert reaches(parent, later.host, later.port)


def test_connections_that_an_instance_holds_leave_the_others_theirs(start):
    """As many as its processes can hold; another instance reaches the same peer, before and after."""
    noisy, quiet = start([WEB]), start([WEB])
    [peer] = [one for one in resolve(noisy, "web") if one.name == "first.example"]
    noisy.run(
        f"i=0; while [ $i -lt 100 ]; do (sleep 60 | busybox nc {peer.host} {peer.port}) "
        ">/dev/null 2>&1 & i=$((i+1)); done", timeout=240)
    for _ in range(5):
        assert said_at(quiet, peer.host, peer.port) == "first"
    noisy.stop(grace_ms=0)
    assert said_at(quiet, peer.host, peer.port) == "first"


def test_ways_and_their_addresses_outlive_the_gateway(start, node):
    probe = start([WEB, DNS])
    before = {peer.name: peer.host for peer in resolve(probe, "web")}
    node.kill("gateway-broker")

    def is_back():
        try:
            return said_at(probe, before["first.example"], 80) == "first"
        except OSError:
            return False
    wait_until(is_back, 60, "the way is open again")
    assert {peer.name: peer.host for peer in resolve(probe, "web")} == before
    assert before["first.example"] in lookup(probe, "first.example")


def test_a_flood_of_bad_questions_is_harmless(start):
    probe = start([WEB, DNS])
    probe.run(
        "for i in 1 2 3 4 5 6 7 8; do busybox dd if=/dev/urandom bs=300 count=40 2>/dev/null | "
        "busybox nc -u -w 1 127.0.0.1 53 >/dev/null; done", timeout=240)
    assert "10.66.0.1" in lookup(probe, "first.example")


def test_the_maintainer_sees_networks_and_tries_them(start, node, sites):
    start([WEB])
    listed = node.command("networks", "list", "--format", "json")
    assert listed.returncode == 0, listed.stderr
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["web"]["verdict"] == "allowed" and rows["web"]["granted"] >= 2
    assert rows["web-denied"]["verdict"] == "denied" and rows["web-denied"]["pattern"] == "*-denied"
    tested = node.command("networks", "test", "web", "--protocol", "http", "--format", "json")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert [peer["failure"] for peer in json.loads(tested.stdout)["peers"]] == ["", ""]
    assert node.command("networks", "test", "web", "--protocol", "smtp").stdout.startswith("allowed")
    assert node.command("networks", "test", "web-denied").returncode == 1


def test_a_user_sees_no_networks_and_asks_for_its_own_instances_only(start, node):
    probe = start([WEB])
    done = node.command("networks", "list", user=65_534, group=65_534, extra_groups=[])
    assert done.returncode == 77, done.stderr
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        with pytest.raises(w.Fault) as refusal:
            connection.call(
                "GatewayBroker.ResolveNetwork",
                w.gateway.ResolveNetworkRequest(
                    instance=w.gateway.InstanceReference(token="0" * 64), tags=["web"]))
    assert refusal.value.code == "UNAUTHORIZED"
    assert probe.token
