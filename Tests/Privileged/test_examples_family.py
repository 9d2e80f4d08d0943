"""The example that starts others: packed from a copy of its folder, and raced."""

import http.client
import shutil
import threading
from pathlib import Path

import pytest

import wire_client as w
from node import Node, wait_until
from projects import pack

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy/examples"


@pytest.fixture(scope="module")
def node():
    with Node() as running:
        yield running


@pytest.fixture(scope="module")
def portfolio(node, tmp_path_factory):
    """The running parent, with its address."""
    for name in ("sat-solver", "sat-portfolio"):
        folder = tmp_path_factory.mktemp("examples") / name
        shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("*.lock.json"))
        pack(node, folder)
    started = node.start_service("sat-portfolio", ready_ms=100_000)
    yield started
    node.stop_service(started.token, grace_ms=0)


def ask(started, method, text=None, timeout=120):
    [address] = started.instance.addresses
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        connection.request(method, "/", text)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def pigeons(count):
    """So many pigeons in one hole less: no assignment, and more work for each one more."""
    hole = {(p, h): p * (count - 1) + h + 1 for p in range(count) for h in range(count - 1)}
    clauses = [[hole[p, h] for h in range(count - 1)] for p in range(count)]
    clauses += [[-hole[p, h], -hole[q, h]]
                for h in range(count - 1) for p in range(count) for q in range(p)]
    lines = [f"p cnf {count * (count - 1)} {len(clauses)}"]
    return "\n".join(lines + [" ".join(map(str, clause)) + " 0" for clause in clauses]) + "\n"


def children(node, parent):
    return [one for one in node.list_services() if one.parent_id == parent.instance.instance_id]


def test_the_first_answer_counts_and_nothing_is_left(node, portfolio):
    for text, answer in (("p cnf 2 2\n1 2 0\n-1 0\n", "s SATISFIABLE"), (pigeons(6), "s UNSATISFIABLE")):
        status, said = ask(portfolio, "POST", text)
        assert status == 200, said
        lines = said.splitlines()
        assert lines[0].startswith("c by the configuration ") and lines[1] == answer
        wait_until(lambda: children(node, portfolio) == [], 60, "the solvers are stopped")


def test_what_is_no_formula_is_said_by_a_solver(node, portfolio):
    status, said = ask(portfolio, "POST", "hello")
    assert status == 400, said
    wait_until(lambda: children(node, portfolio) == [], 60, "the solvers are stopped")


def test_several_solvers_with_their_own_settings_run_below_it(node, portfolio):
    answer = []
    asking = threading.Thread(target=lambda: answer.append(ask(portfolio, "POST", pigeons(14), 400)))
    asking.start()
    wait_until(lambda: len([one for one in children(node, portfolio)
                            if one.state.phase == w.sandbox.PHASE_READY]) == 3, 60, "three solvers")
    outputs = set()
    for child in children(node, portfolio):
        assert [bytes(one.inside) for one in child.addresses] == [portfolio.instance.instance_id]
        wait_until(lambda: "," in node.command("logs", child.name).stdout, 60, "it says what it is")
        outputs.add(node.command("logs", child.name).stdout.split(",")[1].strip())
    assert outputs == {"default", "sat", "unsat"}
    assert "3 children run" in ask(portfolio, "GET")[1]
    tree = node.command("ps", "--tree").stdout
    assert tree.count("    sat-solver") == 3, tree
    # Who loses all its solvers says so instead of waiting for ever.
    for child in children(node, portfolio):
        node.command("stop", "--grace", "0s", child.name)
    asking.join(300)
    assert answer and answer[0][0] in (502, 504)
