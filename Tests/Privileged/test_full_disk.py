"""A full disk under the store: an error that says so, nothing half-stored, and a node that goes on."""

import os
import subprocess

import pytest

import boxes
import wire_client as w
from boxes import described, entry
from node import Node, files_below, wait_until

START = entry("start", boxes.script("exit 0"))
DESCRIPTION = described(init={"entry_path": ["start"]}, api=[])


@pytest.fixture
def small_node(tmp_path_factory):
    """A node whose whole state is on an ext4 of 48 MiB."""
    base = tmp_path_factory.mktemp("celaut-small")
    for folder in [base, *base.parents][:3]:
        folder.chmod(0o755)
    image, mount = base / "disk", base / "mount"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        with Node(state=mount / "state", base=base) as node:
            yield node
    finally:
        subprocess.run(["umount", mount], check=True)


def free_bytes(node):
    disk = os.statvfs(node.state)
    return disk.f_bavail * disk.f_frsize


def test_a_box_larger_than_the_disk_is_refused_and_nothing_is_half_stored(small_node):
    node = small_node
    kept = node.import_box(boxes.tar_bytes([START, entry("kept", os.urandom(1 << 20))]), DESCRIPTION)
    files, free = files_below(node.state / "box-builder"), free_bytes(node)
    tree = boxes.tar_bytes([START] + [
        entry(f"large{number}", os.urandom(8 << 20)) for number in range(10)])
    for _ in range(2):
        with pytest.raises(w.Fault) as caught:
            node.import_box(tree, DESCRIPTION)
        assert caught.value.code == "STORAGE_FULL", caught.value
        wait_until(
            lambda: files_below(node.state / "box-builder") == files, 10, "nothing half-stored")
        assert abs(free_bytes(node) - free) < 2 << 20
    assert [box.service_id for box in node.list_boxes()] == [kept.service_id]
    small = node.import_box(boxes.tar_bytes([START, entry("small", os.urandom(1 << 20))]), DESCRIPTION)
    assert len(node.list_boxes()) == 2
    node.remove_box(small.service_id)
    node.remove_box(kept.service_id)


def test_a_disk_filled_by_others_is_told_and_survived(small_node):
    node = small_node
    filler = node.state.parent / "filler"
    with open(filler, "wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(1 << 16))
        except OSError:
            pass
    with pytest.raises(w.Fault) as caught:
        node.import_box(boxes.tar_bytes([START, entry("some", os.urandom(1 << 20))]), DESCRIPTION)
    assert caught.value.code == "STORAGE_FULL", caught.value
    assert node.list_boxes() == []
    filler.unlink()
    assert node.import_box(
        boxes.tar_bytes([START, entry("some", os.urandom(1 << 20))]), DESCRIPTION).entries == 2
