#!/usr/bin/python3
"""What it costs to start an instance, and to have it. One JSON line each, as deploy/bench prints them.

    launch.py launch|launch-rate|launch-flat|instance-overhead|density [ROUNDS]

`launch` is measured from the start request, or from the spawn of the other program, to the first
instruction of the entrypoint, which writes down CLOCK_REALTIME. All three start the same static program
from the same files, in turns.
"""

import ctypes
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Python"))

import boxes  # noqa: E402
import node as nodes  # noqa: E402
import wire_client as w  # noqa: E402
from supervisor import OpenBox, Supervisor, now_ns  # noqa: E402

MEBIBYTE = 1 << 20
CLONE_NEWNS = 0x20000


def tell(bench, ours, baseline, unit, **more):
    ratio = None if baseline is None else round(ours / baseline, 3)
    print(json.dumps({"bench": bench, **more, "ours": ours, "baseline": baseline, "ratio": ratio,
                      "unit": unit}), flush=True)


def make_tree(folder):
    """The same files as a folder for the others and as a box for us."""
    root = folder / "root"
    for name in ("bin", "tmp", "proc", "sys", "dev", "etc"):
        (root / name).mkdir(parents=True)
    subprocess.run(["gcc", "-O2", "-static", "-nostdlib", "-fno-stack-protector", "-o",
                    root / "first", HERE / "first-instruction.c"], check=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    entries = [boxes.entry(f"{name}/", kind=boxes.tarfile.DIRTYPE)
               for name in ("bin", "tmp", "proc", "sys", "dev", "etc")]
    entries += [boxes.entry("bin/busybox", Path("/bin/busybox").read_bytes()),
                boxes.entry("first", (root / "first").read_bytes()),
                boxes.entry("sleep", boxes.script("exec /bin/busybox sleep 3600"))]
    description = boxes.described(tag="first", init={"entry_path": ["first"]}, api=[])
    return root, boxes.tar_bytes(entries), description


def at(text):
    """The clock's value as the entrypoint wrote it, in nanoseconds."""
    seconds, nanoseconds = struct.unpack("<qq", text)
    return seconds * 1_000_000_000 + nanoseconds


def ours_once(supervisor, box):
    """Request to first instruction, in nanoseconds."""
    request = supervisor.request(box, ["first"])
    began = now_ns()
    supervisor.send_start(box, request)
    instance = request.instance_id
    state = supervisor.wait_ended(instance)
    assert state.ended.cause == w.sandbox.END_CAUSE_EXITED, state
    first = at(supervisor.output(instance)[0])
    supervisor.forget(instance)
    return first - began


def spawned_once(command, environment):
    """Spawn to first instruction, in nanoseconds."""
    readable, writable = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writable, 1), (os.POSIX_SPAWN_CLOSE, readable)]
    began = now_ns()
    pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
    os.close(writable)
    text = b""
    while part := os.read(readable, 64):
        text += part
    os.close(readable)
    _, status = os.waitpid(pid, 0)
    assert status == 0, (command, status)
    return at(text) - began


def bwrap_command(root):
    return ["/usr/bin/bwrap", "--unshare-all", "--ro-bind", str(root), "/", "--proc", "/proc",
            "--dev", "/dev", "--tmpfs", "/tmp", "--", "/first"]


def crun_bundle(folder, root, arguments=("/first",)):
    """What `crun spec` writes, without a terminal, on our root."""
    bundle = folder / "bundle"
    bundle.mkdir(exist_ok=True)
    (bundle / "config.json").unlink(missing_ok=True)
    subprocess.run(["crun", "spec"], cwd=bundle, check=True)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=list(arguments))
    config["root"] = {"path": str(root), "readonly": True}
    # The hierarchies here may be of version 1, which the specification's cgroup mount is not for.
    config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "cgroup"]
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def leave_hybrid_cgroups():
    """crun takes a machine with /sys/fs/cgroup/unified for one with systemd's hierarchies in use, and
    fails where they are not. Hidden in a mount namespace of this process's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=False, stderr=subprocess.DEVNULL)


def launch(folder, rounds):
    root, tar, description = make_tree(folder)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with nodes.Node(base=folder) as node:
        box_id = node.import_box(tar, description).service_id
        with OpenBox(node, box_id) as box, Supervisor(node) as supervisor:
            # After the node is up: it keeps the mounts it was started with.
            leave_hybrid_cgroups()
            bundle = crun_bundle(folder, root)

            def crun(number):
                return spawned_once(
                    ["/usr/bin/crun", "--cgroup-manager=disabled", f"--root={folder}/crun", "run",
                     f"--bundle={bundle}", f"bench-{os.getpid()}-{number}"], environment)

            def bwrap(_):
                return spawned_once(bwrap_command(root), environment)
            contenders = {"ours": lambda _: ours_once(supervisor, box), "crun": crun, "bwrap": bwrap}
            times = {name: [] for name in contenders}
            for number in range(-5, rounds):
                for name, once in contenders.items():
                    nanoseconds = once(number)
                    if number >= 0:
                        times[name].append(nanoseconds / 1e6)
    medians = {name: round(statistics.median(all_of), 2) for name, all_of in times.items()}
    tails = {name: round(statistics.quantiles(all_of, n=20)[-1], 2) for name, all_of in times.items()}
    for name in ("crun", "bwrap"):
        tell("launch", medians["ours"], medians[name], "ms", against=name, p95=tails["ours"],
             baseline_p95=tails[name], starts=rounds)


def start_and_end(supervisor, box, entrypoint=("first",)):
    instance = supervisor.start(box, entrypoint)
    supervisor.wait_ended(instance)
    supervisor.forget(instance)


def launch_rate(folder, rounds):
    """Started, ended and forgotten per second. Each client is a process, so that ours is measured and
    not Python's lock."""
    _, tar, description = make_tree(folder)
    with nodes.Node(base=folder) as node:
        box_id = node.import_box(tar, description).service_id
        with OpenBox(node, box_id) as box:
            for clients in (1, 8):
                gate_out, gate_in = os.pipe()
                children = []
                for _ in range(clients):
                    child = os.fork()
                    if child == 0:
                        code = 1
                        try:
                            os.close(gate_in)
                            with Supervisor(node) as supervisor:
                                start_and_end(supervisor, box)
                                os.read(gate_out, 1)
                                for _ in range(rounds // clients):
                                    start_and_end(supervisor, box)
                            code = 0
                        finally:
                            os._exit(code)
                    children.append(child)
                time.sleep(1)  # every client has connected and started one
                began = time.monotonic()
                os.close(gate_in)
                for child in children:
                    assert os.waitpid(child, 0)[1] == 0, "a client failed"
                seconds = time.monotonic() - began
                os.close(gate_out)
                tell("launch-rate", round(rounds // clients * clients / seconds, 1), None,
                     "instances/s", clients=clients)


def resources(pid):
    fields = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in fields if line.startswith("Private_"))
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "private_kib": private}


PAIRS = 200


def launch_flat(folder, rounds):
    """A start of a node with many behind it against one of a node with few, in turns, so that what
    else the machine does is in both. What grew in the kernel would be in both, too: so the same start is
    also told against bwrap's, in turns with it around the 100th and at the end."""
    root, tar, description = make_tree(folder)
    rounds = max(rounds, 3 * PAIRS)

    def bwrap():
        return spawned_once(bwrap_command(root), {}) / 1e6

    with nodes.Node(base=folder) as node:
        box_id = node.import_box(tar, description).service_id
        supervisor_pid = node.pid("sandbox-supervisor")
        pids = {"supervisor": supervisor_pid, "launcher": launcher_of(node)[0]}
        with OpenBox(node, box_id) as box, Supervisor(node) as supervisor:
            def ours():
                return ours_once(supervisor, box) / 1e6
            for _ in range(50):
                ours()
            first = in_turns(ours, bwrap)
            before = {name: resources(pid) for name, pid in pids.items()}
            for _ in range(rounds - 2 * PAIRS - 50):
                ours()
            last = in_turns(ours, bwrap)
            after = {name: resources(pid) for name, pid in pids.items()}
            fresh_folder = folder / "fresh"
            fresh_folder.mkdir(mode=0o755)
            with nodes.Node(base=fresh_folder) as other:
                other_id = other.import_box(tar, description).service_id
                with OpenBox(other, other_id) as other_box, Supervisor(other) as fresh:
                    for _ in range(50):
                        ours_once(fresh, other_box)
                    old, new = in_turns(ours, lambda: ours_once(fresh, other_box) / 1e6)
    growth = {f"{name}_{what}": after[name][what] - before[name][what]
              for name in pids for what in before[name]}
    tell("launch-flat", old[0], new[0], "ms", against="fresh node", starts=rounds,
         quartiles=[old[1], new[1]], **growth)
    shares = [[ours / theirs for ours, theirs in zip(*pair, strict=True)] for pair in (last, first)]
    tell("launch-flat", round(shares[0][0], 3), round(shares[1][0], 3), "of bwrap",
         against="itself at the 100th", starts=rounds,
         quartiles=[round(share[1], 3) for share in shares], ours_ms=[last[0][0], first[0][0]])


def in_turns(one, other):
    """Of two, each time one after the other: [median, lower quartile]."""
    pairs = [(one(), other()) for _ in range(PAIRS)]
    return [[round(statistics.median(times), 2), round(statistics.quantiles(times, n=4)[0], 2)]
            for times in zip(*pairs, strict=True)]


def private_kilobytes(pid):
    return resources(pid)["private_kib"]


def conmon_memory(folder, root, count):
    """Median private memory of conmon over a sleep that crun started."""
    leave_hybrid_cgroups()
    bundle = crun_bundle(folder, root, ("/bin/busybox", "sleep", "600"))
    found, sleeps = [], []
    try:
        for number in range(count):
            identity = f"bench-{os.getpid()}-{number}"
            place = folder / identity
            place.mkdir()
            subprocess.run(
                ["conmon", "-c", identity, "-u", identity, "-n", identity, "-b", bundle, "-p",
                 place / "pid", "-P", place / "conmon", "-r", "/usr/bin/crun", "--runtime-arg",
                 "--cgroup-manager=disabled", "--runtime-arg", f"--root={folder}/crun", "-l",
                 f"k8s-file:{place}/log", "--exit-dir", place,
                 "--socket-dir-path", place], check=True, timeout=30,
                stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno())
            nodes.wait_until(lambda: (place / "pid").exists() and (place / "pid").read_text(), 10,
                             "conmon started its container")
            sleeps.append(int((place / "pid").read_text()))
            found.append(private_kilobytes(int((place / "conmon").read_text())))
            subprocess.run(["crun", "--cgroup-manager=disabled", f"--root={folder}/crun", "start",
                            identity], check=True, stdout=sys.stderr.fileno())
    finally:
        for pid in sleeps:
            os.kill(pid, 9)
    return statistics.median(found)


def witnesses(node):
    """The pids of all witnesses, from the directories of their instances."""
    folder = node.state / "sandbox-supervisor/instances"
    return [int(file.read_text().split()[0]) for file in folder.glob("*/witness")]


def instance_overhead(folder, rounds):
    """Private memory of ours for each running instance: its witness, and its share of what the daemon
    and its launcher grew by."""
    count = min(rounds, 100)
    root, tar, description = make_tree(folder)
    with nodes.Node(base=folder) as node:
        box_id = node.import_box(tar, description).service_id
        supervisor_pid = node.pid("sandbox-supervisor")
        with OpenBox(node, box_id) as box, Supervisor(node) as supervisor:
            started = [sleeping(supervisor, box) for _ in range(5)]
            daemon = [supervisor_pid, *launcher_of(node)]
            before = sum(private_kilobytes(pid) for pid in daemon)
            started += [sleeping(supervisor, box) for _ in range(count)]
            grown = sum(private_kilobytes(pid) for pid in daemon) - before
            each = statistics.median(private_kilobytes(pid) for pid in witnesses(node))
            for instance in started:
                supervisor.stop(instance)
    theirs = conmon_memory(folder, root, 5)
    tell("instance-overhead", round(each + max(grown, 0) / count, 1), theirs, "KiB", witness=each,
         daemon_growth=round(grown / count, 1), instances=count)


def launcher_of(node):
    return [pid for pid in nodes.children_of(node.pid("sandbox-supervisor"))
            if os.readlink(f"/proc/{pid}/exe").endswith("sandbox-launcher")]


def sleeping(supervisor, box):
    """An instance whose sleep runs."""
    instance = supervisor.start(
        box, ["sleep"], memory_bytes=16 * MEBIBYTE, disk_bytes=16 * MEBIBYTE)
    supervisor.wait_ready(instance)
    return instance


def density(folder, rounds):
    """Many sleeping instances at once, listed."""
    count = max(rounds, 500)
    tree, description = boxes.script_box("exec /bin/busybox sleep 3600")
    small = {"mem_limit": 8 * MEBIBYTE, "disk_space": 4 * MEBIBYTE}
    description["resources"] = {"at_init": small, "at_most": small}
    with nodes.Node(base=folder) as node:
        box_id = node.import_box(tree, description).service_id
        began = time.monotonic()
        for _ in range(count):
            node.start_service(box_id)
        each = (time.monotonic() - began) / count
        times = []
        for _ in range(11):
            began = time.monotonic()
            listed = node.command("ps")
            times.append((time.monotonic() - began) * 1e3)
            assert listed.returncode == 0, listed.stderr
            assert len(listed.stdout.splitlines()) == count + 1, listed.stdout[-500:]
        tell("density", round(statistics.median(times), 1), 100, "ms", instances=count,
             start_ms=round(each * 1e3, 1),
             supervisor_kib=private_kilobytes(node.pid("sandbox-supervisor")))
        node.stop(within=180)


def main():
    benches = {"launch": (launch, 200), "launch-rate": (launch_rate, 400),
               "launch-flat": (launch_flat, 10_000), "instance-overhead": (instance_overhead, 50),
               "density": (density, 500)}
    bench, rounds = benches[sys.argv[1]]
    if len(sys.argv) > 2:
        rounds = int(sys.argv[2])
    folder = Path(tempfile.mkdtemp(prefix="celaut-bench-"))
    folder.chmod(0o755)
    try:
        bench(folder, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
