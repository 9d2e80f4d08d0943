"""Starts on a host whose "/" is a shared mount, as systemd makes it: what an instance has mounted is its own,
and appears nowhere else."""

from pathlib import Path

import pytest

import boxes
from node import Node, wait_until
from probe import Probe

# A mount namespace of the test's own, cut off from the machine's, in which everything is shared.
SHARED = ("unshare", "-m", "--propagation", "private", "sh", "-c",
          'mount --make-rshared / && exec "$0" "$@"')


def mounts(pid):
    """What is mounted for a process: the places, in order, with what is shared."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return [(line.split()[4], "shared:" in line) for line in lines]


@pytest.mark.parametrize("roots", ["auto", "checkout"])
def test_an_instance_starts_where_the_root_is_shared_and_its_mounts_stay_inside(roots, probe_tree):
    with Node(roots=roots, within=SHARED) as node:
        launcher = node.pid("sandbox-supervisor")
        before = mounts(launcher)
        assert ("/", True) in before
        box = node.import_box(probe_tree, boxes.described())
        for _ in range(3):
            probe = Probe(node, node.start_service(box.service_id))
            wait_until(lambda: mounts(launcher) == before, 60, "its mounts are its own")
            inside, status = probe.run("cat /proc/self/mountinfo")
            assert status == 0 and "shared:" not in inside and "master:" not in inside, inside
            probe.stop(grace_ms=0)
        wait_until(lambda: mounts(launcher) == before, 60, "nothing is left")
