"""What whoever keeps the node (systemd, or `celautctl up`) has of an instance while the supervisor is not
there: the instance is found again by it, and no other process is ever taken for it."""

import os
import signal
import sqlite3
import subprocess
import time

import pytest

import boxes
import wire_client as w
from node import PATIENCE, hold, wait_until
from supervisor import OpenBox, Supervisor


@pytest.fixture(scope="module")
def opened(node):
    tree, description = boxes.script_box("exec /bin/busybox sleep 1000", tag="kept")
    with OpenBox(node, node.import_box(tree, description).service_id) as box:
        yield box


@pytest.fixture
def instance(node, opened):
    with Supervisor(node) as supervisor:
        started = supervisor.start(opened, ["start"])
        supervisor.wait_ready(started)
    yield started
    with Supervisor(node) as supervisor:
        supervisor.forget(started)


def kill_supervisor(node):
    pid = node.pid("sandbox-supervisor")
    os.kill(pid, signal.SIGKILL)
    node.wait_for("sandbox-supervisor", other_than=pid)


def found_again(node, instance):
    """How it was found by the processes that came, in their order."""
    return [line.split("by=")[1].split()[0] for line in node.log().splitlines()
            if "found again" in line and instance.hex() in line]


def has_ended(pid):
    """Whether or not somebody has waited for it."""
    try:
        with open(f"/proc/{pid}/stat") as text:
            return text.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def start_time(pid):
    with open(f"/proc/{pid}/stat") as text:
        return int(text.read().rsplit(")", 1)[1].split()[19])


def descriptors(node):
    return len(os.listdir(f"/proc/{node.pid('sandbox-supervisor')}/fd"))


def test_an_instance_is_found_again_by_the_descriptor_that_was_kept(node, instance):
    for _ in range(3):
        kill_supervisor(node)
    wait_until(lambda: found_again(node, instance) == ["descriptor"] * 3, 60, "it is found each time")
    with Supervisor(node) as supervisor:
        [state] = [one for one in supervisor.list() if one.instance_id == instance]
        assert state.phase == w.sandbox.PHASE_READY
        assert supervisor.stop(instance).ended.cause == w.sandbox.END_CAUSE_STOPPED


def test_a_process_that_the_record_has_come_to_mean_is_not_taken_for_the_witness(node, instance):
    """As when pids have gone round: the record's numbers are those of somebody else's process."""
    witness = int((node.state / "sandbox-supervisor/instances" / instance.hex() / "witness")
                  .read_text().split()[0])
    with subprocess.Popen(["sleep", "1000"]) as other:
        try:
            path = node.state / "sandbox-supervisor/instances.sqlite"
            with sqlite3.connect(path, timeout=20) as records:
                changed = records.execute(
                    "UPDATE instance SET pid = ?, start_time = ? WHERE id = ?",
                    (other.pid, start_time(other.pid), instance)).rowcount
            records.close()
            assert changed == 1
            kill_supervisor(node)
            with Supervisor(node) as supervisor:
                state = supervisor.stop(instance)
            assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state
            wait_until(lambda: has_ended(witness), 60, "the witness has ended")
            assert other.poll() is None, "another process was killed"
        finally:
            other.kill()


def test_what_ends_while_nobody_is_there_is_told_as_it_was_and_kept_no_longer(node, instance):
    pid = node.pid("sandbox-supervisor")
    hold(pid)
    witness = node.state / "sandbox-supervisor/instances" / instance.hex()
    os.kill(int((witness / "witness").read_text().split()[0]), signal.SIGUSR1)
    wait_until((witness / "ended").exists, 60, "its end is written down")
    os.kill(pid, signal.SIGKILL)
    node.wait_for("sandbox-supervisor", other_than=pid)
    with Supervisor(node) as supervisor:
        state = supervisor.wait_ended(instance)
    assert state.ended.cause == w.sandbox.END_CAUSE_SIGNALLED, state
    # The most of a second: it opens one now and then, for those that ask.
    before = max(time.sleep(0.05) or descriptors(node) for _ in range(20))
    kill_supervisor(node)
    wait_until(lambda: descriptors(node) <= before, PATIENCE,
               "nothing of it came back")
