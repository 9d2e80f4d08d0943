"""A box shows the tree it was made of: looked at from outside, entry by entry, against what GNU tar
and umoci unpack. The kinds of roots are both looked at: one with the owners that the tree has, one, which
can have no others, with them normalised."""

import gzip
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

import boxes
import identity
import projects
import wire_client as w
from boxes import described, entry
from identity import blob
from mounts import OpenedBox
from node import Node

DESCRIPTION = described(init={"entry_path": ["start"]}, api=[])
TREES, PART = 200, 20


@pytest.fixture(scope="module", params=["layers", "checkout"])
def node(request):
    with Node(roots=request.param) as running:
        running.roots = request.param
        yield running


def digest(descriptor):
    """SHA-256 of a file from its start."""
    whole = hashlib.sha256()
    while piece := os.read(descriptor, 1 << 20):
        whole.update(piece)
    return whole.hexdigest()


# What the system the tests run on gives every file there is.
LABELS = {"security.selinux", "security.SMACK64", "security.ima", "security.evm"}


def attributes(path):
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if name not in LABELS}


def entries(root, owner=lambda status: (status.st_uid, status.st_gid), is_ours=True):
    """Every path below a directory, given as a descriptor: all that can be seen of it. Of others' trees
    without what a box does not keep, by policy: set-id bits, and attributes that are not the user's."""
    found = {}
    kept = 0o7777 if is_ours else 0o1777

    def of(opened):
        return {name: value for name, value in attributes(f"/proc/self/fd/{opened}").items()
                if is_ours or name.startswith("user.")}

    def look(path, name, parent):
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        one = {"kind": stat.filemode(status.st_mode)[0], "owner": owner(status)}
        if kind != stat.S_IFLNK:
            one["mode"] = oct(status.st_mode & kept)
        if kind == stat.S_IFLNK:
            one["link"] = os.readlink(name, dir_fd=parent)
        elif kind == stat.S_IFREG:
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
            one["size"], one["digest"] = status.st_size, digest(opened)
            one["attributes"] = of(opened)
            os.close(opened)
        found[path] = one
        if kind == stat.S_IFDIR:
            opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
            one["attributes"] = of(opened)
            for inner in os.listdir(opened):
                look(inner if path == "." else os.path.join(path, inner), inner, opened)
            os.close(opened)
    look(".", ".", root)
    # The root's own mode is of the place it was unpacked to.
    del found["."]
    return found


def unpacked(folder):
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return entries(root, is_ours=False)
    finally:
        os.close(root)


def normalised(theirs):
    """Without the owners, which a box does not keep unless that is asked."""
    return {path: {**one, "owner": (0, 0)} for path, one in theirs.items()}


def without_empty(theirs):
    """An attribute without a value is none in a pax header as Go's programs read it."""
    return {path: {**one, "attributes": {name: value for name, value in one["attributes"].items() if value}}
            if "attributes" in one else one for path, one in theirs.items()}


def same(node, archive, theirs, description=None):
    """Imports, and compares all that can be seen: with the tree's owners where this kind of root has
    them. The box."""
    keeps = node.roots == "layers"
    box = node.import_box(archive, description or DESCRIPTION, keep_owners=keeps)
    assert_same(shown(node, box), theirs if keeps else normalised(theirs))
    return box


def shown(node, box):
    with node.connect("box-builder", "BoxBuilder") as connection, \
            OpenedBox(connection, box.service_id.hex(), "fidelity") as opened:
        own = os.fstat(opened.root)
        base = (own.st_uid, own.st_gid)
        return entries(opened.root, owner=lambda status: (
            status.st_uid - base[0], status.st_gid - base[1]))


def assert_same(ours, theirs):
    wrong = {path: (ours.get(path), theirs.get(path))
             for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    assert not wrong, json.dumps({path: repr(pair) for path, pair in list(wrong.items())[:5]}, indent=1)


def archived(folder):
    return subprocess.run(
        ["tar", "--format=pax", "--sort=name", "--xattrs", "-C", folder, "-cf", "-", "."],
        check=True, stdout=subprocess.PIPE).stdout


def extracted(archive, folder):
    """What GNU tar makes of an archive."""
    folder.mkdir()
    subprocess.run(["tar", "--xattrs", "-p", "--numeric-owner", "-C", folder, "-xf", "-"], check=True,
                   input=archive)
    return unpacked(folder)


def extracted_by_umoci(archive, folder):
    """What umoci makes of it, as the only layer of an image."""
    blobs = folder / "layout/blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content, kind):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        found = hashlib.sha256(content).hexdigest()
        (blobs / found).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{found}",
                "size": len(content)}
    layer = blob(archive, "layer.v1.tar")
    manifest = blob({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [layer],
        "config": blob({"architecture": "amd64", "os": "linux", "config": {},
                        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}, "config.v1+json")},
        "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (folder / "layout/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "layout/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    subprocess.run(["umoci", "unpack", "--image", f"{folder}/layout:1", folder / "bundle"], check=True,
                   stdout=subprocess.DEVNULL)
    theirs = unpacked(folder / "bundle/rootfs")
    shutil.rmtree(folder)
    return theirs


ALPHABETS = ["abcdefghijklmnopqrstuvwxyz0123456789._-", "äöüßéñçø", "日本語漢字", "🙂🚀", " \t!\"#$%&'()*+,:;<=>?@[]^`{|}~\\"]


def name(source):
    """1 to 255 bytes; often the longest there are."""
    alphabet = source.choice(ALPHABETS)
    wanted = source.choice([1, 2, 8, 8, 8, 30, 255])
    text = ""
    while len((text + alphabet[0]).encode()) <= wanted or not text:
        text += source.choice(alphabet)
        if len(text.encode()) > 255:
            text = text[:-1]
            break
    # A name of a layer's own language would mean something else to whoever applies it.
    return "x" + text[1:] if text in (".", "..") or text.startswith(".wh.") else text


def generate(folder, source):
    """A tree of up to some dozens of entries."""
    folder.mkdir()
    start = folder / "start"
    start.write_bytes(b"#!/bin/sh\n")
    start.chmod(0o755)
    directories, files = [folder], [start]
    for _ in range(source.randrange(40)):
        parent = source.choice(directories)
        if len(str(parent)) > 3_000:
            continue
        path = parent / name(source)
        if path.exists() or path.is_symlink():
            continue
        kind = source.random()
        if kind < 0.3:
            path.mkdir()
            directories.append(path)
        elif kind < 0.45:
            path.symlink_to(source.choice(
                ["/start", "start", "../start", "../../../../x", "nowhere/at all", "/", ".", f"x/{name(source)}"]))
        elif kind < 0.5:
            os.link(source.choice(files), path)
        else:
            with open(path, "wb") as file:
                if source.random() < 0.1:
                    file.seek(source.randrange(1 << 20))
                file.write(source.randbytes(source.choice([0, 1, 100, 4_096, 4_097, 70_000, 300_000])))
            files.append(path)
        if not path.is_symlink() and source.random() < 0.2:
            for number in range(source.randrange(1, 4)):
                os.setxattr(path, f"user.{number}", source.randbytes(source.randrange(200)))
    for path in folder.rglob("*"):
        if source.random() < 0.5:
            os.lchown(path, source.choice([1, 33, 1_000, 65_534]), source.choice([0, 42, 1_000, 65_535]))
    for path in [*files, *directories[1:]]:
        path.chmod(source.choice([0o755, 0o644, 0o600, 0o444, 0o555, 0o1777, 0o4755, 0o2711, 0o000]))
    start.chmod(0o755)


@pytest.mark.parametrize("part", range(TREES // PART))
def test_a_generated_tree_is_shown_as_gnu_tar_and_umoci_unpack_it(node, tmp_path, part):
    trees = PART if node.roots == "layers" else PART // 5
    base = int(os.environ["CELAUT_SEED"])
    for number in range(trees):
        seed = f"{base} {part} {number}"
        print(f"CELAUT_SEED={base}, tree {part} {number}")
        folder = tmp_path / f"tree-{number}"
        generate(folder, random.Random(seed))
        archive = archived(folder)
        theirs = extracted(archive, tmp_path / f"unpacked-{number}")
        if node.roots == "layers":
            assert_same(extracted_by_umoci(archive, tmp_path / f"image-{number}"), without_empty(theirs))
        node.remove_box(same(node, archive, theirs).service_id)
        shutil.rmtree(tmp_path / f"unpacked-{number}")
        shutil.rmtree(folder)
    code = node.command("boxes", "verify").returncode
    assert code == 0


@pytest.fixture(scope="session")
def debian(scratch):
    """A Debian root without its devices, and what GNU tar makes of its archive."""
    root, log = scratch / "debian", scratch / "debootstrap.log"
    # A mirror fails now and then.
    for _ in range(3):
        with open(log, "ab") as said:
            if subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root], stdout=said,
                              stderr=said).returncode == 0:
                break
        shutil.rmtree(root, ignore_errors=True)
    assert root.is_dir(), log.read_text()[-3_000:]
    shutil.rmtree(root / "dev")
    (root / "var/log/attributed").write_bytes(b"kept")
    os.setxattr(root / "var/log/attributed", "user.kept", b"yes")
    archive = scratch / "debian.tar"
    archive.write_bytes(archived(root))
    theirs = extracted(archive.read_bytes(), scratch / "debian-unpacked")
    assert_same(extracted_by_umoci(archive.read_bytes(), scratch / "debian-image"), theirs)
    yield archive, theirs
    for folder in (root, scratch / "debian-unpacked"):
        shutil.rmtree(folder)


def test_a_debian_root_is_shown_as_gnu_tar_and_umoci_unpack_it(node, debian):
    archive, theirs = debian
    assert len(theirs) > 5_000
    assert {one["owner"] for one in theirs.values()} > {(0, 0), (0, 42)}
    description = described(init={"entry_path": ["usr", "bin", "env"]}, api=[])
    with open(archive, "rb") as file:
        box = same(node, file.fileno(), theirs, description)
    assert box.entries == len(theirs)
    node.remove_box(box.service_id)


def test_an_image_made_by_umoci_is_shown_as_umoci_unpacks_it(node, tmp_path):
    seed = int(os.environ["CELAUT_SEED"])
    print(f"CELAUT_SEED={seed}")
    source = random.Random(seed)
    image = f"{tmp_path}/layout:1"

    def umoci(*arguments):
        subprocess.run(["umoci", *arguments], check=True, stdout=subprocess.DEVNULL)
    umoci("init", "--layout", tmp_path / "layout")
    umoci("new", "--image", image)
    for layer in range(3):
        bundle, tree = tmp_path / f"bundle-{layer}", tmp_path / f"tree-{layer}"
        umoci("unpack", "--image", image, bundle)
        generate(tree, source)
        inside = bundle / "rootfs"
        # A later layer takes away, and replaces, some of what the earlier ones brought.
        for path in sorted(inside.iterdir()):
            if path.name != "start" and source.random() < 0.4:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        kept = inside / f"layer-{layer}"
        subprocess.run(["cp", "-a", tree, kept], check=True)
        shutil.copy2(tree / "start", inside / "start")
        (inside / f"layer-{layer}-hard").hardlink_to(kept / "start")
        umoci("repack", "--image", image, bundle)
    umoci("unpack", "--image", image, tmp_path / "final")
    theirs = unpacked(tmp_path / "final" / "rootfs")
    archive = subprocess.run(["tar", "-C", tmp_path / "layout", "-cf", "-", "."], check=True,
                             stdout=subprocess.PIPE).stdout
    node.remove_box(same(node, archive, theirs).service_id)


def made_by_buildah(folder, layers):
    """An image of generated trees, each over what is left of the one before: (buildah, its tag)."""
    seed = int(os.environ["CELAUT_SEED"])
    print(f"CELAUT_SEED={seed}")
    source = random.Random(seed)
    buildah, tag = projects.Buildah(folder), "scratch"
    for layer in range(layers):
        container = buildah("from", "--quiet", tag).split()[-1]
        inside, tree = Path(buildah("mount", container).strip()), folder / f"tree-{layer}"
        generate(tree, source)
        for path in sorted(inside.iterdir()):
            if path.name != "start" and source.random() < 0.25:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        subprocess.run(["cp", "-a", tree, inside / f"layer-{layer}"], check=True)
        shutil.copy2(tree / "start", inside / "start")
        (inside / f"layer-{layer}-hard").hardlink_to(inside / f"layer-{layer}" / "start")
        buildah("umount", container)
        tag = f"made:{layer}"
        buildah("commit", "--quiet", "--format", "oci", container, tag)
        buildah("rm", container)
    return buildah, tag


def test_an_image_made_by_buildah_is_shown_as_umoci_unpacks_it(node, tmp_path):
    buildah, tag = made_by_buildah(tmp_path, 3)
    buildah.push(tag, f"oci:{tmp_path}/layout:1")
    subprocess.run(["umoci", "unpack", "--image", f"{tmp_path}/layout:1", tmp_path / "final"],
                   check=True, stdout=subprocess.DEVNULL)
    theirs = without_empty(unpacked(tmp_path / "final" / "rootfs"))
    keeps = node.roots == "layers"
    box = node.import_box(archived(tmp_path / "layout"), DESCRIPTION, keep_owners=keeps)
    assert_same(without_empty(shown(node, box)), theirs if keeps else normalised(theirs))
    node.remove_box(box.service_id)


def test_a_layer_made_by_buildah_is_shown_as_gnu_tar_unpacks_it(node, tmp_path):
    """One layer, so that nothing has to be applied: the tar in it, read by GNU tar."""
    buildah, tag = made_by_buildah(tmp_path, 1)
    buildah.push(tag, f"oci:{tmp_path}/layout:1")
    blobs = [path.read_bytes() for path in (tmp_path / "layout/blobs/sha256").iterdir()]
    layer, = [blob for blob in blobs if blob.startswith(b"\x1f\x8b")]
    theirs = extracted(gzip.decompress(layer), tmp_path / "final")
    node.remove_box(same(node, archived(tmp_path / "layout"), theirs).service_id)


def test_owners_are_kept_where_asked_and_a_checkout_refuses_them(node):
    archive = boxes.tar_bytes([entry("start", b"#!/bin/sh\n", uid=7, gid=8), entry("other", uid=65_000)])
    descriptors = [boxes.as_descriptor(archive), boxes.as_descriptor(json.dumps(DESCRIPTION).encode())]
    with node.connect("box-builder", "BoxBuilder") as connection:
        *_, last = connection.stream(
            "BoxBuilder.ImportBox", w.box.ImportBoxRequest(keep_owners=True), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if node.roots == "checkout":
            with pytest.raises(w.Fault) as caught:
                shown(node, last.box)
            assert caught.value.code == "UNSUPPORTED", caught.value
        else:
            owners = {path: one["owner"] for path, one in shown(node, last.box).items()}
            assert owners == {"start": (7, 8), "other": (65_000, 0)}
    node.remove_box(last.box.service_id)


def test_a_hundred_thousand_files_in_one_directory_are_all_there(node):
    count = 100_000
    archive = boxes.tar_bytes(
        [entry("start", b"#!/bin/sh\n")] + [entry(f"many/{number:06}") for number in range(count)])
    box = node.import_box(archive, DESCRIPTION)
    with node.connect("box-builder", "BoxBuilder") as connection, \
            OpenedBox(connection, box.service_id.hex(), "many") as opened:
        many = os.open("many", os.O_RDONLY | os.O_DIRECTORY, dir_fd=opened.root)
        assert sorted(os.listdir(many)) == [f"{number:06}" for number in range(count)]
        os.close(many)
    node.remove_box(box.service_id)


CAPABILITY = bytes.fromhex("0100000200040000" + "0" * 24)


def test_what_a_box_keeps_of_an_entry_and_what_not_is_the_same_for_both_kinds_of_roots(node, tmp_path):
    """One of each, looked at with no other tool between: what is not kept first."""
    folder = tmp_path / "tree"
    folder.mkdir()

    def made(name, mode, content=b"x"):
        (folder / name).write_bytes(content)
        (folder / name).chmod(mode)
        return folder / name
    made("start", 0o755)
    made("setuid", 0o4755), made("setgid", 0o2711), made("both", 0o6555), made("unreadable", 0)
    os.setxattr(made("capable", 0o755), "security.capability", CAPABILITY)
    os.setxattr(folder / "capable", "trusted.of-the-host", b"host")
    (folder / "empty-directory").mkdir()
    (folder / "closed").mkdir()
    made("closed/in", 0), (folder / "closed" / "link").symlink_to("in")
    (folder / "closed").chmod(0)
    (folder / "setgid-directory").mkdir()
    (folder / "setgid-directory").chmod(0o3777)
    for path in (made("empty", 0o640, b""), made("full", 0o604), folder / "empty-directory"):
        os.setxattr(path, "user.first", b"1")
        os.setxattr(path, "user.none", b"")
    (folder / "hard").hardlink_to(folder / "full")
    long = "é" * 127 + "x"
    made(long, 0o600, b"long")
    (folder / ("d" * 255)).mkdir()
    (folder / ("d" * 255) / "日本語🙂").symlink_to(f"../{long}")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    (folder / "above").symlink_to("../../../../start")
    with open(folder / "sparse", "wb") as file:
        file.write(b"begin")
        file.seek(16 << 20)
        file.write(b"end")
    archive = subprocess.run(
        ["tar", "--format=pax", "--sparse", "--xattrs", "--xattrs-include=*", "-C", folder, "-cf", "-", "."],
        check=True, stdout=subprocess.PIPE).stdout
    assert b"security.capability" in archive and len(archive) < 1 << 20
    box = node.import_box(archive, DESCRIPTION)
    ours = shown(node, box)
    modes = {name: ours[name]["mode"] for name in (
        "setuid", "setgid", "both", "unreadable", "setgid-directory", "empty", "full", "hard")}
    assert modes == {
        "setuid": "0o755", "setgid": "0o711", "both": "0o555", "unreadable": "0o0",
        "setgid-directory": "0o1777", "empty": "0o640", "full": "0o604", "hard": "0o604"}
    assert ours["capable"]["attributes"] == {}
    for name in ("empty", "full", "hard", "empty-directory"):
        assert ours[name]["attributes"] == {"user.first": b"1", "user.none": b""}, name
    assert ours["empty"]["size"] == 0 and ours["empty-directory"]["kind"] == "d"
    assert ours["hard"]["digest"] == ours["full"]["digest"]
    assert ours[long]["size"] == 4 and len(long.encode()) == 255
    assert ours[f"{'d' * 255}/日本語🙂"]["link"] == f"../{long}"
    assert (ours["dangling"]["link"], ours["above"]["link"]) == ("/nowhere/at/all", "../../../../start")
    assert_same(ours, normalised(unpacked(folder)))
    with node.connect("box-builder", "BoxBuilder") as connection, \
            OpenedBox(connection, box.service_id.hex(), "sparse") as opened:
        sparse = os.open("sparse", os.O_RDONLY, dir_fd=opened.root)
        assert os.fstat(sparse).st_size == (16 << 20) + 3
        # Where the first hole is, and the data behind it: the blocks an overlay tells are of no file.
        assert os.lseek(sparse, 0, os.SEEK_HOLE) < 1 << 20
        assert os.lseek(sparse, 1 << 20, os.SEEK_DATA) > 15 << 20
        os.close(sparse)
        again = os.stat("hard", dir_fd=opened.root), os.stat("full", dir_fd=opened.root)
        assert [status.st_nlink for status in again] == [1, 1]
    assert node.command("boxes", "verify").returncode == 0
    node.remove_box(box.service_id)


def test_a_package_keeps_its_set_id_bits_and_no_root_has_them(node, tmp_path):
    """They are part of its id; in a root nothing changes who a program runs as."""
    def branch(name, mode, content, field=2):
        return blob(1, blob(1, name) + blob(field, content) + identity.attributes(mode))
    tree = (branch("both", 0o106755, b"x") + branch("start", 0o100755, b"#!/bin/sh\n")
            + branch("sticky", 0o043777, branch("in", 0o102711, b""), field=4))
    whole = blob(2, identity.tags(1, "linux/amd64") + blob(2, tree) + blob(3, blob(1, "start")))
    file, back = tmp_path / "box.celaut", tmp_path / "back.celaut"
    file.write_bytes(whole)
    box = json.loads(node.command("boxes", "import", file, "--format", "json").stdout)["id"]
    assert box == hashlib.sha3_256(whole).hexdigest()
    with node.connect("box-builder", "BoxBuilder") as connection, \
            OpenedBox(connection, box, "fidelity") as opened:
        assert {path: one["mode"] for path, one in entries(opened.root).items()} == {
            "start": "0o755", "both": "0o755", "sticky": "0o1777", "sticky/in": "0o711"}
    assert node.command("boxes", "export", box, "-o", back).returncode == 0
    assert back.read_bytes() == whole
    assert node.command("boxes", "verify").returncode == 0
    node.remove_box(bytes.fromhex(box))


def test_directories_within_directories_are_shown_to_the_bound(node):
    path = "/".join("d" for _ in range(60))
    box = node.import_box(
        boxes.tar_bytes([entry("start", b"#!/bin/sh\n"), entry(f"{path}/end", b"deep")]), DESCRIPTION)
    assert shown(node, box)[f"{path}/end"]["size"] == 4
    node.remove_box(box.service_id)


def test_a_checkout_that_is_altered_is_found_and_named(node):
    if node.roots == "layers":
        assert not list((node.state / "box-builder" / "checkouts").iterdir())
        return
    # Nobody mounts an image here, and none is made.
    assert not list((node.state / "box-builder" / "images").iterdir())
    marked = {"pax_headers": {"SCHILY.xattr.user.a": "1"}}
    content = os.urandom(500_000)
    box = node.import_box(boxes.tar_bytes([
        entry("start", b"#!/bin/sh\n"), entry("d/large", content, mode=0o400), entry("empty", **marked),
        entry("with/", kind=tarfile.DIRTYPE, **marked), entry("owned", b"x"), entry("more", b"x", **marked),
    ]), DESCRIPTION)
    assert node.command("boxes", "verify").returncode == 0
    root = node.state / "box-builder" / "checkouts" / box.service_id.hex()
    status = (root / "d/large").stat()
    with open(root / "d/large", "r+b") as file:
        file.seek(400_000)
        file.write(bytes([content[400_000] ^ 255, content[400_001], content[400_002] ^ 255]))
    os.utime(root / "d/large", ns=(status.st_atime_ns, status.st_mtime_ns))
    (root / "extra").write_bytes(b"")
    (root / "start").unlink()
    os.setxattr(root / "empty", "user.a", b"2")
    os.removexattr(root / "with", "user.a")
    os.setxattr(root / "more", "user.b", b"1")
    os.chown(root / "owned", 12_345, -1)
    report = json.loads(node.command("boxes", "verify", "--format", "json").stdout)
    found = {(one["kind"], one["name"].split("/", 2)[2], one["offset"], one["bytes"])
             for one in report["findings"] if one["name"].count("/") > 1}
    assert found >= {("altered", "d/large", 400_000, 3), ("not of the box", "extra", 0, 0),
                     ("missing", "start", 0, 0)}
    assert found >= {("altered", name, 0, 0) for name in ("empty", "with", "more", "owned")}
    node.remove_box(box.service_id)
    assert not root.exists()
    assert node.command("boxes", "verify").returncode == 0
