"""Boxes from and to other nodes: what comes in and goes out is what bee.py and identity.py make by hand
from the documented bytes, and nothing bad leaves a trace."""

import base64
import hashlib
import itertools
import json
import os
import random
import subprocess
import threading

import pytest

import bee
import boxes
import identity
import wire_client as w
from boxes import described
from identity import blob, number, pairs
from node import CELAUTCTL, PATIENCE, Node, files_below, store_of, wait_until

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
PLAIN = described(init={"entry_path": ["start"]}, api=[])
START = boxes.script("exit 0")
LARGE = random.Random(1).randbytes(2_500_000)


def tree(**files):
    return {"start": ("file", 0o755, START),
            **{name: ("file", 0o644, content) for name, content in files.items()}}


def branch(name, content, mode=0o100644):
    return blob(1, blob(1, name) + blob(2, content) + identity.attributes(mode))


def service(filesystem, architecture="linux/amd64", more=b""):
    """A service around a serialized filesystem."""
    return blob(2, identity.tags(1, architecture) + blob(2, filesystem)
                + blob(3, blob(1, "start"))) + more


def import_bytes(node, data, deadline=PATIENCE, **fields):
    """ImportPackage; the summary, or the Fault."""
    descriptor = boxes.as_descriptor(data)
    try:
        with node.connect("box-builder", "BoxBuilder") as connection:
            items = list(connection.stream(
                "BoxBuilder.ImportPackage", w.box.ImportPackageRequest(**fields), [descriptor],
                deadline))
    finally:
        os.close(descriptor)
    return items[-1].box


def export(node, box, codec, known=b"", **fields):
    """(bytes, ExportSummary)"""
    target = os.memfd_create("celaut-test", os.MFD_CLOEXEC)
    listed = sealed(known)
    try:
        with node.connect("box-builder", "BoxBuilder") as connection:
            items = list(connection.stream(
                "BoxBuilder.ExportBox", w.box.ExportBoxRequest(box=box.hex(), codec=codec, **fields),
                [target, listed], PATIENCE))
        size = os.lseek(target, 0, os.SEEK_END)
        return os.pread(target, size, 0), items[-1].summary
    finally:
        os.close(target)
        os.close(listed)


def sealed(data):
    import fcntl
    descriptor = os.memfd_create("celaut-test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    fcntl.fcntl(descriptor, 1033, 0xF)
    return descriptor


def drain(descriptor):
    while os.read(descriptor, 1 << 16):
        pass


@pytest.mark.parametrize("codec", ["PROTO3", "BEE", "JSON", "JSON_ZIP"])
def test_a_box_that_is_removed_while_it_is_exported_is_told_as_gone_and_not_as_damaged(node, codec):
    contents = {name: random.Random(name).randbytes(600_000) for name in "abcd"}
    box = import_bytes(node, identity.service(PLAIN, tree(**contents))).service_id
    reading, writing = os.pipe()
    listed = sealed(b"")
    try:
        with node.connect("box-builder", "BoxBuilder") as connection:
            name = "BoxBuilder.ExportBox"
            transaction = connection.start(
                name, w.box.ExportBoxRequest(
                    box=box.hex(), codec=getattr(w.box, f"CODEC_{codec}")), [writing, listed], PATIENCE)
            os.close(writing)
            # It is in the middle: the pipe is full, and most of the box is still to be read.
            assert os.read(reading, 1)
            node.remove_box(box)
            drained = threading.Thread(target=drain, args=(reading,))
            drained.start()
            with pytest.raises(w.Fault) as caught:
                list(connection.items(name, transaction))
            drained.join(PATIENCE)
        assert caught.value.code == "NOT_FOUND", caught.value
        assert caught.value.subject == box.hex()
    finally:
        os.close(reading)
        os.close(listed)


def refused(node, data, **fields):
    """The fault of an import that must leave nothing."""
    before, listed = store_of(node), len(node.list_boxes())
    with pytest.raises(w.Fault) as caught:
        import_bytes(node, data, **fields)
    assert len(node.list_boxes()) == listed
    wait_until(lambda: store_of(node) == before, 60, "the store is as it was")
    return caught.value


def check(node, data, expanded, **fields):
    """An import whose id is the one computed by hand, and which is given back bit for bit."""
    expected = hashlib.sha3_256(expanded).digest()
    box = import_bytes(node, data, expected_id=expected, **fields)
    assert box.service_id == expected
    assert box.canonical_bytes == len(expanded)
    assert export(node, expected, w.box.CODEC_PROTO3)[0] == expanded
    read = bee.Package(export(node, expected, w.box.CODEC_BEE)[0])
    assert read.service == expanded and read.service_id == expected
    node.remove_box(expected)
    return box


# What comes in.

def test_the_raw_bytes_of_a_service_are_a_box_with_the_id_of_those_bytes(node):
    check(node, *[identity.service(PLAIN, tree(a=b"x", b=b"", large=LARGE))] * 2)


def test_a_package_written_by_hand_is_a_box(node):
    whole = identity.service(PLAIN, tree(large=LARGE, note=b"hello"))
    at = whole.index(LARGE)
    data = bee.package(
        bee.chunks(whole[:at]), bee.block(LARGE), bee.chunks(whole[at + len(LARGE):]))
    check(node, data, whole)


def test_a_package_may_have_a_tree_as_a_block_with_blocks_in_it(node):
    filesystem = identity.filesystem(tree(large=LARGE))
    whole = service(filesystem)
    start, at = whole.index(filesystem), whole.index(LARGE)
    end = start + len(filesystem)
    outer = bee.marker(hashlib.sha3_256(filesystem).digest())
    data = bee.package(
        bee.chunks(whole[:start]), outer, bee.chunks(whole[start:at]), bee.block(LARGE),
        bee.chunks(whole[at + len(LARGE):end]), outer, bee.chunks(whole[end:]))
    check(node, data, whole)


def pointed(name, content, typed=True, mode=0o100644):
    return branch(name, bee.pointer(hashlib.sha3_256(content).digest(), typed), mode)


def test_pointers_are_replaced_by_the_blocks_that_follow_and_lengths_rewritten(node):
    small = (branch("start", START, 0o100755) + branch("z", b"small"))
    sent = service(pointed("large", LARGE) + pointed("again", LARGE) + small, more=blob(77, b"more"))
    whole = service(branch("large", LARGE) + branch("again", LARGE) + small, more=blob(77, b"more"))
    check(node, bee.package(bee.chunks(sent), bee.block(LARGE)), whole)


@pytest.mark.parametrize("named_by_expansion", [False, True])
def test_a_tree_block_has_pointers_that_inherit_their_type(node, named_by_expansion):
    inner = pointed("large", LARGE, typed=False) + branch("note", b"n")
    expanded = branch("large", LARGE) + branch("note", b"n")
    name = hashlib.sha3_256(expanded if named_by_expansion else inner).digest()

    def directory(content):
        return blob(1, blob(1, "srv") + blob(4, content) + identity.attributes(0o040755))
    start = branch("start", START, 0o100755)
    whole = service(start + directory(expanded))
    check(node, bee.package(
        bee.chunks(service(start + directory(bee.pointer(name)))), bee.block(inner, name=name),
        bee.block(LARGE)), whole)
    # The whole filesystem as a block, with that one in it.
    tree_block = start + directory(bee.pointer(name, typed=False))
    top = blob(2, identity.tags(1, "linux/amd64")
               + blob(2, bee.pointer(hashlib.sha3_256(tree_block).digest())) + blob(3, blob(1, "start")))
    check(node, bee.package(
        bee.chunks(top), bee.block(tree_block), bee.block(LARGE), bee.block(inner, name=name)), whole)


@pytest.mark.parametrize("order", range(6))
def test_blocks_come_behind_their_pointers_in_any_order(node, order):
    """The file of a tree of a tree: the first block may be one that only another points to."""
    inner = pointed("large", LARGE, typed=False) + branch("note", b"n")
    outer = blob(1, blob(1, "in") + blob(4, bee.pointer(hashlib.sha3_256(inner).digest(), False))
                 + identity.attributes(0o040755))
    start = branch("start", START, 0o100755)
    sent = start + blob(1, blob(1, "tree") + blob(4, bee.pointer(hashlib.sha3_256(outer).digest()))
                        + identity.attributes(0o040755))
    expanded = blob(1, blob(1, "in") + blob(4, branch("large", LARGE) + branch("note", b"n"))
                    + identity.attributes(0o040755))
    whole = service(start + blob(1, blob(1, "tree") + blob(4, expanded) + identity.attributes(0o040755)))
    blocks = list(itertools.permutations([outer, inner, LARGE]))[order]
    check(node, bee.package(bee.chunks(service(sent)), *map(bee.block, blocks)), whole)
    # The same where nothing but files has pointers, so that what is sent could be a service by itself.
    files = [LARGE[:n] for n in (70_000, 80_000, 90_000)]
    sent, whole = (service(start + b"".join(made(str(n), content) for n, content in enumerate(files)))
                   for made in (pointed, branch))
    blocks = list(itertools.permutations(files))[order]
    check(node, bee.package(bee.chunks(sent), *map(bee.block, blocks)), whole)


def test_a_tree_that_points_at_itself_or_at_nothing_is_refused(node):
    name = b"\x11" * 32
    loop = blob(1, blob(1, "a") + blob(4, bee.pointer(name)) + identity.attributes(0o040755))
    data = bee.package(bee.chunks(service(loop)), bee.block(loop, name=name))
    assert refused(node, data).reason == "TOO_DEEP"
    twice = b"".join(
        blob(1, blob(1, n) + blob(4, bee.pointer(name)) + identity.attributes(0o040755))
        for n in "ab")
    assert refused(node, bee.package(
        bee.chunks(service(twice)), bee.block(twice, name=name))).reason in (
            "TOO_DEEP", "TOO_MANY_ENTRIES")
    wrong = bee.package(bee.chunks(service(pointed("large", LARGE))),
                        bee.block(LARGE[:-1], name=hashlib.sha3_256(LARGE).digest()))
    assert refused(node, wrong).code == "CORRUPT"


def test_a_block_of_nothing_in_many_directories_is_not_read_in_each(node):
    """The work is bounded by what is read, not by what came: a megabyte in each directory would be hours."""
    nothing = blob(9, bytes(1 << 20))
    inside = blob(4, bee.pointer(hashlib.sha3_256(nothing).digest())) + identity.attributes(0o040755)
    tree = branch("start", START, 0o100755) + b"".join(
        blob(1, blob(1, f"d{n}") + inside) for n in range(140))
    fault = refused(node, bee.package(bee.chunks(service(tree)), bee.block(nothing)))
    assert (fault.code, fault.subject, fault.fault.limit) == ("TOO_LARGE", "service", 128 << 20)


def test_a_file_that_looks_like_a_pointer_is_a_file_where_no_block_has_that_name(node):
    whole = service(branch("start", START, 0o100755) + branch("p", bee.pointer(b"p" * 32)))
    check(node, whole, whole)
    check(node, bee.package(bee.chunks(whole)), whole)


def test_a_pointer_whose_block_did_not_come_is_a_file_only_where_the_id_says_so(node):
    start, name = branch("start", START, 0o100755), hashlib.sha3_256(b"not sent").digest()
    written = branch("p", bee.pointer(name))
    sent, whole = (service(made("large", LARGE) + written + start) for made in (pointed, branch))
    parts = bee.chunks(sent), bee.block(LARGE)
    fault = refused(node, bee.package(*parts))
    assert (fault.code, fault.subject) == ("NOT_FOUND", f"block {name.hex()}")
    # Those who know the digest of the whole are told by it.
    check(node, bee.package(*parts), whole)
    said = blob(1, blob(1, blob(1, bee.SHA3) + blob(2, hashlib.sha3_256(whole).digest())))
    node.remove_box(import_bytes(node, bee.package(*parts, about=said)).service_id)
    assert refused(node, bee.package(*parts, about=said[:-1] + b"x")).code == "CORRUPT"
    # Where a tree stands it can be nothing else.
    for typed in (True, False):
        inner = blob(1, blob(1, "in") + blob(4, bee.pointer(name, typed)) + identity.attributes(0o040755))
        outer = blob(1, blob(1, "t") + blob(4, bee.pointer(hashlib.sha3_256(inner).digest()))
                     + identity.attributes(0o040755))
        fault = refused(node, bee.package(
            bee.chunks(service(outer + start)), bee.block(inner)), expected_id=bytes(32))
        assert (fault.code, fault.subject) == ("NOT_FOUND", f"block {name.hex()}")


@pytest.mark.parametrize("typed", [True, False])
def test_a_file_with_the_name_of_a_block_in_it_is_no_pointer_where_the_blocks_stand_in_their_places(
        node, typed):
    """A package within a box has the names of its own blocks in it, which the box may have, too."""
    quoted = b"before" + bee.pointer(hashlib.sha3_256(LARGE).digest(), typed) + b"behind"
    whole = service(branch("a", quoted) + branch("large", LARGE) + branch("start", START, 0o100755))
    at = whole.index(LARGE)
    check(node, bee.package(
        bee.chunks(whole[:at]), bee.block(LARGE), bee.chunks(whole[at + len(LARGE):])), whole)


def test_what_nobody_here_would_write_comes_back_as_it_came(node):
    """Branches out of order, fields in another order, fields that nobody knows, long varints."""
    filesystem = (branch("start", START, 0o100755) + branch("z", b"1") + branch("a", LARGE[:300])
                  + blob(99, b"unknown") + pairs(2, {"more": "kept"}))
    container = (blob(3, blob(1, "start")) + blob(2, filesystem)
                 + identity.tags(1, "linux/amd64") + number(1000, 7))
    whole = blob(1, "prose") + blob(2, container) + blob(77, b"also unknown")
    check(node, whole, whole)
    check(node, bee.package(bee.chunks(whole)), whole)


def test_names_that_come_with_a_package_are_not_taken(node):
    whole = service(branch("start", START, 0o100755))
    about = blob(1, blob(2, "stolen"))
    box = import_bytes(node, bee.package(bee.chunks(whole), about=about))
    assert list(box.tags) == []
    box = import_bytes(node, whole, tag="given")
    assert list(box.tags) == ["given"] and box.already_present
    node.remove_box(box.service_id)


# What goes out.

def test_a_packed_box_is_exported_as_the_bytes_its_id_is_computed_over(node):
    content = tree(large=LARGE, small=b"s" * 70_000, empty=b"")
    box = node.import_box(boxes.tar_bytes(
        boxes.entry(name, entry[2], mode=entry[1]) for name, entry in content.items()), PLAIN)
    whole = identity.service(PLAIN, content)
    data, summary = export(node, box.service_id, w.box.CODEC_PROTO3)
    assert data == whole and summary.bytes == len(whole)
    data, summary = export(node, box.service_id, w.box.CODEC_BEE)
    read = bee.Package(data)
    assert read.service_id == box.service_id and read.service == whole
    assert summary.bytes == len(data) and summary.blocks == 1 == len(read.blocks)
    name, positions, start, end = read.blocks[0]
    assert (whole[start:end], name) == (LARGE, hashlib.sha3_256(LARGE).digest())
    # Each position is that of a length, and the message it is of has the block in it.
    assert positions == sorted(positions) and len(positions) == 4
    for position in positions:
        length, inside = bee.read_varint(whole, position)
        assert inside <= start and end <= inside + length
    assert (length, inside) == (len(LARGE), start)
    hashed = [dict(bee.fields(value)) for number, value
              in bee.fields(dict(bee.fields(read.metadata))[1]) if number == 1]
    assert hashed[0] == {1: bee.SHA3, 2: box.service_id}
    assert hashed[1:] == [{1: of(b""), 2: of(whole)} for of in (
        lambda data: hashlib.sha256(data).digest(),
        lambda data: hashlib.blake2b(data, digest_size=32).digest())]
    node.remove_box(box.service_id)


def test_the_json_of_a_box_has_its_values_and_reads_back_to_the_same_id(node):
    content = tree(large=LARGE, note="é".encode(), empty=b"")
    box = node.import_box(boxes.tar_bytes(
        boxes.entry(name, entry[2], mode=entry[1]) for name, entry in content.items()), PLAIN)
    data, summary = export(node, box.service_id, w.box.CODEC_JSON)
    assert summary.bytes == len(data)
    said = json.loads(data)
    container = said["container"]
    assert base64.b64decode(container["filesystem"], validate=True) == identity.filesystem(content)
    assert container["init"]["entryPath"] == ["start"]
    # RFC 8785: sorted keys, no spaces.
    assert data == json.dumps(said, sort_keys=True, separators=(",", ":"),
                              ensure_ascii=False).encode()
    node.remove_box(box.service_id)
    for text in (data, json.dumps(said, indent=2).encode()):
        taken = import_bytes(node, text, expected_id=box.service_id)
        assert (taken.service_id, taken.canonical_bytes) == (box.service_id, box.canonical_bytes)
        assert export(node, box.service_id, w.box.CODEC_PROTO3)[0] == identity.service(PLAIN, content)
        node.remove_box(box.service_id)
    for size in (1, len(data) // 2, len(data) - 1):
        assert refused(node, data[:size]).code == "INVALID"


def test_a_box_whose_values_would_have_another_id_is_not_written_as_json(node):
    whole = service(branch("z", b"1") + branch("start", START, 0o100755))
    box = import_bytes(node, whole)
    with pytest.raises(w.Fault) as caught:
        export(node, box.service_id, w.box.CODEC_JSON)
    assert caught.value.code == "UNSUPPORTED"
    node.remove_box(box.service_id)


def test_contents_the_receiver_has_are_left_out_and_found_there(node):
    with Node() as other:
        content = tree(large=LARGE, second=LARGE[::-1])
        box = node.import_box(boxes.tar_bytes(
            boxes.entry(name, entry[2], mode=entry[1]) for name, entry in content.items()), PLAIN)
        import_bytes(other, service(branch("start", START, 0o100755) + branch("l", LARGE)))
        sent = subprocess.run(
            [CELAUTCTL, "boxes", "send", box.service_id.hex(), "--to", other.runtime, "--tag", "web",
             "--runtime", node.runtime, "--format", "json"], text=True, timeout=PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert sent.returncode == 0, sent.stderr
        report = json.loads(sent.stdout)
        assert report["id"] == box.service_id.hex()
        assert report["bytesSaved"] == len(LARGE)
        assert len(LARGE) <= report["bytesSent"] <= len(LARGE) + 10_000
        assert [(b.service_id, list(b.tags)) for b in other.list_boxes() if b.tags] == [
            (box.service_id, ["web"])]
        data, _ = export(other, box.service_id, w.box.CODEC_PROTO3)
        assert hashlib.sha3_256(data).digest() == box.service_id
        # What is named and is not there is asked for by name.
        known = hashlib.sha256(LARGE).digest()
        data, summary = export(node, box.service_id, w.box.CODEC_BEE, known=known)
        assert (summary.blocks_skipped, summary.bytes_skipped) == (1, len(LARGE))
    node.remove_box(box.service_id)
    fault = refused(node, data)
    assert fault.code == "NOT_FOUND"
    assert fault.subject == f"block {hashlib.sha3_256(LARGE).hexdigest()}"


def test_readers_that_go_away_or_never_read_do_not_keep_others_from_exporting(node):
    whole = service(branch("start", START, 0o100755) + branch("large", LARGE))
    box = import_bytes(node, whole)
    request = w.box.ExportBoxRequest(box=box.service_id.hex(), codec=w.box.CODEC_PROTO3)
    listed = sealed(b"")
    def begins(reads):
        reading, writing = os.pipe()
        try:
            with node.connect("box-builder", "BoxBuilder") as connection:
                connection.start("BoxBuilder.ExportBox", request, [writing, listed])
                os.close(writing)
                # Nothing where those that went away before have yet to be noticed.
                return not reads or os.read(reading, 10)
        finally:
            os.close(reading)
    for reads in (0, 1, 0, 1, 0):
        wait_until(lambda: begins(reads), 60, "an export begins")
    os.close(listed)

    def works():
        try:
            return export(node, box.service_id, w.box.CODEC_PROTO3)[0] == whole
        except w.Fault as fault:
            assert fault.subject == "exports"
            return False
    wait_until(works, 60, "an export has room")
    # Whoever reads and whose reading end closes early is told so.
    reading, writing = os.pipe()
    os.close(reading)
    listed = sealed(b"")
    with node.connect("box-builder", "BoxBuilder") as connection, pytest.raises(w.Fault) as caught:
        list(connection.stream("BoxBuilder.ExportBox", request, [writing, listed], PATIENCE))
    os.close(writing)
    os.close(listed)
    assert (caught.value.code, caught.value.reason) == ("INVALID", "BAD_DESCRIPTOR")
    node.remove_box(box.service_id)


# What is refused.

def test_another_id_than_expected_is_refused_with_both(node):
    whole = service(branch("start", START, 0o100755))
    fault = refused(node, whole, expected_id=bytes(32))
    assert (fault.code, fault.subject) == ("CORRUPT", "00" * 32)
    assert fault.lines == [hashlib.sha3_256(whole).hexdigest()]


def test_a_block_with_another_digest_is_refused_with_both(node):
    whole = service(branch("start", START, 0o100755) + branch("large", LARGE))
    at = whole.index(LARGE)
    data = bee.package(bee.chunks(whole[:at]), bee.block(LARGE, name=b"n" * 32),
                       bee.chunks(whole[at + len(LARGE):]))
    fault = refused(node, data)
    assert (fault.code, fault.subject) == ("CORRUPT", b"n".hex() * 32)
    assert fault.lines == [hashlib.sha3_256(LARGE).hexdigest()]


def test_a_package_cut_anywhere_is_refused_and_leaves_nothing(node):
    print("seed", SEED)
    content = LARGE[:3000]
    whole = service(branch("start", START, 0o100755) + branch("large", content))
    at = whole.index(content)
    data = bee.package(
        bee.chunks(whole[:at]), bee.block(content), bee.chunks(whole[at + len(content):]))
    for size in random.Random(SEED).sample(range(1, len(data)), 60):
        assert refused(node, data[:size]).reason == "TRUNCATED", size
    for size in random.Random(SEED).sample(range(1, len(whole)), 60):
        fault = refused(node, whole[:size], codec=w.box.CODEC_PROTO3)
        assert fault.code in ("INVALID", "CORRUPT"), size


def test_altered_packages_are_refused_or_are_another_box(node):
    print("seed", SEED)
    chance = random.Random(SEED)
    whole = service(branch("start", START, 0o100755) + branch("large", LARGE[:3000]))
    expected = hashlib.sha3_256(whole).digest()
    apart = service(branch("start", START, 0o100755) + pointed("large", LARGE[:3000]))
    pointing = bee.package(bee.chunks(apart), bee.block(LARGE[:3000]))
    for turn in range(300):
        data = (bee.package(bee.chunks(whole)), pointing)[turn % 2]
        altered = bytearray(data)
        altered[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            # Its first byte may be the one: what it is has to be said.
            box = import_bytes(node, bytes(altered), expected_id=expected, codec=w.box.CODEC_BEE)
        except w.Fault as fault:
            assert fault.code in ("INVALID", "CORRUPT", "TOO_LARGE", "NOT_FOUND"), fault
        else:
            # Only what is not part of the service may have changed.
            assert box.service_id == expected
            node.remove_box(expected)
    assert node.list_boxes() == []


@pytest.mark.parametrize("data, code, reason", [
    (b"", "INVALID", "TRUNCATED"),
    (b"What is this?", "UNSUPPORTED", "UNSPECIFIED"),
    (service(branch("a", b"1") + branch("a", b"2")), "INVALID", "DUPLICATE"),
    (service(branch("a/b", b"1")), "INVALID", "BAD_NAME"),
    (service(branch("..", b"1")), "INVALID", "BAD_NAME"),
    (service(branch(b"\xff", b"1")), "INVALID", "BAD_NAME"),
    (service(branch("n" * 256, b"1")), "TOO_LARGE", "UNSPECIFIED"),
    (service(b"\x0a\xff\x01"), "INVALID", "TRUNCATED"),
    (service(blob(1, blob(1, "a") + b"\x12\xff\xff\x03x")), "INVALID", "TRUNCATED"),
    (b"\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "INVALID", "MALFORMED"),
    (b"\x00\x00\x00\x02\x10\x01", "INVALID", "MALFORMED"),
    (b"\x00\xff\xff\xff", "TOO_LARGE", "UNSPECIFIED"),
], ids=[
    "nothing", "text", "twice", "slash", "parent", "not UTF-8", "long", "cut", "past the end",
    "a varint without end", "a record alone", "a record of 16 MB"])
def test_bad_bytes_are_refused_by_what_is_wrong(node, data, code, reason):
    fault = refused(node, data)
    assert (fault.code, fault.reason) == (code, reason)


def test_what_is_wrong_in_a_tree_is_named_with_its_path_and_offset(node):
    inner = branch("a", b"1")
    whole = service(blob(1, blob(1, "etc") + blob(4, inner + inner) + identity.attributes(0o040755)))
    fault = refused(node, whole)
    assert (fault.reason, fault.subject) == ("DUPLICATE", "etc/a")
    assert 0 < fault.fault.actual < len(whole)
    assert fault.lines == [f"byte {fault.fault.actual}"]


def test_a_box_for_another_machine_is_kept_moved_and_inspected_and_refused_at_start(node):
    whole = service(branch("start", START, 0o100755), architecture="linux/arm64")
    box = import_bytes(node, whole)
    assert box.architecture == "linux/arm64"
    assert export(node, box.service_id, w.box.CODEC_PROTO3)[0] == whole
    inspected = node.command("boxes", "inspect", box.service_id.hex(), "--format", "json")
    assert json.loads(inspected.stdout)["box"]["architecture"] == "linux/arm64"
    with pytest.raises(w.Fault) as caught:
        node.start_service(box.service_id)
    assert caught.value.code == "UNSUPPORTED" and "linux/arm64" in caught.value.subject
    node.remove_box(box.service_id)


def test_a_builder_that_is_killed_while_a_package_comes_in_keeps_nothing_of_it(fresh_node):
    whole = identity.service(PLAIN, tree(large=LARGE * 8, note=b"n"))
    data = bee.package(bee.chunks(whole[:-100]))[:-len(bee.SEPARATOR)]
    reading, writing = os.pipe()
    with fresh_node.connect("box-builder", "BoxBuilder") as connection:
        connection.start("BoxBuilder.ImportPackage", w.box.ImportPackageRequest(), [reading])
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            # What a pipe holds is read when the rest has been written.
            pipe.write(data)
            pipe.flush()
            fresh_node.kill("box-builder")
    assert fresh_node.list_boxes() == []
    wait_until(lambda: not [name for name, _ in files_below(fresh_node.state / "box-builder")
                            if name.startswith(("objects", "images", "staging"))], 60, "nothing is left")
    assert import_bytes(fresh_node, whole).service_id == hashlib.sha3_256(whole).digest()


# The command.

def test_a_file_that_was_exported_is_imported_and_a_failed_export_leaves_no_file(node, tmp_path):
    whole = service(branch("start", START, 0o100755) + branch("large", LARGE))
    file = tmp_path / "box.celaut"
    file.write_bytes(whole)
    made = node.command("boxes", "import", file, "--tag", "web", "--format", "json")
    assert made.returncode == 0, made.stderr
    service_id = json.loads(made.stdout)["id"]
    assert service_id == hashlib.sha3_256(whole).hexdigest()
    package = tmp_path / "box.celaut.bee"
    written = node.command("boxes", "export", "web", "--codec", "bee", "--output", package)
    assert written.returncode == 0, written.stderr
    assert bee.Package(package.read_bytes()).service == whole
    streamed = subprocess.run(
        [CELAUTCTL, "boxes", "export", "web", "--runtime", node.runtime], stdout=subprocess.PIPE,
        timeout=PATIENCE)
    assert streamed.stdout == whole
    again = node.command("boxes", "import", package, "--expect", service_id, "--format", "json")
    assert json.loads(again.stdout)["alreadyPresent"]
    wrong = node.command("boxes", "import", package, "--expect", "ab" * 32)
    assert wrong.returncode == 65 and service_id in wrong.stderr and "ab" * 32 in wrong.stderr
    assert node.command("boxes", "remove", "web").returncode == 0
    nothing = node.command("boxes", "export", "web", "--output", tmp_path / "nothing")
    assert nothing.returncode == 66
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box.celaut", "box.celaut.bee"]


def test_diff_names_each_file_and_field_that_differs(node):
    one = service(branch("a", b"1") + branch("both", b"same") + branch("gone", b"x")
                  + branch("start", START, 0o100755))
    other = service(branch("a", b"22") + branch("both", b"same", 0o100600) + branch("new", b"y")
                    + branch("start", START, 0o100755), architecture="linux/arm64")
    ids = [import_bytes(node, data).service_id.hex() for data in (one, other)]
    same = node.command("boxes", "diff", ids[0], ids[0])
    assert (same.returncode, same.stdout) == (0, "")
    found = node.command("boxes", "diff", *ids, "--format", "json")
    assert found.returncode == 1
    assert {(d["kind"], d["path"], d["attribute"], d["left"][:12], d["right"][:12])
            for d in json.loads(found.stdout)} == {
        ("changed", "/a", "size", "1", "2"),
        ("changed", "/a", "digest", hashlib.sha256(b"1").hexdigest()[:12],
         hashlib.sha256(b"22").hexdigest()[:12]),
        ("changed", "/both", "mode", "0100644", "0100600"),
        ("removed", "/gone", "", "file 1 2d711", ""), ("added", "/new", "", "", "file 1 a1fce"),
        ("changed", "container.architecture.tags[0]", "", "linux/amd64", "linux/arm64")}
    shown = node.command("boxes", "diff", *ids)
    assert "~ /both" in shown.stdout and "0100644 -> 0100600" in shown.stdout
    for service_id in ids:
        node.command("boxes", "remove", service_id)
