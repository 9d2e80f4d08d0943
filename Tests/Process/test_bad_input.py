"""What cannot be in a box, in every way that a box comes in: a clear error that names it, and the store
as it was."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
import zlib

import pytest

import bee
import boxes
import identity
import wire_client as w
from boxes import described, entry
from identity import blob
from node import store_of, wait_until
from test_exchange import export, import_bytes, service

PLAIN = described(init={"entry_path": ["start"]}, api=[])
START = boxes.script("exit 0")


@pytest.fixture(autouse=True)
def store_stays_as_it_was(node):
    listed, store = node.list_boxes(), store_of(node)
    yield
    assert node.list_boxes() == listed
    wait_until(lambda: store_of(node) == store, 60, "the store has what it had")


def branch(name, content=b"x", mode=0o100644, field=2, more=b""):
    name = name if isinstance(name, bytes) else name.encode()
    return blob(1, blob(1, name) + blob(field, content) + identity.attributes(mode) + more)


def tar_of(names):
    """A tar whose names are any bytes: by pax where they do not fit a header."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8",
                      errors="surrogateescape") as archive:
        for name in [b"start", *names]:
            info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
            info.mode, info.size = 0o755, len(START)
            archive.addfile(info, io.BytesIO(START))
    return out.getvalue()


def by_tar(node, names):
    return node.import_box(tar_of(names), PLAIN)


def by_layer(node, names):
    tar = tar_of(names)
    return node.import_box(boxes.image_bytes(gzip.compress(tar), plain=[tar]), PLAIN)


def tree_of(names):
    return branch("start", START, 0o100755) + b"".join(branch(name) for name in names)


def by_proto3(node, names):
    return import_bytes(node, service(tree_of(names)))


def by_bee(node, names):
    return import_bytes(node, bee.package(bee.chunks(service(tree_of(names)))))


def by_pointers(node, names):
    """The names are in a block, which a pointer stands for."""
    tree = tree_of(names)
    top = blob(2, identity.tags(1, "linux/amd64")
               + blob(2, bee.pointer(hashlib.sha3_256(tree).digest())) + blob(3, blob(1, "start")))
    return import_bytes(node, bee.package(bee.chunks(top), bee.block(tree)))


def by_json(node, names):
    return import_bytes(node, json.dumps({"container": {
        "architecture": {"tags": ["linux/amd64"]}, "init": {"entryPath": ["start"]},
        "filesystem": base64.b64encode(tree_of(names)).decode()}}).encode())


def by_zip(node, names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("service.json", json.dumps({"container": {"init": {"entryPath": ["start"]}}}))
        for number, name in enumerate([b"start", *names]):
            info = zipfile.ZipInfo("filesystem/" + chr(65 + number) * len(name))
            info.create_system, info.external_attr = 3, 0o100755 << 16
            archive.writestr(info, START)
    data = out.getvalue()
    for number, name in enumerate([b"start", *names]):
        data = data.replace(b"filesystem/" + bytes([65 + number]) * len(name), b"filesystem/" + name)
    return import_bytes(node, data)


ARCHIVES, FORMS = [by_tar, by_layer, by_zip], [by_proto3, by_bee, by_pointers, by_json]
NAMES = {
    "a parent": ([b".."], ("PATH_ESCAPES", "BAD_NAME"), ARCHIVES + FORMS),
    "a way out": ([b"a/../../b"], ("PATH_ESCAPES", "BAD_NAME"), ARCHIVES + FORMS),
    "an absolute name": ([b"/etc/x"], ("PATH_ABSOLUTE", "BAD_NAME"), ARCHIVES + FORMS),
    "not UTF-8": ([b"\xc3\x28"], ("BAD_NAME",), ARCHIVES + FORMS),
    "half a surrogate": ([b"d\xed\xa0\x80"], ("BAD_NAME",), ARCHIVES + FORMS),
    "overlong": ([b"\xc0\xafx"], ("BAD_NAME",), ARCHIVES + FORMS),
    "256 bytes": ([b"n" * 256], ("NAME_TOO_LONG", "UNSPECIFIED"), ARCHIVES + FORMS),
    "70,000 bytes": ([b"n" * 70_000], ("NAME_TOO_LONG", "UNSPECIFIED"), ARCHIVES[:2] + FORMS),
    "a slash": ([b"a/b"], ("BAD_NAME",), FORMS),
    "NUL": ([b"a\0b"], ("BAD_NAME",), FORMS + [by_zip]),
    "nothing": ([b""], ("BAD_NAME",), FORMS),
    "itself": ([b"."], ("BAD_NAME",), FORMS),
    "twice": ([b"same", b"same"], ("DUPLICATE",), FORMS + [by_zip]),
}


@pytest.mark.parametrize("what, way", [(what, way) for what in NAMES for way in NAMES[what][2]])
def test_a_name_is_refused_whatever_it_comes_in(node, what, way):
    names, reasons, _ = NAMES[what]
    with pytest.raises(w.Fault) as caught:
        way(node, names)
    assert caught.value.code in ("INVALID", "TOO_LARGE"), caught.value
    assert caught.value.reason in reasons, caught.value


# A file whose content is said to be longer than what there is.
LONG = blob(1, blob(1, "a") + b"\x12\xff\xff\x03x")
PAST_THE_END = {
    "a service": service(LONG), "a service of 2^63": b"\x12" + identity.varint(2**63) + b"x",
    "a service of 2^64": b"\x12" + identity.varint(2**64 - 1) + b"x",
    "a package": bee.package(bee.chunks(service(LONG))),
    "a record": bee.record(b"\x0a\x7fabc"),
    "a marker": bee.metadata() + bee.head(2) + bee.record(b"\x2a\x7fabc"),
    "a package's last record": bee.package(bee.chunks(service(b"")))[:-1],
    "a block": bee.package(
        bee.chunks(blob(2, blob(2, bee.pointer(hashlib.sha3_256(LONG).digest())))), bee.block(LONG)),
    "a value": json.dumps({"container": {"filesystem": base64.b64encode(LONG).decode()}}).encode(),
}


@pytest.mark.parametrize("what", PAST_THE_END)
def test_a_length_past_the_end_is_refused_whatever_it_comes_in(node, what):
    with pytest.raises(w.Fault) as caught:
        import_bytes(node, PAST_THE_END[what])
    fault = caught.value
    assert fault.code == "INVALID" and fault.reason in ("TRUNCATED", "MALFORMED"), fault
    assert fault.subject, fault


@pytest.mark.parametrize("declared, code", [
    (8 << 40, "TOO_LARGE"), (300 << 30, "TOO_LARGE"), (2 << 30, "INVALID"), ((1 << 63) - 1, "INVALID")])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_what_a_tar_declares_is_not_taken_for_what_comes(node, declared, code, compress):
    """A bomb of a header: past the bound it is told by its size, below by its end."""
    info = tarfile.TarInfo("big")
    info.size = declared
    data = boxes.tar_bytes([entry("start", START)])[:1_024] + info.tobuf(tarfile.GNU_FORMAT) + b"x" * 1_000
    with pytest.raises(w.Fault) as caught:
        node.import_box(compress(data), PLAIN)
    assert caught.value.code == code, caught.value
    assert caught.value.subject in ("big", "archive"), caught.value


@pytest.mark.parametrize("way", ARCHIVES + FORMS)
def test_a_name_of_any_bytes_that_are_text_is_kept_as_it_is(node, way):
    """Nothing is composed, folded or escaped on the way."""
    names = sorted(["é".encode(), "e\u0301".encode(), b"a\\b", b"con", b"x ", b"\x01\x7f", "ß".encode(),
                    "\u212b".encode(), "\u202e".encode(), b"*", b"n" * 255])
    box = way(node, names)
    whole = export(node, box.service_id, w.box.CODEC_PROTO3)[0]
    for name in names:
        assert whole.count(blob(1, name)) == 1, name
    node.remove_box(box.service_id)


def test_a_zip_whose_two_names_differ_is_refused(node):
    """One stands in the directory at its end, one where the entry is: readers differ in which they take."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("service.json", json.dumps({"container": {"init": {"entryPath": ["start"]}}}))
        for name in ("filesystem/start", "filesystem/other"):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o100755 << 16
            archive.writestr(info, START)
    data = out.getvalue()
    places = [at for at in range(len(data)) if data.startswith(b"filesystem/other", at)]
    assert len(places) == 2
    for at in places:
        with pytest.raises(w.Fault) as caught:
            import_bytes(node, data[:at] + b"filesystem/elses" + data[at + 16:])
        assert (caught.value.code, caught.value.reason) == ("INVALID", "BAD_NAME"), caught.value


@pytest.mark.parametrize("method, subject", [
    (zipfile.ZIP_STORED, "filesystem/link"), (zipfile.ZIP_DEFLATED, "text of a link in the zip")])
def test_a_link_in_a_zip_whose_text_has_nul_is_refused(node, method, subject):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("service.json", json.dumps({"container": {"init": {"entryPath": ["start"]}}}))
        for name, mode, text in (("start", 0o100755, START), ("link", 0o120777, b"start\0x")):
            info = zipfile.ZipInfo("filesystem/" + name)
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
            archive.writestr(info, text)
    with pytest.raises(w.Fault) as caught:
        import_bytes(node, out.getvalue())
    assert (caught.value.reason, caught.value.subject) == ("BAD_NAME", subject), caught.value
    if method == zipfile.ZIP_STORED:
        # Without it, it is a link.
        data = out.getvalue().replace(b"start\0x", b"start/x")
        crc = [zlib.crc32(text).to_bytes(4, "little") for text in (b"start\0x", b"start/x")]
        node.remove_box(import_bytes(node, data.replace(*crc)).service_id)


def test_nul_ends_a_name_in_a_tar_as_gnu_tar_reads_it(node):
    def record(key, value):
        body = b" " + key + b"=" + value + b"\n"
        size = len(body)
        while len(str(size)) + len(body) != size:
            size = len(str(size)) + len(body)
        return str(size).encode() + body
    said = record(b"path", b"na\0me")
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(said)
    data = header.tobuf(tarfile.USTAR_FORMAT) + said.ljust(512, b"\0") + boxes.tar_bytes(
        [entry("plain", b"x", mode=0o644), entry("start", START)])
    theirs = subprocess.run(["tar", "tf", "-"], input=data, stdout=subprocess.PIPE, check=True).stdout
    assert theirs.split() == [b"na", b"start"]
    box = node.import_box(data, PLAIN)
    assert box.service_id == identity.service_id(
        PLAIN, {"na": ("file", 0o644, b"x"), "start": ("file", 0o755, START)})
    node.remove_box(box.service_id)


def in_circle(count):
    """Symbolic links, each to the next and the last to the first."""
    return {f"l{n}": ("link", f"/l{(n + 1) % count}") for n in range(count)}


@pytest.mark.parametrize("count", [1, 2, 41])
def test_an_entrypoint_in_a_circle_of_links_is_refused(node, count):
    entries = [entry("start", START), *(
        entry(name, kind=tarfile.SYMTYPE, link=link[1]) for name, link in in_circle(count).items())]
    with pytest.raises(w.Fault) as caught:
        node.import_box(boxes.tar_bytes(entries), described(PLAIN, init={"entry_path": ["l0", "x"]}))
    assert (caught.value.code, caught.value.reason) == ("INVALID", "FILE_MISSING"), caught.value
    with pytest.raises(w.Fault) as caught:
        node.import_box(boxes.tar_bytes([*entries, entry("l0/x")]), PLAIN)
    assert caught.value.code == "INVALID", caught.value
    # Links alone may lead in a circle: nobody follows them here.
    box = node.import_box(boxes.tar_bytes(entries), PLAIN)
    assert box.service_id == identity.service_id(
        PLAIN, {"start": ("file", 0o755, START), **in_circle(count)})
    node.remove_box(box.service_id)


@pytest.mark.parametrize("more", [
    identity.pairs(5, {"device.major": "1", "device.minor": "3"}),
    identity.pairs(5, {"device.is_block": "1"})])
def test_a_device_in_a_package_is_refused_by_its_path(node, more):
    tree = branch("dev", branch("start", START) + branch("null", b"", more=more), 0o040755, field=4)
    for data in (service(tree), bee.package(bee.chunks(service(tree)))):
        with pytest.raises(w.Fault) as caught:
            import_bytes(node, data)
        assert (caught.value.reason, caught.value.subject) == ("SPECIAL_FILE", "dev/null"), caught.value


def cut(node, data, stops, **fields):
    for size in stops:
        with pytest.raises(w.Fault) as caught:
            import_bytes(node, data[:size], **fields)
        assert caught.value.code in ("INVALID", "CORRUPT", "NOT_FOUND"), (size, caught.value)


@pytest.mark.parametrize("form", ["expanded", "a tree block", "pointers"])
def test_a_package_cut_at_any_byte_is_refused(node, form):
    """Small enough that every byte has its turn."""
    tree = branch("start", START, 0o100755) + branch("z", b"content")
    whole = service(tree)
    if form == "pointers":
        top = blob(2, identity.tags(1, "linux/amd64")
                   + blob(2, bee.pointer(hashlib.sha3_256(tree).digest())) + blob(3, blob(1, "start")))
        data = bee.package(bee.chunks(top), bee.block(tree))
    elif form == "expanded":
        data = bee.package(bee.chunks(whole))
    else:
        at, mark = whole.index(tree), bee.marker(hashlib.sha3_256(tree).digest())
        data = bee.package(bee.chunks(whole[:at]), mark, bee.chunks(tree), mark,
                           bee.chunks(whole[at + len(tree):]))
    cut(node, data, range(len(data)), codec=w.box.CODEC_BEE)
    box = import_bytes(node, data)
    assert box.service_id == hashlib.sha3_256(whole).digest()
    node.remove_box(box.service_id)


def test_a_box_whose_program_is_not_in_it_can_be_moved_and_is_refused_at_start(node):
    """Of a package nothing is changed or added: what is missing is missing at the start."""
    whole = service(branch("other", START, 0o100755))
    box = import_bytes(node, whole)
    assert export(node, box.service_id, w.box.CODEC_PROTO3)[0] == whole
    with pytest.raises(w.Fault) as caught:
        node.start_service(box.service_id)
    assert "start" in f"{caught.value.subject} {caught.value.lines}", caught.value
    assert not node.list_services()
    node.remove_box(box.service_id)
