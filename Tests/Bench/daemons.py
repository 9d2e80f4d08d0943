#!/usr/bin/python3
"""Start, memory and size of each daemon. One JSON line each, as deploy/bench prints them.

    daemons.py daemon-start|daemon-memory|daemon-size
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Python"))

import node as nodes  # noqa: E402

PROGRAMS = (*nodes.DAEMONS, "sandbox-launcher")
ROUNDS = 21


def tell(bench, daemon, ours, baseline, unit):
    ratio = None if baseline is None else round(ours / baseline, 2)
    print(json.dumps({
        "bench": bench, "daemon": daemon, "ours": ours, "baseline": baseline, "ratio": ratio,
        "unit": unit}), flush=True)


def arguments(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:-1]


def daemon_start(folder):
    """From exec to READY=1, median, against /bin/true from exec to exit; one core for all."""
    rig = folder / "spawn-ready"
    subprocess.run(["gcc", "-O2", "-o", rig, HERE / "spawn-ready.c"], check=True)
    # `up` writes the configuration of each daemon; what it wrote is what is measured.
    state = folder / "state"
    with nodes.Node(state=state, base=folder) as node:
        pids = {name: node.pid(name) for name in nodes.DAEMONS}
        commands = {name: [os.readlink(f"/proc/{pid}/exe"), *arguments(pid)]
                    for name, pid in pids.items()}
        users = {name: os.stat(f"/proc/{node.pid(name)}").st_uid for name in nodes.DAEMONS}

    def median(uid, path, name, command):
        out = subprocess.run(
            ["taskset", "-c", "0", rig, str(ROUNDS), str(uid), path, name, *command], check=True,
            stdout=subprocess.PIPE, stderr=sys.stderr.fileno()).stdout.split()
        return statistics.median(float(value) for value in out[1:]) / 1000
    baseline = round(median(0, "-", "-", ["/bin/true"]), 3)
    for name in nodes.DAEMONS:
        ours = median(users[name], folder / f"{name}.sock", name, commands[name])
        tell("daemon-start", name, round(ours, 2), baseline, "ms")


def private_kilobytes(pid):
    return sum(
        int(line.split()[1]) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Private_"))


def daemon_memory(folder):
    """Private memory of an idle daemon, once it has been asked for its status."""
    with nodes.Node(base=folder) as node:
        time.sleep(2)  # idle is the state that is measured
        for name in nodes.DAEMONS:
            tell("daemon-memory", name, round(private_kilobytes(node.pid(name)) / 1024, 2), None,
                 "MiB")


def daemon_size(folder):
    """Bytes of the executable without its symbols; the runtime libraries are shared."""
    for name in PROGRAMS:
        stripped = folder / name
        subprocess.run(["strip", "-o", stripped, nodes.BINARIES / name], check=True)
        tell("daemon-size", name, round(stripped.stat().st_size / 1e6, 2), None, "MB")


def main():
    benches = {"daemon-start": daemon_start, "daemon-memory": daemon_memory,
               "daemon-size": daemon_size}
    folder = Path(tempfile.mkdtemp(prefix="celaut-bench-"))
    folder.chmod(0o755)
    try:
        benches[sys.argv[1]](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
