"""The same project is the same box: whoever packs it, when, where, in which language, with how many
processors, on which file system."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import projects
from daemon import BareDaemon, configuration_of
from projects import pack, project, run

NAMES = [f"d{number % 7}/e{number % 3}/f{number}" for number in range(300)] + [
    "a", "A", "\u00e9", "e\u0301", "\u540d\u524d", "n" * 255, "with space", "back\\slash", "-rf", "#x"]


# One that this process may run on.
ONE_PROCESSOR = {min(os.sched_getaffinity(0))}


def fill(tree, reverse=False):
    """A tree of many names; made in either order, which file systems then list differently."""
    projects.busybox(tree)
    for name in reversed(NAMES) if reverse else NAMES:
        projects.write(tree / name, name * 3)
    (tree / "link").symlink_to("../d1/./e1")
    (tree / "empty").mkdir()
    os.link(tree / "a", tree / "another")
    return tree


@pytest.fixture(scope="module")
def made(scratch):
    folder = project(scratch / "reproducible")
    fill(folder / "rootfs")
    return folder


@pytest.fixture(scope="module")
def mixed(scratch):
    """Of packages, a dependency and files of its own."""
    child = project(scratch / "mixed/child")
    projects.busybox(child / "rootfs")
    folder = project(scratch / "mixed", config={
        "debian": ["busybox"], "dependencies": {"CHILD": "child"},
        "service_dependencies_directory": "opt/deep/services"}, rootfs__etc__own="x")
    os.setxattr(folder / "rootfs/etc/own", "user.comment", b"kept")
    return folder


@pytest.fixture(scope="module")
def box(node, made):
    return pack(node, made)


def copied(made, scratch, name):
    target = scratch / f"reproducible-{name}"
    run("cp", "-a", made, target)
    return target


def same(node, folder, box, *arguments, **options):
    assert pack(node, folder, *arguments, **options)["id"] == box["id"]


def test_by_another_language_zone_and_umask(node, made, box):
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "LANG": "C", "TZ": "Pacific/Kiritimati"}
    same(node, made, box, env=environment, umask=0o077, cwd="/")


OTHERWISE = {"umask": 0o077, "cwd": "/", "preexec_fn": lambda: os.sched_setaffinity(0, ONE_PROCESSOR)}
ABROAD = {"LC_ALL": "tr_TR.UTF-8", "LANG": "C", "TZ": "Pacific/Kiritimati"}


def test_made_of_packages_dependencies_and_files_under_other_conditions(node, mixed, scratch):
    """Nothing that is made on the way shows who made it where: the frame of the packages, the folder and
    the files of the dependencies."""
    box = pack(node, mixed)
    elsewhere = scratch / "mixed-elsewhere"
    elsewhere.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", elsewhere)
    try:
        same(node, mixed, box, env={**os.environ, **ABROAD, "TMPDIR": str(elsewhere)}, **OTHERWISE)
    finally:
        run("umount", elsewhere)


def test_attributes_stay_where_dependencies_are_added(node, made, scratch):
    child = project(scratch / "beside")
    projects.busybox(child / "rootfs")
    target = copied(made, scratch, "beside-it")
    os.setxattr(target / "rootfs/a", "user.comment", b"kept")
    alone = pack(node, target)
    (target / "pack_config.json").write_text(json.dumps({"dependencies": ["../beside"]}))
    with_it = pack(node, target)
    told = json.loads(node.command(
        "boxes", "diff", alone["id"], with_it["id"], "--format", "json").stdout)
    assert [(one["path"], one["kind"]) for one in told] == [("/.dependencies", "added")]
    os.setxattr(target / "rootfs/a", "trusted.of-the-host", b"x")
    explained = pack(node, target, "--explain")
    assert explained["id"] == with_it["id"]
    [removed] = [kind for kind in explained["normalised"] if kind["what"] == "attribute removed"]
    assert removed["entries"] == [{"path": "a", "had": "trusted.of-the-host"}]


def test_with_one_processor(node, made, box):
    same(node, made, box, preexec_fn=lambda: os.sched_setaffinity(0, ONE_PROCESSOR))


def test_owned_by_another_user_on_another_day(node, made, box, scratch):
    target = copied(made, scratch, "owner")
    for number, path in enumerate(sorted(target.rglob("*"))):
        os.chown(path, 1000 + number % 5, 100, follow_symlinks=False)
        os.utime(path, ns=(number * 10**9 + 5, number * 86_400 * 10**9 + 7), follow_symlinks=False)
    same(node, target, box)
    same(node, target, box, "--explain")
    assert pack(node, target, "--keep-owners")["id"] != box["id"]


def test_packed_by_another_user(node, made, box, mixed, scratch):
    """Of a node that takes boxes from more than root."""
    user = 65_534
    configuration = configuration_of(node, "box-builder")
    state = scratch / "of-another"
    state.mkdir()
    os.chown(state, configuration.uid, configuration.gid)
    text = configuration.text.replace(f'"{node.state}"', f'"{state}"')
    text = text.replace("admin = [0]", f"admin = [0, {user}]")
    assert str(state) in text and str(user) in text
    mine = scratch / "of-nobody"
    mine.mkdir()
    os.chown(mine, user, user)
    environment = {**os.environ, "HOME": str(mine), "TMPDIR": str(mine)}
    environment.pop("XDG_CACHE_HOME", None)
    with BareDaemon("box-builder", configuration.with_text(text)) as daemon:
        daemon.wait_ready()
        for folder, expected in ((made, box), (mixed, pack(node, mixed))):
            done = node.command(
                "pack", str(folder), "--format", "json", runtime=daemon.folder, env=environment,
                user=user, group=user, extra_groups=[], umask=0o077)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["id"] == expected["id"]
    assert sorted(path.name for path in mine.iterdir()) == [".cache"]


def test_made_in_another_order(node, made, box, scratch):
    target = project(scratch / "reproducible-order")
    fill(target / "rootfs", reverse=True)
    same(node, target, box)


def test_with_set_id_bits_attributes_and_capabilities_of_the_host(node, made, box, scratch):
    target = copied(made, scratch, "bits")
    (target / "rootfs/bin/busybox").chmod(0o6755)
    os.setxattr(target / "rootfs/a", "security.capability", bytes.fromhex("0100000200040000" + "0" * 24))
    os.setxattr(target / "rootfs/a", "trusted.of-the-host", b"x")
    same(node, target, box)
    told = {kind["what"]: kind for kind in pack(node, target, "--explain")["normalised"]}
    assert [e for e in told["setuid and setgid bits removed"]["entries"]] == [
        {"path": "bin/busybox", "had": "6755"}]
    names = {entry["had"] for entry in told["attribute removed"]["entries"]}
    assert {"security.capability", "trusted.of-the-host"} <= names
    assert told["hard link became a file with the same content"]["entries"][0]["had"] in (
        "./a", "a", "./another")


def test_as_an_archive_however_compressed(node, made, box, scratch):
    archive = scratch / "reproducible.tar"
    run("tar", "-C", made / "rootfs", "-cf", archive, ".")
    same(node, made, box, "--rootfs", archive)
    for suffix, words in ((".gz", ["gzip", "-kn"]), (".xz", ["xz", "-k0"]), (".bz2", ["bzip2", "-k"]),
                          (".zst", ["zstd", "-kq"])):
        run(*words, archive)
        same(node, made, box, "--rootfs", f"{archive}{suffix}")
    with open(archive, "rb") as stream:
        same(node, made, box, "--rootfs", "-", stdin=stream)


def test_on_two_file_systems(node, made, box, scratch):
    """ext4 with hashed directories, and memory."""
    image, place = scratch / "ext4.image", scratch / "mounted"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    run("mkfs.ext4", "-q", "-F", "-O", "dir_index", image)
    for words in (["-o", "loop", image], ["-t", "tmpfs", "tmpfs"]):
        run("mount", *words, place)
        try:
            run("cp", "-a", made, place / "project")
            same(node, place / "project", box)
        finally:
            run("umount", place)


def test_a_change_of_one_bit_is_another_box(node, made, box, scratch):
    target = copied(made, scratch, "changed")
    path = target / "rootfs/a"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    changed = pack(node, target)["id"]
    assert changed != box["id"]
    shutil.rmtree(target / "rootfs")
    run("cp", "-a", made / "rootfs", target / "rootfs")
    (target / "rootfs/empty").chmod(0o700)
    assert pack(node, target)["id"] not in (changed, box["id"])


def test_what_a_user_keeps_with_a_file_is_part_of_it(node, made, box, scratch):
    target = copied(made, scratch, "attribute")
    os.setxattr(target / "rootfs/a", "user.comment", b"kept")
    assert pack(node, target)["id"] != box["id"]


# What goes in.

def test_include_and_ignore_choose_files_at_any_depth(node, scratch):
    target = project(scratch / "chosen", config={
        "include": ["bin", "src", "top"], "ignore": ["*.pyc", "tests/", "/src/only-here"]})
    tree = projects.busybox(target / "rootfs")
    for name in ("src/a", "src/a.pyc", "src/deep/b.pyc", "src/tests/t", "src/deep/tests/t", "top",
                 "other", "src/only-here", "src/deep/only-here"):
        projects.write(tree / name, name)
    expected = project(scratch / "chosen-by-hand")
    projects.busybox(expected / "rootfs")
    for name in ("src/a", "src/deep/only-here", "top"):
        projects.write(expected / "rootfs" / name, name)
    assert pack(node, target)["id"] == pack(node, expected)["id"]


def test_nothing_of_a_pack_is_left_but_the_box(node, made, scratch):
    temporary = scratch / "temporary"
    temporary.mkdir()
    stale = temporary / "celaut-pack.999999999.00"
    stale.mkdir()
    target = project(scratch / "left", config={"debian": ["busybox"], "ignore": ["nothing"]})
    pack(node, target, env={**os.environ, "TMPDIR": str(temporary)})
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in target.iterdir()) == [
        "debian.lock.json", "pack_config.json", "service.json"]
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if str(scratch) in line]
    assert subprocess.run(["pgrep", "-P", str(os.getpid()), "tar"], check=False).returncode == 1
