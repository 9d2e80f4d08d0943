"""Directories within directories: one bound for every way in, so that what one takes the others take."""

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile

import pytest

import bee
import boxes
import identity
import wire_client as w
from boxes import described, entry
from identity import blob
from node import store_of, wait_until
from test_exchange import export, import_bytes

# Names on the way to an entry, its own counted.
DEPTH = 64
PLAIN = described(init={"entry_path": ["start"]}, api=[])
START = boxes.script("exit 0")


def path(depth):
    return "/".join(["d"] * (depth - 1) + ["f"])


def entries(depth, prefix=""):
    return [entry(prefix + "start", START), entry(prefix + path(depth), b"x", mode=0o644)]


def canonical(depth):
    return identity.service(
        PLAIN, {"start": ("file", 0o755, START), path(depth): ("file", 0o644, b"x")})


def tar(node, depth, folder):
    return node.import_box(boxes.tar_bytes(entries(depth)), PLAIN)


def compressed_tar(node, depth, folder):
    return node.import_box(boxes.tar_bytes(entries(depth), mode="w:xz"), PLAIN)


def layer(node, depth, folder):
    """The deep entry is in the second layer."""
    layers = [boxes.tar_bytes([one]) for one in entries(depth)]
    return node.import_box(
        boxes.image_bytes(gzip.compress(layers[0]), layers[1], plain=layers), PLAIN)


def expanded(node, depth, folder):
    return import_bytes(node, canonical(depth))


def package(node, depth, folder):
    return import_bytes(node, bee.package(bee.chunks(canonical(depth))))


def pointers(node, depth, folder):
    """Each directory from the second on is a block that points to the next: nothing but the reader
    that puts them together sees how deep it is."""
    inner = blob(1, blob(1, "f") + blob(2, b"x") + identity.attributes(0o100644))
    blocks = []
    for _ in range(depth - 2):
        blocks.append(bee.block(inner))
        inner = blob(1, blob(1, "d") + blob(4, bee.pointer(hashlib.sha3_256(inner).digest()))
                     + identity.attributes(0o040755))
    start = blob(1, blob(1, "start") + blob(2, START) + identity.attributes(0o100755))
    top = blob(1, blob(1, "d") + blob(4, inner) + identity.attributes(0o040755)) + start
    whole, short = canonical(depth), identity.filesystem(
        {"start": ("file", 0o755, START), path(depth): ("file", 0o644, b"x")})
    before, after = whole.split(short)
    # The length of the filesystem and that of the container around it.
    container = blob(2, identity.tags(1, "linux/amd64") + blob(2, top) + after)
    assert before.endswith(identity.varint(len(short)))
    return import_bytes(node, bee.package(bee.chunks(container), *reversed(blocks)))


def json_codec(node, depth, folder):
    with_tree = json.loads(sample(node, w.box.CODEC_JSON))
    with_tree["container"]["filesystem"] = base64.b64encode(identity.filesystem(
        {"start": ("file", 0o755, START), path(depth): ("file", 0o644, b"x")})).decode()
    return import_bytes(node, json.dumps(with_tree).encode())


def json_zip(node, depth, folder):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sample(node, w.box.CODEC_JSON_ZIP))) as made, \
            zipfile.ZipFile(out, "w") as archive:
        for info in made.infolist():
            if info.filename != "filesystem/f":
                archive.writestr(info, made.read(info))
        for level in range(1, depth):
            info = zipfile.ZipInfo("filesystem/" + "d/" * level)
            info.create_system, info.external_attr = 3, 0o040755 << 16
            archive.writestr(info, b"")
        info = zipfile.ZipInfo("filesystem/" + path(depth))
        info.create_system, info.external_attr = 3, 0o100644 << 16
        archive.writestr(info, b"x")
    return import_bytes(node, out.getvalue())


def sample(node, codec):
    """A box whose deep entry is not deep, in a codec."""
    box = node.import_box(boxes.tar_bytes(entries(1)), PLAIN)
    data = export(node, box.service_id, codec)[0]
    node.remove_box(box.service_id)
    return data


def directory(node, depth, folder):
    """A project's folder, as celautctl packs it."""
    made = folder / f"deep-{depth}"
    below = made / "rootfs"
    below.mkdir(parents=True)
    (made / "service.json").write_text(json.dumps(PLAIN))
    (below / "start").write_bytes(START)
    (below / "start").chmod(0o755)
    for _ in range(depth - 1):
        below = below / "d"
        below.mkdir(mode=0o755)
        below.chmod(0o755)
    (below / "f").write_bytes(b"x")
    (below / "f").chmod(0o644)
    done = node.command("pack", "--format", "json", str(made))
    if done.returncode == 0:
        return w.box.BoxSummary(service_id=bytes.fromhex(json.loads(done.stdout)["id"]))
    told = json.loads(done.stderr.splitlines()[-1])["condition"]
    reason = "FAULT_REASON_TOO_DEEP" if told["reason"] == "tooDeep" else "FAULT_REASON_UNSPECIFIED"
    raise w.Fault(w.wire.Fault(
        code="FAULT_CODE_INVALID", reason=reason, limit=told["limit"]).SerializeToString())


SOURCES = [directory, tar, compressed_tar, layer, expanded, package, pointers, json_codec, json_zip]


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_goes_to_the_same_depth_and_gives_the_same_box(node, tmp_path, source):
    expected = hashlib.sha3_256(canonical(DEPTH)).digest()
    assert source(node, DEPTH, tmp_path).service_id == expected
    node.remove_box(expected)


@pytest.mark.parametrize("depth", [DEPTH + 1, 100])
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_refuses_what_is_deeper_by_one_rule(node, tmp_path, source, depth):
    before = store_of(node)
    with pytest.raises(w.Fault) as caught:
        source(node, depth, tmp_path)
    assert caught.value.reason == "TOO_DEEP" and caught.value.fault.limit == DEPTH, caught.value
    assert not node.list_boxes()
    wait_until(lambda: store_of(node) == before, 60, "the store is as it was")
