"""However an instance ends, the node says how, truthfully, and nothing of it is left."""

import socket
import time

import pytest

import boxes
import wire_client as w
from node import PATIENCE, Traces, files_below, nothing_new_since, wait_until


@pytest.fixture(autouse=True)
def nothing_is_left(node):
    traces = Traces()
    yield
    nothing_new_since(traces)


def ended_after(probe, line):
    """Tells the probe to end itself; how the node says it ended."""
    probe.ask(line)
    return probe.node.watch_until_ended(probe.token)


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_the_one_it_returned(start_probe, code):
    ended = ended_after(start_probe(), f"exit {code}").ended
    assert (ended.cause, ended.exit_code, ended.signal) == (w.sandbox.END_CAUSE_EXITED, code, 0)


@pytest.mark.parametrize("number", [9, 11, 6, 15])
def test_the_signal_is_the_one_that_ended_it(start_probe, number):
    ended = ended_after(start_probe(), f"signal {number}").ended
    assert (ended.cause, ended.signal) == (w.sandbox.END_CAUSE_SIGNALLED, number)


def test_going_past_its_memory_ends_it_as_out_of_memory(start_probe):
    neighbour = start_probe()
    state = ended_after(start_probe(), "allocate 500")
    assert state.ended.cause == w.sandbox.END_CAUSE_OUT_OF_MEMORY, state
    assert state.usage.memory_peak_bytes <= 65 << 20, state
    assert neighbour.run("echo fine") == ("fine\n", 0)


def test_out_of_memory_in_a_child_ends_the_whole_instance(start_probe):
    probe = start_probe()
    try:
        probe.run("head -c 300000000 /dev/zero | tail -c 290000000 | wc -c", timeout=60)
    except OSError:
        pass
    ended = probe.node.watch_until_ended(probe.token).ended
    assert ended.cause == w.sandbox.END_CAUSE_OUT_OF_MEMORY, ended


def test_memory_below_the_limit_is_given(start_probe):
    probe = start_probe()
    assert probe.ask("allocate 40") == "ok\n"
    assert probe.run("echo alive") == ("alive\n", 0)


def test_stop_sends_term_first(node):
    tree, description = boxes.script_box(
        "trap 'echo told to end; exit 0' TERM", "echo up",
        "while :; do /bin/busybox sleep 0.05; done")
    started = node.start_service(node.import_box(tree, description).service_id)
    wait_for_output(node, started.token, b"up\n")
    state = node.stop_service(started.token, grace_ms=10_000).state
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state
    assert node.output(started.token)[0] == b"up\ntold to end\n"


def wait_for_output(node, token, text, stream=0):
    wait_until(lambda: text in node.output(token)[stream], PATIENCE, f"output {text}")


def test_what_ignores_term_is_killed_after_the_grace_time_and_not_before(start_probe):
    probe = start_probe()
    assert probe.ask("stubborn") == "ok\n"
    start = time.monotonic()
    state = probe.stop(grace_ms=1_000).state
    assert state.ended.cause == w.sandbox.END_CAUSE_STOPPED, state
    assert time.monotonic() - start > 0.95


def test_no_grace_kills_at_once(start_probe):
    took = []
    # Less than any grace time that might be taken instead; a machine that is busy is not so each time.
    while not took or took[-1] > 3:
        assert len(took) < 5, took
        probe = start_probe()
        probe.ask("stubborn")
        start = time.monotonic()
        probe.stop(grace_ms=0)
        took.append(time.monotonic() - start)


def test_a_child_that_left_its_session_ends_with_the_instance(start_probe):
    probe = start_probe()
    probe.run("setsid sleep 1000 >/dev/null 2>&1 & setsid sleep 1001 >/dev/null 2>&1 &")
    probe.stop()


def test_children_end_when_the_entrypoint_does(start_probe):
    probe = start_probe()
    probe.run("setsid sleep 1000 >/dev/null 2>&1 &")
    assert ended_after(probe, "exit 5").ended.exit_code == 5


def test_orphans_are_reaped(start_probe):
    probe = start_probe()
    for _ in range(20):
        probe.run("(sleep 0.01 &) ; :")

    def states():
        return probe.run("for p in /proc/[0-9]*; do cut -d' ' -f3 $p/stat; done 2>/dev/null")[0].split()
    wait_until(lambda: "Z" not in states(), PATIENCE, "nobody is left to be laid to rest")


def test_output_and_errors_are_kept_apart_and_whole(start_probe, node):
    probe = start_probe()
    for number in range(50):
        probe.ask(f"say line {number}")
        probe.ask(f"complain problem {number}")
    wait_for_output(node, probe.token, b"line 49\n")
    wait_for_output(node, probe.token, b"problem 49\n", stream=1)
    stdout, stderr = node.output(probe.token)
    assert stdout == b"probe ready\n" + b"".join(b"line %d\n" % n for n in range(50))
    assert stderr == b"".join(b"problem %d\n" % n for n in range(50))


def test_the_last_lines_are_the_last_lines(start_probe, node):
    probe = start_probe()
    for number in range(20):
        probe.ask(f"say line {number}")
    wait_for_output(node, probe.token, b"line 19\n")
    assert node.output(probe.token, tail_lines=2)[0] == b"line 18\nline 19\n"


def test_output_can_be_read_after_the_end(start_probe, node):
    probe = start_probe()
    probe.ask("say famous last words")
    ended_after(probe, "exit 0")
    assert node.output(probe.token)[0].endswith(b"famous last words\n")


def test_following_output_ends_with_the_instance(start_probe, node):
    probe = start_probe()
    probe.ask("say before")
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        request = w.gateway.ReadServiceOutputRequest(
            instance=w.gateway.InstanceReference(token=probe.token), follow=True)
        items = connection.stream("GatewayBroker.ReadServiceOutput", request)
        text = b""
        while b"before\n" not in text:
            text += next(items).data
        probe.ask("say after")
        while b"after\n" not in text:
            text += next(items).data
        probe.ask("exit 0")
        for item in items:
            text += item.data
    assert text == b"probe ready\nbefore\nafter\n"


def test_a_flood_of_output_is_bounded_and_the_service_goes_on(start_probe, node):
    probe = start_probe()
    assert probe.ask("flood 200", timeout=120) == "ok\n"
    assert probe.run("echo alive") == ("alive\n", 0)
    own = node.state / "sandbox-supervisor/instances" / probe.started.instance.instance_id.hex()
    kept = sum(size for name, size in files_below(own))
    assert kept > 0
    # The writable layer is a sparse image of 64 MiB; the rest is what was kept of the output.
    assert kept < (64 << 20) + (40 << 20), kept
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        request = w.gateway.ReadServiceOutputRequest(
            instance=w.gateway.InstanceReference(token=probe.token))
        items = list(connection.stream("GatewayBroker.ReadServiceOutput", request))
    assert sum(item.dropped_bytes for item in items) > 100 << 20


def test_a_stream_waits_for_credit_and_holds_up_nothing_else(start_probe, node):
    probe = start_probe()
    assert probe.ask("flood 3", timeout=60) == "ok\n"
    name = "GatewayBroker.ReadServiceOutput"
    request = w.gateway.ReadServiceOutputRequest(
        instance=w.gateway.InstanceReference(token=probe.token))
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        transaction = connection.start(name, request)
        first = [connection.answer(transaction) for _ in range(w.CREDIT_INITIAL)]
        assert {frame.kind for frame in first} == {w.ITEM}
        assert len(list(connection.stream(
            "GatewayBroker.ListServices", w.gateway.ListServicesRequest()))) == 1
        assert connection.inbox[transaction] == [], "an item came without credit"
        connection.give_credit(name, transaction, 1_000)
        rest = 0
        while connection.answer(transaction).kind == w.ITEM:
            rest += 1
        assert rest >= 1, rest


def test_an_ended_instance_accepts_no_connection(start_probe):
    probe = start_probe()
    probe.stop()
    try:
        with socket.create_connection(probe.address, timeout=60) as connection:
            # Whoever has the port by now: a stranger, or this socket itself, which answers nothing.
            connection.sendall(b"say still here\n")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) != b"ok\n"
    except OSError:
        pass


def test_times_and_use_are_told(start_probe):
    probe = start_probe()
    probe.run("i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done")
    state = probe.stop().state
    assert state.accepted_at_ms <= state.ready_at_ms <= state.ended_at_ms
    assert abs(state.ended_at_ms / 1000 - time.time()) < 30
    assert state.usage.cpu_us > 10_000
    assert 0 < state.usage.memory_peak_bytes <= 64 << 20
    assert (state.usage.memory_bytes, state.usage.processes) == (0, 0)


def test_fifty_starts_and_stops_leave_the_node_as_it_was(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described())

    def memory_after(times):
        for _ in range(times):
            node.stop_service(node.start_service(box.service_id).token, grace_ms=0)
        return [node.status(name).private_memory_bytes
                for name in ("sandbox-supervisor", "gateway-broker")]
    measured = [memory_after(3)]
    # Memory is taken in steps, one of them perhaps now: what is lost each time shows each time.
    for _ in range(4):
        measured.append(memory_after(50))
        if all(now - before < 4 << 20 for before, now in zip(*measured[-2:])):
            return
    pytest.fail(f"memory grows with each fifty: {measured}")
