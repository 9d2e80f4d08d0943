"""A Debian root and the package, each made once for a run; one booted machine for each file."""

import os
import subprocess
from pathlib import Path

import pytest

import machine as machines
from node import BINARIES

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def debian(scratch):
    """A minimal Debian. CELAUT_TEST_ROOT names one that was made before, to save the half minute."""
    if given := os.environ.get("CELAUT_TEST_ROOT"):
        if not Path(given).exists():
            machines.bootstrap(Path(given))
        return Path(given)
    folder = scratch / "debian"
    machines.bootstrap(folder)
    return folder


@pytest.fixture(scope="session")
def package(scratch):
    """The package of the programs under test."""
    done = subprocess.run(
        [REPOSITORY / "deploy/packaging/build", "--binaries", BINARIES, "--output", scratch],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=1_800)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def machine(debian, tmp_path_factory):
    with machines.Machine(debian, tmp_path_factory.mktemp("machine")) as running:
        yield running.boot()
