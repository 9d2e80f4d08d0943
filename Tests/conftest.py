"""Fixtures for the tests that start the real daemons. All of it needs root; a test that cannot run
says so by failing, never by being skipped silently."""

import os
import random
import shutil

import pytest

# Before the tests are read, which take theirs from it.
SEED = os.environ.setdefault("CELAUT_SEED", str(random.randrange(1 << 32)))

import boxes
from folders import new_open_folder
from node import Node
from probe import Probe
from traces import own_folder


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"CELAUT_SEED={SEED} makes what was generated here again")


@pytest.fixture(scope="session", autouse=True)
def privileged():
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, cgroups, mounts and loop devices")


@pytest.fixture(scope="session")
def scratch():
    """A folder for what one run makes, removed at its end."""
    folder = own_folder(new_open_folder())
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def node():
    """One node for all tests of a file. A test that breaks it takes a `fresh_node`."""
    with Node() as running:
        yield running


@pytest.fixture
def fresh_node():
    with Node() as running:
        yield running


@pytest.fixture(scope="session")
def probe_tree(scratch):
    return boxes.probe_tree(scratch)


@pytest.fixture
def start_probe(node, probe_tree):
    """Starts probes: start_probe(environment=…, description keys=…). All are stopped at the end."""
    started = []

    def start(environment=(), memory_bytes=0, **changes):
        box = node.import_box(probe_tree, boxes.described(**changes))
        probe = Probe(node, node.start_service(
            box.service_id, environment=environment, memory_bytes=memory_bytes))
        started.append(probe)
        return probe
    yield start
    for probe in reversed(started):
        probe.stop(grace_ms=0)


@pytest.fixture(scope="module")
def shared_probe(node, probe_tree):
    """One probe for the tests of a file that only look."""
    box = node.import_box(
        probe_tree, boxes.described())
    probe = Probe(node, node.start_service(box.service_id))
    yield probe
    probe.stop(grace_ms=0)
