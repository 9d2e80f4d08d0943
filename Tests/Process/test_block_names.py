"""Packages whose blocks go by any of the digests that a service may be named by, alone or several together:
the id is that of the expanded bytes, whatever the blocks are named by, and a digest that is wrong is
noticed. The packages are made by bee.py, from the documented records alone."""

import hashlib
import os
import random

import pytest

import bee
import identity
from bee import KINDS
from identity import blob
from test_exchange import LARGE, START, branch, check, import_bytes, refused, service

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
OTHERS = ["SHA-256", "BLAKE2b-256"]
MANY = [[kind] for kind in KINDS] + [["SHA-256", "BLAKE2b-256"], ["BLAKE2b-256", "SHA3-256"], list(KINDS)]
RUN = branch("start", START, 0o100755)


def hashes(data, kinds, **lies):
    """The digests of a Buffer.Block, each with its type; `lies` are told instead."""
    return b"".join(blob(1, blob(1, bee.TYPES[kind]) + blob(2, lies.get(
        kind.replace("-", ""), bee.named(data, kind)))) for kind in kinds)


def directory(name, content):
    return blob(1, blob(1, name) + blob(4, content) + identity.attributes(0o040755))


def marked(data, said):
    mark = bee.record(blob(5, said))
    return mark + bee.chunks(data) + mark


def in_place(said):
    """A package with one block, which stands where its bytes do."""
    whole = service(RUN + branch("large", LARGE))
    at = whole.index(LARGE)
    return bee.package(
        bee.chunks(whole[:at]), marked(LARGE, said), bee.chunks(whole[at + len(LARGE):])), whole


def behind(said, pointer=None):
    """The same with a pointer in its place, and the block behind."""
    return (bee.package(bee.chunks(service(RUN + branch("large", pointer or said))), marked(LARGE, said)),
            service(RUN + branch("large", LARGE)))


@pytest.mark.parametrize("form", [in_place, behind])
@pytest.mark.parametrize("kinds", MANY, ids=" ".join)
def test_a_block_goes_by_any_digest_a_service_may_be_named_by(node, form, kinds):
    check(node, *form(hashes(LARGE, kinds)))


@pytest.mark.parametrize("form", [in_place, behind])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_block_that_is_named_by_a_digest_it_has_not_is_refused(node, form, kind):
    data, _ = form(hashes(LARGE[:-1], [kind]))
    fault = refused(node, data)
    assert (fault.code, fault.subject) == ("CORRUPT", bee.named(LARGE[:-1], kind).hex()), fault


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("by_expansion", [False, True])
def test_what_is_in_a_tree_that_is_a_block_inherits_its_type(node, kind, by_expansion):
    inner = (branch("large", bee.pointer(bee.named(LARGE, kind), typed=False)) + branch("note", b"n"))
    expanded = branch("large", LARGE) + branch("note", b"n")
    name = bee.named(expanded if by_expansion else inner, kind)
    outer = directory("in", bee.pointer(name, typed=False))
    blocks = [bee.block(LARGE, kind=kind), bee.block(inner, name=name, kind=kind), bee.block(outer, kind=kind)]
    sent = service(RUN + directory("srv", bee.pointer(bee.named(outer, kind), kind=kind)))
    whole = service(RUN + directory("srv", directory("in", expanded)))
    for order in (blocks, blocks[::-1], blocks[1:] + blocks[:1]):
        check(node, bee.package(bee.chunks(sent), *order), whole)
    # A type is inherited with the tree it is in: by another it names nothing.
    other = directory("srv", bee.pointer(bee.named(inner, "SHA3-256")))
    fault = refused(node, bee.package(
        bee.chunks(service(RUN + other)), bee.block(inner), bee.block(LARGE, kind=kind)))
    assert (fault.code, fault.subject) == ("NOT_FOUND", f"block {bee.named(LARGE, kind).hex()}"), fault


@pytest.mark.parametrize("kind", OTHERS)
def test_a_tree_that_is_named_by_its_expanded_bytes_has_to_have_them(node, kind):
    inner = branch("large", bee.pointer(bee.named(LARGE, kind), typed=False))
    name = bee.named(branch("large", LARGE[1:]), kind)
    fault = refused(node, bee.package(
        bee.chunks(service(RUN + directory("srv", bee.pointer(name, kind=kind)))),
        bee.block(inner, name=name, kind=kind), bee.block(LARGE, kind=kind)))
    assert (fault.code, fault.subject) == ("CORRUPT", name.hex()), fault
    assert fault.lines == [bee.named(branch("large", LARGE), kind).hex()], fault


def test_blocks_within_blocks_may_go_by_different_digests(node):
    filesystem = RUN + branch("large", LARGE)
    whole = service(filesystem)
    start, at = whole.index(filesystem), whole.index(LARGE)
    for outer, inner in (OTHERS, OTHERS[::-1], ("SHA3-256", "SHA-256")):
        mark = bee.marker(bee.named(filesystem, outer), kind=outer)
        check(node, bee.package(
            bee.chunks(whole[:start]), mark, bee.chunks(whole[start:at]), bee.block(LARGE, kind=inner),
            bee.chunks(whole[at + len(LARGE):start + len(filesystem)]), mark,
            bee.chunks(whole[start + len(filesystem):])), whole)


@pytest.mark.parametrize("pointer", KINDS)
def test_a_pointer_finds_its_block_by_any_of_the_digests_both_have(node, pointer):
    every = hashes(LARGE, KINDS)
    check(node, *behind(every, hashes(LARGE, [pointer])))
    check(node, *behind(hashes(LARGE, [pointer]), every))


@pytest.mark.parametrize("lie", KINDS)
def test_a_pointer_that_says_one_right_digest_and_a_wrong_one_is_refused(node, lie):
    right = next(kind for kind in KINDS if kind != lie)
    wrong = b"\x55" * 32
    data, _ = behind(hashes(LARGE, [right]), hashes(LARGE, KINDS, **{lie.replace("-", ""): wrong}))
    fault = refused(node, data)
    assert (fault.code, fault.subject, fault.lines) == (
        "CORRUPT", wrong.hex(), [bee.named(LARGE, lie).hex()]), fault


@pytest.mark.parametrize("kind", OTHERS)
def test_a_pointer_by_another_digest_whose_block_did_not_come_is_told(node, kind):
    lacking = bee.named(b"not sent", kind)
    sent = service(RUN + branch("large", bee.pointer(bee.named(LARGE, kind), kind=kind))
                   + branch("p", bee.pointer(lacking, kind=kind)))
    fault = refused(node, bee.package(bee.chunks(sent), bee.block(LARGE, kind=kind)))
    assert (fault.code, fault.subject) == ("NOT_FOUND", f"block {lacking.hex()}"), fault


@pytest.mark.parametrize("form", [in_place, behind])
def test_a_block_that_was_left_out_is_taken_by_its_sha_256_and_its_other_digests_compared(node, form):
    """Left out is what the receiver said it has, and it says so by SHA-256 or SHA3-256."""
    held = import_bytes(node, service(RUN + branch("other", LARGE))).service_id

    def without(said):
        data, whole = form(said)
        assert data.count(bee.chunks(LARGE)) == 1
        return data.replace(bee.chunks(LARGE), b""), whole
    try:
        check(node, *without(hashes(LARGE, ["SHA-256"])))
        check(node, *without(hashes(LARGE, ["BLAKE2b-256", "SHA-256"])))
        for lie in ("SHA3-256", "BLAKE2b-256"):
            wrong = b"\x66" * 32
            fault = refused(node, without(
                hashes(LARGE, [lie, "SHA-256"], **{lie.replace("-", ""): wrong}))[0])
            assert (fault.code, fault.subject, fault.lines) == (
                "CORRUPT", wrong.hex(), [bee.named(LARGE, lie).hex()]), fault
        fault = refused(node, without(hashes(LARGE, ["BLAKE2b-256"]))[0])
        assert (fault.code, fault.subject) == (
            "NOT_FOUND", f"block {bee.named(LARGE, 'BLAKE2b-256').hex()}"), fault
    finally:
        node.remove_box(held)


@pytest.mark.parametrize("turn", range(12))
def test_the_id_of_a_service_does_not_depend_on_what_its_blocks_are_named_by(node, turn):
    """Generated trees, of which any file and any directory is a block or not, by any digest."""
    choose = random.Random(SEED + turn)
    blocks = {}

    def keep(data, name, kind):
        """Its name, by which the block is sent behind."""
        blocks[kind, name] = bee.block(data, name=name, kind=kind)
        return name

    def made(depth, inherited):
        """(as it is sent, expanded) of a directory's content"""
        sent = expanded = b""
        for number in range(choose.randint(1, 4)):
            kind = choose.choice(list(KINDS))
            is_block, typed = choose.random() < 0.6, kind != inherited or choose.random() < 0.5
            name = f"{number}"
            if depth < 4 and choose.random() < 0.5:
                inner, whole = made(depth + 1, kind if is_block else inherited)
                if is_block:
                    digest = keep(inner, bee.named(choose.choice([inner, whole]), kind), kind)
                    inner = bee.pointer(digest, typed, kind)
                sent, expanded = sent + directory(name, inner), expanded + directory(name, whole)
            else:
                # No two are equal: a block that only another copy of a tree points to is refused.
                content = whole = choose.randbytes(choose.choice([12, 200, 70_000]))
                if is_block:
                    digest = keep(whole, bee.named(whole, kind), kind)
                    content = bee.pointer(digest, typed, kind)
                sent, expanded = sent + branch(name, content), expanded + branch(name, whole)
        return sent, expanded
    sent, expanded = made(0, None)
    behind = list(blocks.values())
    choose.shuffle(behind)
    check(node, bee.package(bee.chunks(service(RUN + sent)), *behind), service(RUN + expanded))


def test_the_names_here_are_the_documented_ones():
    assert bee.TYPES == {
        "SHA3-256": hashlib.new("sha3-256", b"").digest(), "SHA-256": hashlib.new("sha256", b"").digest(),
        "BLAKE2b-256": bytes.fromhex("0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8")}
