"""What is under way when a daemon is restarted: each request is completed, perhaps by the next process, or
ends with a typed `unavailable`; silence and any other failure are wrong."""

import os
import signal
import threading
import time

import pytest

import boxes
import wire_client as w
from node import DAEMONS, wait_until

ROUNDS = 3
SIGNALS = (signal.SIGTERM, signal.SIGKILL)
# A connection to a process that was killed ends with it; the next one is to its successor.
CUT = (w.Closed, OSError)


class Asking:
    """One kind of request, one after the other, until the end."""

    def __init__(self, name, ask):
        self.name, self.ask = name, ask
        self.answered, self.unavailable, self.cut, self.wrong = 0, 0, 0, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def end(self):
        self.is_over.set()
        self.thread.join(300)
        assert not self.thread.is_alive(), f"{self.name}: silence"

    def work(self):
        while not self.is_over.is_set():
            try:
                self.ask()
                self.answered += 1
                continue
            except TimeoutError as error:
                self.wrong.append(f"no answer: {error}")
            except w.Fault as fault:
                if fault.code == "UNAVAILABLE":
                    self.unavailable += 1
                else:
                    self.wrong.append(str(fault))
            except CUT:
                self.cut += 1
            time.sleep(0.02)

    def __str__(self):
        return (f"{self.name}: {self.answered} answered, {self.unavailable} unavailable, "
                f"{self.cut} cut, wrong: {self.wrong}")


@pytest.fixture(scope="module")
def box(node):
    return node.import_box(*boxes.script_box("exec /bin/busybox sleep 1000", tag="in-flight"))


class StartAndStop:
    """One instance after the other; what was cut off is asked for again, and is the same instance."""

    def __init__(self, node, box):
        self.node, self.box = node, box
        self.key = self.token = None

    def __call__(self):
        if self.token is None:
            self.key = self.key or os.urandom(16)
            self.token = self.node.start_service(self.box.service_id, key=self.key).token
        self.node.stop_service(self.token, grace_ms=0)
        self.key = self.token = None


@pytest.mark.parametrize("number", SIGNALS, ids=lambda one: one.name)
@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_request_to_a_restarted_daemon_is_completed_or_unavailable(node, box, daemon, number):
    tree, description = boxes.script_box("exit 0", tag="in-flight-import")
    instances = StartAndStop(node, box)
    asking = [
        Asking("gateway-broker start and stop", instances),
        Asking("gateway-broker list", node.list_services),
        Asking("box-builder import", lambda: node.import_box(tree, description)),
        Asking("box-builder list", node.list_boxes),
        Asking("sandbox-supervisor status", lambda: node.status("sandbox-supervisor")),
    ]
    for one in asking:
        one.thread.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(0.3)  # so that something is under way
            pid = node.pid(daemon)
            os.kill(pid, number)
            node.wait_for(daemon, other_than=pid)
        for one in asking:
            then = one.answered
            wait_until(lambda one=one, then=then: one.answered > then, 120, str(one))
    finally:
        for one in asking:
            one.end()
    print(*asking, sep="\n")
    for one in asking:
        assert not one.wrong, one
        # Only who was connected to the killed process itself is cut off.
        assert one.cut == 0 or one.name.startswith(daemon), one
    if instances.key:
        instances()
    assert node.list_services() == []
