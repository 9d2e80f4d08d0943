"""Hostile programs, each in an instance of its own: none gets anywhere, and of each the node says how it
ended. The programs are in hostile/; each does what it does with arguments that would work."""

import ctypes
import os
import socket
from pathlib import Path

import pytest

import boxes
import hostile
import wire_client as w
from node import PATIENCE, Traces, nothing_new_since, paths_below, wait_until
from supervisor import OpenBox, Supervisor


@pytest.fixture(scope="module")
def opened(node, scratch):
    box_id = node.import_box(hostile.tree(scratch), hostile.description()).service_id
    with OpenBox(node, box_id) as box:
        yield box


@pytest.fixture(scope="module")
def supervisor(node, opened):
    """A connection to it; when all attacks are over, nothing of them is left."""
    with Supervisor(node) as connection:
        before = Traces()
        yield connection
        assert connection.list() == []
        nothing_new_since(before)


@pytest.fixture
def attack(supervisor, opened):
    """attack(name, limits…): what became of it."""
    def run(name, **more):
        return hostile.run(supervisor, opened, name, **more)
    return run


def wait_until_it_says_so(supervisor, instance):
    """Ready is who runs; who has done what it is for here says so."""
    supervisor.wait_ready(instance)
    wait_until(lambda: b"ready\n" in supervisor.output(instance)[0], PATIENCE, "it says that it is ready")


@pytest.fixture
def bystander(supervisor, opened):
    """Starts an instance that only sleeps, for others to attack; it must still run at the end."""
    started = []

    def start(kind="sleep", **variables):
        instance = supervisor.start(
            opened, ["hostile"], environment=hostile.environment(kind, **variables))
        wait_until_it_says_so(supervisor, instance)
        started.append(instance)
        return instance
    yield start
    for instance in started:
        state = supervisor.stop(instance)
        supervisor.forget(instance)
        assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state


WITHOUT_HELP = [
    "descriptors", "roots-of-others", "mount", "mount-by-descriptors", "unshare", "setns", "clone",
    "clone3", "chroot", "climbing-race", "file-handles",
    "keyrings", "bpf", "perf-events", "user-faults", "io-uring", "machine", "quotas", "fanotify",
    "clocks", "priorities", "personality", "other-call-tables", "unknown-calls", "own-filter",
    "raw-sockets", "packet-sockets", "socket-families", "netlink", "false-credentials",
    "ptrace", "memory-of-others", "descriptors-of-others", "become-another", "setuid-programs",
    "memory-programs", "devices", "terminals", "loader-tricks", "links-in-the-box",
    "large-arguments", "watch-bomb", "timer-bomb", "id-maps",
]


@pytest.mark.parametrize("name", WITHOUT_HELP)
def test_nothing_of_it_gets_through(attack, name):
    attack(name).assert_nothing_got_through()


def landlock_version():
    """What this kernel answers; 0 for nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(libc.syscall(444, None, ctypes.c_size_t(0), 1), 0)


def test_landlock_takes_what_it_can_and_leaves_the_rest(attack):
    attack("landlock", variables={"LANDLOCK": landlock_version()}).assert_nothing_got_through()


def test_settings_of_the_kernel_stay_as_they_were(attack):
    watched = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
               "/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/sysrq",
               "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward"]
    before = [Path(path).read_text() for path in watched if Path(path).exists()]
    attack("kernel-files").assert_nothing_got_through()
    assert [Path(path).read_text() for path in watched if Path(path).exists()] == before


def test_the_host_keeps_its_name(attack):
    before = socket.gethostname()
    attack("names", variables={"HOST": before}).assert_nothing_got_through()
    assert socket.gethostname() == before


def test_sockets_of_the_host_without_a_path_cannot_be_reached(attack):
    name = f"celaut-hostile-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        with socket.socket(socket.AF_UNIX) as friend:
            friend.connect("\0" + name)
        attack("unix-sockets-of-the-host", variables={"TARGET": name}).assert_nothing_got_through()


def test_nothing_outside_can_be_connected_to(attack):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        attack("reach-out", variables={"PORT": port}).assert_nothing_got_through()


def test_no_signal_reaches_the_witness_or_another_instance(attack, bystander):
    bystander()
    attack("signals").assert_nothing_got_through()


def test_what_another_instance_says_is_nowhere_to_be_read(attack, bystander):
    secret = "secret-" + os.urandom(8).hex()
    bystander("secret", SECRET=secret)
    attack("output-of-others", variables={"SECRET": secret}).assert_nothing_got_through()


def test_segments_and_queues_of_the_host_are_not_there(attack):
    libc = ctypes.CDLL(None, use_errno=True)
    key, queue = 0x43454C41, f"/celaut-{os.getpid()}"
    identity = libc.shmget(key, 4096, 0o1666)
    assert identity >= 0, ctypes.get_errno()
    shared = Path(f"/dev/shm{queue}")
    shared.write_text("of the host")
    try:
        attack("ipc-of-the-host", variables={
            "KEY": key, "IDENTITY": identity, "QUEUE": queue}).assert_nothing_got_through()
    finally:
        shared.unlink()
        libc.shmctl(identity, 0, None)


def stored_contents(node):
    """Each object of the store with what it holds."""
    return {path: path.read_bytes() for path in paths_below(node.state / "box-builder")
            if path.is_file() and "sqlite" not in path.name}


@pytest.mark.parametrize("name", ["shared-objects", "copy-on-write-race", "own-program"])
def test_what_the_store_keeps_is_never_written_to(attack, node, name):
    before = stored_contents(node)
    assert hostile.SHARED_CONTENT in before.values()
    attack(name).assert_nothing_got_through()
    assert stored_contents(node) == before
    # And the next instance has what was packed.
    report = attack("copy-on-write-race")
    report.assert_nothing_got_through()


def test_a_configuration_file_is_not_written_through_links_that_lead_out(
        supervisor, opened, node):
    canary = Path("/etc/celaut-hostile-configuration")
    assert not canary.exists()
    request = supervisor.request(
        opened, ["hostile"], environment=hostile.environment("links-in-the-box"))
    del request.configuration_path[:]
    request.configuration_path.extend(["etc", "out", canary.name])
    supervisor.send_start(opened, request)
    state = supervisor.wait_ended(request.instance_id)
    supervisor.forget(request.instance_id)
    assert not canary.exists()
    # Inside, the link leads to the box's own /etc; or the start is refused, by the step's name.
    if state.ended.cause == w.sandbox.END_CAUSE_START_FAILED:
        assert "configuration" in state.ended.subject, state
    else:
        assert state.ended.cause == w.sandbox.END_CAUSE_EXITED, state


def mounts_below(folder):
    """Of the host's mounts only those there: others come and go as the machine likes."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [place for place in places if place == folder or place.startswith(f"{folder}/")]


@pytest.mark.parametrize("place", ["dev", "proc", "tmp", "sys", "etc"])
def test_links_where_the_node_mounts_do_not_lead_out(node, supervisor, scratch, place):
    host = Path("/opt/celaut-hostile")
    entries = boxes.busybox_entries() + [
        boxes.entry("start", boxes.script("echo hello")),
        boxes.entry(place, kind=boxes.tarfile.SYMTYPE, link="../../../../../../../../opt")]
    before = sorted(Path("/opt").iterdir())
    description = boxes.described(tag="links", init={"entry_path": ["start"]}, api=[])
    box_id = node.import_box(boxes.tar_bytes(entries), description).service_id
    mounted = mounts_below("/opt")
    with OpenBox(node, box_id) as box:
        state, stdout, _, _ = supervisor.run(box, ["start"])
    assert state.ended.cause in (
        w.sandbox.END_CAUSE_EXITED, w.sandbox.END_CAUSE_START_FAILED), state
    assert sorted(Path("/opt").iterdir()) == before and not host.exists()
    assert mounts_below("/opt") == mounted


NAMES = [b") R 1 1 1 0 -1 (", b"x\n\nUid:\t0\t0", b"sandbox-superv", b"\xff\xfe()((", b" "]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_that_looks_like_fields_confuses_nobody(supervisor, opened, node, name):
    instance = supervisor.start(
        opened, ["hostile"], environment=hostile.environment("false-name", NAME=name))
    wait_until_it_says_so(supervisor, instance)
    [listed] = [state for state in supervisor.list() if state.instance_id == instance]
    assert listed.phase == w.sandbox.PHASE_READY and listed.usage.processes <= 2
    state = supervisor.stop(instance)
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state
    supervisor.forget(instance)


def test_dying_with_zombies_and_daemons_ends_all_of_it(attack):
    ended = attack("zombies").ended
    assert (ended.cause, ended.signal) == (w.sandbox.END_CAUSE_SIGNALLED, 9)


def test_what_ignores_every_signal_is_killed_after_the_grace_time(supervisor, opened):
    instance = supervisor.start(
        opened, ["hostile"], environment=hostile.environment("ignore-term"))
    wait_until_it_says_so(supervisor, instance)
    state = supervisor.stop(instance, grace_ms=200)
    supervisor.forget(instance)
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state
    assert state.ended_at_ms - state.ready_at_ms >= 200
