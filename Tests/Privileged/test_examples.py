"""The examples, as a service developer would use them: packed by one command from a copy of their folder,
run, and asked for real answers through the node."""

import hashlib
import http.client
import json
import random
import shutil
import socket
from pathlib import Path

import pytest

import canonical
import facts
from projects import pack

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy/examples"


@pytest.fixture(scope="module")
def packed(node, tmp_path_factory):
    """Packs an example, once: its id."""
    ids = {}

    def example(name):
        if name not in ids:
            folder = tmp_path_factory.mktemp("examples") / name
            shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("*.lock.json"))
            box = pack(node, folder)
            assert name in box["tags"]
            ids[name] = box["id"]
        return ids[name]
    return example


@pytest.fixture(scope="module")
def start(node, packed):
    """Packs and starts an example: its (host, port)."""
    started = {}

    def example(name):
        if name not in started:
            packed(name)
            service = node.start_service(name, ready_ms=100_000)
            [address] = service.instance.addresses
            started[name] = service, (address.host, address.port)
        return started[name][1]
    yield example
    for service, _ in started.values():
        node.stop_service(service.token, grace_ms=0)


def ask(address, method, path, body=None):
    connection = http.client.HTTPConnection(*address, timeout=300)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type"), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/service.json")))
def test_another_reader_computes_the_id_of_every_example(node, packed, tmp_path, name):
    box, sent = packed(name), {}
    for codec in ("proto3", "json+zip"):
        file = tmp_path / codec
        done = node.command("boxes", "export", box, "--codec", codec, "-o", file)
        assert done.returncode == 0, done.stderr
        sent[codec] = file.read_bytes()
    assert hashlib.sha3_256(sent["proto3"]).hexdigest() == box
    # From the values alone: by the numbers of the facts; by the schema; of the files in the zip.
    assert facts.service_id(sent["proto3"]) == box
    assert canonical.service_id(canonical.of_proto3(sent["proto3"])).hex() == box
    assert canonical.service_id(canonical.of_zip(sent["json+zip"])).hex() == box


# redis

def test_redis_keeps_what_it_is_given(start):
    with socket.create_connection(start("redis"), timeout=120) as connection:
        stream = connection.makefile("rwb")

        def command(*words):
            stream.write(b"*%d\r\n" % len(words))
            for word in words:
                stream.write(b"$%d\r\n%s\r\n" % (len(word), word))
            stream.flush()
            first = stream.readline().rstrip()
            if not first.startswith(b"$"):
                return first
            value = stream.read(int(first[1:]) + 2)[:-2]
            return value
        assert command(b"PING") == b"+PONG"
        for number in range(100):
            assert command(b"SET", b"key%d" % number, b"value%d" % (number * 7)) == b"+OK"
        assert command(b"GET", b"key42") == b"value294"
        assert command(b"DBSIZE") == b":100"


# web-site

@pytest.mark.parametrize("path, file, kind", [
    ("/", "index.html", "text/html"), ("/style.css", "style.css", "text/css")])
def test_the_site_serves_its_files(start, path, file, kind):
    status, told, body = ask(start("web-site"), "GET", path)
    assert status == 200 and told.startswith(kind)
    assert body == (EXAMPLES / "web-site/rootfs/www" / file).read_bytes()


def test_the_site_has_no_other_pages(start):
    assert ask(start("web-site"), "GET", "/none")[0] == 404
    assert ask(start("web-site"), "GET", "/../etc/httpd.conf")[0] in (400, 403, 404)


# sat-solver

def dimacs(variables, clauses, comment="made by a test"):
    lines = [f"c {comment}", f"p cnf {variables} {len(clauses)}"]
    return "\n".join(lines + [" ".join(map(str, clause)) + " 0" for clause in clauses]) + "\n"


def solve(start, text, path="/"):
    status, _, body = ask(start("sat-solver"), "POST", path, text)
    lines = body.decode().splitlines()
    answer = [line for line in lines if line.startswith("s ")]
    literals = {int(word) for line in lines if line.startswith("v ") for word in line.split()[1:]}
    return status, answer, literals - {0}


def test_the_solver_finds_an_assignment_that_fits(start):
    """Random clauses of three, few enough to have one; it is checked here, clause by clause."""
    chance = random.Random(20)
    clauses = [[variable * chance.choice((1, -1)) for variable in chance.sample(range(1, 201), 3)]
               for _ in range(700)]
    status, answer, literals = solve(start, dimacs(200, clauses))
    assert (status, answer) == (200, ["s SATISFIABLE"])
    assert len({abs(literal) for literal in literals}) == len(literals) == 200
    assert all(literals & set(clause) for clause in clauses)


def test_the_solver_says_where_there_is_none(start):
    """Seven pigeons do not fit into six holes."""
    hole = {(p, h): p * 6 + h + 1 for p in range(7) for h in range(6)}
    clauses = [[hole[p, h] for h in range(6)] for p in range(7)]
    clauses += [[-hole[p, h], -hole[q, h]] for h in range(6) for p in range(7) for q in range(p)]
    assert solve(start, dimacs(42, clauses)) == (200, ["s UNSATISFIABLE"], set())


def test_the_solver_ends_when_the_time_does(start):
    """Twelve pigeons: more than a second's work."""
    hole = {(p, h): p * 11 + h + 1 for p in range(12) for h in range(11)}
    clauses = [[hole[p, h] for h in range(11)] for p in range(12)]
    clauses += [[-hole[p, h], -hole[q, h]] for h in range(11) for p in range(12) for q in range(p)]
    assert solve(start, dimacs(132, clauses), "/?seconds=1")[:2] == (200, ["s UNKNOWN"])


@pytest.mark.parametrize("text", ["", "hello", "p cnf 1 1\n2 0\n", "p cnf 1 1\n"])
def test_the_solver_refuses_what_is_no_formula(start, text):
    status, answer, _ = solve(start, text)
    assert status == 400 and not answer
