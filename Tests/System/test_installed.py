"""The package on a machine, in the order of its life: installed by the README's words, used, every
daemon restarted and killed under load, upgraded, the power pulled, booted again, removed, purged."""

import hmac
import json
import re
import shutil
import subprocess
import threading
import time

import pytest

from conftest import REPOSITORY
from machine import wait_until

DAEMONS = ("box-builder", "sandbox-supervisor", "gateway-broker")
# Short, so that a test of the watchdog is; the unit as it comes has a longer one.
WATCHDOG = "[Service]\nWatchdogSec=2s\n"


def readme_words(heading):
    """The commands of a section of the README."""
    text = (REPOSITORY / "README.md").read_text()
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    block = re.search(r"```sh\n(.*?)```", section, re.S)[1]
    return [line.split("#")[0].strip() for line in block.splitlines() if line.split("#")[0].strip()]


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


def echo_box(folder):
    """A service that says back what it is told."""
    (folder / "rootfs/bin").mkdir(parents=True)
    (folder / "rootfs/tmp").mkdir()
    shutil.copy("/bin/busybox", folder / "rootfs/bin/busybox")
    start = folder / "rootfs/start"
    start.write_text("#!/bin/busybox sh\necho started\n"
                     "exec /bin/busybox nc -ll -p 7000 -e /bin/busybox cat\n")
    start.chmod(0o755)
    limits = {"mem_limit": 64 << 20, "disk_space": 64 << 20}
    (folder / "service.json").write_text(json.dumps({
        "tag": "echo", "architecture": "linux/amd64",
        "resources": {"at_init": limits, "at_most": limits}, "init": {"entry_path": ["start"]},
        "api": [{"port": 7000, "transport": "tcp"}]}))


def start_echo(machine, name):
    ctl(machine, "run", "--detach", "--name", name, "echo")
    return address(machine, name)


def address(machine, name):
    [slot] = instances(machine)[name]["addresses"]
    return slot["address"].rsplit(":", 1)


def answers(machine, where, word="hello"):
    done = machine.execute(
        "sh", "-c", f"echo {word} | timeout 3 busybox nc {where[0]} {where[1]}", check=False)
    return done.stdout == f"{word}\n"


def main_pid(machine, daemon):
    return int(machine.execute(
        "systemctl", "show", "--value", "--property=MainPID", f"celaut-{daemon}.service").stdout)


def wait_serving(machine, daemon, other_than=None):
    def serving():
        pid = main_pid(machine, daemon)
        return pid not in (0, other_than) and ctl(machine, "status", check=False).returncode == 0
    wait_until(serving, 30, f"{daemon} serves")


@pytest.fixture(scope="module")
def before(machine):
    """What the machine was before the package came."""
    return {"files": listing(machine), "users": machine.execute("getent", "passwd").stdout}


@pytest.fixture(scope="module", autouse=True)
def installed(before, machine, package):
    shutil.copy(package, machine.root / "root" / package.name)
    for words in readme_words("Installing"):
        if words.startswith("deploy/packaging/build"):
            continue
        machine.execute("sh", "-c", f"cd /root && {words.replace('sudo ', '')}")
    for daemon in DAEMONS:
        folder = machine.root / f"etc/systemd/system/celaut-{daemon}.service.d"
        folder.mkdir(parents=True)
        (folder / "test.conf").write_text(WATCHDOG)
    machine.execute("systemctl", "daemon-reload")
    machine.execute("systemctl", "restart", *(f"celaut-{daemon}.service" for daemon in DAEMONS))
    folder = machine.root / "root/echo"
    echo_box(folder)
    ctl(machine, "pack", "/root/echo")


def test_the_words_of_the_readme_make_a_node_that_serves(machine):
    for daemon in DAEMONS:
        wait_serving(machine, daemon)
    assert machine.execute("systemctl", "is-enabled", "celaut.target").stdout == "enabled\n"
    failed = machine.execute("systemctl", "--failed", "--no-legend", "--plain").stdout
    assert "celaut" not in failed, failed


def test_each_daemon_is_its_own_user_and_only_one_has_privileges(machine):
    users = set()
    for daemon in DAEMONS:
        status = machine.path(f"/proc/{main_pid(machine, daemon)}/status").read_text()
        uid = int(re.search(r"^Uid:\t(\d+)", status, re.M)[1])
        capabilities = int(re.search(r"^CapBnd:\t(\w+)", status, re.M)[1], 16)
        users.add(uid)
        assert (uid == 0) == (capabilities != 0) == (daemon == "sandbox-supervisor"), daemon
        assert "Seccomp:\t2" in status, f"{daemon} has no filter of system calls"
    assert len(users) == len(DAEMONS)


def test_a_user_of_the_machine_may_start_services_and_cannot_reach_the_store(machine):
    machine.execute("useradd", "--system", "somebody")
    try:
        as_user = ("setpriv", "--reuid=somebody", "--regid=somebody", "--clear-groups", "celautctl")
        machine.execute(*as_user, "run", "--detach", "--name", "theirs", "echo")
        machine.execute(*as_user, "stop", "--grace", "0s", "theirs")
        refused = machine.execute(*as_user, "boxes", "list", check=False)
        assert refused.returncode != 0, refused.stdout
    finally:
        machine.execute("userdel", "somebody")


class Load:
    """Requests through the node, one after the other, as long as the context lasts; all must be
    answered in the end, each within a few seconds."""

    PATIENCE = 10.0

    def __init__(self, machine, where):
        self.machine, self.where = machine, where
        self.done, self.failures, self.longest = 0, [], 0.0
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
            self.longest = max(self.longest, time.monotonic() - start)
            self.done += 1


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_restarted_under_load_disturbs_no_instance(machine, daemon):
    where = start_echo(machine, "loaded")
    others = {name: main_pid(machine, name) for name in DAEMONS if name != daemon}
    with Load(machine, where) as load:
        for _ in range(3):
            pid = main_pid(machine, daemon)
            machine.execute("systemctl", "restart", f"celaut-{daemon}.service")
            wait_serving(machine, daemon, other_than=pid)
    assert not load.failures and load.done > 0, load.failures
    assert {name: main_pid(machine, name) for name in others} == others, "the others went on"
    assert instances(machine)["loaded"]["phase"] == "ready"
    ctl(machine, "stop", "--grace", "0s", "loaded")


def test_the_maintainer_sees_the_node_on_one_screen(machine):
    screen = ctl(machine, "status").stdout
    assert len(screen.splitlines()) <= 24, screen
    report = ctl_json(machine, "status")
    assert report["keeper"] == "systemd"
    for daemon in report["daemons"]:
        assert daemon["answers"] and daemon["version"] and daemon["limits"], daemon
        assert daemon["privateMemoryBytes"] > 0 and daemon["diskFreeBytes"] > 0, daemon
    assert report["cgroups"] in ("v1", "v2") and report["store"]["boxes"] == "1"


def test_the_doctor_finds_nothing_wrong_and_then_what_was_broken(machine):
    def failures():
        done = ctl(machine, "doctor", "--format", "json", check=False)
        found = [one for one in json.loads(done.stdout) if one["level"] == "failure"]
        assert (done.returncode != 0) == bool(found)
        return found
    assert failures() == []
    machine.execute("mv", "/usr/sbin/mke2fs", "/usr/sbin/mke2fs.away")
    try:
        [found] = failures()
        assert found["check"] == "mke2fs" and "e2fsprogs" in found["remedy"], found
    finally:
        machine.execute("mv", "/usr/sbin/mke2fs.away", "/usr/sbin/mke2fs")


def test_a_configuration_that_cannot_be_is_told_with_its_line(machine):
    assert ctl(machine, "config", "check").returncode == 0
    path = machine.root / "etc/celaut/gateway-broker.toml"
    good = path.read_text()
    path.write_text(good + "\nnonsense = 1\n")
    try:
        done = ctl(machine, "config", "check", check=False)
        assert done.returncode == 65 and "nonsense" in done.stdout, done.stdout
    finally:
        path.write_text(good)
    assert "[callers]" in ctl(machine, "config", "show", "gateway-broker").stdout


def test_a_daemon_is_restarted_by_the_command_and_its_log_is_in_the_journal(machine):
    pid = main_pid(machine, "box-builder")
    assert ctl_json(machine, "restart", "box-builder")["processID"] == main_pid(
        machine, "box-builder") != pid
    lines = ctl(machine, "logs", "--daemon", "box-builder", "--tail", "5").stdout
    assert "ready" in lines, lines
    rows = ctl_json(machine, "top", "--once", "--interval", "200ms")
    assert {row["name"] for row in rows} >= set(DAEMONS)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_stopped_daemon_comes_back_by_its_socket(machine, daemon):
    machine.execute("systemctl", "stop", f"celaut-{daemon}.service")
    assert main_pid(machine, daemon) == 0
    ctl(machine, "status")
    assert main_pid(machine, daemon) != 0


@pytest.mark.parametrize("signal", ["KILL", "SEGV", "STOP"])
def test_a_daemon_that_dies_or_hangs_is_started_again_and_instances_go_on(machine, signal):
    where = start_echo(machine, "survivor")
    for daemon in DAEMONS:
        pid = main_pid(machine, daemon)
        machine.execute("busybox", "kill", f"-{signal}", pid)
        wait_serving(machine, daemon, other_than=pid)
        wait_until(lambda: answers(machine, where), 10, f"it answers after {signal} of {daemon}")
    assert instances(machine)["survivor"]["phase"] == "ready"
    ctl(machine, "stop", "--grace", "0s", "survivor")


def test_a_secret_among_the_credentials_is_what_tokens_are_made_with(machine):
    """The daemon reads it where systemd puts it, as a user who cannot read the file itself."""
    ctl(machine, "run", "--detach", "--name", "kept", "echo")
    [identifier] = [one["id"] for one in instances(machine).values() if one["name"] == "kept"]
    own = machine.path("/var/lib/celaut/gateway-broker/secret").read_bytes()
    store = machine.path("/etc/credstore")
    store.mkdir(mode=0o700, exist_ok=True)
    credential = store / "celaut-gateway-broker.secret"

    def token_opens(secret):
        message = b"celaut instance token 1\0" + bytes.fromhex(identifier)
        token = hmac.new(secret, message, "sha256").hexdigest()
        return ctl(machine, "logs", token, check=False).returncode == 0
    given = bytes(range(32))
    assert token_opens(own) and not token_opens(given)
    try:
        credential.write_bytes(given)
        credential.chmod(0o600)
        ctl(machine, "restart", "gateway-broker")
        assert token_opens(given) and not token_opens(own)
        credential.write_bytes(b"short")
        machine.execute("systemctl", "restart", "celaut-gateway-broker.service", check=False)
        wait_until(lambda: "secret: 5 bytes, not 32" in machine.journal(
            "-u", "celaut-gateway-broker"), 10, "a secret of another length is told")
    finally:
        shutil.rmtree(store)
        machine.execute("systemctl", "reset-failed", "celaut-gateway-broker.service")
        machine.execute("systemctl", "restart", "celaut-gateway-broker.service")
    wait_serving(machine, "gateway-broker")
    assert token_opens(own)
    ctl(machine, "stop", "--grace", "0s", "kept")


def test_an_upgrade_leaves_instances_running(machine, package, tmp_path):
    where = start_echo(machine, "upgraded")
    pids = {daemon: main_pid(machine, daemon) for daemon in DAEMONS}
    newer = repacked(package, tmp_path)
    shutil.copy(newer, machine.root / "root/newer.deb")
    with Load(machine, where) as load:
        machine.execute("dpkg", "-i", "/root/newer.deb")
        for daemon in DAEMONS:
            wait_serving(machine, daemon, other_than=pids[daemon])
    assert not load.failures and load.done > 0, load.failures
    assert instances(machine)["upgraded"]["phase"] == "ready"
    ctl(machine, "stop", "--grace", "0s", "upgraded")


def test_instances_start_while_a_later_package_is_unpacked_also_if_the_launcher_dies(
        machine, package, tmp_path):
    """Between unpacking and the restart the programs on the disk are of another build than those that
    run: here the new launcher is one that the old supervisor cannot work with."""
    newer = repacked(package, tmp_path, "foreign.deb", launcher=b"#!/bin/false\n")
    shutil.copy(newer, machine.root / "root/foreign.deb")
    pids = {daemon: main_pid(machine, daemon) for daemon in DAEMONS}
    machine.execute("dpkg", "--unpack", "/root/foreign.deb")
    assert {daemon: main_pid(machine, daemon) for daemon in DAEMONS} == pids, "not restarted yet"
    tasks = machine.path(f"/proc/{pids['sandbox-supervisor']}/task")
    launchers = [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    machine.execute("busybox", "kill", "-KILL", *launchers)
    where = start_echo(machine, "between")
    shutil.copy(package, machine.root / "root/back.deb")
    machine.execute("dpkg", "--force-confdef", "-i", "/root/back.deb")
    for daemon in DAEMONS:
        wait_serving(machine, daemon, other_than=pids[daemon])
    wait_until(lambda: answers(machine, where), 10, "it answers after the upgrade")
    ctl(machine, "stop", "--grace", "0s", "between")


def repacked(package, folder, name="newer.deb", launcher=None):
    """The same package with a later version, and another launcher where one is given."""
    tree, newer = folder / "tree", folder / name
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True, timeout=120)
    if launcher is not None:
        (tree / "usr/lib/celaut/sandbox-launcher").write_bytes(launcher)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1.1", control.read_text(), flags=re.M))
    subprocess.run(["dpkg-deb", "-Znone", "-b", tree, newer], check=True, timeout=120,
                   stdout=subprocess.DEVNULL)
    return newer


def test_configuration_that_was_changed_survives_an_upgrade(machine, package, tmp_path):
    path = machine.root / "etc/celaut/gateway-broker.toml"
    path.write_text(path.read_text() + "\n# mine\n")
    shutil.copy(package, machine.root / "root/again.deb")
    machine.execute("dpkg", "--force-confdef", "-i", "/root/again.deb")
    assert path.read_text().endswith("# mine\n")


def test_after_a_power_loss_boxes_are_there_and_instances_are_told_as_lost(machine):
    for name in ("first", "second"):
        start_echo(machine, name)
    boxes = ctl_json(machine, "boxes", "list")
    machine.power_off()
    machine.boot()
    for daemon in DAEMONS:
        wait_serving(machine, daemon)
    assert ctl_json(machine, "boxes", "list") == boxes
    assert instances(machine) == {}
    told = ctl_json(machine, "status")["daemons"]
    assert [one["restarts"] for one in told] == [0] * len(DAEMONS), "since this boot"
    assert all("machine went down" in one["lastError"] for one in told), told
    ended = instances(machine, "--all")
    for name in ("first", "second"):
        assert ended[name]["ended"]["cause"] == "lost", ended[name]
    ctl(machine, "boxes", "verify")
    where = start_echo(machine, "after")
    assert answers(machine, where)
    ctl(machine, "stop", "--grace", "0s", "after")


def processes(machine):
    """What runs of the package, or in an instance of it."""
    told = machine.execute(
        "sh", "-c", "for one in /proc/[0-9]*/exe; do readlink $one; done", check=False).stdout
    return [line for line in told.splitlines() if "celaut" in line or "busybox" in line]


def test_removing_ends_everything_and_leaves_the_state(machine):
    start_echo(machine, "last")
    machine.execute("dpkg", "--remove", "celaut", timeout=120)
    wait_until(lambda: not processes(machine), 5, "no process of ours is left")
    assert machine.path("/var/lib/celaut/box-builder/index.sqlite").exists()
    assert machine.path("/etc/celaut/gateway-broker.toml").exists()


def test_purging_leaves_nothing(machine, before):
    for daemon in DAEMONS:
        shutil.rmtree(machine.root / f"etc/systemd/system/celaut-{daemon}.service.d")
    machine.execute("dpkg", "--purge", "celaut")
    left = {path for path in listing(machine) - before["files"] if not path.startswith("/root/")}
    assert not left, sorted(left)
    assert machine.execute("getent", "passwd").stdout == before["users"]
    groups = set(map(str, machine.path("/sys/fs/cgroup").glob("*/celaut.slice")))
    assert not groups, groups
