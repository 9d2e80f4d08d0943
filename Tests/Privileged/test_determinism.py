"""What an instance can observe: for each line of the table in Daemons/sandbox-supervisor/README.md,
whether it is the same wherever the box runs. The same box and the same request, on two nodes."""

import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import Node
from supervisor import OpenBox, Supervisor

ENVIRONMENT = [("ZEBRA", b"1"), ("ALPHA", b"2"), ("EMPTY", b""), ("MIDDLE", b"3 4")]


def observe_tree(folder):
    program = Path(folder) / "observe"
    source = Path(__file__).resolve().parent / "observe.c"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source],
                   check=True)
    packed = [boxes.entry(f"packed/{name}", name.encode(), mode=0o640)
              for name in "q z b a m x c k".split()]
    return boxes.tar_bytes(boxes.busybox_entries() + [
        boxes.entry("packed/", kind=boxes.tarfile.DIRTYPE), *packed,
        boxes.entry("sys/", kind=boxes.tarfile.DIRTYPE),
        boxes.entry("observe", program.read_bytes())])


def observed(node, tree, warm_up):
    """The lines of each key. Other instances before it must make no difference."""
    description = boxes.described(tag="observe", init={"entry_path": ["observe"]}, api=[])
    with OpenBox(node, node.import_box(tree, description).service_id) as box:
        with Supervisor(node) as supervisor:
            for _ in range(warm_up):
                supervisor.run(box, ["observe"], environment=ENVIRONMENT)
            state, stdout, stderr, _ = supervisor.run(
                box, ["observe"], environment=ENVIRONMENT, memory_bytes=32 << 20,
                disk_bytes=16 << 20, processes=32)
    assert state.ended.cause == w.sandbox.END_CAUSE_EXITED and not stderr, (state, stderr)
    found = defaultdict(list)
    for line in stdout.decode().splitlines():
        key, _, value = line.partition(" ")
        found[key].append(value)
    return dict(found)


@pytest.fixture(scope="module")
def both(scratch):
    tree = observe_tree(scratch)
    results = []
    for warm_up in (0, 3):
        with Node() as node:
            results.append(observed(node, tree, warm_up))
    return results


FIXED = [
    "pids", "arguments", "environment", "ids", "rights", "signals", "place", "descriptors", "limits",
    "scheduling", "names", "boot-id", "machine-id", "order", "inodes", "inodes-made", "entries",
    "space", "sys", "network", "network-ports", "proc-names", "proc-hidden", "proc-cgroup", "mounts",
    "projects"]


@pytest.mark.parametrize("key", FIXED)
def test_this_is_the_same_on_two_nodes(both, key):
    first, second = both
    assert first[key] == second[key]


def test_every_key_is_said_to_be_fixed_or_free_or_bounded(both):
    for found in both:
        free = {key for key in found if key.startswith("free-")}
        bounded = {"clocks-monotonic", "clocks-boottime", "uptime", "users", "network-routes"}
        assert set(found) - free - bounded - set(FIXED) == set()


def test_pids_begin_at_two_below_a_witness_that_is_one(both):
    own, children = both[0]["pids"]
    # The mount of a checkout takes one number for itself.
    assert own == "2 1 2 2" and children.split() in (list("3456"), list("4567")), both[0]["pids"]


def test_it_is_root_of_nothing(both):
    assert both[0]["ids"] == ["0 0 0 0 groups 0"]
    assert all(line.split()[1].strip("0") == "" for line in both[0]["rights"] if "Cap" in line)


def test_the_environment_keeps_its_order(both):
    assert both[0]["environment"] == [f"{name}={value.decode()}" for name, value in ENVIRONMENT]


def test_the_path_of_the_entrypoint_is_the_only_argument(both):
    assert both[0]["arguments"] == ["/observe"]


def test_names_and_ids_tell_of_no_machine(both):
    assert both[0]["names"][0].split()[:2] == ["Linux", "celaut"]
    assert both[0]["machine-id"] == ["absent"]
    assert both[0]["boot-id"] == ["00000000-0000-0000-0000-000000000000"]


def test_it_starts_in_the_root_with_nothing_but_three_descriptors(both):
    assert both[0]["place"] == ["/ umask 22"]
    assert [line.split()[0] for line in both[0]["descriptors"]] == ["0", "1", "2"]
    assert all(int(line.split()[1], 16) == 0 for line in both[0]["signals"])


@pytest.mark.parametrize("clock", ["clocks-monotonic", "clocks-boottime", "uptime"])
def test_clocks_begin_with_the_instance(both, clock):
    for found in both:
        # Seconds since a moment before its first instruction; what the host has counted is no such number.
        assert 0 <= float(found[clock][0].split()[0]) < 60, found[clock]


def test_files_have_the_time_and_owner_of_all_boxes(both):
    for line in both[0]["entries"]:
        if "/packed" in line or "/bin" in line:
            assert " owner 0:0 " in line, line
    times = {line.rsplit(" ", 1)[1] for line in both[0]["entries"]
             if line.startswith(("/packed/b", "/bin", "/observe"))}
    assert len(times) == 1, times


def test_there_is_no_sys_and_the_tables_of_the_host_are_empty(both):
    assert both[0]["sys"] == ["/sys . .."] or sorted(both[0]["sys"][0].split()) == [".", ".."]
    assert all(line.endswith("empty") for line in both[0]["proc-hidden"]), both[0]["proc-hidden"]


@pytest.mark.parametrize("key", ["free-addresses", "free-random"])
def test_what_is_random_is_random_each_time(both, key):
    assert both[0][key] != both[1][key]


def test_what_is_free_is_there(both):
    for key in ("free-realtime", "free-kernel", "free-processors", "free-memory"):
        assert all(found[key] for found in both)
