"""What the privileged tests share: the probe's box, instances of it, and ways to ask one."""

import socket

import pytest

import boxes


class Probe:
    """A running instance of the probe."""

    def __init__(self, node, started):
        self.node, self.started, self.token = node, started, started.token
        [address] = started.instance.addresses
        self.address = (address.host, address.port)

    def ask(self, line, timeout=20):
        """One line to the probe; its whole answer, empty where it ended instead."""
        with socket.create_connection(self.address, timeout=timeout) as connection:
            connection.sendall(line.encode() + b"\n")
            answer = b""
            try:
                while part := connection.recv(65_536):
                    answer += part
            except ConnectionResetError:
                pass
            return answer.decode(errors="replace")

    def run(self, command, timeout=20):
        """A shell command inside: (output, status)."""
        text = self.ask("run " + command, timeout)
        output, _, status = text.rpartition("=")
        return output, int(status) if status.strip().isdigit() else status

    def stop(self, **more):
        return self.node.stop_service(self.token, **more)


@pytest.fixture(scope="session")
def probe_tree(scratch):
    return boxes.probe_tree(scratch)


@pytest.fixture
def start_probe(node, probe_tree):
    """Starts probes: start_probe(environment=…, description keys=…). All are stopped at the end."""
    started = []

    def start(environment=(), memory_bytes=0, **changes):
        box = node.import_box(probe_tree, boxes.described(**changes))
        probe = Probe(node, node.start_service(
            box.service_id, environment=environment, memory_bytes=memory_bytes))
        started.append(probe)
        return probe
    yield start
    for probe in reversed(started):
        probe.stop(grace_ms=0)


@pytest.fixture(scope="module")
def shared_probe(node, probe_tree):
    """One probe for the tests of a file that only look."""
    box = node.import_box(
        probe_tree, boxes.described())
    probe = Probe(node, node.start_service(box.service_id))
    yield probe
    probe.stop(grace_ms=0)
