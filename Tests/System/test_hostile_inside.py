"""Hostile programs (Tests/Privileged/hostile) on a machine with the package: a container booted with
systemd, so that the isolation of instances holds where the node itself is confined."""

import io
import json
import tarfile

import pytest

import hostile
from test_installed import before, ctl, installed  # noqa: F401 (fixtures: the package is installed)

# Of each way out one or two: files, mounts, namespaces, other processes, the kernel's surface, sockets.
ATTACKS = (
    "descriptors", "mount", "unshare", "setns", "clone3", "chroot", "file-handles", "keyrings", "bpf",
    "perf-events", "io-uring", "machine", "raw-sockets", "netlink", "ptrace", "memory-of-others",
    "setuid-programs", "devices", "terminals", "id-maps", "own-filter")


@pytest.fixture(scope="module")
def packed(machine, scratch):
    folder = machine.root / "root/hostile"
    with tarfile.open(fileobj=io.BytesIO(hostile.tree(scratch))) as tree:
        tree.extractall(folder / "rootfs")
    limits = {"mem_limit": 64 << 20, "disk_space": 64 << 20}
    (folder / "service.json").write_text(json.dumps({
        **hostile.description(), "envs": {"ATTACK": ""},
        "resources": {"at_init": limits, "at_most": limits}}))
    ctl(machine, "pack", "/root/hostile")


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_it_gets_through_inside_a_container(machine, packed, attack):
    done = ctl(machine, "run", "--env", f"ATTACK={attack}", "hostile", check=False)
    lines = done.stdout.splitlines()
    bad = [line for line in lines if line.startswith(("GOT THROUGH", "BAD ATTACK"))]
    assert done.returncode == 0 and not bad, done.stdout[-3000:]
    tried = sum(line.startswith(("refused", "holds")) for line in lines)
    assert tried > 0 and f"{tried} refused, 0 not" in lines, done.stdout[-3000:]
