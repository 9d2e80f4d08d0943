"""A slot counts as open when the service listens there, and not before."""

import subprocess
from pathlib import Path

import boxes
import wire_client as w
from node import wait_until
from supervisor import OpenBox, Supervisor

PORT = 40_000


def asked(pid):
    """Connections begun in the instance's network so far."""
    names, figures = [
        line.split() for line in Path(f"/proc/{pid}/net/snmp").read_text().splitlines()
        if line.startswith("Tcp:")]
    return int(figures[names.index("ActiveOpens")])


def test_asking_never_opens_the_slot_itself(node):
    """Linux may give an asker the very port that it asks for: the socket is then connected with itself. With
    four ports to give that is at once; with all it was in a few of a thousand starts."""
    tree, description = boxes.script_box(
        "until [ -e /go ]; do /bin/busybox sleep 0.05; done",
        f"while :; do /bin/busybox nc -l -p {PORT} -e /bin/busybox true; done")
    box_id = node.import_box(tree, description).service_id
    with OpenBox(node, box_id) as box, Supervisor(node) as supervisor:
        instance = supervisor.start(
            box, description["init"]["entry_path"], slots=[(PORT, w.sandbox.TRANSPORT_TCP)])
        try:
            def phase():
                [state] = [one for one in supervisor.list() if one.instance_id == instance]
                return state.phase
            wait_until(lambda: phase() == w.sandbox.PHASE_STARTING, 60, "it runs")
            record = node.state / "sandbox-supervisor/instances" / instance.hex() / "witness"
            pid = record.read_text().split()[0]
            subprocess.run(
                ["nsenter", f"--net=/proc/{pid}/ns/net", "sh", "-c",
                 f"echo {PORT} {PORT + 3} > /proc/sys/net/ipv4/ip_local_port_range"],
                check=True, timeout=60)
            before = asked(pid)
            wait_until(
                lambda: phase() != w.sandbox.PHASE_STARTING or asked(pid) >= before + 10, 120,
                "it is asked ten times")
            assert phase() == w.sandbox.PHASE_STARTING
            Path(f"/proc/{pid}/root/go").touch()
            assert supervisor.wait_ready(instance).phase == w.sandbox.PHASE_READY
        finally:
            supervisor.stop(instance)
            supervisor.forget(instance)
