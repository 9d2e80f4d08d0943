"""Thousands of relayed connections at once that do nothing: as many as this machine's bound on open files
has room for, 10,000 at most."""

import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Bench"))

import relay  # noqa: E402
import wire_client as w  # noqa: E402
from node import Node, wait_until  # noqa: E402

# LIMIT: private memory of the gateway for each of them. Measured: 0.4 KiB in an optimised build.
KIBIBYTES_EACH = 4


def traffic(node, started):
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        report = connection.call("GatewayBroker.InspectService", w.gateway.InspectServiceRequest(
            instance=w.gateway.InstanceReference(token=started.token)))
    [slot] = report.traffic
    return slot


def test_thousands_of_idle_connections_are_open_at_once_and_a_new_one_is_answered(scratch):
    count = relay.idle_count()
    assert count >= 1_000, "the bound on open files leaves no room for a test"
    peer = relay.build_peer(scratch)
    with Node(config={"gateway-broker": relay.IDLE_BOUNDS}) as node:
        started = node.start_service(node.import_box(*relay.peer_box(peer, "many")).service_id)
        port, gateway = started.instance.addresses[0].port, node.pid("gateway-broker")
        before = relay.private_kib(gateway)
        client = subprocess.Popen([peer, "idle", str(port), str(count)], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert int(client.stdout.readline()) == count
            assert traffic(node, started).open_connections == count
            grown = relay.private_kib(gateway) - before
            assert grown <= KIBIBYTES_EACH * count, f"{grown} KiB for {count}"
            with socket.create_connection(("127.0.0.1", port), 30) as late:
                late.sendall(b"x")
                assert late.recv(1) == b"x"
        finally:
            client.stdin.close()
            client.wait(60)
        slot = wait_until(
            lambda: (found := traffic(node, started)).open_connections == 0 and found, 60,
            "all are over")
        assert slot.connections == count + 1
        assert slot.bytes_to_instance == slot.bytes_from_instance == count + 1
        node.stop_service(started.token, grace_ms=0)
