"""Floods: a neighbour keeps its pace, whoever floods what, and each bound has its answer.

The pace of a neighbour is the median time of a connection through the relay, one byte there and back,
and its end. It is measured in turns, quiet and flooded, so that whatever else this machine does is in
both. What else it does only makes a turn slower: of each kind the least disturbed counts, and where all
were disturbed, it is measured again."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Bench"))

import relay  # noqa: E402
from node import Node  # noqa: E402

ATTEMPTS, TURNS, SAMPLES = 15, 3, 600


@pytest.fixture(scope="module")
def peer(scratch):
    return relay.build_peer(scratch)


@pytest.fixture(scope="module")
def flooded(peer):
    """A node with an instance that is flooded or floods, of half a processor, and a neighbour."""
    with Node() as node:
        started = {}
        for name in ("storm", "echo"):
            bounds = {"cpu_quota": 50_000, "cpu_period": 100_000} if name == "storm" else {}
            service = node.import_box(*relay.peer_box(peer, name, **bounds)).service_id
            started[name] = node.start_service(service)
        target = node.import_box(*relay.peer_box(peer, "many")).service_id
        started["many"] = node.start_service(target)
        yield {name: one.instance.addresses[0].port for name, one in started.items()}
        for one in started.values():
            node.stop_service(one.token, grace_ms=0)


def pace(peer, port):
    """In microseconds."""
    found = subprocess.run([peer, "pace", str(port), str(SAMPLES)], check=True, timeout=300, text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
    return int(found) / 1_000


def keeps_its_pace(peer, port, flood, most):
    """`flood` is a context. Passes when the flooded pace is at most so many times the quiet one."""
    seen = []
    for _ in range(ATTEMPTS):
        quiet, busy = [], []
        for _ in range(TURNS):
            quiet.append(pace(peer, port))
            with flood():
                busy.append(pace(peer, port))
        seen.append(round(min(busy) / min(quiet), 2))
        if seen[-1] <= most:
            return seen
    raise AssertionError(f"a neighbour's pace while flooded, against quiet: {seen}")


class Storm:
    """Connections of a guest to its own door, for as long as it is open."""
    opened = 0

    def __init__(self, port):
        self.control = socket.create_connection(("127.0.0.1", port), 120)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.control:
            self.control.shutdown(socket.SHUT_WR)
            Storm.opened += int(self.control.makefile().read())


class Rush:
    """Connections to a published port, 512 at once and as many as one client makes, by one who leaves the
    processors to others."""

    def __init__(self, peer, port):
        self.command = ["nice", "-n", "19", peer, "rush", str(port), "100000000"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def test_a_neighbour_keeps_its_pace_while_a_guest_opens_100_000_connections_to_its_door(
        peer, flooded):
    ratios = keeps_its_pace(peer, flooded["echo"], lambda: Storm(flooded["storm"]), 2)
    end = time.monotonic() + 400
    while Storm.opened < 100_000 and time.monotonic() < end:
        with Storm(flooded["storm"]):
            time.sleep(2)
    assert Storm.opened >= 100_000, (Storm.opened, ratios)
    # The door answers those that go on, and the relay everybody.
    assert pace(peer, flooded["echo"]) > 0
    with Storm(flooded["storm"]):
        pass


def test_a_neighbour_does_not_wait_for_the_512_that_flood_a_published_port(peer, flooded):
    """Each step of its connection waits for what is being done, two things at most, where each in its own
    turn among 512 was up to twenty times as slow."""
    keeps_its_pace(peer, flooded["echo"], lambda: Rush(peer, flooded["many"]), 10)
