"""Starting and ending: of the foreground node, and of each daemon by hand as a service manager would."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import wire_client as w
from daemon import BareDaemon, configuration_of
from node import BINARIES, CELAUTCTL, DAEMONS, PATIENCE, Node, Traces, nothing_new_since

USAGE, CONFIGURATION_MISSING, SOCKETS, STATE_TAKEN, CONFIGURATION = 64, 66, 69, 75, 78
README = Path(__file__).resolve().parents[2] / "Daemons"
BENCH = Path(__file__).resolve().parents[1] / "Bench"


@pytest.fixture(scope="module")
def configurations(scratch):
    """The configuration that `up` writes for each daemon, with its state, after `up` has ended."""
    with Node(state=scratch / "bare-state", base=scratch) as node:
        found = {name: configuration_of(node, name) for name in DAEMONS}
    return found


@pytest.fixture(params=DAEMONS)
def name(request):
    return request.param


def ending(daemon):
    """The exit code of a daemon that must end by itself; one its page documents."""
    code = daemon.process.wait(PATIENCE)
    assert code in documented_exit_codes(daemon.name), (code, daemon.errors())
    return code


def documented_exit_codes(name):
    """The numbers in the section "Exit codes" of a daemon's page."""
    page = (README / name / "README.md").read_text()
    section = page.split("## Exit codes")[1].split("\n## ")[0]
    return {int(number) for number in re.findall(r"^\|?\s*[-*]?\s*`?(\d+)`?\b", section, re.MULTILINE)}


def test_up_ends_with_zero_on_sigterm_and_leaves_nothing(scratch):
    before = Traces()
    with Node() as node:
        assert node.stop() == 0
        assert not list(node.runtime.glob("*.sock"))
    nothing_new_since(before)


def test_up_ends_with_zero_on_sigint(scratch):
    with Node() as node:
        node.process.send_signal(signal.SIGINT)
        assert node.process.wait(PATIENCE) == 0


def test_up_stops_running_instances_and_leaves_nothing(probe_tree):
    import boxes
    before = Traces()
    with Node() as node:
        box = node.import_box(probe_tree, boxes.described())
        node.start_service(box.service_id)
        assert node.stop() == 0
    nothing_new_since(before)


def test_a_second_up_on_the_same_state_is_refused_and_the_first_goes_on(node):
    pids = {name: node.pid(name) for name in DAEMONS}
    second = subprocess.run(
        [CELAUTCTL, "up", "--state", node.state], text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert second.returncode not in (0, -signal.SIGKILL), second
    assert str(node.state) in second.stderr, second
    assert {name: node.pid(name) for name in DAEMONS} == pids


def test_a_second_up_on_another_state_runs_beside_the_first(node):
    with Node() as other:
        assert other.pid("box-builder") != node.pid("box-builder")
        assert other.list_boxes() == []


def test_an_up_that_was_killed_leaves_a_state_that_starts_again(probe_tree):
    import boxes
    with Node() as node:
        box = node.import_box(probe_tree, boxes.described())
        node.process.kill()
        node.process.wait()
        node.start()
        assert [one.service_id for one in node.list_boxes()] == [box.service_id]
        started = node.start_service(box.service_id)
        node.stop_service(started.token, grace_ms=0)


def test_boxes_and_their_ids_outlive_the_node(probe_tree):
    import boxes
    with Node() as node:
        box = node.import_box(probe_tree, boxes.described())
        node.stop()
        node.start()
        again = node.import_box(probe_tree, boxes.described())
        assert again.already_present and again.service_id == box.service_id


def test_a_daemon_says_ready_serves_and_ends_with_zero_on_sigterm(configurations, name):
    with BareDaemon(name, configurations[name]) as daemon:
        daemon.wait_ready()
        with w.Connection(daemon.socket_path, ["Admin"]) as connection:
            assert connection.call("Admin.GetStatus", w.admin.GetStatusRequest()).daemon == name
            daemon.process.terminate()
            with pytest.raises(w.Closed) as closed:
                connection.receive()
            assert closed.value.reason == "STOPPING"
        assert daemon.process.wait(PATIENCE) == 0, daemon.errors()
        assert "STOPPING=1" in daemon.notifications()


def test_a_daemon_asked_to_end_the_moment_it_is_ready_ends(configurations, name, scratch):
    """Once in some dozens of starts the signal meets the task that waits for it falling asleep."""
    rig = scratch / "spawn-ready"
    subprocess.run(["gcc", "-O2", "-o", rig, BENCH / "spawn-ready.c"], check=True)
    configuration = configurations[name]
    config = scratch / f"{name}.toml"
    config.write_text(configuration.text)
    arguments = list(configuration.arguments)
    arguments[arguments.index("--config") + 1] = str(config)
    processor = min(os.sched_getaffinity(0))
    rounds = subprocess.Popen(
        ["taskset", "-c", str(processor), rig, "120", str(configuration.uid), scratch / f"{name}.sock",
         name, BINARIES / name, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said, _ = rounds.communicate(timeout=300)
        assert rounds.returncode == 0, said[-2000:]
    finally:
        if rounds.poll() is None:
            os.killpg(rounds.pid, signal.SIGKILL)


def test_an_unknown_key_in_the_configuration_is_refused_by_name(configurations, name):
    for text, key in [("colour = \"blue\"\n", "colour"), ("[limits]\nsize_of_shoe = 43\n", "size_of_shoe")]:
        broken = text + configurations[name].text if "[" not in text else (
            merged(configurations[name].text, text))
        with BareDaemon(name, configurations[name].with_text(broken)) as daemon:
            assert ending(daemon) == CONFIGURATION
            assert key in daemon.errors()
            assert "READY=1" not in daemon.notifications()


def merged(configuration, table):
    """Adds a line to a table that may be there already."""
    head, line = table.split("\n", 1)
    if head in configuration:
        return configuration.replace(head, head + "\n" + line.rstrip("\n"), 1)
    return configuration + "\n" + table


def test_a_configuration_that_is_no_toml_is_refused(configurations, name):
    with BareDaemon(name, configurations[name].with_text("state = = 1\n")) as daemon:
        assert ending(daemon) == CONFIGURATION
        assert daemon.errors()


def test_a_configuration_that_is_not_there_is_refused_by_name(configurations, name):
    absent = configurations[name].path.with_name("absent.toml")
    with BareDaemon(name, configurations[name], path=absent) as daemon:
        assert ending(daemon) == CONFIGURATION_MISSING
        assert "absent.toml" in daemon.errors()


def test_no_listening_socket_is_refused(configurations, name):
    with BareDaemon(name, configurations[name], socket_name=None) as daemon:
        assert ending(daemon) == SOCKETS


def test_a_socket_by_another_name_is_refused_by_name(configurations, name):
    with BareDaemon(name, configurations[name], socket_name="surprise") as daemon:
        assert ending(daemon) == SOCKETS
        assert "surprise" in daemon.errors()


def test_every_program_says_its_version():
    text = subprocess.run(
        [CELAUTCTL, "version"], text=True, stdout=subprocess.PIPE, check=True).stdout
    assert re.search(r"\d+\.\d+", text), text


def test_a_daemon_without_arguments_says_what_it_needs(name):
    result = subprocess.run(
        [BINARIES / name], text=True, timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert result.returncode == USAGE and "--config" in result.stderr, result


def test_an_unknown_argument_is_refused_by_name(name):
    result = subprocess.run(
        [BINARIES / name, "--confog", "x"], text=True, timeout=PATIENCE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    assert result.returncode == USAGE and "--confog" in result.stderr, result


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(configurations, name):
    with BareDaemon(name, configurations[name]) as first:
        first.wait_ready()
        with BareDaemon(name, configurations[name]) as second:
            assert ending(second) == STATE_TAKEN
        with w.Connection(first.socket_path, ["Admin"]) as connection:
            status = connection.call("Admin.GetStatus", w.admin.GetStatusRequest())
            assert status.process_id == first.process.pid


def test_sigterm_while_a_request_runs_finishes_or_answers_it(configurations):
    """An import that waits for its tar gets a fault or a goodbye, never silence."""
    import os

    import boxes
    with BareDaemon("box-builder", configurations["box-builder"]) as daemon:
        daemon.wait_ready()
        reading, writing = os.pipe()
        with w.Connection(daemon.socket_path, ["BoxBuilder"]) as connection:
            connection.start(
                "BoxBuilder.ImportBox", w.box.ImportBoxRequest(),
                [reading, boxes.as_descriptor(b"{}")])
            daemon.process.terminate()
            with pytest.raises((w.Fault, w.Closed)):
                connection.answer(1)
                connection.receive()
            # With another code where it had to be cut off, after all its time was over.
            assert daemon.process.wait(PATIENCE) == 0, daemon.errors()
        os.close(reading)
        os.close(writing)
