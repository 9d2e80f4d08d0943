"""A start is cut at each of its steps: one process of those that make it is killed at a chosen system
call, from the request to the end of the instance. Nothing is left half-made, what is told of the instance
is true, and the next start works.

CELAUT_FAULT_POINTS is how many calls of each process are tried, spread over all (0: every one);
CELAUT_SEED chooses which."""

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import PATIENCE, children_of, wait_until
from supervisor import OpenBox, Supervisor
from test_survival import left
from traces import Traces

HERE = Path(__file__).resolve().parent
POINTS = int(os.environ.get("CELAUT_FAULT_POINTS", 8))
SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
EXIT_CODE = 7

# Who is killed, and how it descends from the daemon.
GENERATIONS = {"supervisor": 0, "launcher": 1, "witness": 2, "payload": 3}
STARTED_OR_NOT = {w.sandbox.END_CAUSE_START_FAILED, w.sandbox.END_CAUSE_LOST}
# What may be told of an instance one of whose processes was killed. None of them was asked to stop.
CAUSES = {
    "supervisor": STARTED_OR_NOT | {w.sandbox.END_CAUSE_EXITED},
    "launcher": STARTED_OR_NOT | {w.sandbox.END_CAUSE_EXITED},
    "witness": STARTED_OR_NOT | {w.sandbox.END_CAUSE_EXITED},
    "payload": STARTED_OR_NOT | {w.sandbox.END_CAUSE_EXITED, w.sandbox.END_CAUSE_SIGNALLED},
}


@pytest.fixture(scope="module")
def killer(scratch):
    program = scratch / "killer"
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-o", program, HERE / "killer.c"], check=True)
    return program


class Trap:
    """A killer that waits for its call. Use as a context."""

    def __init__(self, program, pid, victim, number):
        self.command = [program, str(pid), str(GENERATIONS[victim]), str(number)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "the killer has nothing to trace"
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def counted(self):
        """How many calls there were, where none was the chosen one."""
        self.process.send_signal(signal.SIGTERM)
        word, number = self.process.stdout.readline().split()
        assert word == "counted"
        return int(number)

    def killed(self):
        """What was killed and where, or nothing if it came to no such call."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        line = self.process.stdout.readline().split()
        return line[1:] if line[0] == "killed" else None


@pytest.fixture(scope="module")
def opened(node):
    tree, description = boxes.script_box(f"exit {EXIT_CODE}")
    with OpenBox(node, node.import_box(tree, description).service_id) as box:
        yield box


def run(node, box):
    """One instance from its request to its end, however that comes; its id."""
    asked = Supervisor.request(box, ["start"], disk_bytes=4 << 20, memory_bytes=8 << 20)
    try:
        with Supervisor(node) as supervisor:
            supervisor.send_start(box, asked)
            supervisor.wait_ended(asked.instance_id)
    except (OSError, w.Closed, w.Fault, AssertionError):
        pass  # the daemon was killed; its successor tells
    return asked.instance_id


def ended(node, instance):
    """The end as the daemon of now tells it; nothing if it never heard of the instance."""
    told = []

    def answers():
        try:
            with Supervisor(node) as supervisor:
                if all(state.instance_id != instance for state in supervisor.list()):
                    return told or [None]
                told[:] = [supervisor.wait_ended(instance)]
                supervisor.forget(instance)
                return told
        except (OSError, w.Closed):
            return None
        except w.Fault as fault:
            # It was told, and is being forgotten since a request that was cut.
            if fault.code != "NOT_FOUND" or not told:
                raise
            return None
    return wait_until(answers, PATIENCE, "the daemon tells of the instance")[0]


def points(calls, generator):
    """The numbers to kill at: one in each of as many equal parts of the whole."""
    if POINTS == 0 or calls <= POINTS:
        return range(1, calls + 1)
    bounds = [1 + calls * part // POINTS for part in range(POINTS + 1)]
    return [generator.randrange(*pair) for pair in zip(bounds, bounds[1:])]


@pytest.mark.parametrize("victim", GENERATIONS)
def test_killed_at_any_system_call_of_a_start_it_leaves_nothing_half_made(
        node, opened, killer, victim):
    print("seed", SEED)
    generator = random.Random(f"{SEED} {victim}")
    before = Traces()
    state = ended(node, run(node, opened))
    assert (state.ended.cause, state.ended.exit_code) == (w.sandbox.END_CAUSE_EXITED, EXIT_CODE)
    with Trap(killer, node.pid("sandbox-supervisor"), victim, 1 << 40) as trap:
        instance = run(node, opened)
        calls = trap.counted()
    ended(node, instance)
    assert calls > 10, f"{calls} calls of the {victim}"
    killed = 0
    for number in points(calls, generator):
        killed += cut(node, opened, killer, victim, number)
    # The number of calls differs from start to start, and with it whether the last ones come; the first does.
    killed = killed or cut(node, opened, killer, victim, 1)
    assert killed > 0
    nothing_left(node, before, victim)


def cut(node, box, killer, victim, number):
    """One start with a kill in it, and one after it without. Whether anything was killed."""
    daemon = node.pid("sandbox-supervisor")
    with Trap(killer, daemon, victim, number) as trap:
        instance = run(node, box)
        where = trap.killed()
    if where and victim == "supervisor":
        node.wait_for("sandbox-supervisor", other_than=daemon)
    at = f"{victim}, call {number}, killed {where}"
    state = ended(node, instance)
    if state is None:
        assert victim == "supervisor" and where, f"{at}: forgotten"
    else:
        assert state.ended.cause in CAUSES[victim], f"{at}: {state}"
        if state.ended.cause == w.sandbox.END_CAUSE_EXITED:
            assert state.ended.exit_code == EXIT_CODE, f"{at}: {state}"
    after = ended(node, run(node, box))
    assert after is not None and after.ended.cause == w.sandbox.END_CAUSE_EXITED, f"{at}: {after}"
    return bool(where)


def nothing_left(node, before, victim):
    last = {}

    def gone():
        nonlocal last
        last = left(node, before)
        return not last and len(children_of(node.pid("sandbox-supervisor"))) <= 1
    try:
        wait_until(gone, PATIENCE, "nothing is left")
    except AssertionError:
        raise AssertionError(f"left behind of killed {victim}: {last}") from None
