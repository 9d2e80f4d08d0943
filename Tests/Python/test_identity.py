"""A service has the same id for everybody: ours agrees with a computation that shares no code with
it, and does not depend on how the tree was sent."""

import json
import os
import random
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

import boxes
import identity
from boxes import described, entry

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "examples" / "redis"
TREE = Path(__file__).resolve().parent / "redis-tree"


def as_entries(tree, order):
    """The tree as entries of a tar, files in any order, with owners and times that must not count."""
    for number, name in enumerate(order):
        kind, *rest = tree[name]
        more = dict(uid=number, gid=7, mtime=1_600_000_000 + number)
        if kind == "file":
            yield entry("./" + name, rest[1], mode=rest[0], **more)
        elif kind == "link":
            yield entry(name, kind=tarfile.SYMTYPE, link=rest[0], **more)
        else:
            yield entry(name + "/", kind=tarfile.DIRTYPE, mode=rest[0], **more)


def check(node, description, tree, order=None):
    order = list(order or tree)
    box = node.import_box(boxes.tar_bytes(as_entries(tree, order)), description)
    assert box.service_id.hex() == identity.service_id(description, tree).hex()
    assert box.canonical_bytes == len(identity.service(description, tree))
    node.remove_box(box.service_id)
    return box


START = ("file", 0o755, boxes.script("exit 0"))
PLAIN = described(init={"entry_path": ["start"]}, api=[])


def test_the_id_of_a_small_tree_is_the_documented_one(node):
    check(node, PLAIN, {
        "start": START, "etc": ("directory", 0o700), "etc/empty": ("file", 0o600, b""),
        "lib": ("link", "/usr/lib"), "usr/lib/x": ("file", 0o644, b"x" * 200),
        "vide": ("directory", 0o1777), "é": ("file", 0o644, "ü".encode())})


def test_the_id_covers_slots_protocols_variables_and_resources(node):
    description = described(
        init={"entry_path": ["usr", "bin", "start"]},
        api=[{"port": 80, "transport": "tcp", "protocol": ["http", "tls"]},
             {"port": 53, "transport": "udp"}],
        envs={"B": "", "A": ""},
        resources={"at_init": {"mem_limit": 64 << 20, "cpu_period": 100_000, "cpu_quota": 50_000,
                               "blkio_weight": 500},
                   "at_most": {"mem_limit": 128 << 20, "cpu_period": 100_000, "cpu_quota": 50_000,
                               "blkio_weight": 500}})
    check(node, description, {"usr/bin/start": START})


def test_the_id_of_a_file_of_many_pieces_is_the_documented_one(node):
    check(node, PLAIN, {"start": START, "large": ("file", 0o644, os.urandom(5_000_001))})


def test_generated_trees_have_the_documented_ids_in_any_order(node):
    print(f"CELAUT_SEED={SEED}")
    chance = random.Random(SEED)
    for _ in range(25):
        tree = {"start": START}
        folders = [""]
        for number in range(chance.randrange(1, 60)):
            parent = chance.choice(folders)
            name = parent + chance.choice("abcXYZ_é.-") * chance.randrange(1, 9) + f"{number}"
            kind = chance.randrange(4)
            if kind == 0:
                tree[name] = ("directory", chance.choice([0o755, 0o700, 0o1777]))
                folders.append(name + "/")
            elif kind == 1:
                tree[name] = ("link", "/" + chance.choice(["x", "usr/lib", name]))
            else:
                size = chance.choice([0, 1, 63, 64, 65, 4_096, 70_000])
                tree[name] = ("file", chance.choice([0o644, 0o755, 0o600]), chance.randbytes(size))
        order = list(tree)
        chance.shuffle(order)
        check(node, PLAIN, tree, order)


def test_the_id_of_the_example_is_the_documented_one(node, scratch):
    root = scratch / "identity-redis"
    subprocess.run([TREE, root], check=True, stdout=subprocess.DEVNULL)
    tree = {}
    for path in root.rglob("*"):
        name, mode = str(path.relative_to(root)), stat.S_IMODE(path.lstat().st_mode) & 0o1777
        if path.is_symlink():
            tree[name] = ("link", os.readlink(path))
        elif path.is_dir():
            tree[name] = ("directory", mode)
        else:
            tree[name] = ("file", mode, path.read_bytes())
    check(node, json.loads((EXAMPLE / "service.json").read_text()), tree)


@pytest.mark.parametrize("change", ["content", "mode", "name", "entrypoint", "slot"])
def test_any_difference_is_a_difference_of_the_id(node, change):
    tree, description = {"start": START, "a": ("file", 0o644, b"a")}, described(PLAIN)
    first = identity.service_id(description, tree)
    if change == "content":
        tree["a"] = ("file", 0o644, b"b")
    elif change == "mode":
        tree["a"] = ("file", 0o600, b"a")
    elif change == "name":
        tree["b"] = tree.pop("a")
    elif change == "entrypoint":
        tree["go"] = START
        description["init"] = {"entry_path": ["go"]}
    else:
        description["api"] = [{"port": 1, "transport": "tcp"}]
    assert check(node, description, tree).service_id != first
