"""The supervisor may die with many instances running, or in the middle of a start: nothing that ran
notices, nothing is lost, nothing is left half-made."""

import os
import random
import re
import signal
import subprocess
import time

import pytest

import boxes
import wire_client as w
from daemon import configuration_of
from node import BINARIES, PATIENCE, Traces, children_of, hold, wait_until
from supervisor import OpenBox, Supervisor

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
COUNT = 50
ROUNDS = 5
LAST = 20
# Counts aloud until it is told to end, or has come to the number it was given.
LINES = [
    'i=0', 'while [ $i -lt "$UNTIL" ]; do echo $i; i=$((i + 1)); /bin/busybox sleep 0.2; done',
    'exit "$CODE"']


@pytest.fixture(scope="module")
def opened(node):
    tree, description = boxes.script_box(*LINES)
    with OpenBox(node, node.import_box(tree, description).service_id) as box:
        yield box


def start(supervisor, box, until, code=0, **limits):
    return supervisor.start(
        box, ["start"], disk_bytes=4 << 20, memory_bytes=8 << 20,
        environment=[("UNTIL", str(until).encode()), ("CODE", str(code).encode())], **limits)


def counted(output):
    """The numbers of an output; they must follow each other from 0."""
    numbers = [int(line) for line in output.split()]
    assert numbers == list(range(len(numbers))), numbers[-5:]
    return len(numbers)


def phases(supervisor):
    return {state.instance_id: state for state in supervisor.list()}


def test_fifty_instances_outlive_it_and_no_end_or_output_is_lost(node, opened):
    with Supervisor(node) as supervisor:
        lasting = [start(supervisor, opened, 1_000_000) for _ in range(COUNT // 2)]
        ending = {start(supervisor, opened, LAST, code): code for code in range(COUNT // 2)}
        for instance in lasting:
            supervisor.wait_ready(instance)
    # On a busy machine some of those that end have done so by now; their records are there all the same.
    records = node.state / "sandbox-supervisor/instances"
    wait_until(lambda: len(set(records.glob("*/witness"))) == COUNT, PATIENCE, "all are made")
    witnesses = set(records.glob("*/witness"))
    pids = {int(file.read_text().split()[0]) for file in witnesses}
    # From here on it sees nothing: what ends, ends without it.
    pid = node.pid("sandbox-supervisor")
    hold(pid)
    wait_until(lambda: len(list((node.state / "sandbox-supervisor/instances").glob("*/ended")))
               == len(ending), 300, "all that end have ended")
    began = time.monotonic()
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it was silent for so long that who keeps it did the same

    def managed():
        try:
            with Supervisor(node) as supervisor:
                found = phases(supervisor)
        except (OSError, w.Closed, w.Fault):
            return None
        return found if len(found) == COUNT else None
    found = wait_until(managed, PATIENCE, "all are known again")
    # One second is the promise of a machine that does nothing else; of this one nothing is known.
    print(f"managed again after {time.monotonic() - began:.2f} s")
    with Supervisor(node) as supervisor:
        assert all(found[instance].phase == w.sandbox.PHASE_READY for instance in lasting)
        for instance, code in ending.items():
            state = supervisor.wait_ended(instance)
            assert (state.ended.cause, state.ended.exit_code) == (
                w.sandbox.END_CAUSE_EXITED, code), state
            assert counted(supervisor.output(instance)[0]) == LAST
        before = {instance: counted(supervisor.output(instance)[0]) for instance in lasting}
        wait_until(lambda: all(
            counted(supervisor.output(instance)[0]) > before[instance] for instance in lasting), PATIENCE,
            "each goes on counting")
        alive = {pid for pid in pids if os.path.exists(f"/proc/{pid}")}
        assert len(alive) >= len(lasting)
        for instance in lasting:
            state = supervisor.stop(instance)
            assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state
        for instance in [*lasting, *ending]:
            supervisor.forget(instance)


def left(node, before):
    """What there is of instances and of nobody else's: records, cgroups, witnesses, mounts, loops."""
    text = configuration_of(node, "sandbox-supervisor").text
    group = re.search(r'^cgroup = "(.*)"', text, re.MULTILINE).group(1)
    launcher = str((BINARIES / "sandbox-launcher").resolve())
    now, daemons = Traces(), children_of(node.pid("sandbox-supervisor"))
    found = {
        "records": list((node.state / "sandbox-supervisor/instances").iterdir()),
        "cgroups": [folder for folder in now.cgroups if f"/{group}/" in folder],
        "witnesses": [
            pid for pid, program in now.processes - before.processes
            if program == launcher and pid not in daemons],
        "mounts": [one for one in now.mounts if str(node.base) in one[1]],
        "loops": sorted(now.loops - before.loops)}
    return {kind: those for kind, those in found.items() if those}


@pytest.mark.parametrize("victim", ["sandbox-supervisor", "sandbox-launcher"])
def test_killed_at_any_point_of_a_start_it_leaves_nothing_half_made(fresh_node, victim):
    node, generator = fresh_node, random.Random(SEED)
    print("seed", SEED)
    before = Traces()
    tree, description = boxes.script_box(*LINES)
    with OpenBox(node, node.import_box(tree, description).service_id) as box:
        for _ in range(ROUNDS):
            kill_during_starts(node, box, victim, generator.uniform(0, 0.06))
    last = {}

    def gone():
        nonlocal last
        # A request that was under way at the kill may have been taken up after all were told of.
        told_of_all(node)
        last = left(node, before)
        return not last
    try:
        wait_until(gone, PATIENCE, "nothing is left")
    except AssertionError:
        raise AssertionError(f"left behind: {last}") from None


def kill_during_starts(node, box, victim, delay):
    """Three starts, the kill, and what is told of them afterwards."""
    pid = node.pid("sandbox-supervisor")
    supervisor = Supervisor(node)
    for _ in range(3):
        request = supervisor.request(
            box, ["start"], disk_bytes=4 << 20, memory_bytes=8 << 20,
            environment=[("UNTIL", b"3"), ("CODE", b"7")])
        supervisor.connection.start("SandboxSupervisor.StartInstance", request, box.descriptors)
    time.sleep(delay)
    if victim == "sandbox-supervisor":
        os.kill(pid, signal.SIGKILL)
        node.wait_for(victim, other_than=pid)
    else:
        subprocess.run(["pkill", "-KILL", "-P", str(pid), "-x", "sandbox-launche"], check=False)
    supervisor.connection.socket.close()
    told_of_all(node)


def told_of_all(node):
    """Each instance that there is ends, is told of truthfully, and is forgotten."""
    with Supervisor(node) as supervisor:
        for instance in phases(supervisor):
            state = supervisor.wait_ended(instance)
            if state.ended.cause == w.sandbox.END_CAUSE_EXITED:
                assert state.ended.exit_code == 7, state
                assert counted(supervisor.output(instance)[0]) == 3
            else:
                assert state.ended.cause in (
                    w.sandbox.END_CAUSE_START_FAILED, w.sandbox.END_CAUSE_LOST), state
            supervisor.forget(instance)
