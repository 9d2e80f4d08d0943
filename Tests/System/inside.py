"""A node that the package made, as it is seen and used from inside the machine."""

import json
import re
import shutil
import subprocess
import threading
import time

from conftest import REPOSITORY
from machine import wait_until

DAEMONS = ("box-builder", "sandbox-supervisor", "gateway-broker")


def readme_section(heading):
    text = (REPOSITORY / "README.md").read_text()
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def readme_words(heading, block=0):
    """The commands of a block in a section of the README, as they are written."""
    lines = re.findall(r"```sh\n(.*?)```", readme_section(heading), re.S)[block].splitlines()
    return [words for line in lines if (words := line.split("  #")[0].strip())]


def type_in(machine, words, folder="/root", answers="", **options):
    """As a user at a terminal does."""
    return machine.execute("sh", "-c", f"cd {folder} && {words}", input=answers, **options)


def listing(machine):
    """Every file of the system but what every day changes."""
    return set(machine.execute(
        "sh", "-c", "find / -xdev ( -path /proc -o -path /sys -o -path /dev -o -path /tmp "
        "-o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt "
        "-o -path /run/systemd -o -path /run/log ) -prune -o -print".replace("(", "\\(").replace(
            ")", "\\)")).stdout.splitlines())


def ctl(machine, *words, check=True):
    return machine.execute("celautctl", *words, check=check)


def ctl_json(machine, *words):
    return json.loads(ctl(machine, *words, "--format", "json").stdout)


def instances(machine, *words):
    return {one["name"]: one for one in ctl_json(machine, "ps", *words)}


def echo_box(folder, tag="echo", port=7000):
    """A service that says back what it is told."""
    (folder / "rootfs/bin").mkdir(parents=True)
    (folder / "rootfs/tmp").mkdir()
    shutil.copy("/bin/busybox", folder / "rootfs/bin/busybox")
    start = folder / "rootfs/start"
    start.write_text("#!/bin/busybox sh\necho started\n"
                     f"exec /bin/busybox nc -ll -p {port} -e /bin/busybox cat\n")
    start.chmod(0o755)
    limits = {"mem_limit": 64 << 20, "disk_space": 64 << 20}
    (folder / "service.json").write_text(json.dumps({
        "tag": tag, "architecture": "linux/amd64",
        "resources": {"at_init": limits, "at_most": limits}, "init": {"entry_path": ["start"]},
        "api": [{"port": port, "transport": "tcp"}]}))


def start_echo(machine, name):
    ctl(machine, "run", "--detach", "--name", name, "echo")
    return address(machine, name)


def address(machine, name):
    [slot] = instances(machine)[name]["addresses"]
    return slot["address"].rsplit(":", 1)


def answers(machine, where, word="hello"):
    done = machine.execute(
        "sh", "-c", f"echo {word} | timeout 15 busybox nc {where[0]} {where[1]}", check=False)
    return done.stdout == f"{word}\n"


def main_pid(machine, daemon):
    return int(machine.execute(
        "systemctl", "show", "--value", "--property=MainPID", f"celaut-{daemon}.service").stdout)


def wait_serving(machine, daemon, other_than=None):
    def serving():
        pid = main_pid(machine, daemon)
        return pid not in (0, other_than) and ctl(machine, "status", check=False).returncode == 0
    wait_until(serving, 180, f"{daemon} serves")


class Load:
    """Requests through the node, one after the other, as long as the context lasts; all must be
    answered in the end."""

    PATIENCE = 90.0

    def __init__(self, machine, where):
        self.machine, self.where = machine, where
        self.done, self.failures = 0, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def work(self):
        while not self.is_over.is_set():
            start = time.monotonic()
            while not answers(self.machine, self.where, f"word-{self.done}"):
                if time.monotonic() - start > self.PATIENCE:
                    self.failures.append(f"request {self.done} after {self.PATIENCE} s")
                    break
            self.done += 1


def repacked(package, folder, name="newer.deb", launcher=None):
    """The same package with a later version, and another launcher where one is given."""
    tree, newer = folder / "tree", folder / name
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True, timeout=600)
    if launcher is not None:
        (tree / "usr/lib/celaut/sandbox-launcher").write_bytes(launcher)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1.1", control.read_text(), flags=re.M))
    subprocess.run(["dpkg-deb", "-Znone", "-b", tree, newer], check=True, timeout=600,
                   stdout=subprocess.DEVNULL)
    return newer


def processes(machine):
    """What runs of the package, or in an instance of it."""
    told = machine.execute(
        "sh", "-c", "for one in /proc/[0-9]*/exe; do readlink $one; done", check=False).stdout
    return [line for line in told.splitlines() if "celaut" in line or "busybox" in line]
