"""What an earlier build's command and daemons said to each other, kept as bytes, is said again: its command's
frames to today's daemons, its daemons' answers to today's command. Kept conversations are never changed;
Tests/Python/conversations.py records more of them."""

import os
import subprocess
from pathlib import Path

import pytest

import conversations as kept
import wire_client as w
from node import CELAUTCTL, DAEMONS, Node

FILES = sorted(Path(__file__).with_name("conversations").glob("*.jsonl"))


def said_again(node, talk, ids):
    """The earlier caller's requests of one connection to today's daemon: what is wrong with the answers.
    `ids` are the instances' then and now."""
    wrong = []
    frames = [(way, kept.frame(bytes.fromhex(packet)), kinds) for way, packet, kinds in talk["frames"]]
    with w.Connection(node.socket(talk["daemon"]), hello=False, timeout=180) as connection:
        [hello, *requests] = [(one, kinds) for way, one, kinds in frames
                              if way == ">" and one.kind in (w.HELLO, w.REQUEST)]
        connection.send(hello[0])
        assert connection.receive().kind == w.HELLO
        for request, kinds in requests:
            expected = [one for way, one, _ in frames
                        if way == "<" and one.transaction == request.transaction]
            if not expected or expected[-1].kind not in kept.ENDS:
                continue
            for then, now in ids.items():
                request.body = request.body.replace(then, now)
            answers = ask(connection, request, kinds)
            if answers[-1].kind != expected[-1].kind:
                wrong.append(f"{talk['daemon']} {request.method}: an end of kind {answers[-1].kind}, "
                             f"not {expected[-1].kind}: {answers[-1].body}")
                continue
            before = set().union(*(kept.shape(one.body) for one in expected))
            now = set().union(*(kept.shape(one.body) for one in answers))
            numbers = dict(before)
            wrong += [f"{talk['daemon']} {request.method}: field {number} changed its type"
                      for number, kind in now if numbers.get(number, kind) != kind]
    return wrong


def ask(connection, request, kinds):
    """All frames of the answer."""
    descriptors = [kept.opened(kind) for kind in kinds]
    connection.inbox[request.transaction] = []
    connection.send(w.Frame(w.REQUEST, request.body, request.interface, request.method,
                            request.transaction, request.deadline, descriptors))
    for descriptor in descriptors:
        os.close(descriptor)
    answers = []
    while not answers or answers[-1].kind not in kept.ENDS:
        one = connection.receive()
        for descriptor in one.descriptors:
            os.close(descriptor)
        answers.append(one)
        if one.kind == w.ITEM:
            connection.send(w.Frame(
                w.CREDIT, w.wire.Credit(items=1).SerializeToString(), request.interface,
                request.method, request.transaction))
    return answers


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_an_earlier_command_says_todays_daemons_answer_as_theirs_did(path):
    wrong, ids = [], {}
    with Node() as node:
        for one in kept.read(path):
            for talk in one["talks"]:
                wrong += [f"{' '.join(one['words'])}: {line}" for line in said_again(node, talk, ids)]
            if one["words"][0] == "run":
                [started] = node.list_services()
                ids[bytes.fromhex(one["said"]["id"])] = started.instance_id
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_earlier_daemons_answer_todays_command_understands(path, tmp_path):
    project = kept.project(tmp_path / "kept")
    for number, one in enumerate(kept.read(path)):
        runtime = tmp_path / str(number)
        runtime.mkdir()
        talks = {name: [talk for talk in one["talks"] if talk["daemon"] == name] for name in DAEMONS}
        played = [kept.Played(runtime / f"{name}.sock", talks[name]) for name in DAEMONS if talks[name]]
        try:
            words = [word.replace("PROJECT", str(project)) for word in one["words"]]
            done = subprocess.run(
                [CELAUTCTL, *words, "--runtime", runtime, "--format", "json"], text=True, timeout=180,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        finally:
            for daemon in played:
                daemon.__exit__()
        assert done.returncode == 0, (words, done.stderr)
        assert_told(one["said"], kept.json.loads(done.stdout) if done.stdout.strip() else None, words)


# Of the machine and of the command, and not of the daemons.
OWN = {"runtime", "keeper", "atMs"}


def assert_told(before, now, where):
    """Everything that was told before is told now; more may be."""
    if isinstance(before, dict):
        for key, value in before.items():
            if key not in OWN:
                assert key in now, f"{where}: {key} is not told"
                assert_told(value, now[key], [*where, key])
    elif isinstance(before, list):
        assert len(now) == len(before), f"{where}: {len(now)}, not {len(before)}"
        for one, other in zip(before, now):
            assert_told(one, other, where)
    else:
        assert now == before, f"{where}: {now!r}, not {before!r}"
