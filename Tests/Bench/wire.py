#!/usr/bin/python3
"""What a call between daemons costs, against a C program that does the same by hand.

    wire.py wire-rtt|wire-fd|wire-throughput [ROUNDS]

Both run on one processor, in turns, and the medians of the rounds are compared. CELAUT_BIN is the
folder of the built programs. wire-rtt: a request and a reply with bodies of 128 bytes through the
generated client and handler. wire-fd: the same with a sealed memfd in each reply, which the
receiver checks and closes. wire-throughput: a stream of items whose frames are of 64 KiB.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COUNTS = {"wire-rtt": 50_000, "wire-fd": 30_000, "wire-throughput": 20_000}


def figure(command):
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def ours(bench, count, binaries, folder):
    path = f"{folder}/bench.sock"
    with subprocess.Popen(
            [binaries / "wire-bench", "serve", path], stdout=subprocess.PIPE) as server:
        try:
            server.stdout.readline()
            return figure([binaries / "wire-bench", bench, path, str(count)])
        finally:
            server.terminate()
            os.unlink(path)


def main():
    bench = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    binaries = Path(os.environ["CELAUT_BIN"])
    count = COUNTS[bench]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    mine, base = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            base.append(figure([binaries / "wire-baseline", bench, str(count)]))
            mine.append(ours(bench, count, binaries, folder))
    mine, base, unit = statistics.median(mine), statistics.median(base), "ns/call"
    if bench == "wire-throughput":
        mine, base, unit = round(1e9 / mine), round(1e9 / base), "messages/s"
    print(json.dumps({
        "bench": bench, "ours": mine, "baseline": base, "ratio": round(mine / base, 2),
        "unit": unit}))


main()
