"""What is made ahead for the next start is that start's if it asks for the same, nobody's if not, and
gone when nobody comes for it, whoever was killed meanwhile."""

import re

import pytest

import boxes
import wire_client as w
from daemon import configuration_of
from node import PATIENCE, wait_until
from supervisor import OpenBox, Supervisor
from traces import CGROUPS

MEBIBYTE = 1 << 20
SMALL = {"memory_bytes": 8 * MEBIBYTE, "disk_bytes": 4 * MEBIBYTE, "processes": 16}
LARGE = {"memory_bytes": 24 * MEBIBYTE, "disk_bytes": 16 * MEBIBYTE, "processes": 40}

IS_VERSION_2 = (CGROUPS / "cgroup.controllers").exists()


@pytest.fixture(scope="module")
def opened(node):
    tree, description = boxes.script_box(
        "/bin/busybox df -k / | /bin/busybox tail -n 1", "exec /bin/busybox sleep 600")
    with OpenBox(node, node.import_box(tree, description).service_id) as box:
        yield box


def name_of(node):
    text = configuration_of(node, "sandbox-supervisor").text
    return re.search(r'^cgroup = "(.*)"', text, re.MULTILINE).group(1)


def ahead(node):
    """The cgroups that are no instance's."""
    return list(CGROUPS.glob(f"*/{name_of(node)}/next"))


def limits(node, instance):
    """Memory, processes, as the kernel has them."""
    if IS_VERSION_2:
        both = CGROUPS / name_of(node) / instance.hex()
        return int((both / "memory.max").read_text()), int((both / "pids.max").read_text())
    memory = CGROUPS / "memory" / name_of(node) / instance.hex() / "memory.limit_in_bytes"
    processes = CGROUPS / "pids" / name_of(node) / instance.hex() / "pids.max"
    return int(memory.read_text()), int(processes.read_text())


def disk_kibibytes(supervisor, instance):
    """The size of its root, as it sees it."""
    found = b""

    def is_told():
        nonlocal found
        found = supervisor.output(instance)[0]
        return found.endswith(b"\n")
    wait_until(is_told, 60, "it says how large its root is")
    return int(found.split()[1])


def run_one(supervisor, box, wanted):
    instance = supervisor.start(box, ["start"], **wanted)
    supervisor.wait_ready(instance)
    return instance


def end(supervisor, instances):
    for instance in instances:
        assert supervisor.stop(instance).ended.cause == w.sandbox.END_CAUSE_STOPPED
        supervisor.forget(instance)


def test_starts_of_two_kinds_in_turns_each_have_their_own_limits(node, opened):
    kinds = [SMALL, SMALL, LARGE, SMALL, LARGE, LARGE, SMALL]
    with Supervisor(node) as supervisor:
        instances = [run_one(supervisor, opened, kind) for kind in kinds]
        disks = {"small": set(), "large": set()}
        for kind, instance in zip(kinds, instances, strict=True):
            assert limits(node, instance) == (kind["memory_bytes"], kind["processes"])
            disks["small" if kind is SMALL else "large"].add(disk_kibibytes(supervisor, instance))
        assert all(len(sizes) == 1 for sizes in disks.values()), disks
        assert disks["small"].pop() * 2 < disks["large"].pop()
        end(supervisor, instances)


def test_what_one_wrote_is_not_in_the_next_ones_disk(node):
    tree, description = boxes.script_box(
        "/bin/busybox ls -A / /tmp", "echo x > /tmp/left", "echo x > /left", "exit 0")
    with OpenBox(node, node.import_box(tree, description).service_id) as box, \
            Supervisor(node) as supervisor:
        told = []
        for _ in range(6):
            state, stdout, *_ = supervisor.run(box, ["start"], **SMALL)
            assert state.ended.cause == w.sandbox.END_CAUSE_EXITED
            told.append(stdout)
        assert len(set(told)) == 1 and b"left" not in told[0], told


def run_until_ahead(node, supervisor, box, instances):
    """Starts, until something made ahead is seen: a busy machine may look only when it has gone."""
    for _ in range(30):
        instances.append(run_one(supervisor, box, SMALL))
        if IS_VERSION_2:  # One cgroup of v2 cannot be given another name: there is only a disk file.
            return
        try:
            return wait_until(lambda: ahead(node), 2, "something is made ahead")
        except AssertionError:
            continue
    raise AssertionError("nothing was made ahead")


def test_what_nobody_came_for_goes(node, opened):
    instances = []
    with Supervisor(node) as supervisor:
        run_until_ahead(node, supervisor, opened, instances)
        wait_until(lambda: not ahead(node), 60, "it goes")
        # A start that finds nothing makes its own.
        instances.append(run_one(supervisor, opened, SMALL))
        for instance in instances:
            assert limits(node, instance) == (SMALL["memory_bytes"], SMALL["processes"])
        end(supervisor, instances)


def test_a_killed_supervisor_s_is_gone_when_it_is_back(node, opened):
    instances = []
    with Supervisor(node) as supervisor:
        run_until_ahead(node, supervisor, opened, instances)
    node.kill("sandbox-supervisor")
    wait_until(lambda: not ahead(node), PATIENCE, "it is gone")
    with Supervisor(node) as supervisor:
        end(supervisor, instances)
