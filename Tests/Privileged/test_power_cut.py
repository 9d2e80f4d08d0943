"""The power goes: what was not on the disk yet is lost, at any moment of imports, first openings and
removals. Afterwards the store is whole, and what was told to be done was done.

The disk is an ext4 of its own, and the cut ext4's own (EXT4_IOC_SHUTDOWN without a flush of the log, what
xfstests' `godown -f` does): from one instant on nothing more is written, neither contents that wait in
memory nor the log of what was renamed. What is on the disk then is mounted again."""

import fcntl
import os
import random
import shutil
import struct
import subprocess
import threading
import time

import pytest

import boxes
import wire_client as w
from boxes import described, entry
from daemon import BareDaemon, configuration_of
from folders import new_open_folder
from node import Node, files_below, wait_until

START = entry("start", boxes.script("exit 0"))
DESCRIPTION = described(init={"entry_path": ["start"]}, api=[])
# _IOR('X', 125, __u32) of the kernel's fs/ext4/ext4.h, and its EXT4_GOING_FLAGS_NOLOGFLUSH.
SHUTDOWN, WITHOUT_LOG = 0x8004587D, 2


class Disk:
    """An ext4 in a file, whose power can be cut."""

    def __init__(self, folder, mebibytes):
        self.image, self.mount = folder / "disk", folder / "mount"
        self.is_cut, self.number = False, 0
        self.mount.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(mebibytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self.image], check=True)

    def __enter__(self):
        # Nothing is written for so long as a test takes, but what is asked for.
        subprocess.run(["mount", "-o", "loop,commit=300", self.image, self.mount], check=True)
        return self

    def __exit__(self, *_):
        # What waited for a next start lets go of it a moment after the node ended.
        wait_until(lambda: subprocess.run(
            ["umount", self.mount], stderr=subprocess.DEVNULL).returncode == 0, 60, "it is let go of")
        if self.is_cut:
            # Another process may have a copy of the mount for a moment, in a namespace of its own. The same
            # file would be mounted as what it is there: shut down.
            self.number += 1
            copy = self.image.with_name(f"disk-{self.number}")
            subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
            self.image.unlink()
            self.image, self.is_cut = copy, False

    def cut(self):
        self.is_cut = True
        root = os.open(self.mount, os.O_RDONLY)
        fcntl.ioctl(root, SHUTDOWN, struct.pack("I", WITHOUT_LOG))
        os.close(root)


def tree(source):
    """Contents of a small pool, so that boxes share some; of which there are small and large ones."""
    chosen = source.sample(range(60), 25)
    return boxes.tar_bytes([START] + [
        entry(f"d{part % 5}/f{part}", random.Random(part).randbytes(200 + 9_000 * (part % 40)))
        for part in chosen])


def findings(connection):
    items = list(connection.stream("BoxBuilder.VerifyStore", w.box.VerifyStoreRequest()))
    assert items[-1].WhichOneof("event") == "summary"
    return [item.finding for item in items if item.WhichOneof("event") == "finding"]


def ids(connection):
    return {box.service_id for box in connection.stream(
        "BoxBuilder.ListBoxes", w.box.ListBoxesRequest())}


class Told:
    """What clients were told of a store before the power went: boxes that must be there, that must not,
    and those that either may be, as a request was under way. An answer that comes after the cut is none:
    an fsync that was under way ends well on a file system that is being shut down (jbd2 waits for a commit
    that it has thrown away), as it never does on a machine without power."""

    def __init__(self, known):
        self.there, self.gone, self.lock = set(known), set(), threading.Lock()
        self.is_cut = False
        self.done = 0

    def note(self, change):
        with self.lock:
            if not self.is_cut:
                change()

    def cut(self, disk):
        with self.lock:
            self.is_cut = True
        disk.cut()

    def work(self, daemon, seed):
        source = random.Random(seed)
        try:
            with w.Connection(daemon.socket_path, ["BoxBuilder"]) as connection:
                while True:
                    self.step(connection, source)
                    self.note(self.finished)
        except (w.Fault, w.Closed, OSError):
            # There is no disk any more.
            pass

    def finished(self):
        self.done += 1

    def step(self, connection, source):
        box = boxes.import_box(connection, tree(source), DESCRIPTION).service_id
        self.note(lambda: self.there.add(box))
        holder = f"h{source.getrandbits(60)}"
        _, descriptors = connection.call_with_descriptors(
            "BoxBuilder.OpenBox", w.box.OpenBoxRequest(box=box.hex(), holder=holder))
        for descriptor in descriptors:
            os.close(descriptor)
        connection.call("BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder=holder))
        if source.random() < 0.5:
            self.note(lambda: self.there.discard(box))
            connection.call("BoxBuilder.RemoveBox", w.box.RemoveBoxRequest(box=box.hex()))
            self.note(lambda: self.gone.add(box))


@pytest.fixture
def open_folder():
    """Where daemons of other users find their way, whatever other runs of pytest do with its own folder."""
    folder = new_open_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("roots, cuts", [("layers", 10), ("checkout", 5)])
def test_a_power_cut_at_any_moment_leaves_a_whole_store_with_all_that_was_told_to_be_done(
        open_folder, roots, cuts):
    seed = int(os.environ["CELAUT_SEED"])
    print(f"CELAUT_SEED={seed}")
    source = random.Random(seed)
    disk = Disk(open_folder, 160)
    with disk, Node(state=disk.mount / "state", base=open_folder, roots=roots) as node:
        configuration = configuration_of(node, "box-builder")
    objects = disk.mount / "state" / "box-builder" / "objects"
    known, halves, done, cut = set(), 0, 0, 0
    # LIMIT: some cuts must be in the middle, which leaves contents without a box to be swept, and some behind
    # what was done: on a machine that is too fast or too slow for the times below there are more of them.
    while cut < cuts or (not (halves and done) and cut < 8 * cuts):
        cut += 1
        with disk:
            with BareDaemon("box-builder", configuration) as daemon:
                daemon.wait_ready(within=60)
                told = Told(known)
                threads = [threading.Thread(target=told.work, args=(daemon, f"{seed} {cut} {part}"))
                           for part in range(2)]
                for thread in threads:
                    thread.start()
                time.sleep(source.uniform(0.05, 0.8 * max(1, cut / cuts)))
                told.cut(disk)
                for thread in threads:
                    thread.join()
                daemon.process.kill()
                daemon.process.wait()
        with disk:
            left = files_below(objects)
            with BareDaemon("box-builder", configuration) as daemon:
                daemon.wait_ready(within=60)
                with w.Connection(daemon.socket_path, ["BoxBuilder"]) as connection:
                    assert findings(connection) == [], daemon.errors()
                    known = ids(connection)
                    assert told.there <= known, "a box was lost that was told to be there"
                    assert not told.gone & known, "a box is back that was told to be gone"
                    for holder in [hold.holder for hold in connection.stream(
                            "BoxBuilder.ListHolds", w.box.ListHoldsRequest())]:
                        connection.call(
                            "BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder=holder))
            halves += left != files_below(objects)
            done += told.done
    assert halves > 0 and done > 0, (halves, done)
