"""A service that says its file system is read-only: nothing in its root can be written, what a program needs
can, and there is no disk; on both kinds of roots, and over the death of the supervisor."""

import os
import signal

import pytest

import boxes
import wire_client as w
from node import Node, children_of, wait_until
from probe import Probe
from supervisor import Supervisor
from traces import Traces

MEBIBYTE = 1 << 20
MEMORY = 48 * MEBIBYTE
BOUNDS = {"mem_limit": MEMORY, "disk_space": 16 * MEBIBYTE}
# Together half of the memory.
BOUND_KIBIBYTES = MEMORY // 2 // 1024
WRITABLE = ["/tmp", "/var/tmp", "/run", "/dev/shm"]


@pytest.fixture(scope="module", params=["auto", "checkout"])
def node(request):
    with Node(roots=request.param) as running:
        yield running


def directory(name, mode=0o755):
    return boxes.entry(name, kind=boxes.tarfile.DIRTYPE, mode=mode)


def import_probe(node, scratch, *entries, **said):
    """The probe and no directory but /bin, beside what is given."""
    boxes.probe_tree(scratch)
    tree = boxes.tar_bytes([*boxes.busybox_entries(), *entries,
                            boxes.entry("probe", (scratch / "probe").read_bytes())])
    return node.import_box(tree, boxes.described(**{
        "tag": "read-only", "resources": {"at_init": BOUNDS, "at_most": BOUNDS},
        "read_only_filesystem": True, **said})).service_id


@pytest.fixture(scope="module")
def service(node, scratch):
    return import_probe(
        node, scratch, directory("tmp/", 0o1777), directory("etc/"), directory("var/"),
        directory("var/tmp/", 0o1777), directory("run/"),
        boxes.entry("etc/shared", b"the same for all\n", mode=0o666),
        boxes.entry("tmp/of-the-box", b"hidden\n"), boxes.entry("run/of-the-box", b"hidden\n"))


@pytest.fixture
def start(node):
    started = []

    def one(service, **fields):
        started.append(Probe(node, node.start_service(service, **fields)))
        return started[-1]
    yield one
    for probe in started:
        probe.stop(grace_ms=0)


@pytest.fixture
def probe(start, service):
    return start(service)


def output(instance, command):
    text, status = instance.run(command)
    assert status == 0, (command, text, status)
    return text


def states(node):
    with Supervisor(node) as supervisor:
        return {state.instance_id: state for state in supervisor.list()}


def state_of(node, probe):
    return states(node)[probe.started.instance.instance_id]


WRITES = [
    "echo x > /new", "echo x > /etc/shared", "echo x >> /etc/shared", "touch /etc/new", "mkdir /etc/new",
    "rm /etc/shared", "mv /etc/shared /etc/other", "ln /etc/shared /other", "ln -s x /etc/link", "mkfifo /p",
    "chmod 777 /", "chmod 600 /etc/shared", "chown 7:7 /etc/shared", "touch /", "rm -r /var", "rm /probe",
    "touch -d 2001-01-01 /etc/shared", "echo x > /__config__", "rm /__config__", "truncate -s 0 /etc/shared",
    "touch /dev/new", "touch /var/new"]


def test_nothing_in_the_root_can_be_written(probe):
    for command in WRITES:
        text, status = probe.run(f"{command} 2>&1")
        assert status != 0 and "Read-only file system" in text, (command, text, status)


def test_the_root_is_as_the_box_has_it_and_stays_so(probe):
    assert output(probe, "cat /etc/shared") == "the same for all\n"
    assert output(probe, "stat -c '%u:%g %a' / /etc /etc/shared /probe").split("\n")[:4] == [
        "0:0 755", "0:0 755", "0:0 666", "0:0 755"]
    [root] = [line.split() for line in output(probe, "cat /proc/self/mountinfo").splitlines()
              if line.split()[4] == "/"]
    assert root[5].split(",")[0] == "ro", root
    for command in ("mount -o remount,rw /", "mount -t tmpfs none /etc", "umount /tmp"):
        text, status = probe.run(f"/bin/busybox {command} 2>&1")
        assert status != 0 and ("not permitted" in text or "denied" in text), (command, text)
    assert probe.run("echo x > /new")[1] != 0


def test_the_configuration_is_there(probe):
    assert int(output(probe, "wc -c < /__config__")) > 0
    assert output(probe, "stat -c '%u:%g %a' /__config__") == "0:0 644\n"


def test_what_a_program_needs_can_be_written_and_begins_empty(probe):
    assert output(probe, f"ls -A {' '.join(WRITABLE)}").split() == [f"{one}:" for one in sorted(WRITABLE)]
    assert output(probe, f"stat -c '%u:%g %a' {' '.join(WRITABLE)}").split("\n")[:4] == [
        "0:0 1777", "0:0 1777", "0:0 755", "0:0 1777"]
    for place in WRITABLE:
        assert output(probe, f"mkdir {place}/d && echo {place} > {place}/d/f && cat {place}/d/f") == f"{place}\n"
        assert output(probe, f"mv {place}/d {place}/e && rm -r {place}/e && ls -A {place}") == ""
    for place in ("/tmp", "/var/tmp", "/run"):
        output(probe, f"cp /bin/busybox {place}/busybox && {place}/busybox true && rm {place}/busybox")
    text, status = probe.run("cp /bin/busybox /dev/shm/busybox && /dev/shm/busybox true 2>&1")
    assert status != 0 and "denied" in text, text
    output(probe, "rm /dev/shm/busybox; echo x > /dev/null")


def test_all_that_can_be_written_is_half_of_the_memory_together(node, start, service):
    probe = start(service)
    for place in WRITABLE:
        assert int(output(probe, f"df -k {place} | tail -n 1").split()[1]) == BOUND_KIBIBYTES, place
    text, status = probe.run("dd if=/dev/zero of=/run/half bs=1M 2>&1")
    assert status != 0 and "No space left" in text, text
    # Nothing is left for the others, and it lives.
    for place in WRITABLE:
        text, status = probe.run(f"echo x 2>&1 > {place}/more; echo x >> {place}/more")
        assert status != 0, place
    state = state_of(node, probe)
    assert state.usage.memory_bytes >= BOUND_KIBIBYTES * 1024
    assert state.usage.disk_bytes == 0
    output(probe, "rm /run/half && echo x > /tmp/more && rm /tmp/more")


def test_two_of_one_box_have_nothing_of_each_other(start, service):
    one, other = start(service), start(service)
    output(one, "echo mine > /tmp/file; echo mine > /run/file")
    assert output(other, "ls -A /tmp /run").split() == ["/run:", "/tmp:"]
    assert output(other, "cat /etc/shared") == output(one, "cat /etc/shared")


def loops():
    return {backing for _, backing in Traces().loops}


def test_it_has_no_loop_device_and_ordinary_ones_beside_it_are_as_ever(node, scratch, start, service):
    # What another test's start left ready goes by itself.
    wait_until(lambda: not loops(), 60, "nothing is mounted ahead")
    ordinary = import_probe(node, scratch, read_only_filesystem=False, tag="ordinary")
    for _ in range(3):
        probe = start(service)
        assert output(probe, "df -k / | tail -n 1").split()[1] == "2048"
        assert state_of(node, probe).read_only
    assert not loops()
    sizes = set()
    for kind in (ordinary, service, ordinary, ordinary, service, ordinary):
        probe = start(kind)
        if kind == ordinary:
            output(probe, "echo x > /new")
            sizes.add(output(probe, "df -k / | tail -n 1").split()[1])
            assert not state_of(node, probe).read_only
        else:
            assert probe.run("echo x > /new")[1] != 0
    assert len(sizes) == 1 and int(sizes.pop()) > 8_192
    assert len(loops()) >= 4


def test_a_box_with_next_to_nothing_in_it_has_the_places_too(node, scratch, start):
    probe = start(import_probe(node, scratch, tag="bare"))
    for place in WRITABLE:
        output(probe, f"echo x > {place}/file")
    assert output(probe, "ls /").split() == ["__config__", "bin", "dev", "probe", "proc", "run", "tmp", "var"]
    assert probe.run("echo x > /var/file")[1] != 0


def link(name, target):
    return boxes.entry(name, kind=boxes.tarfile.SYMTYPE, link=target)


def test_a_place_that_is_no_directory_of_the_box_stays_the_box_s(node, scratch, start):
    # A link leads where it leads; a file is a file.
    probe = start(import_probe(
        node, scratch, link("tmp", "var/tmp"), boxes.entry("run", b"a file\n", mode=0o644), tag="links"))
    assert output(probe, "echo x > /tmp/file && cat /var/tmp/file") == "x\n"
    assert output(probe, "cat /run; readlink /tmp") == "a file\nvar/tmp\n"
    assert probe.run("echo x > /run")[1] != 0


def test_a_place_with_the_entrypoint_in_it_stays_the_box_s(node, scratch, start):
    boxes.probe_tree(scratch)
    program = (scratch / "probe").read_bytes()
    probe = start(import_probe(
        node, scratch, directory("run/"), boxes.entry("run/probe", program), tag="entrypoint",
        init={"entry_path": ["run", "probe"]}))
    assert output(probe, "ls /run") == "probe\n"
    assert probe.run("echo x > /run/file")[1] != 0
    output(probe, "echo x > /tmp/file")


@pytest.mark.parametrize("path", ["run/node/told", "tmp/told", "etc/deep/told", "var/lib/told"])
def test_the_configuration_is_where_the_service_wants_it(node, scratch, start, path):
    probe = start(import_probe(
        node, scratch, directory("etc/"), tag="configured", config_declaration={"path": path.split("/")}))
    assert int(output(probe, f"wc -c < /{path}")) > 0
    if not path.startswith(("run", "tmp")):
        assert probe.run(f"echo x > /{path}")[1] != 0


SHARED = [{"path": "/srv/both", "role": "shared"}, {"path": "/tmp/both", "role": "shared"}]
GUEST = [{"path": "/run/of-the-parent", "role": "guest", "tag": "both"}]


def test_a_shared_directory_can_be_written_and_lies_on_a_disk(node, scratch, start):
    offered = [SHARED[0] | {"tag": "both"}, SHARED[1]]
    parent = start(import_probe(
        node, scratch, directory("srv/"), directory("srv/both/", 0o750), directory("tmp/"),
        directory("tmp/both/"), shared_filesystems=offered, tag="sharing",
        resources={"at_init": BOUNDS | {"mem_limit": 2 * MEMORY}}))
    child_service = import_probe(
        node, scratch, directory("run/"), directory("run/of-the-parent/"), shared_filesystems=GUEST,
        tag="shared-with", resources={"at_init": {"mem_limit": 16 * MEBIBYTE, "disk_space": 4 * MEBIBYTE}})
    started = node.start_service(
        child_service, processes=16, parent=w.gateway.InstanceReference(token=parent.token))
    own = parent.started.instance.instance_id
    [address] = [one for one in started.instance.addresses if one.inside == own]

    def in_child(command):
        return output(parent, f"(echo 'run {command}' | nc -w 60 {address.host} {boxes.PROBE_PORT})")
    output(parent, "echo down > /srv/both/down; echo x > /tmp/both/file; echo x > /tmp/file")
    assert in_child("cat /run/of-the-parent/down; echo up > /run/of-the-parent/up").startswith("down\n=0")
    assert output(parent, "cat /srv/both/up") == "up\n"
    for where in ("/new", "/srv/new"):
        assert parent.run(f"echo x > {where}")[1] != 0
    assert not in_child("echo x > /new").startswith("=0")
    in_child("echo x > /tmp/file; echo x > /run/file")
    # To the parent's disk, and no further.
    before = state_of(node, parent).usage.disk_bytes
    in_child("dd if=/dev/zero of=/run/of-the-parent/large bs=1M count=4")
    assert state_of(node, parent).usage.disk_bytes >= before + 4 * MEBIBYTE
    text, status = parent.run("dd if=/dev/zero of=/srv/both/full bs=1M 2>&1")
    assert status != 0 and "No space left" in text
    assert states(node)[started.instance.instance_id].usage.disk_bytes == 0


def left_since(node, before):
    """What came since, but for the daemon itself and its launcher."""
    own = node.pid("sandbox-supervisor")
    own = tuple(f"({pid}," for pid in [own, *children_of(own)])
    new = Traces().new_since(before)
    new["processes"] = [one for one in new.get("processes", []) if not one.startswith(own)]
    return {kind: what for kind, what in new.items() if what}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_outlives_the_supervisor_as_it_is_and_leaves_nothing(node, service, how):
    # What is kept ready for the next start goes by itself, and so does what other tests started.
    wait_until(lambda: not loops(), 60, "nothing is mounted ahead")
    before = Traces()
    probe = Probe(node, node.start_service(service))
    try:
        output(probe, "echo kept > /tmp/file")
        pid = node.pid("sandbox-supervisor")
        os.kill(pid, how)
        node.wait_for("sandbox-supervisor", other_than=pid)
        state = state_of(node, probe)
        assert state.read_only and state.phase == w.sandbox.PHASE_READY
        assert state.usage.disk_bytes == 0
        assert output(probe, "cat /tmp/file") == "kept\n"
        assert probe.run("echo x > /new")[1] != 0
        with Supervisor(node) as supervisor:
            changed = supervisor.connection.call(
                "SandboxSupervisor.UpdateLimits", w.sandbox.UpdateLimitsRequest(
                    instance_id=state.instance_id, limits=w.sandbox.Limits(processes=40)))
        assert changed.limits.processes == 40 and changed.read_only
        assert not loops()
    finally:
        ended = probe.stop(grace_ms=0)
    assert ended.state.ended.cause == w.sandbox.END_CAUSE_STOPPED
    assert ended.state.usage.disk_bytes == 0
    wait_until(lambda: not left_since(node, before), 60, "nothing of it is left")
