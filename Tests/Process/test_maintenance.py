"""What a maintainer asks of a node that `celautctl up` keeps: the same words as with systemd."""

import json

import pytest

from node import DAEMONS, wait_until


def asked(node, *words, code=0):
    done = node.command(*words, "--format", "json")
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout or done.stderr)


def test_status_tells_each_daemon_its_restarts_and_how_the_last_one_ended(fresh_node):
    before = asked(fresh_node, "status")
    assert before["keeper"] == "foreground"
    assert [one["restarts"] for one in before["daemons"]] == [0, 0, 0]
    assert all(one["lastError"] == "" for one in before["daemons"])
    fresh_node.kill("box-builder")
    told = {one["daemon"]: one for one in asked(fresh_node, "status")["daemons"]}
    assert told["box-builder"]["restarts"] == 1
    assert "without being asked" in told["box-builder"]["lastError"]
    assert told["gateway-broker"]["lastError"] == ""
    for one in told.values():
        names = {interface["name"]: interface for interface in one["interfaces"]}
        assert names["Admin"]["revisionMax"] >= 1 and len(names) == 2, names


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_restart_ends_when_the_new_process_answers(node, daemon):
    pid = node.pid(daemon)
    assert asked(node, "restart", daemon)["processID"] == node.pid(daemon) != pid


def test_the_log_of_a_daemon_is_kept_in_a_file(node):
    asked(node, "restart", "box-builder")

    def told():
        said = node.command("logs", "--daemon", "box-builder").stdout
        return "ready" in said and "stopped" in said
    wait_until(told, 60, "its start and its end are in the log")
    assert node.command("logs", "--daemon", "nobody").returncode == 64


def test_the_configuration_is_checked_by_the_daemons_themselves(node):
    assert all(one["isInOrder"] for one in asked(node, "config", "check"))
    path = node.state / "config/gateway-broker.toml"
    good = path.read_text()
    path.write_text(good + "\nnonsense = 1\n")
    try:
        wrong = {one["daemon"]: one for one in asked(node, "config", "check", code=65)}
        assert "nonsense" in wrong["gateway-broker"]["words"]
        assert wrong["box-builder"]["isInOrder"]
    finally:
        path.write_text(good)


def test_top_shows_what_runs(node, start_probe):
    probe = start_probe()
    rows = asked(node, "top", "--once", "--interval", "100ms")
    [row] = [row for row in rows if row["kind"] == "instance"]
    assert row["name"] == probe.started.instance.name and row["memoryBytes"] > 0
    assert {row["name"] for row in rows if row["kind"] == "daemon"} == set(DAEMONS)


# Somebody of the machine.
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}


def test_a_user_who_may_not_ask_all_daemons_is_told_what_is_there_and_no_failure(node):
    done = node.command("status", **NOBODY)
    assert done.returncode == 0, done.stdout + done.stderr
    states = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:4]}
    assert states == {
        "box-builder": "private", "sandbox-supervisor": "private", "gateway-broker": "serves"}, done.stdout
    assert "does not answer" not in done.stdout
    done = node.command("doctor", **NOBODY)
    assert done.returncode == 0 and "WRONG" not in done.stdout, done.stdout
    assert "sudo celautctl doctor" in done.stdout
    assert "0 B" not in node.command("top", "--once", **NOBODY).stdout


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_user_may_not_restart_a_daemon_and_is_told_so_at_once(node, daemon):
    pid = node.pid(daemon)
    done = node.command("restart", daemon, **NOBODY)
    assert done.returncode == 77 and "root" in done.stderr, done.stderr
    assert node.pid(daemon) == pid


@pytest.mark.parametrize("words, code", [
    (("status",), 69), (("top", "--once"), 69), (("restart", "box-builder"), 69), (("ps",), 69),
    (("doctor",), 1), (("logs", "--daemon", "box-builder"), 66), (("config", "show"), 66)])
def test_where_no_node_is_each_command_says_so_and_what_to_do(node, scratch, words, code):
    """At once: nothing that is not there is waited for."""
    done = node.command(*words, runtime=scratch / "nothing")
    assert done.returncode == code, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "celautctl up" in said or "--runtime" in said, said


@pytest.mark.parametrize("words", [
    ("status", "more"), ("doctor", "--mend"), ("logs",), ("logs", "--daemon", "another"),
    ("config", "show", "another"), ("top", "--interval", "soon"), ("top", "--interval", "0s"),
    ("restart",), ("restart", "another")])
def test_a_wrong_word_is_named_with_the_command_s_usage(node, words):
    done = node.command(*words)
    assert done.returncode == 64, done.stdout + done.stderr
    assert f"celautctl {words[0]}" in done.stderr and "--help" in done.stderr, done.stderr
