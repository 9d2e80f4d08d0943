#!/usr/bin/python3
"""The relay of the gateway against HAProxy in TCP mode with splice. One JSON line each, as deploy/bench
prints them.

    relay.py relay-throughput|relay-latency|relay-connect|relay-idle|family [ROUNDS]

Both are measured in turns in the same run, each relay alone on the first processor, client and server on
the second. The server behind ours is in an instance, the one behind HAProxy a process of this host.
"""

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Python"))

import boxes  # noqa: E402
import node as nodes  # noqa: E402
import wire_client as w  # noqa: E402

MEBIBYTE = 1 << 20
RELAY_CPU, PEERS_CPU = "0", "1"
PEER_PORT, IPERF_PORT = 7000, 5201
# LIMIT: what fits below a hard limit of 20,000 open files: a quarter is kept for all else, and each
# connection is two of the gateway's.
IDLE_MOST = 10_000
IDLE_BOUNDS = ("[limits]\nrelayed_connections_per_instance = 1000000\n"
               "relayed_connections_per_slot = 1000000\n")


def tell(bench, ours, baseline, unit, **more):
    ratio = None if not baseline else round(ours / baseline, 3)
    print(json.dumps({"bench": bench, **more, "ours": ours, "baseline": baseline, "ratio": ratio,
                      "unit": unit}), flush=True)


def pinned(cpu, *command):
    return ["taskset", "-c", cpu, *map(str, command)]


def pin(pid, cpu):
    subprocess.run(["taskset", "-a", "-c", "-p", cpu, str(pid)], check=True,
                   stdout=subprocess.DEVNULL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    def accepts():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    nodes.wait_until(accepts, 10, f"port {port} accepts")


class Processes:
    """Ends what it started, in reverse order."""

    def __init__(self):
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.terminate()
            process.wait(10)

    def start(self, cpu, *command, **options):
        process = subprocess.Popen(
            pinned(cpu, *command), stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", sys.stderr.fileno()), **options)
        self.running.append(process)
        return process


def build_peer(folder):
    program = folder / "peer"
    subprocess.run(["gcc", "-O2", "-static", "-o", program, HERE / "relay-peer.c"], check=True)
    return program


def peer_box(program, name, **resources):
    """The server as a box: the name it is started by says what it does."""
    tree = boxes.tar_bytes([boxes.entry(name, program.read_bytes())])
    bounds = {"mem_limit": 64 * MEBIBYTE, "disk_space": 16 * MEBIBYTE} | resources
    return tree, boxes.described(
        tag=name, init={"entry_path": [name]}, api=[{"port": PEER_PORT, "transport": "tcp"}],
        resources={"at_init": bounds, "at_most": bounds})


def iperf_box():
    """Debian's iperf3 with the libraries it is linked to."""
    listed = subprocess.run(["ldd", "/usr/bin/iperf3"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    files = {word for line in listed.splitlines() for word in line.split() if word.startswith("/")}
    entries = [boxes.entry(path.lstrip("/"), Path(path).read_bytes())
               for path in sorted(files | {"/usr/bin/iperf3"})]
    entries += boxes.busybox_entries()
    entries += [boxes.entry("tmp/", kind=boxes.tarfile.DIRTYPE, mode=0o1777),
                boxes.entry("start", boxes.script(f"exec /usr/bin/iperf3 -s -p {IPERF_PORT}"))]
    bounds = {"mem_limit": 256 * MEBIBYTE, "disk_space": 64 * MEBIBYTE}
    return boxes.tar_bytes(entries), boxes.described(
        tag="iperf", init={"entry_path": ["start"]}, resources={"at_init": bounds, "at_most": bounds},
        api=[{"port": IPERF_PORT, "transport": "tcp"}])


def haproxy(processes, folder, target):
    port = free_port()
    file = folder / "haproxy.cfg"
    file.write_text(
        "global\n    nbthread 1\n    maxconn 4000\n"
        "defaults\n    mode tcp\n    option splice-auto\n"
        "    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n"
        f"frontend front\n    bind 127.0.0.1:{port}\n    default_backend back\n"
        f"backend back\n    server one 127.0.0.1:{target}\n")
    processes.start(RELAY_CPU, "/usr/sbin/haproxy", "-db", "-f", file)
    wait_for_port(port)
    return port


def pin_instances(node):
    """Witnesses and what they started."""
    for file in (node.state / "sandbox-supervisor/instances").glob("*/witness"):
        witness = int(file.read_text().split()[0])
        for pid in [witness, *nodes.children_of(witness)]:
            pin(pid, PEERS_CPU)
            for child in nodes.children_of(pid):
                pin(child, PEERS_CPU)


class Pair:
    """Our relay and HAProxy, each in front of the same server. `ours` and `baseline` are ports."""

    def __init__(self, folder, box, server):
        self.folder, self.box, self.server = folder, box, server

    def __enter__(self):
        self.processes = Processes()
        self.started = None
        self.node = nodes.Node(base=self.folder).__enter__()
        try:
            return self.begin()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def begin(self):
        tree, description = self.box
        service = self.node.import_box(tree, description).service_id
        self.started = self.node.start_service(service)
        self.ours = self.started.instance.addresses[0].port
        pin(self.node.pid("gateway-broker"), RELAY_CPU)
        pin_instances(self.node)
        target = free_port()
        self.processes.start(PEERS_CPU, *self.server(target))
        wait_for_port(target)
        self.baseline = haproxy(self.processes, self.folder, target)
        return self

    def __exit__(self, *error):
        self.processes.__exit__()
        if self.started:
            self.node.stop_service(self.started.token, grace_ms=0)
        self.node.__exit__(*error)

    def medians(self, once, rounds):
        """Medians of both, measured in turns, the first turn thrown away."""
        found = {"ours": [], "baseline": []}
        for number in range(rounds + 1):
            for name, port in (("ours", self.ours), ("baseline", self.baseline)):
                value = once(port)
                if number:
                    found[name].append(value)
        return statistics.median(found["ours"]), statistics.median(found["baseline"])


def measured(*command):
    return subprocess.run(pinned(PEERS_CPU, *command), check=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout


def relay_throughput(folder, rounds):
    def server(port):
        return ["/usr/bin/iperf3", "-s", "-p", port]

    def once(port):
        report = json.loads(measured("/usr/bin/iperf3", "-c", "127.0.0.1", "-p", port, "-t", 3, "-J"))
        return report["end"]["sum_received"]["bits_per_second"] / 1e9
    with Pair(folder, iperf_box(), server) as pair:
        ours, baseline = pair.medians(once, rounds)
    tell("relay-throughput", round(ours, 2), round(baseline, 2), "Gbit/s", rounds=rounds)


def relay_latency(folder, rounds):
    peer = build_peer(folder)

    def once(port):
        return int(measured(peer, "latency", port, 20_000).split()[0]) / 1000
    with Pair(folder, peer_box(peer, "echo"), lambda port: [peer, "serve", port]) as pair:
        ours, baseline = pair.medians(once, rounds)
    tell("relay-latency", round(ours, 1), round(baseline, 1), "us", rounds=rounds)


def relay_connect(folder, rounds):
    peer = build_peer(folder)

    def once(port):
        return int(measured(peer, "connect", port, 8_000))
    with Pair(folder, peer_box(peer, "echo"), lambda port: [peer, "serve", port]) as pair:
        ours, baseline = pair.medians(once, rounds)
    tell("relay-connect", ours, baseline, "connections/s", rounds=rounds)


def private_kib(pid):
    fields = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in fields if line.startswith("Private_"))


def idle_count():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(IDLE_MOST, (most - 4_096) // 2 - 64)


def relay_idle(folder, _):
    """Idle connections at once, and what each costs the gateway; a new one is answered meanwhile."""
    count = idle_count()
    peer = build_peer(folder)
    with nodes.Node(base=folder, config={"gateway-broker": IDLE_BOUNDS}) as node:
        service = node.import_box(*peer_box(peer, "many")).service_id
        started = node.start_service(service)
        port, gateway = started.instance.addresses[0].port, node.pid("gateway-broker")
        before = private_kib(gateway)
        client = subprocess.Popen(pinned(PEERS_CPU, peer, "idle", port, count), text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            answered = int(client.stdout.readline())
            assert answered == count, f"{answered} of {count} answered"
            grown = private_kib(gateway) - before
            with socket.create_connection(("127.0.0.1", port), 5) as late:
                late.sendall(b"x")
                assert late.recv(1) == b"x"
            tell("relay-idle", count, None, "connections", kib_each=round(grown / count, 2),
                 open_files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        finally:
            client.stdin.close()
            client.wait(30)
        node.stop_service(started.token, grace_ms=0)


def family(folder, rounds, children=20):
    """A parent and its children, all ready; then the parent is stopped, and with it all of them."""
    peer = build_peer(folder)
    starts, stops = [], []
    with nodes.Node(base=folder) as node:
        service = node.import_box(*peer_box(
            peer, "echo", mem_limit=512 * MEBIBYTE, disk_space=512 * MEBIBYTE)).service_id

        def child(token):
            node.start_service(
                service, memory_bytes=16 * MEBIBYTE, disk_bytes=16 * MEBIBYTE, processes=16,
                parent=w.gateway.InstanceReference(token=token))
        for number in range(rounds + 1):
            began = time.monotonic()
            parent = node.start_service(service)
            threads = [threading.Thread(target=child, args=(parent.token,)) for _ in range(children)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            ready = time.monotonic()
            assert len(node.list_services()) == children + 1
            node.stop_service(parent.token, grace_ms=0)
            ended = time.monotonic()
            assert not node.list_services()
            if number:
                starts.append((ready - began) * 1000)
                stops.append((ended - ready) * 1000)
    tell("family", round(statistics.median(starts), 1), None, "ms", what="start", children=children)
    tell("family", round(statistics.median(stops), 1), None, "ms", what="stop", children=children)


BENCHES = {"relay-throughput": (relay_throughput, 5), "relay-latency": (relay_latency, 7),
           "relay-connect": (relay_connect, 7), "relay-idle": (relay_idle, 1), "family": (family, 5)}


def main(name, rounds=None):
    run, usual = BENCHES[name]
    with tempfile.TemporaryDirectory(prefix="celaut-bench-") as folder:
        os.chmod(folder, 0o755)
        run(Path(folder), int(rounds or usual))


if __name__ == "__main__":
    main(*sys.argv[1:])
