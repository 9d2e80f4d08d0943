#!/usr/bin/python3
"""A whole node, kept by `celautctl up`: how fast a killed daemon is back, what it takes when idle, and how
it survives being killed again and again. One JSON line each, as deploy/bench prints them.

    installed.py restart-gap|boot|crash-run
"""

import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Python"))

import node as nodes  # noqa: E402
import wire_client as w  # noqa: E402
from crash_run import CrashRun  # noqa: E402

ROUNDS = 5
# Idle threads of the pool have ended by then.
SETTLE_SECONDS = 15
IDLE_SECONDS = 20
# One every ten seconds, half of its 20 s.
WATCHDOGS = 2
CRASH_SECONDS = float(os.environ.get("CELAUT_CRASH_SECONDS", "60"))


def tell(bench, ours, unit, baseline=None, **more):
    ratio = None if baseline is None else round(ours / baseline, 2)
    print(json.dumps({"bench": bench, **more, "ours": ours, "baseline": baseline, "ratio": ratio,
                      "unit": unit}), flush=True)


def restart_gap(folder):
    """From SIGKILL to the next answer, median and worst; the baseline is the pause before a start."""
    with nodes.Node(base=folder) as node:
        for name in nodes.DAEMONS:
            gaps = []
            for _ in range(ROUNDS):
                # The keeper forgets earlier deaths after ten seconds of life.
                time.sleep(10.2)
                pid = node.pid(name)
                start = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                while True:
                    try:
                        if node.status(name).process_id != pid:
                            break
                    except (OSError, w.Closed, w.Fault):
                        pass
                gaps.append((time.monotonic() - start) * 1000)
            tell("restart-gap", round(statistics.median(gaps), 1), "ms", baseline=20.0,
                 daemon=name, worst=round(max(gaps), 1), rounds=ROUNDS)


def private_bytes(pid):
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines()
                      if line.startswith("Private_"))


def switches(pid):
    """Times the threads of a process went to sleep by themselves: each was woken once."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def boot(folder):
    """Time until all answer, private memory of all processes, wake-ups of each daemon when idle."""
    start = time.monotonic()
    with nodes.Node(base=folder) as node:
        tell("boot-time", round((time.monotonic() - start) * 1000), "ms")
        pids = {name: node.pid(name) for name in nodes.DAEMONS}
        time.sleep(SETTLE_SECONDS)
        family = [*pids.values(), *nodes.children_of(pids["sandbox-supervisor"])]
        tell("boot-memory", round(sum(map(private_bytes, family)) / 1e6, 1), "MB",
             processes=len(family))
        before = {name: switches(pid) for name, pid in pids.items()}
        time.sleep(IDLE_SECONDS)
        for name, pid in pids.items():
            woken = max(0, switches(pid) - before[name] - WATCHDOGS) / IDLE_SECONDS
            tell("boot-wakeups", woken, "per second beyond the watchdog", daemon=name)


def crash_run(folder):
    """Kills survived, operations done, promises broken."""
    seed = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
    with nodes.Node(base=folder) as node:
        run = CrashRun(node, seed, CRASH_SECONDS).run()
    for line in run.violations:
        print(line, file=sys.stderr)
    tell("crash-run", len(run.violations), "violations", seed=seed, seconds=CRASH_SECONDS,
         kills=sum(run.kills.values()), operations=sum(run.operations.values()))


def main():
    benches = {"restart-gap": restart_gap, "boot": boot, "crash-run": crash_run}
    folder = Path(tempfile.mkdtemp(prefix="celaut-bench-"))
    folder.chmod(0o755)
    try:
        benches[sys.argv[1]](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
