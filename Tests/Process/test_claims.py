"""What a package says of itself: digests of its service and of its blocks, and which block stands where.
Nothing of it is believed, and what is wrong is refused."""

import hashlib
import os
import random

import pytest

import bee
from identity import blob, number
from node import PATIENCE
from test_exchange import START, branch, import_bytes, pointed, refused, service

KINDS = {"SHA3-256": hashlib.sha3_256, "SHA-256": hashlib.sha256,
         "BLAKE2b-256": lambda data: hashlib.blake2b(data, digest_size=32)}
LARGE = random.Random(3).randbytes(300_000)
WHOLE = service(branch("start", START, 0o100755) + branch("large", LARGE))
AT = WHOLE.index(LARGE)


def claim(kind, value):
    """A digest and, as its type, that of nothing."""
    return blob(1, KINDS[kind](b"").digest()) + blob(2, value)


def said(*claims):
    """Metadata that says the digests."""
    return blob(1, b"".join(blob(1, one) for one in claims))


def expanded(about=b"", marker=None):
    marker = marker or bee.marker(hashlib.sha3_256(LARGE).digest())
    return bee.package(bee.chunks(WHOLE[:AT]), marker, bee.chunks(LARGE), marker,
                       bee.chunks(WHOLE[AT + len(LARGE):]), about=about)


def apart(about=b"", marker=None):
    marker = marker or bee.marker(hashlib.sha3_256(LARGE).digest())
    sent = service(branch("start", START, 0o100755) + pointed("large", LARGE))
    return bee.package(bee.chunks(sent), marker, bee.chunks(LARGE), marker, about=about)


def taken(node, data):
    box = import_bytes(node, data)
    assert box.service_id == hashlib.sha3_256(WHOLE).digest()
    node.remove_box(box.service_id)


@pytest.mark.parametrize("form", [expanded, apart])
@pytest.mark.parametrize("kind", KINDS)
def test_a_digest_in_the_metadata_is_that_of_the_service_or_the_package_is_refused(node, form, kind):
    right, wrong = KINDS[kind](WHOLE).digest(), KINDS[kind](LARGE).digest()
    taken(node, form(said(claim(kind, right))))
    for lie in (said(claim(kind, wrong)), said(claim(kind, right), claim(kind, wrong)),
                said(claim(kind, right[:31]))):
        fault = refused(node, form(lie))
        assert fault.code == "CORRUPT" and fault.lines == [right.hex()], fault
        assert fault.subject in (wrong.hex(), right[:31].hex()), fault


@pytest.mark.parametrize("form", [expanded, apart])
@pytest.mark.parametrize("kind", KINDS)
def test_a_digest_in_a_marker_is_that_of_its_block_or_the_package_is_refused(node, form, kind):
    def marker(value):
        hashes = [claim("SHA3-256", hashlib.sha3_256(LARGE).digest()), claim(kind, value)]
        return bee.record(blob(5, b"".join(blob(1, one) for one in hashes)))
    right = KINDS[kind](LARGE).digest()
    taken(node, form(marker=marker(right)))
    fault = refused(node, form(marker=marker(b"\x22" * 32)))
    assert (fault.code, fault.subject, fault.lines) == ("CORRUPT", "22" * 32, [right.hex()]), fault


@pytest.mark.parametrize("form", [expanded, apart])
def test_a_digest_of_an_algorithm_nobody_here_knows_says_nothing(node, form):
    taken(node, form(said(blob(1, b"\x33" * 32) + blob(2, b"\x44" * 32))))
    taken(node, form(said()))


@pytest.mark.parametrize("about", [
    b"\xff\xff", b"\x0a\x7fx", blob(1, b"\x0a\x05x"), blob(1, blob(1, b"\x12\xff\x01")),
    blob(1, blob(2, b"\xff")), number(1, 7)],
    ids=["no field", "past the end", "inside past the end", "a digest past the end", "no text", "a number"])
@pytest.mark.parametrize("form", [expanded, apart])
def test_metadata_that_cannot_be_read_is_refused(node, form, about):
    fault = refused(node, form(about))
    assert (fault.code, fault.reason, fault.subject) == ("INVALID", "MALFORMED", "package: metadata"), fault


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_metadata_that_comes_byte_by_byte_costs_as_much_for_each_byte(node):
    """A reader that copied what it has with each chunk would need sixteen times as long for four times as
    much: some fifty seconds. By the processor's time, which does not depend on what else runs."""
    def cost(length):
        about = blob(1, blob(2, b"t" * length))
        data = (bee.record(blob(1, about[:1]) + blob(4, number(1, 1)))
                + b"".join(bee.chunk(about[at:at + 1]) for at in range(1, len(about)))
                + bee.SEPARATOR + bee.head(2) + bee.chunks(WHOLE) + bee.SEPARATOR)
        before = processor_seconds(pid)
        box = import_bytes(node, data, deadline=5 * PATIENCE)
        cost = processor_seconds(pid) - before
        node.remove_box(box.service_id)
        return cost
    pid = node.pid("box-builder")
    few, many = cost(250_000), cost(1_000_000)
    assert many < 9 * max(few, 0.5), (few, many)


def test_a_block_that_no_pointer_names_is_refused_and_not_dropped(node):
    more = b"more" * 1_000
    fault = refused(node, bee.package(
        bee.chunks(service(branch("start", START, 0o100755) + pointed("large", LARGE))),
        bee.block(LARGE), bee.block(more)))
    assert (fault.code, fault.reason, fault.subject) == ("INVALID", "MALFORMED", "package: block"), fault
    assert fault.lines == [f"no pointer to {hashlib.sha3_256(more).hexdigest()}"]


def test_a_topmost_pointer_without_its_type_is_refused(node):
    """It has nobody to inherit it from."""
    sent = service(branch("start", START, 0o100755) + pointed("large", LARGE, typed=False))
    fault = refused(node, bee.package(bee.chunks(sent), bee.block(LARGE)))
    assert (fault.code, fault.reason) == ("INVALID", "MALFORMED"), fault
    assert fault.lines == [f"no pointer to {hashlib.sha3_256(LARGE).hexdigest()}"]


def test_a_pointer_without_its_block_is_noticed_by_the_digest_of_the_whole(node):
    """By itself it could be a file that looks like one."""
    other = b"other" * 1_000
    whole = service(branch("start", START, 0o100755) + branch("large", LARGE)
                    + branch("other", other))
    sent = service(branch("start", START, 0o100755) + pointed("large", LARGE) + pointed("other", other))
    about = said(claim("SHA3-256", hashlib.sha3_256(whole).digest()))
    fault = refused(node, bee.package(bee.chunks(sent), bee.block(LARGE), about=about))
    assert (fault.code, fault.subject) == ("CORRUPT", hashlib.sha3_256(whole).hexdigest()), fault
    box = import_bytes(node, bee.package(
        bee.chunks(sent), bee.block(LARGE), bee.block(other), about=about))
    assert box.service_id == hashlib.sha3_256(whole).digest()
    node.remove_box(box.service_id)


@pytest.mark.parametrize("data, subject", [
    (service(branch("start", START, 0o100755), architecture="linux/amd64\0x"), "container.architecture"),
    (blob(2, blob(2, branch("start", START)) + blob(3, blob(1, "start\0x"))), "container.init.entry_path")], ids=["architecture", "entrypoint"])
def test_text_that_would_be_shown_cut_at_a_nul_is_refused(node, data, subject):
    fault = refused(node, data)
    assert (fault.code, fault.reason, fault.subject) == ("INVALID", "BAD_NAME", subject), fault


@pytest.mark.parametrize("target, code, reason", [
    (b"/st\0art", "INVALID", "BAD_NAME"), (b"", "INVALID", "BAD_NAME"), (b"/" + b"a" * 4_095, "TOO_LARGE", None),
    (b"start", "INVALID", "PATH_ESCAPES"), (b"/\xff", "INVALID", "MALFORMED")],
    ids=["NUL", "nothing", "long", "relative", "no text"])
def test_a_link_that_cannot_be_is_refused_by_what_is_wrong(node, target, code, reason):
    link = blob(1, blob(1, "l") + blob(3, blob(1, target) + blob(2, "/l")))
    fault = refused(node, service(branch("start", START, 0o100755) + link))
    assert (fault.code, fault.subject) == (code, "l") and (reason is None or fault.reason == reason), fault


def test_proofs_that_are_too_many_for_a_box_leave_it_and_its_tags_as_they_were(node):
    """Two packages of one box, each within the bound and both together past it."""
    def proofs(first):
        return b"".join(blob(3, blob(1, blob(1, f"{number}" * 200))) for number in range(first, first + 20))
    box = import_bytes(node, expanded(proofs(100)), tag="first").service_id
    try:
        fault = refused(node, expanded(proofs(200)), tag="second")
        assert (fault.code, fault.subject) == ("TOO_LARGE", "reputation_proofs"), fault
        assert fault.fault.limit == 16_384 < fault.fault.actual
        # The same ones again are no more.
        assert import_bytes(node, expanded(proofs(100)), tag="first").already_present
    finally:
        node.remove_box(box)
