"""Services that do not behave, and requests for what is not there: a clear error in time, the rest of
the node untouched, nothing left."""

import os
import time

import pytest

import boxes
import wire_client as w
from node import Traces, nothing_new_since
from probe import Probe


@pytest.fixture(autouse=True)
def nothing_is_left(node):
    traces = Traces()
    yield
    assert node.list_services() == []
    nothing_new_since(traces)
    with node.connect("box-builder", "BoxBuilder") as connection:
        assert list(connection.stream("BoxBuilder.ListHolds", w.box.ListHoldsRequest())) == []


def start_refused(node, service, **more):
    with pytest.raises(w.Fault) as caught:
        node.start_service(service, **more)
    return caught.value


def test_a_service_id_that_is_not_there_is_not_found_and_named(node):
    absent = os.urandom(32).hex()
    fault = start_refused(node, absent)
    assert (fault.code, fault.subject) == ("NOT_FOUND", absent)


def test_a_service_name_that_is_no_id_is_refused(node):
    assert start_refused(node, "no such tag").code in ("NOT_FOUND", "INVALID")


def test_a_wrong_token_opens_nothing(node, start_probe):
    probe = start_probe()
    for token in [os.urandom(32).hex(), "", "x", probe.token[:-1] + ("0" if probe.token[-1] != "0" else "1")]:
        for action in (node.stop_service, node.output, node.watch_until_ended):
            with pytest.raises(w.Fault) as caught:
                action(token)
            assert caught.value.code in ("UNAUTHORIZED", "INVALID", "NOT_FOUND"), caught.value
            assert probe.token not in str(caught.value)
    assert probe.ask("say still here") == "ok\n"
    probe.stop()


def test_a_slot_that_never_opens_fails_at_the_deadline_with_the_last_lines(node):
    tree, description = boxes.script_box(
        "echo booting", "echo 'cannot bind: address in use' >&2", "exec /bin/busybox sleep 1000",
        api=[{"port": 5000, "transport": "tcp"}])
    box = node.import_box(tree, description)
    start = time.monotonic()
    fault = start_refused(node, box.service_id, ready_ms=1_500)
    elapsed = time.monotonic() - start
    assert fault.code == "SLOT_CLOSED", fault
    assert fault.subject == "5000/tcp", fault
    assert "cannot bind: address in use" in "\n".join(fault.lines), fault
    assert elapsed > 1.4, elapsed


def test_a_service_that_exits_at_once_fails_with_its_last_lines_and_its_code(node):
    tree, description = boxes.script_box(
        "echo no configuration >&2", "exit 3", api=[{"port": 5000, "transport": "tcp"}])
    box = node.import_box(tree, description)
    start = time.monotonic()
    fault = start_refused(node, box.service_id, ready_ms=110_000)
    assert fault.code == "ENDED_EARLY", fault
    assert "no configuration" in "\n".join(fault.lines), fault
    # Long before its deadline.
    assert time.monotonic() - start < 100
    ended = node.list_services(ended=True)[-1].state.ended
    assert (ended.cause, ended.exit_code) == (w.sandbox.END_CAUSE_EXITED, 3)


def test_an_entrypoint_the_kernel_cannot_run_fails_and_names_it(node):
    tree = boxes.tar_bytes([boxes.entry("start", b"neither script nor program")])
    box = node.import_box(
        tree, boxes.described(
            init={"entry_path": ["start"]}, api=[{"port": 5000, "transport": "tcp"}]))
    fault = start_refused(node, box.service_id)
    assert fault.code == "ENDED_EARLY", fault
    assert "start" in fault.subject + "".join(fault.lines), fault
    ended = node.list_services(ended=True)[-1].state.ended
    assert ended.cause == w.sandbox.END_CAUSE_START_FAILED
    assert "exec" in ended.subject, ended


def test_a_service_that_forks_meets_its_limit_and_only_that(node, start_probe):
    bomber, neighbour = start_probe(), start_probe()
    text = bomber.ask("bomb", timeout=240)
    words = text.split()
    assert words[0] == "forked" and words[3] == "11", text
    assert 1 <= int(words[1]) < 5_000, text
    assert neighbour.run("echo fine") == ("fine\n", 0)
    # The bomb is over; the same instance can fork again.
    assert bomber.run("echo fine") == ("fine\n", 0)
    assert bomber.stop().state.ended.cause == w.sandbox.END_CAUSE_STOPPED
    neighbour.stop()


def test_a_service_that_fills_its_disk_gets_no_space_and_nobody_else_does(node, start_probe):
    filler, neighbour = start_probe(), start_probe()
    output, status = filler.run("dd if=/dev/zero of=/tmp/fill bs=1M count=500", timeout=240)
    assert status != 0 and "No space left on device" in output, output
    size = int(filler.run("stat -c %s /tmp/fill")[0])
    # What was promised, and no more than a sixteenth above it: the file system counts in its own way.
    assert 63 << 20 <= size <= 68 << 20, size
    assert neighbour.run("dd if=/dev/zero of=/tmp/some bs=1M count=10 2>/dev/null")[1] == 0
    # Full is not broken.
    assert filler.run("rm /tmp/fill && echo free > /tmp/again && cat /tmp/again")[0] == "free\n"
    filler.stop()
    neighbour.stop()


def test_a_service_that_makes_files_without_end_meets_a_limit(node, start_probe):
    probe = start_probe()
    output, status = probe.run(
        "i=0; while [ $i -lt 400000 ]; do : > /tmp/$i || exit 9; i=$((i+1)); done", timeout=600)
    assert status != 0, output[-200:]
    assert "No space left" in output or "quota" in output, output[-200:]
    probe.stop()


def test_memory_above_what_the_specification_allows_is_refused(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described())
    fault = start_refused(node, box.service_id, memory_bytes=10 << 30)
    assert fault.code == "INVALID" and fault.reason == "OUT_OF_RANGE", fault
    assert fault.fault.limit == 128 << 20, fault


def test_memory_below_what_can_run_is_refused(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described())
    fault = start_refused(node, box.service_id, memory_bytes=1_000)
    assert fault.code == "INVALID" and fault.reason in ("BELOW_MINIMUM", "OUT_OF_RANGE"), fault
    assert fault.fault.limit > 1_000, fault


@pytest.mark.parametrize("name", ["a/b", "a b", "x" * 64, "\n", "é"])
def test_a_name_that_is_no_name_is_refused(node, probe_tree, name):
    box = node.import_box(probe_tree, boxes.described())
    fault = start_refused(node, box.service_id, name=name)
    assert fault.code == "INVALID", fault


def test_a_name_in_use_is_refused_by_name(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described())
    first = Probe(node, node.start_service(box.service_id, name="only-one"))
    fault = start_refused(node, box.service_id, name="only-one")
    assert (fault.code, fault.subject) == ("ALREADY_EXISTS", "only-one"), fault
    first.stop()


@pytest.mark.parametrize("name", ["", "A=B", "N\0L"])
def test_an_environment_name_that_is_none_is_refused(node, probe_tree, name):
    box = node.import_box(probe_tree, boxes.described())
    assert start_refused(node, box.service_id, environment=[(name, b"x")]).code == "INVALID"


def test_a_variable_that_is_not_declared_is_refused_by_name(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described(envs={"KNOWN": ""}))
    fault = start_refused(node, box.service_id, environment=[("UNKNOWN", b"x")])
    assert (fault.code, fault.reason) == ("INVALID", "UNKNOWN_KEY"), fault
    assert "UNKNOWN" in fault.subject and fault.lines == ["KNOWN"], fault


def test_a_box_for_another_architecture_is_stored_and_not_started(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described(architecture="linux/arm64"))
    fault = start_refused(node, box.service_id)
    assert fault.code == "UNSUPPORTED" and "arm64" in fault.subject + str(fault.lines), fault


def test_a_key_used_again_for_something_else_is_refused(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described())
    key = os.urandom(16)
    first = Probe(node, node.start_service(box.service_id, key=key))
    fault = start_refused(node, box.service_id, key=key, name="other")
    assert fault.reason == "KEY_REUSED", fault
    first.stop()


def test_a_box_in_use_is_not_removed(node, start_probe):
    probe = start_probe()
    service = probe.started.instance.service_id
    with pytest.raises(w.Fault) as caught:
        node.remove_box(service)
    assert caught.value.code == "IN_USE"
    assert probe.run("echo alive") == ("alive\n", 0)
    probe.stop()
    node.remove_box(service)


def test_stopping_twice_answers_the_same(node, start_probe):
    probe = start_probe()
    first, second = probe.stop(), probe.stop()
    assert first.state.ended == second.state.ended
