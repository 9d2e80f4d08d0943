"""Programs of different versions work together, daemon by daemon.

CELAUT_OLD_BIN names the folder of an earlier build's programs: each of its daemons, and its celautctl,
then works among today's. Where it is not set today's programs stand for the earlier ones too, which
proves the way of asking and not the answer: what earlier programs really said is kept as bytes and said
again by test_conversations.py. Revisions to come are played by this test itself."""

import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import boxes
import wire_client as w
from folders import new_folder
from node import BINARIES, CELAUTCTL, DAEMONS, Node
from supervisor import connect_as

OLD = Path(os.environ.get("CELAUT_OLD_BIN", BINARIES)).resolve()
TOMORROW = 2


class MixedNode(Node):
    """A node some of whose daemons are the old ones."""

    def __init__(self, old):
        super().__init__()
        self.programs = self.base / "programs"
        self.programs.mkdir()
        for name in (*DAEMONS, "sandbox-launcher"):
            # The launcher is the supervisor's: both are of one build.
            origin = name.replace("launcher", "supervisor")
            folder = OLD if origin in old else BINARIES.resolve()
            (self.programs / name).symlink_to(folder / name)
        self.options += ("--daemons", self.programs)


def use(node, celautctl=CELAUTCTL):
    """A box in, an instance run to its end and one stopped, the box out; and the maintainer's look."""
    tree, description = boxes.script_box("echo done", "exit 3", tag="mixed")
    box = node.import_box(tree, description)
    started = node.start_service(box.service_id)
    state = node.watch_until_ended(started.token)
    assert (state.ended.cause, state.ended.exit_code) == (w.sandbox.END_CAUSE_EXITED, 3)
    assert node.output(started.token)[0] == b"done\n"
    endless = node.import_box(*boxes.script_box("exec /bin/busybox sleep 1000", tag="endless"))
    started = node.start_service(endless.service_id)
    assert node.stop_service(started.token, 0).state.ended.cause == w.sandbox.END_CAUSE_STOPPED
    node.remove_box(box.service_id)

    def ctl(*words):
        return subprocess.run(
            [celautctl, *words, "--runtime", node.runtime, "--format", "json"], text=True,
            timeout=180, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for words in (("status",), ("ps",), ("boxes", "list")):
        done = ctl(*words)
        assert done.returncode == 0, done.stderr
    names = json.loads(ctl("boxes", "list").stdout)
    assert [one["tags"] for one in names] == [["endless"]], names


@pytest.mark.parametrize("daemon", DAEMONS)
def test_an_old_daemon_works_among_new_ones(daemon):
    with MixedNode([daemon]) as node:
        use(node)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_new_daemon_works_among_old_ones(daemon):
    with MixedNode([name for name in DAEMONS if name != daemon]) as node:
        use(node)


def test_an_old_command_works_with_a_new_node(node):
    use(node, OLD / "celautctl")


# Fields that an earlier program does not know.

def test_a_box_with_a_read_only_root_is_not_opened_for_a_gateway_that_would_write_to_it(node):
    box = node.import_box(*boxes.script_box("true", "exit 0", read_only_filesystem=True))
    ordinary = node.import_box(*boxes.script_box("true", "exit 1"))
    with connect_as(node, "box-builder", "gateway-broker", "BoxBuilder") as connection:
        def opened(box, **fields):
            request = w.box.OpenBoxRequest(box=box.service_id.hex(), holder="1" * 32, **fields)
            _, descriptors = connection.call_with_descriptors("BoxBuilder.OpenBox", request)
            for descriptor in descriptors:
                os.close(descriptor)
            connection.call("BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder="1" * 32))

        with pytest.raises(w.Fault) as refused:
            opened(box)
        assert (refused.value.code, refused.value.subject) == ("UNSUPPORTED", "read_only_filesystem")
        assert "gateway-broker" in refused.value.lines[0]
        # Nothing is held for it, so that it can go.
        holds = connection.stream("BoxBuilder.ListHolds", w.box.ListHoldsRequest())
        assert box.service_id not in [hold.service_id for hold in holds]
        opened(box, knows_read_only=True)
        opened(ordinary)


# Revisions that do not exist yet.

@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_caller_of_a_later_revision_is_served_in_the_one_that_is_known(node, daemon):
    with w.Connection(node.socket(daemon), hello=False) as connection:
        hello = w.wire.Hello(program="tomorrow", version="2")
        contract = w.interface("Admin")
        hello.interfaces.add(
            interface=contract.number, revision_min=contract.revision, revision_max=TOMORROW)
        connection.send(w.Frame(w.HELLO, hello.SerializeToString()))
        answer = w.wire.Hello.FromString(connection.receive().body)
        [range_] = [one for one in answer.interfaces if one.interface == contract.number]
        assert range_.revision_max == contract.revision
        # A field of the later revision, number 500, is not minded.
        request = w.admin.GetStatusRequest.FromString(bytes([0xA2, 0x1F, 1, 0]))
        assert connection.call("Admin.GetStatus", request).daemon == daemon
        # A method of the later revision gets a typed answer, and the connection goes on.
        connection.transactions += 1
        transaction = connection.transactions
        connection.inbox[transaction] = []
        connection.send(w.Frame(w.REQUEST, b"", contract.number, 60_000, transaction))
        with pytest.raises(w.Fault) as refused:
            connection.answer(transaction)
        assert refused.value.code == "UNKNOWN_METHOD"
        assert connection.call("Admin.GetStatus", w.admin.GetStatusRequest()).daemon == daemon


class Tomorrow:
    """A daemon of a later revision: Admin only, with a field that nobody knows today."""

    def __init__(self, path, revision_min):
        self.revision_min = revision_min
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.talk(accepted)
            except (w.Closed, OSError):
                accepted.close()

    def talk(self, accepted):
        connection = w.Connection.__new__(w.Connection)
        connection.socket, connection.inbox = accepted, {}
        hello = w.wire.Hello(program="tomorrow", version="9.9.9")
        hello.interfaces.add(
            interface=w.interface("Admin").number, revision_min=self.revision_min,
            revision_max=TOMORROW)
        connection.send(w.Frame(w.HELLO, hello.SerializeToString()))
        while packet := accepted.recv(w.HEADER.size + w.BODY_BYTES_MAX):
            _, _, kind, _, number, method, _, transaction, *_ = w.HEADER.unpack_from(packet)
            if kind != w.REQUEST:
                continue
            body = w.admin.GetStatusReply(
                daemon="box-builder", version="9.9.9", process_id=1).SerializeToString()
            connection.send(w.Frame(
                w.REPLY, body + bytes([0xA2, 0x1F, 1, 0]), number, method, transaction))

    def close(self):
        self.listener.close()


@pytest.fixture(params=[1, TOMORROW], ids=["serves-both", "serves-the-later-only"])
def tomorrow(request):
    folder = new_folder()
    daemon = Tomorrow(folder / "box-builder.sock", request.param)
    yield request.param, folder
    daemon.close()
    shutil.rmtree(folder)


def test_the_command_talks_to_a_daemon_of_a_later_revision_or_says_that_it_cannot(tomorrow):
    revision_min, folder = tomorrow
    done = subprocess.run(
        [CELAUTCTL, "status", "--runtime", folder, "--format", "json"], text=True, timeout=180,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if revision_min == 1:
        [builder] = [one for one in json.loads(done.stdout)["daemons"] if one["answers"]]
        assert (builder["daemon"], builder["version"]) == ("box-builder", "9.9.9")
    else:
        assert done.returncode == 69, (done.returncode, done.stdout, done.stderr)
