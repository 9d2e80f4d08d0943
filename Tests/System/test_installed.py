"""The package on a machine, in the order of its life: installed by the README's words, used, every
daemon restarted and killed under load, upgraded, the power pulled, booted again, removed, purged."""

import hmac
import json
import re
import shutil

import pytest

from inside import (
    DAEMONS, Load, address, answers, ctl, ctl_json, echo_box, instances, listing, main_pid, processes,
    readme_section, readme_words, repacked, start_echo, type_in, wait_serving)
from machine import wait_until

# Short, so that a test of the watchdog is; the unit as it comes has a longer one. On a loaded machine a
# daemon may wait for a processor for seconds.
WATCHDOG = "[Service]\nWatchdogSec=10s\n"
# The block of the README's section that upgrades, removes and purges.
AFTERWARDS = 1


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
        type_in(machine, words)
    (machine.root / "root" / package.name).unlink()
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
    wait_until(lambda: "ready" in ctl(
        machine, "logs", "--daemon", "box-builder", "--tail", "5").stdout, 90, "its start is logged")
    rows = ctl_json(machine, "top", "--once", "--interval", "200ms")
    assert {row["name"] for row in rows} >= set(DAEMONS)


def test_every_command_in_the_text_of_the_readme_does_what_it_is_said_to(machine):
    commands = re.findall(r"`((?:sudo )?(?:celautctl|systemctl|man) [^`]+)`", readme_section("Installing"))
    assert len(commands) > 4, commands
    for words in commands:
        if words.startswith("man "):
            page = machine.root / f"usr/share/man/man{8 if 'broker' in words else 1}"
            assert (page / f"{words.split()[1]}.{page.name[-1]}.gz").exists(), words
        elif "--follow" in words:
            assert "ready" in type_in(machine, f"timeout 10 {words} || test $? = 124").stdout, words
        else:
            type_in(machine, words)
    for daemon in DAEMONS:
        wait_serving(machine, daemon)


def test_the_words_of_the_tour_work_on_an_installed_node(machine):
    """With another service in the place of redis: the machine has no network to make that one from."""
    folder = machine.root / "root/deploy/examples/redis"
    folder.mkdir(parents=True)
    echo_box(folder, tag="redis", port=6379)
    lines = [words for words in readme_words("A tour", 1) if words.startswith("celautctl")]
    assert len(lines) > 9, lines
    for words in lines:
        if "--follow" in words or "observe" in words:
            words = f"timeout 2 {words} || test $? = 124"
        if " tunnel " in words:
            wait_until(lambda: answers(machine, address(machine, "cache")), 90, "it answers")
            said = type_in(machine, f"timeout 90 {words}", answers="over the tunnel\n").stdout
            assert said == "over the tunnel\n", said
        elif " send " in words:
            # The other node is this one: the machine has no network.
            type_in(machine, words.replace("ssh HOST ", ""))
        elif " diff " in words:
            # Its second box is an example's id: any other box.
            type_in(machine, words.replace(words.split()[-1], "echo"), check=False)
        else:
            type_in(machine, words)
    assert (machine.root / "root/redis.celaut.bee").exists()
    ctl(machine, "boxes", "remove", "redis")


def kept_descriptors(machine):
    return int(machine.execute(
        "systemctl", "show", "--value", "--property=NFileDescriptorStore",
        "celaut-sandbox-supervisor.service").stdout)


def test_systemd_keeps_what_each_instance_is_known_by_until_it_ends(machine):
    def keeps(count):
        wait_until(lambda: kept_descriptors(machine) == count, 90, f"{count} are kept")

    def found_again(count):
        return [line for line in machine.journal("-u", "celaut-sandbox-supervisor").splitlines()
                if "found again" in line][-count:]
    keeps(0)
    for name in ("one", "two"):
        start_echo(machine, name)
    # A pidfd and a namespace of each.
    keeps(4)
    for word in ("restart", "kill --kill-whom=main --signal=KILL"):
        pid = main_pid(machine, "sandbox-supervisor")
        type_in(machine, f"systemctl {word} celaut-sandbox-supervisor")
        wait_serving(machine, "sandbox-supervisor", other_than=pid)
        keeps(4)
        ids = [one["id"] for one in instances(machine).values()]
        found = found_again(2)
        assert all("by=descriptor" in line for line in found), found
        assert all(any(one in line for line in found) for one in ids), found
    ctl(machine, "stop", "--grace", "0s", "one")
    keeps(2)
    # A stop lets go of the store: the instance is found by its record.
    pid = main_pid(machine, "sandbox-supervisor")
    machine.execute("systemctl", "stop", "celaut-sandbox-supervisor.service")
    wait_until(lambda: answers(machine, address(machine, "two")), 90, "it answers meanwhile")
    wait_serving(machine, "sandbox-supervisor", other_than=pid)
    [found] = found_again(1)
    assert "by=descriptor" not in found and instances(machine)["two"]["id"] in found, found
    keeps(2)
    ctl(machine, "stop", "--grace", "0s", "two")
    keeps(0)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_stopped_daemon_comes_back_by_its_socket(machine, daemon):
    pid = main_pid(machine, daemon)
    machine.execute("systemctl", "stop", f"celaut-{daemon}.service")
    # Or another one already: others look for it, too.
    assert main_pid(machine, daemon) != pid
    ctl(machine, "status")
    wait_serving(machine, daemon, other_than=pid)


@pytest.mark.parametrize("signal", ["KILL", "SEGV", "STOP"])
def test_a_daemon_that_dies_or_hangs_is_started_again_and_instances_go_on(machine, signal):
    where = start_echo(machine, "survivor")
    for daemon in DAEMONS:
        pid = main_pid(machine, daemon)
        machine.execute("busybox", "kill", f"-{signal}", pid)
        wait_serving(machine, daemon, other_than=pid)
        wait_until(lambda: answers(machine, where), 90, f"it answers after {signal} of {daemon}")
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
            "-u", "celaut-gateway-broker"), 90, "a secret of another length is told")
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
    shutil.copy(repacked(package, tmp_path), machine.root / "root/celaut_newer.deb")
    with Load(machine, where) as load:
        type_in(machine, readme_words("Installing", AFTERWARDS)[0], answers="y\n")
        for daemon in DAEMONS:
            wait_serving(machine, daemon, other_than=pids[daemon])
    (machine.root / "root/celaut_newer.deb").unlink()
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
    # One of them may have ended by itself.
    machine.execute("busybox", "kill", "-KILL", *launchers, check=False)
    where = start_echo(machine, "between")
    shutil.copy(package, machine.root / "root/back.deb")
    machine.execute("dpkg", "--force-confdef", "-i", "/root/back.deb")
    for daemon in DAEMONS:
        wait_serving(machine, daemon, other_than=pids[daemon])
    wait_until(lambda: answers(machine, where), 90, "it answers after the upgrade")
    ctl(machine, "stop", "--grace", "0s", "between")


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


def test_removing_ends_everything_and_leaves_the_state(machine):
    start_echo(machine, "last")
    type_in(machine, readme_words("Installing", AFTERWARDS)[1], answers="y\n")
    wait_until(lambda: not processes(machine), 90, "no process of ours is left")
    assert machine.path("/var/lib/celaut/box-builder/index.sqlite").exists()
    assert machine.path("/etc/celaut/gateway-broker.toml").exists()


def test_purging_leaves_nothing(machine, before):
    for daemon in DAEMONS:
        shutil.rmtree(machine.root / f"etc/systemd/system/celaut-{daemon}.service.d")
    type_in(machine, readme_words("Installing", AFTERWARDS)[2], answers="y\n")
    def left():
        files = {path for path in listing(machine) - before["files"] if not path.startswith("/root/")}
        return sorted(files | set(map(str, machine.path("/sys/fs/cgroup").glob("*/celaut.slice"))))
    try:
        wait_until(lambda: not left(), 60, "nothing is left")
    except AssertionError:
        raise AssertionError(left()) from None
    assert machine.execute("getent", "passwd").stdout == before["users"]
