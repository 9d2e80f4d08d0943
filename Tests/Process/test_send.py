"""A box from one node to another over a stream of bytes: `boxes send` and `boxes receive`, and strangers
that speak Protocols/box_exchange.proto at either end."""

import hashlib
import json
import os
import random
import shlex
import socket
import struct
import subprocess

import pytest

import bee
import boxes
import canonical
import identity
import wire_client as w
from boxes import described, entry
from node import CELAUTCTL, Node, store_of, wait_until
from test_exchange import import_bytes

Frame = w.SCHEMAS["box_exchange.proto"].ExchangeFrame
PLAIN = described(init={"entry_path": ["start"]}, api=[])
START = boxes.script("exit 0")
LARGE = random.Random(5).randbytes(1_500_000)
CODECS = json.dumps({"version": 1, "codecs": ["proto3", "cbor"], "hashes": []}).encode()


@pytest.fixture(scope="module")
def other():
    with Node() as running:
        yield running


@pytest.fixture
def box(node):
    made = node.import_box(boxes.tar_bytes(
        [entry("start", START), entry("large", LARGE), entry("second", LARGE[::-1])]), PLAIN)
    yield made.service_id
    node.remove_box(made.service_id)


def started(stream, node, *words):
    """A command whose standard input and output are the stream."""
    return subprocess.Popen(
        [CELAUTCTL, "boxes", *words, "--runtime", node.runtime, "--format", "json"],
        stdin=stream[0], stdout=stream[1], stderr=subprocess.PIPE)


def ended(process, code=0):
    """What it says on standard error."""
    told = process.communicate(timeout=180)[1].decode()
    assert process.returncode == code, told
    return json.loads(told)


class Stranger:
    """One end of a stream, in frames."""

    def __init__(self, node, *words):
        ours, theirs = socket.socketpair()
        self.process = started((theirs, theirs), node, *words)
        theirs.close()
        ours.settimeout(180)
        self.socket, self.file = ours, ours.makefile("rwb")

    def say(self, **fields):
        self.raw(packed(**fields))

    def raw(self, data):
        self.file.write(data)
        self.file.flush()

    def hear(self):
        head = self.file.read(4)
        if not head:
            return None
        return Frame.FromString(self.file.read(struct.unpack(">I", head)[0]))

    def rest(self):
        """What it said and was not heard, until its end."""
        said = b""
        try:
            while part := self.file.read(65_536):
                said += part
        except ConnectionResetError:
            # It ended with words of ours unread.
            pass
        return said

    def leave(self):
        """Says no more, and hears the rest."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            # The other side has ended already.
            pass
        self.rest()
        try:
            self.file.close()
        except OSError:
            # What it did not take is not sent any more.
            pass
        self.socket.close()


def packed(**fields):
    body = Frame(**fields).SerializeToString()
    return struct.pack(">I", len(body)) + body


def forget(other, box):
    other.remove_box(box)
    assert not other.list_boxes()


@pytest.mark.parametrize("way", ["sockets", "fifos", "command"])
def test_a_box_goes_over_any_stream_without_what_the_receiver_has(node, other, box, tmp_path, way):
    held = import_bytes(other, identity.service(
        PLAIN, {"start": ("file", 0o755, START), "l": ("file", 0o644, LARGE)})).service_id
    receive = ["receive", "--tag", "web"]
    if way == "command":
        words = [CELAUTCTL, "boxes", *receive, "--runtime", other.runtime]
        done = node.command("boxes", "send", box.hex(), "--format", "json", "--over",
                            shlex.join(map(str, words)))
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
    else:
        if way == "sockets":
            one, two = socket.socketpair()
            ends = [(one, one), (two, two)]
        else:
            paths = [tmp_path / "there", tmp_path / "back"]
            for path in paths:
                os.mkfifo(path)
            files = [os.fdopen(os.open(path, os.O_RDWR), "r+b", buffering=0) for path in paths]
            ends = [(files[1], files[0]), (files[0], files[1])]
        sender = started(ends[0], node, "send", box.hex(), "--to", "-")
        receiver = started(ends[1], other, *receive)
        for end in {end for pair in ends for end in pair}:
            end.close()
        report, taken = ended(sender), ended(receiver)
        assert taken["id"] == box.hex() and taken["tags"] == ["web"] and not taken["alreadyPresent"]
    assert report["id"] == box.hex() and not report["alreadyPresent"]
    assert report["bytesSaved"] == len(LARGE) and report["contentsKnown"] == 1
    assert len(LARGE) <= report["bytesSent"] <= len(LARGE) + 10_000
    other.remove_box(held)
    for runtime in (node, other):
        done = runtime.command("boxes", "verify", box.hex())
        assert done.returncode == 0, done.stderr
    forget(other, box)


def test_a_box_that_is_there_already_is_said_to_be(node, other, box):
    over = shlex.join(map(str, [CELAUTCTL, "boxes", "receive", "--runtime", other.runtime]))
    reports = [json.loads(node.command(
        "boxes", "send", box.hex(), "--format", "json", "--over", over).stdout) for _ in range(2)]
    assert [report["alreadyPresent"] for report in reports] == [False, True]
    assert reports[1]["bytesSaved"] == 2 * len(LARGE) and reports[1]["bytesSent"] < 10_000
    forget(other, box)


def test_another_box_than_the_expected_one_is_not_even_sent(node, other, box):
    one, two = socket.socketpair()
    before = store_of(other)
    sender = started((one, one), node, "send", box.hex(), "--to", "-")
    receiver = started((two, two), other, "receive", "--expect", "ab" * 32)
    one.close()
    two.close()
    told = [ended(sender, 65), ended(receiver, 65)]
    for complaint in told:
        assert complaint["condition"]["code"] == "corrupt", complaint
        assert complaint["condition"]["subject"] == "ab" * 32 and complaint["lines"] == [box.hex()]
    assert "other side" in told[0]["error"]
    assert not other.list_boxes()
    wait_until(lambda: store_of(other) == before, 60, "the store is as it was")


def test_a_stranger_receives_by_the_schema_alone(node, box):
    """It asks for one of two contents, and computes the id from the pieces."""
    stranger = Stranger(node, "send", box.hex(), "--to", "-")
    stranger.say(hello={"codecs": CODECS})
    offer = stranger.hear().offer
    assert offer.service_id == box and offer.codec == "bee"
    listed = stranger.hear().listed
    assert listed.last and sorted(listed.digests[i:i + 32] for i in (0, 32)) == sorted(
        hashlib.sha256(content).digest() for content in (LARGE, LARGE[::-1]))
    stranger.say(listed={"digests": listed.digests, "last": True})
    data = b""
    while (frame := stranger.hear()).WhichOneof("event") == "piece":
        data += frame.piece
    assert frame.WhichOneof("event") == "end" and not frame.end.HasField("fault")
    stranger.say(outcome={"already_present": True})
    assert ended(stranger.process)["alreadyPresent"]
    assert bee.Package(data).service_id == box


def test_a_receiver_gets_the_codec_that_both_understand(node, box):
    stranger = Stranger(node, "send", box.hex(), "--to", "-")
    stranger.say(hello={"codecs": CODECS.replace(b"proto3", b"json")})
    assert stranger.hear().offer.codec == "json"
    assert stranger.hear().listed.digests == b""
    stranger.say(listed={"last": True})
    data = b""
    while (frame := stranger.hear()).WhichOneof("event") == "piece":
        data += frame.piece
    stranger.say(outcome={})
    ended(stranger.process)
    assert canonical.service_id(canonical.of_json(data)) == box
    stranger = Stranger(node, "send", box.hex(), "--to", "-")
    stranger.say(hello={"codecs": CODECS.replace(b"proto3", b"x\\u001b[31m")})
    complaint = ended(stranger.process, 65)
    assert complaint["lines"] == ["ours: proto3, json, json+zip", "theirs: x\ufffd[31m, cbor"]


def test_a_receiver_that_refuses_in_the_middle_is_heard_at_once(node, box):
    """After the first of many pieces; what it says cannot move the cursor."""
    stranger = Stranger(node, "send", box.hex(), "--to", "-")
    stranger.say(hello={"codecs": CODECS})
    stranger.hear(), (listed := stranger.hear().listed)
    stranger.say(listed={"digests": listed.digests, "last": True})
    assert stranger.hear().WhichOneof("event") == "piece"
    stranger.say(outcome={"fault": {"code": "FAULT_CODE_STORAGE_FULL", "subject": "disk\x1b[2J"}})
    # Nothing more is read: what the pipes and the socket hold is less than all of it.
    complaint = ended(stranger.process, 73)
    assert complaint["condition"]["subject"] == "disk\ufffd[2J"
    assert len(stranger.rest()) < len(LARGE)


@pytest.fixture
def untouched(other):
    before = store_of(other)
    yield
    assert not other.list_boxes()
    wait_until(lambda: store_of(other) == before, 60, "the store is as it was")


def offered(service_id, data, codec="proto3"):
    """All that a sender says."""
    pieces = [data[at:at + 60_000] for at in range(0, len(data), 60_000)]
    return [packed(offer={"service_id": service_id, "codec": codec}), packed(listed={"last": True}),
            *[packed(piece=piece) for piece in pieces], packed(end={})]


SMALL = identity.service(PLAIN, {"start": ("file", 0o755, START), "x": ("file", 0o644, LARGE[:90_000])})
SMALL_ID = hashlib.sha3_256(SMALL).digest()


def test_a_sender_of_another_box_than_it_says_is_refused(other, untouched):
    stranger = Stranger(other, "receive")
    assert json.loads(stranger.hear().hello.codecs)["codecs"] == ["proto3", "json", "json+zip"]
    stranger.raw(b"".join(offered(b"\1" * 32, SMALL)))
    assert stranger.hear().listed.last
    outcome = stranger.hear().outcome
    assert w.wire.FaultCode.Name(outcome.fault.code) == "FAULT_CODE_CORRUPT"
    assert list(outcome.fault.lines) == [SMALL_ID.hex()]
    stranger.leave()
    assert ended(stranger.process, 65)["condition"]["code"] == "corrupt"


def test_a_sender_that_fails_in_the_middle_says_why(other, untouched):
    stranger = Stranger(other, "receive")
    stranger.hear()
    why = {"code": "FAULT_CODE_CORRUPT", "subject": "an object\x1b[2J"}
    stranger.raw(b"".join(offered(SMALL_ID, SMALL)[:3]) + packed(end={"fault": why}))
    assert stranger.hear().listed.last
    assert stranger.hear().outcome.HasField("fault")
    stranger.leave()
    complaint = ended(stranger.process, 65)
    assert complaint["condition"]["code"] == "corrupt" and "other side" in complaint["error"]
    assert complaint["condition"]["subject"] == "an object\ufffd[2J"


def test_a_stream_cut_anywhere_is_refused_and_leaves_nothing(other, untouched):
    frames = offered(SMALL_ID, SMALL)
    whole = b"".join(frames)
    starts = [sum(map(len, frames[:n])) for n in range(len(frames))]
    for kept in sorted({0, 1, 3, *[s + d for s in starts for d in (0, 2, 5)], len(whole) - 1}):
        stranger = Stranger(other, "receive")
        stranger.hear()
        stranger.raw(whole[:kept])
        stranger.leave()
        if kept < starts[-1]:
            ended(stranger.process, 69 if kept in starts or kept in (0, 1, 3) or (
                kept - 2) in starts else 65)
        else:
            # All of the box was there: its id says so, whatever was to come behind it.
            stranger.process.wait(60)
    for listed in other.list_boxes():
        assert listed.service_id == SMALL_ID
        other.remove_box(SMALL_ID)


@pytest.mark.parametrize("words", [
    b"GET / HTTP/1.1\r\n\r\n", struct.pack(">I", 65_537) + bytes(65_537), struct.pack(">I", 3) + b"\xff" * 3,
    packed(end={}), packed(offer={"service_id": b"short", "codec": "bee"}),
    packed(offer={"service_id": SMALL_ID, "codec": "bee"}) + packed(
        listed={"digests": b"odd", "last": True})],
    ids=["words", "a long frame", "no message", "the end first", "a short id", "half a digest"])
def test_what_is_no_exchange_is_refused(other, untouched, words):
    stranger = Stranger(other, "receive")
    stranger.hear()
    stranger.raw(words)
    assert stranger.hear().outcome.HasField("fault")
    stranger.leave()
    assert ended(stranger.process, 65)["exitCode"] == 65


def test_a_list_without_an_end_is_refused(other, untouched):
    stranger = Stranger(other, "receive")
    stranger.hear()
    stranger.raw(packed(offer={"service_id": SMALL_ID, "codec": "bee"}))
    part = packed(listed={"digests": bytes(61_440)})
    try:
        for _ in range(400_000 * 32 // 61_440 + 1):
            stranger.raw(part)
        assert stranger.hear().outcome.HasField("fault")
    except (BrokenPipeError, ConnectionResetError):
        pass
    stranger.leave()
    ended(stranger.process, 65)


def test_a_box_that_the_sender_does_not_have_is_not_found_at_both_ends(node, other, untouched):
    one, two = socket.socketpair()
    sender = started((one, one), node, "send", "nobody", "--to", "-")
    receiver = started((two, two), other, "receive")
    one.close()
    two.close()
    assert ended(sender, 66)["condition"]["code"] == "notFound"
    assert "ended the stream" in ended(receiver, 69)["error"]


@pytest.fixture
def two(node, box):
    """A box beside the other, with a content of its."""
    made = node.import_box(boxes.tar_bytes([entry("start", START), entry("large", LARGE)]), PLAIN)
    yield [box, made.service_id]
    node.remove_box(made.service_id)


@pytest.mark.parametrize("way", ["sockets", "directory"])
def test_several_boxes_go_one_after_the_other(node, other, two, way):
    """What the first brought is not sent with the second."""
    ids = [one.hex() for one in two]
    if way == "directory":
        done = node.command("boxes", "send", *ids, "--to", other.runtime, "--format", "json")
        assert done.returncode == 0, done.stderr
        reports = json.loads(done.stdout)
    else:
        one, other_end = socket.socketpair()
        sender = started((one, one), node, "send", *ids, "--to", "-")
        receiver = started((other_end, other_end), other, "receive")
        one.close()
        other_end.close()
        reports, taken = ended(sender), ended(receiver)
        assert [one["id"] for one in taken] == ids
    assert [report["id"] for report in reports] == ids
    assert [report["bytesSaved"] for report in reports] == [0, len(LARGE)]
    assert sorted(listed.service_id for listed in other.list_boxes()) == sorted(two)
    for one in two:
        other.remove_box(one)


@pytest.mark.parametrize("way", ["directory", "stream"])
def test_a_box_for_another_machine_is_moved_and_inspected_and_refused_at_start_there(node, other, way):
    made = node.import_box(boxes.tar_bytes([entry("start", START), entry("large", LARGE)]),
                           described(PLAIN, architecture="linux/arm64")).service_id
    where = ["--to", other.runtime] if way == "directory" else ["--over", shlex.join(
        map(str, [CELAUTCTL, "boxes", "receive", "--runtime", other.runtime]))]
    done = node.command("boxes", "send", made.hex(), *where)
    node.remove_box(made)
    assert done.returncode == 0, done.stderr
    inspected = other.command("boxes", "inspect", made.hex(), "--format", "json")
    assert json.loads(inspected.stdout)["box"]["architecture"] == "linux/arm64"
    refused = other.command("run", made.hex())
    assert refused.returncode != 0 and "linux/arm64" in refused.stderr, refused.stderr
    assert not other.list_services()
    forget(other, made)


def test_of_several_boxes_what_arrived_before_one_that_is_not_there_stays(node, other, two):
    over = shlex.join(map(str, [CELAUTCTL, "boxes", "receive", "--runtime", other.runtime]))
    done = node.command("boxes", "send", two[0].hex(), "nobody", two[1].hex(), "--over", over)
    assert done.returncode == 66 and "nobody" in done.stderr, done.stderr
    assert two[0].hex()[:16] in done.stdout and two[1].hex()[:16] not in done.stdout
    forget(other, two[0])


def test_one_tag_is_not_for_several_boxes(node, other, two):
    over = shlex.join(map(str, [CELAUTCTL, "boxes", "receive", "--tag", "web", "--runtime", other.runtime]))
    done = node.command("boxes", "send", two[0].hex(), two[1].hex(), "--over", over)
    assert done.returncode != 0 and "--tag" in done.stderr, done.stderr
    assert [(one.service_id, list(one.tags)) for one in other.list_boxes()] == [(two[0], ["web"])]
    forget(other, two[0])
    done = node.command("boxes", "send", two[0].hex(), two[1].hex(), "--to", other.runtime, "--tag", "web")
    assert done.returncode == 64, done.stderr


def test_a_receiver_that_takes_one_box_is_told_of_after_it(node, two):
    """As receivers were before several could be sent: it goes when the first is there."""
    stranger = Stranger(node, "send", two[0].hex(), two[1].hex(), "--to", "-")
    stranger.say(hello={"codecs": CODECS})
    stranger.hear(), (listed := stranger.hear().listed)
    stranger.say(listed={"digests": listed.digests, "last": True})
    while stranger.hear().WhichOneof("event") == "piece":
        pass
    stranger.say(outcome={})
    stranger.leave()
    told = stranger.process.communicate(timeout=180)[1].decode()
    assert stranger.process.returncode == 69, told
    assert two[0].hex() in told and two[1].hex() not in told and "ended the stream" in told


def test_a_sender_that_only_ends_the_stream_after_its_box_has_sent_it(other):
    """As senders did before several could be sent, without a last end."""
    stranger = Stranger(other, "receive")
    stranger.hear()
    stranger.raw(b"".join(offered(SMALL_ID, SMALL)))
    assert stranger.hear().listed.last and not stranger.hear().outcome.HasField("fault")
    stranger.leave()
    assert ended(stranger.process)["id"] == SMALL_ID.hex()
    forget(other, SMALL_ID)


@pytest.mark.parametrize("words", [
    [], ["--to", "-", "--over", "x"], ["--to", "-", "--tag", "x"], ["--over", "x", "--tag", "y"]])
def test_where_a_box_goes_is_said_once(node, box, words):
    done = node.command("boxes", "send", box.hex(), *words, stdin=subprocess.DEVNULL)
    assert done.returncode == 64, done.stderr


def test_a_command_that_is_no_receiver_is_told(node, box):
    for command, code in (("true", 69), ("echo hello", 65), ("exit 7", 69)):
        done = node.command("boxes", "send", box.hex(), "--over", command)
        assert done.returncode == code, (command, done.stderr)
