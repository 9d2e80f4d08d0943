"""Fixtures for the tests that start the real daemons. All of it needs root; a test that cannot run
says so by failing, never by being skipped silently."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def privileged():
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, cgroups, mounts and loop devices")


@pytest.fixture(scope="session")
def scratch():
    """A folder for what one run makes, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="celaut-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def node():
    """One node for all tests of a file. A test that breaks it takes a `fresh_node`."""
    from node import Node
    with Node() as running:
        yield running


@pytest.fixture
def fresh_node():
    from node import Node
    with Node() as running:
        yield running
