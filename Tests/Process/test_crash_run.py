"""Daemons are killed at random under a mixed load, and everything promised is there in the end."""

import os
import random

import pytest

from crash_run import CrashRun
from node import DAEMONS

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
# The long form: CELAUT_CRASH_SECONDS=600.
SECONDS = float(os.environ.get("CELAUT_CRASH_SECONDS", "60"))
# LIMIT: private memory of a daemon after the load; an idle one has 16 MiB at most.
MEMORY_BYTES_MAX = 48 << 20


@pytest.fixture(scope="module")
def crash_run(fresh_module_node):
    print(f"CELAUT_SEED={SEED}")
    return CrashRun(fresh_module_node, SEED, SECONDS).run()


@pytest.fixture(scope="module")
def fresh_module_node():
    from node import Node
    with Node() as running:
        yield running


def test_nothing_that_was_acknowledged_is_lost_or_done_twice(crash_run):
    print(f"CELAUT_SEED={SEED}: kills {crash_run.kills}, operations {crash_run.operations}, "
          f"growth {crash_run.growth}")
    if crash_run.violations:
        pytest.fail("\n".join(crash_run.violations), pytrace=False)
    assert sum(crash_run.kills.values()) > SECONDS / 10
    assert all(count > 0 for count in crash_run.operations.values()), crash_run.operations


def test_the_daemons_neither_grow_nor_keep_descriptors(crash_run):
    for name in DAEMONS:
        status = crash_run.node.status(name)
        assert status.private_memory_bytes < MEMORY_BYTES_MAX, name
        descriptors = os.listdir(f"/proc/{status.process_id}/fd")
        assert len(descriptors) < 64, f"{name} holds {len(descriptors)}"
