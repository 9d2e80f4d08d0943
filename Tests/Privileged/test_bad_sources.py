"""Sources that are no boxes: bombs, layers that reach out, projects that ask for what there is not. Each
gets an error that names the thing at fault, and leaves the store as it was."""

import gzip
import hashlib
import io
import json
import lzma
import tarfile

import pytest

import boxes
import projects
import wire_client as w
from boxes import entry
from node import store_of, wait_until
from projects import pack, project, refused

GIBIBYTE = 1 << 30


@pytest.fixture(autouse=True)
def store_stays_as_it_was(node):
    listed, store = node.list_boxes(), store_of(node)
    yield
    assert node.list_boxes() == listed
    wait_until(lambda: store_of(node) == store, 60, "the store has what it had")


def imported(node, archive, **fields):
    """The fault of an import."""
    with pytest.raises(w.Fault) as caught:
        node.import_box(archive, boxes.described(), **fields)
    return caught.value


def zeros(path, size):
    """A compressed tar with a file of zeros of the size: members of gzip, each of a piece."""
    info = tarfile.TarInfo("zeros")
    info.size = size
    piece = 64 << 20
    member = gzip.compress(bytes(piece))
    with open(path, "wb") as file:
        file.write(gzip.compress(info.tobuf(tarfile.PAX_FORMAT)))
        for _ in range(size // piece):
            file.write(member)
        file.write(gzip.compress(bytes(1024)))


def test_a_bomb_of_compressed_zeros_is_refused_early(node, scratch):
    path = scratch / "bomb.tar.gz"
    zeros(path, 3 * GIBIBYTE)
    with open(path, "rb") as file:
        fault = imported(node, file.fileno())
    assert fault.code == "TOO_LARGE" and fault.subject == "zeros", fault
    # What is taken is the free part and a multiple of what came.
    assert fault.fault.limit < 3 * GIBIBYTE


def test_a_sparse_file_that_says_it_has_terabytes_is_refused(node):
    """Declared in the header, not in the bytes that come."""
    info = tarfile.TarInfo("huge")
    info.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "huge",
        "GNU.sparse.realsize": str(8 << 40)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        body = b"1\n0\n0\n".ljust(512, b"\0")
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    fault = imported(node, buffer.getvalue())
    assert fault.code == "TOO_LARGE" and fault.subject == "huge", fault


@pytest.mark.parametrize("hole", ["none", "front", "end", "all"])
def test_a_sparse_file_is_as_long_as_it_says(node, scratch, hole):
    """Made by GNU tar: holes anywhere read as zeros. The same box as without holes in the tar."""
    made = project(scratch / f"sparse-{hole}")
    projects.busybox(made / "rootfs")
    path = made / "rootfs/file"
    with open(path, "wb") as file:
        file.truncate(3_000_000)
        if hole in ("none", "front"):
            file.seek(2_990_000)
            file.write(b"x" * 10_000)
        if hole in ("none", "end"):
            file.seek(0)
            file.write(b"y" * 10_000)
    archive = scratch / f"sparse-{hole}.tar"
    projects.run("tar", "-S", "-C", made / "rootfs", "-cf", archive, ".")
    assert archive.stat().st_size < 2_200_000
    plain, sparse = pack(node, made), pack(node, made, "--rootfs", archive)
    node.remove_box(bytes.fromhex(plain["id"]))
    assert sparse["id"] == plain["id"] and sparse["contentBytes"] == plain["contentBytes"]


def test_a_layer_is_measured_against_the_archive_it_came_in(node, scratch):
    """A bomb in a layer in a compressed archive: two compressors, one bound."""
    layer = scratch / "layer.tar.gz"
    zeros(layer, 2 * GIBIBYTE)
    image = scratch / "bomb-image.tar.gz"
    image.write_bytes(gzip.compress(boxes.image_bytes(layer.read_bytes()), 1))
    assert image.stat().st_size < 2 << 20
    with open(image, "rb") as file:
        fault = imported(node, file.fileno())
    assert fault.code == "TOO_LARGE" and fault.subject == "zeros", fault


@pytest.mark.parametrize("name, reason", [
    (".wh...", "PATH_ESCAPES"), ("a/.wh...", "PATH_ESCAPES"), ("../.wh.x", "PATH_ESCAPES"),
    ("/.wh.etc", "PATH_ABSOLUTE"), (".wh.", "BAD_NAME")])
def test_a_whiteout_that_names_a_path_outside_is_refused(node, name, reason):
    layer = boxes.tar_bytes([entry("probe", b"\x7fELF")])
    fault = imported(node, boxes.image_bytes(layer, boxes.tar_bytes([entry(name)])))
    assert fault.code == "INVALID" and fault.reason == reason, fault


def test_a_truncated_layer_is_told_by_its_digest(node):
    layer = boxes.tar_bytes([entry("probe", b"\x7fELF"), entry("data", bytes(50_000))])
    whole = boxes.image_bytes(layer)
    start = whole.index(layer)
    fault = imported(node, whole[:start + 1000] + bytes(len(layer) - 1000) + whole[start + len(layer):])
    assert fault.code == "CORRUPT" and "blobs/sha256/" in fault.subject, fault


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_a_compressed_stream_that_ends_early_is_told_as_truncated(node, mode):
    import os
    whole = boxes.tar_bytes([entry("probe", b"\x7fELF"), entry("data", os.urandom(300_000))], mode=mode)
    for kept in (10, len(whole) // 2, len(whole) - 9):
        fault = imported(node, whole[:kept])
        assert fault.code == "INVALID" and fault.reason in ("TRUNCATED", "MALFORMED"), (kept, fault)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_a_layer_that_is_not_the_one_its_configuration_names_is_refused(node, compress):
    """The blob is what its digest says; what is in it is not what the image was made with."""
    layer = boxes.tar_bytes([entry("probe", b"\x7fELF"), entry("data", bytes(50_000))])
    other = boxes.tar_bytes([entry("probe", b"\x7fELF"), entry("data", bytes(50_001))])
    fault = imported(node, boxes.image_bytes(compress(layer), plain=[other]))
    assert fault.code == "CORRUPT" and "layer sha256:" in fault.subject, fault
    told = [f"diff_id sha256:{hashlib.sha256(other).hexdigest()}",
            f"unpacked sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert fault.lines == told, fault
    # Bytes behind the end of the tar count as well.
    fault = imported(node, boxes.image_bytes(compress(layer + bytes(70_000)), plain=[layer]))
    assert fault.code == "CORRUPT", fault


def test_an_index_that_is_named_again_and_again_is_not_read_as_often(node):
    """Indices in indices, each naming the next one a hundred times: ten thousand documents to read."""
    files, named = [], [{"digest": "sha256:" + "0" * 64, "platform": {"os": "unknown"}}]
    for _ in range(3):
        document = json.dumps({"manifests": named * 100}).encode()
        digest = hashlib.sha256(document).hexdigest()
        files.append(entry(f"blobs/sha256/{digest}", document))
        named = [{"digest": f"sha256:{digest}", "size": len(document)}]
    files[-1] = entry("index.json", document)
    fault = imported(node, boxes.tar_bytes([entry("oci-layout", b"{}"), *files]))
    assert (fault.code, fault.subject, fault.fault.limit) == ("TOO_LARGE", "index.json", 4_096), fault


def test_an_image_names_as_many_layers_as_it_has(node):
    layer = boxes.tar_bytes([entry("probe", b"\x7fELF")])
    for plain in ([], [layer, layer]):
        fault = imported(node, boxes.image_bytes(layer, plain=plain))
        assert (fault.code, fault.reason) == ("INVALID", "MALFORMED"), fault
        assert "diff_ids" in fault.subject and fault.fault.limit == 1, fault


@pytest.mark.parametrize("name", [b"bad\xff", b"\xc3\x28", b"d\xed\xa0\x80"])
def test_a_name_that_is_not_utf8_is_refused_never_mangled(node, name):
    info = tarfile.TarInfo("x" * len(name))
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[:len(name)] = name
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    fault = imported(node, bytes(header) + bytes(1024))
    assert fault.code == "INVALID" and fault.reason == "BAD_NAME", fault


def test_owners_past_what_an_instance_has_are_refused_where_they_are_kept(node, scratch):
    archive = boxes.tar_bytes([entry("probe", b"\x7fELF", uid=70_000)])
    (scratch / "owner.tar").write_bytes(archive)
    made = project(scratch / "owner")
    complaint = refused(node, made, "--rootfs", scratch / "owner.tar", "--keep-owners")
    assert complaint["condition"]["reason"] == "outOfRange", complaint


@pytest.mark.parametrize("config, key", [
    ({"zip": True}, "zip"), ({"inclde": []}, "inclde"), ({"ignore": ["!kept"]}, "ignore"),
    ({"dependencies": ["x"], "dependencies_env": True}, "dependencies_env"),
    ({"include": ["../outside"]}, "include"), ({"debian": ["-o"]}, "debian")])
def test_a_key_that_is_not_honoured_is_refused_by_its_name(node, scratch, config, key):
    made = project(scratch / "keys", config=config)
    projects.busybox(made / "rootfs")
    complaint = refused(node, made)
    assert complaint["exitCode"] == 65 and f'"{key}"' in complaint["error"], complaint


@pytest.mark.parametrize("option, value", [
    ("--base", "debian:12=layout"), ("--image-name", "app:1"), ("--update", None)])
def test_an_option_that_would_do_nothing_is_refused(node, scratch, option, value):
    made = project(scratch / "options")
    projects.busybox(made / "rootfs")
    complaint = refused(node, made, option, *([value] if value else []))
    assert complaint["exitCode"] == 64 and option in complaint["error"], complaint


def test_a_folder_that_is_no_image_is_called_by_its_name(node, scratch):
    made = project(scratch / "no-image")
    projects.busybox(made / "rootfs")
    complaint = refused(node, made, "--image", made / "rootfs")
    assert "is no container image" in complaint["error"], complaint
    assert str(made / "rootfs") in complaint["error"], complaint


def test_a_project_of_nothing_says_what_it_could_be_made_of(node, scratch):
    complaint = refused(node, project(scratch / "nothing"))
    assert complaint["exitCode"] == 66
    assert "Debian" in complaint["error"] and "--image" in complaint["hint"]
