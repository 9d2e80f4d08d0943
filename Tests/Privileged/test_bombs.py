"""Each limit of an instance, met by a program that tries to exceed it; and what the node says of it."""

import time

import pytest

import hostile
import wire_client as w
from supervisor import OpenBox, Supervisor

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def opened(node, scratch):
    box_id = node.import_box(hostile.tree(scratch), hostile.description()).service_id
    with OpenBox(node, box_id) as box:
        yield box


@pytest.fixture(scope="module")
def supervisor(node, opened):
    with Supervisor(node) as connection:
        yield connection


@pytest.fixture
def attack(supervisor, opened):
    def run(name, **more):
        return hostile.run(supervisor, opened, name, **more)
    return run


@pytest.mark.parametrize("processes", [4, 32])
def test_no_more_processes_than_its_limit(attack, processes):
    report = attack("fork-bomb", processes=processes)
    assert report.ended.cause == w.sandbox.END_CAUSE_EXITED, report.ended
    assert "refused fork: EAGAIN" in report.lines
    assert report.number("forked") == processes - 1


def test_a_fork_bomb_without_end_is_stopped_at_once(supervisor, opened):
    instance = supervisor.start(
        opened, ["hostile"], environment=hostile.environment("fork-bomb-without-end"), processes=50,
        # What a fork that fails took is given back late by a busy kernel: memory must not be what ends it.
        memory_bytes=1024 * MEBIBYTE)
    supervisor.wait_ready(instance)
    time.sleep(0.3)  # the time it has to do harm
    [listed] = [state for state in supervisor.list() if state.instance_id == instance]
    assert listed.usage.processes <= 51
    state = supervisor.stop(instance)
    supervisor.forget(instance)
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state


@pytest.mark.parametrize("name", [
    "memory-bomb", "memory-of-files-bomb", "segments-bomb", "buffers-bomb"])
def test_past_its_memory_all_of_it_is_killed_and_the_cause_is_told(attack, name):
    report = attack(name, memory_bytes=32 * MEBIBYTE)
    assert report.ended.cause == w.sandbox.END_CAUSE_OUT_OF_MEMORY, report.ended
    assert 24 * MEBIBYTE < report.usage.memory_peak_bytes <= 33 * MEBIBYTE


def test_its_disk_is_full_at_its_limit_and_that_is_not_memory(attack):
    report = attack("disk-bomb", disk_bytes=48 * MEBIBYTE, memory_bytes=24 * MEBIBYTE)
    report.assert_nothing_got_through()
    assert any(line.endswith("ENOSPC") for line in report.lines), report.lines
    # The tables of the file system are not taken from what was asked for, and are rounded up.
    assert 47 * MEBIBYTE <= report.number("wrote") <= 50 * MEBIBYTE


def test_a_file_of_holes_is_not_larger_than_the_disk(attack):
    report = attack("holes-bomb", disk_bytes=16 * MEBIBYTE)
    report.assert_nothing_got_through()
    assert report.number("touched") <= 16 * MEBIBYTE // 4096


def test_inodes_are_bounded_by_the_disk(attack):
    report = attack("inode-bomb", disk_bytes=16 * MEBIBYTE)
    report.assert_nothing_got_through()
    assert 100 < report.number("made") <= 16 * MEBIBYTE // 1024


def test_shared_memory_is_half_of_the_memory(attack):
    report = attack("shm-bomb", memory_bytes=32 * MEBIBYTE)
    report.assert_nothing_got_through()
    assert report.number("wrote") == 16 * MEBIBYTE


def test_inodes_of_shared_memory_are_bounded(attack):
    report = attack("shm-inode-bomb", memory_bytes=32 * MEBIBYTE)
    if report.ended.cause != w.sandbox.END_CAUSE_OUT_OF_MEMORY:
        report.assert_nothing_got_through()
        assert report.number("made") < 1_000_000


@pytest.mark.parametrize("files", [8, 64, 1024])
def test_no_more_open_files_than_its_limit(attack, files):
    report = attack("descriptor-bomb", open_files=files)
    report.assert_nothing_got_through()
    assert report.number("opened") == files - 3
    assert "refused open: EMFILE" in report.lines


def test_cpu_time_stays_within_the_quota(attack):
    report = attack("burn", cpu_quota_us=10_000, cpu_period_us=100_000)
    wall_us = (report.state.ended_at_ms - report.state.ready_at_ms) * 1_000
    assert report.ended.cause == w.sandbox.END_CAUSE_EXITED, report.ended
    # A tenth, with a few periods more: a quota is given out at the period's start, and what it took to make
    # the instance counts. Without a quota it would be all of a processor, or of several.
    assert 30_000 < report.usage.cpu_us <= wall_us / 10 + 400_000, (report.usage, wall_us)


def test_a_flood_of_output_is_kept_to_its_last_part_and_the_rest_counted(attack):
    report = attack("log-flood")
    kept = len(report.stdout) + len(report.stderr)
    assert report.stdout.endswith(b"the last line\nholds 1\n1 refused, 0 not\n")
    assert kept <= MEBIBYTE
    assert kept + report.dropped >= 64 * MEBIBYTE
    assert len(report.ended.last_lines) == 40
    assert all(len(line.encode()) <= 400 for line in report.ended.last_lines)


def test_a_line_without_an_end_is_cut(attack):
    report = attack("endless-line")
    assert report.ended.cause == w.sandbox.END_CAUSE_EXITED, report.ended
    assert len(report.stdout) <= MEBIBYTE
    assert len(report.stdout) + report.dropped == 16 * MEBIBYTE
    assert all(len(line.encode()) <= 400 for line in report.ended.last_lines)


def test_a_neighbour_runs_on_through_all_of_it(supervisor, opened, attack):
    instance = supervisor.start(opened, ["hostile"], environment=hostile.environment("sleep"))
    supervisor.wait_ready(instance)
    for name in ("fork-bomb", "memory-bomb", "disk-bomb"):
        attack(name, memory_bytes=32 * MEBIBYTE)
    state = supervisor.stop(instance)
    supervisor.forget(instance)
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state
