"""What a node that is gone left among the cgroups is removed by the next one that starts; what belongs to
a node that may come back, or to one that lives, stays."""

import os
import shutil
import signal
import subprocess

import pytest

from node import Node, hold, paths_below, wait_until
from traces import CGROUPS, OWN_CGROUPS

INSTANCE = "ab" * 16


def parts(name):
    """The directories of a node, one in each hierarchy."""
    return [path for path in (CGROUPS / name, *CGROUPS.glob(f"*/{name}")) if path.is_dir()]


def name_of(node):
    """The name that `up` chose; the running node tells it."""
    text = (node.state / "config/sandbox-supervisor.toml").read_text()
    return next(name for name in OWN_CGROUPS if f'"{name}"' in text)


def kill_all(node):
    """Nobody gets to say goodbye: the keeper starts none again, and tells none that it is gone."""
    pids = [node.pid(daemon) for daemon in ("sandbox-supervisor", "box-builder", "gateway-broker")]
    hold(node.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}/exe"), 60, "it is dead")
    node.process.kill()
    node.process.wait()


def are_empty(name):
    """No process is in any of them."""
    return not any(file.read_text() for part in parts(name) for file in paths_below(part)
                   if file.name == "cgroup.procs")


def removed(path):
    """The kernel lets one go a moment after its last process."""
    try:
        path.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


@pytest.fixture
def killed():
    """A node without processes whose directories are all there, each with one of an instance in it."""
    with Node() as node:
        name = name_of(node)
        kill_all(node)
        # Those that its daemons started end with them, a moment later.
        wait_until(lambda: are_empty(name), 60, "nobody is left in its cgroups")
        for part in parts(name):
            (part / INSTANCE).mkdir()
        yield node, name
        for part in parts(name):
            for path in (part / INSTANCE, part):
                wait_until(lambda: removed(path), 60, f"{path} is removed")


def test_what_a_gone_node_left_among_the_cgroups_is_removed(killed):
    node, name = killed
    assert parts(name)
    shutil.rmtree(node.state)
    with Node():
        wait_until(lambda: not parts(name), 60, "they are removed")


def test_what_a_node_that_can_come_back_left_stays(killed):
    _, name = killed
    before = parts(name)
    with Node():
        assert parts(name) == before


def test_what_a_living_node_has_stays_though_its_directory_is_gone():
    with Node() as node:
        name = name_of(node)
        before = parts(name)
        hidden = node.state.with_name("elsewhere")
        node.state.rename(hidden)
        try:
            with Node():
                assert parts(name) == before
        finally:
            hidden.rename(node.state)


def test_what_has_a_process_in_it_stays(killed):
    node, name = killed
    shutil.rmtree(node.state)
    (first, *_) = parts(name)
    with subprocess.Popen(["sleep", "600"]) as process:
        (first / INSTANCE / "cgroup.procs").write_text(str(process.pid))
        try:
            with Node():
                wait_until(lambda: parts(name) == [first], 60, "the others are removed")
                assert (first / INSTANCE).is_dir()
        finally:
            process.kill()
