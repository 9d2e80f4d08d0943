#!/usr/bin/python3
"""The HTTP door of the gateway. One JSON line each, as deploy/bench prints them.

    door.py start-service|api-rate [ROUNDS]

start-service: from asking over HTTP to the answer that an instance of busybox's httpd is ready, against
`podman run -d` of the same root until the same port accepts. api-rate: requests per second for an
instance's description, with wrk, against nginx and a static file of the same size; server on the first
processor, wrk on the second.

podman is Debian's with crun, from a plain directory, and does what ours does: limits, a network of the
container's own, the port published on 127.0.0.1. Its bridge and its rules are in a network namespace of the
bench's, not the host's.
"""

import base64
import ctypes
import http.client
import io
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Python"))

import boxes  # noqa: E402
import node as nodes  # noqa: E402
import wire_client as w  # noqa: E402
from launch import leave_hybrid_cgroups  # noqa: E402
from relay import Processes, free_port, pin, pinned, tell, wait_for_port  # noqa: E402

MEBIBYTE = 1 << 20
SERVER_CPU, CLIENT_CPU = "0", "1"
HTTPD_PORT = 18_080
CLONE_NEWNET = 0x40000000


def make_root(folder):
    """busybox and a script that becomes its httpd, as a directory and as a tar of it."""
    root = folder / "root"
    for name in ("bin", "www", "proc", "sys", "dev", "tmp", "etc", "run"):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    (root / "www/index.html").write_text("hello\n")
    (root / "start").write_text(
        f"#!/bin/sh\nexec /bin/busybox httpd -f -p {HTTPD_PORT} -h /www\n")
    (root / "start").chmod(0o755)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(root, arcname=".")
    return root, archive.getvalue()


class Door:
    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method, path, body=None, **headers):
        self.connection.request(method, path, body and json.dumps(body),
                                {**self.headers, **headers})
        response = self.connection.getresponse()
        data = json.loads(response.read())
        if response.status not in (200, 201):
            raise SystemExit(f"{method} {path}: {response.status} {data}")
        return data

    def start(self, service):
        return self.ask("POST", "/v1/instances", {"service": service},
                        **{"Idempotency-Key": os.urandom(16).hex()})

    def stop(self, started):
        name = identity(started)
        self.ask("DELETE", f"/v1/instances/{name}?grace_ms=0")


def identity(started):
    return base64.b64decode(started["instance"]["instanceId"]).hex()


class Gateway:
    """A node with an HTTP door, a client of it, and the box."""

    def __init__(self, folder, tar):
        self.port = free_port()
        self.node = nodes.Node(
            base=folder, config={"gateway-broker": f"[http]\nport = {self.port}\n"})
        self.tar = tar

    def __enter__(self):
        self.node.__enter__()
        bounds = {"mem_limit": 64 * MEBIBYTE, "disk_space": 64 * MEBIBYTE}
        self.service = self.node.import_box(self.tar, boxes.described(
            tag="httpd", init={"entry_path": ["start"]},
            api=[{"port": HTTPD_PORT, "transport": "tcp"}],
            resources={"at_init": bounds, "at_most": bounds})).service_id.hex()
        with self.node.connect("gateway-broker", "GatewayBroker") as connection:
            client = connection.call(
                "GatewayBroker.AddClient", w.gateway.AddClientRequest(
                    key=os.urandom(16), name="bench"))
        self.token = client.token
        self.door = Door(self.port, client.token)
        return self

    def __exit__(self, *error):
        self.node.__exit__(*error)


class OwnNetwork:
    """A network namespace with a loopback, gone with this process. `with` is inside it; sockets made
    outside stay there."""

    def __init__(self):
        self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.done(self.libc.unshare(CLONE_NEWNET), "unshare")
        self.inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.__exit__()

    def __enter__(self):
        self.done(self.libc.setns(self.inside, CLONE_NEWNET), "setns")

    def __exit__(self, *error):
        self.done(self.libc.setns(self.outside, CLONE_NEWNET), "setns")

    @staticmethod
    def done(result, call):
        if result != 0:
            raise OSError(ctypes.get_errno(), call)


class Podman:
    def __init__(self, root):
        # Short, because a socket below it has a name of at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="podman-"))
        self.network = OwnNetwork()
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.command = [
            "podman", "--cgroup-manager=cgroupfs", f"--root={self.folder}/root",
            f"--runroot={self.folder}/run", f"--tmpdir={self.folder}/tmp", "--runtime=crun",
            "--events-backend=none", "--storage-driver=vfs"]
        self.run = [
            *self.command, "run", "-d", "--rm", "--memory=64m",
            "-p", f"127.0.0.1:{HTTPD_PORT}:{HTTPD_PORT}",
            "--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=1024:1024",
            "--rootfs", str(root), "/start"]

    def once(self):
        """Milliseconds from the command to a port that accepts."""
        with self.network:
            took = self.run_to_accept()
            self.stop()
        return took

    def run_to_accept(self):
        began = time.monotonic_ns()
        process = subprocess.Popen(
            self.run, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", HTTPD_PORT)) == 0:
                    break
            if process.poll() not in (None, 0):
                raise SystemExit(f"podman: {process.stderr.read().decode()}")
            time.sleep(0.0005)
        took = (time.monotonic_ns() - began) / 1e6
        process.wait(60)
        return took

    def stop(self):
        subprocess.run([*self.command, "rm", "-f", "-a", "-t", "0"], check=False,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=120)

    def close(self):
        with self.network:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def ours_once(door, service):
    began = time.monotonic_ns()
    started = door.start(service)
    took = (time.monotonic_ns() - began) / 1e6
    door.stop(started)
    return took


def start_service(folder, rounds):
    root, tar = make_root(folder)
    with Gateway(folder, tar) as gateway:
        # After the node is up: it keeps the mounts it was started with.
        leave_hybrid_cgroups()
        podman = Podman(root)
        try:
            times = {"ours": [], "podman": []}
            for number in range(-2, rounds):
                ours, theirs = ours_once(gateway.door, gateway.service), podman.once()
                if number >= 0:
                    times["ours"].append(ours)
                    times["podman"].append(theirs)
        finally:
            podman.close()
    medians = {name: round(statistics.median(all_of), 2) for name, all_of in times.items()}
    tell("start-service", medians["ours"], medians["podman"], "ms", against="podman run -d",
         rounds=rounds)


def wrk(url, *headers):
    """Requests per second."""
    run = subprocess.run(
        pinned(CLIENT_CPU, "wrk", "-t1", "-c16", "-d5s",
               *(part for header in headers for part in ("-H", header)), url),
        text=True, check=True, stdout=subprocess.PIPE, timeout=120)
    if "Non-2xx" in run.stdout:
        raise SystemExit(run.stdout)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", run.stdout).group(1))


def nginx(folder, processes, body):
    port = free_port()
    served = folder / "served"
    served.mkdir()
    (served / "instance.json").write_bytes(body)
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
user root; events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  server {{ listen 127.0.0.1:{port}; root {served}; }} }}
""")
    processes.running.append(subprocess.Popen(
        pinned(SERVER_CPU, "nginx", "-e", f"{folder}/nginx.log", "-c", configuration)))
    wait_for_port(port)
    return f"http://127.0.0.1:{port}/instance.json"


def api_rate(folder, rounds):
    _, tar = make_root(folder)
    with Gateway(folder, tar) as gateway, Processes() as processes:
        started = gateway.door.start(gateway.service)
        path = f"/v1/instances/{identity(started)}"
        body = json.dumps(gateway.door.ask("GET", path)).encode()
        url = nginx(folder, processes, body)
        for daemon in ("gateway-broker", "sandbox-supervisor"):
            pin(gateway.node.pid(daemon), SERVER_CPU)
        rates = {"ours": [], "nginx": []}
        for _ in range(rounds):
            rates["ours"].append(wrk(f"http://127.0.0.1:{gateway.port}{path}",
                                     f"Authorization: Bearer {gateway.token}"))
            rates["nginx"].append(wrk(url))
        # The door has closed a connection that was silent for so long.
        gateway.door.connection.close()
        gateway.door.stop(started)
    medians = {name: round(statistics.median(all_of)) for name, all_of in rates.items()}
    tell("api-rate", medians["ours"], medians["nginx"], "requests/s",
         against="nginx, a static file", bytes=len(body))


def main():
    name, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(prefix="celaut-test-") as folder:
        Path(folder).chmod(0o755)
        if name == "start-service":
            start_service(Path(folder), rounds or 21)
        elif name == "api-rate":
            api_rate(Path(folder), rounds or 3)
        else:
            raise SystemExit(__doc__)


main()
