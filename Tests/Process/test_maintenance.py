"""What a maintainer asks of a node that `celautctl up` keeps: the same words as with systemd."""

import json

import pytest

from node import DAEMONS


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
    done = node.command("logs", "--daemon", "box-builder")
    assert "ready" in done.stdout and "stopped" in done.stdout, done.stdout
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
