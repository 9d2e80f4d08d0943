"""A gateway that gets the processor now and then: what it hears comes in heaps, and nothing of it is lost."""

import os
import signal
import threading
import time

import boxes

CLIENTS = 8
# Of each client. Nothing of one start is heard later than of the one before it, so that one that
# was missed shows as silence, which ends with the client's patience.
STARTS = 30
PAUSE, WORK = 0.05, 0.01


def test_each_start_and_stop_is_answered_by_a_gateway_that_stands_still_at_times(fresh_node):
    node = fresh_node
    box = node.import_box(*boxes.script_box("exec /bin/busybox sleep 1000", tag="pauses"))
    gateway, over, failures = node.pid("gateway-broker"), threading.Event(), []

    def pause():
        while not over.is_set():
            os.kill(gateway, signal.SIGSTOP)
            time.sleep(PAUSE)
            os.kill(gateway, signal.SIGCONT)
            time.sleep(WORK)

    def ask():
        try:
            for _ in range(STARTS):
                started = node.start_service(box.service_id, ready_ms=100_000)
                node.stop_service(started.token, grace_ms=0)
        except Exception as error:  # Of a thread, nobody else hears it.
            failures.append(repr(error))

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    pauses = threading.Thread(target=pause)
    for thread in (*clients, pauses):
        thread.start()
    for client in clients:
        client.join()
    over.set()
    pauses.join()
    assert not failures, failures
