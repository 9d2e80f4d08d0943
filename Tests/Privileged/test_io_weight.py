"""Weights of block I/O: written where the kernel has a place for them, and told as in force where the device
below the node shares by weight, and only there."""

import json
import subprocess
from pathlib import Path

import pytest

import hostile
import wire_client as w
from disks import disk_in_a_file
from node import Node, paths_below
from supervisor import OpenBox, Supervisor

CGROUPS = Path("/sys/fs/cgroup")


def told(node):
    report = json.loads(node.command("status", "--format", "json").stdout)
    [supervisor] = [one for one in report["daemons"] if one["daemon"] == "sandbox-supervisor"]
    return supervisor["facts"]["block-io-weight"]


@pytest.fixture(scope="module", params=["bfq", "none"])
def weighing(request):
    """A node on a disk of its own, whose scheduler weighs or does not; and which it is. A kernel without the
    one that does has the other in its place."""
    with disk_in_a_file(512) as (base, mount):
        source = subprocess.run(["findmnt", "-n", "-o", "SOURCE", mount], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
        scheduler = Path("/sys/block") / Path(source).name / "queue" / "scheduler"
        try:
            scheduler.write_text(request.param)
        except OSError:
            scheduler.write_text("none")
        with Node(state=mount / "state", base=base) as node:
            yield node, "bfq" if "[bfq]" in scheduler.read_text() else "none"


def test_the_status_says_whether_weights_are_in_force(weighing):
    node, scheduler = weighing
    assert told(node) == scheduler


def test_a_weight_is_where_the_kernel_reads_it(weighing, scratch):
    node, _ = weighing
    box_id = node.import_box(hostile.tree(scratch), hostile.description()).service_id
    with OpenBox(node, box_id) as box, Supervisor(node) as supervisor:
        instance = supervisor.start(
            box, ["hostile"], environment=hostile.environment("fork-bomb-without-end"),
            block_io_weight=300, processes=8, memory_bytes=1 << 30)
        try:
            supervisor.wait_ready(instance)
            files = weight_files(instance)
            if (CGROUPS / "blkio").exists() and "bfq" in schedulers():
                assert files, "the kernel has BFQ, and its groups have no weight"
            assert {read(file) for file in files} <= {"300"}
            supervisor.connection.call(
                "SandboxSupervisor.UpdateLimits", w.sandbox.UpdateLimitsRequest(
                    instance_id=instance, limits=w.sandbox.Limits(block_io_weight=700)))
            assert {read(file) for file in files} <= {"700"}
        finally:
            supervisor.stop(instance)
            supervisor.forget(instance)


def schedulers():
    """What the devices of this machine can be scheduled by."""
    words = set()
    for file in Path("/sys/block").glob("*/queue/scheduler"):
        try:
            words |= set(file.read_text().replace("[", "").replace("]", "").split())
        except OSError:  # a device that went
            continue
    return words


def weight_files(instance):
    name = instance.hex()
    v1 = list((CGROUPS / "blkio").glob(f"*/{name}/blkio.weight")) + list(
        (CGROUPS / "blkio").glob(f"*/{name}/blkio.bfq.weight"))
    v2 = [path for path in paths_below(CGROUPS)
          if path.parent.name == name and path.name in ("io.weight", "io.bfq.weight")]
    return v1 + v2


def read(file):
    """The weight of a group itself: v2 writes it behind a word."""
    return file.read_text().split("\n")[0].removeprefix("default ").strip()
