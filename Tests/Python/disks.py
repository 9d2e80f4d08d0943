"""Disks of a test's own: each in a folder that the daemons' users may enter, gone with the test."""

import contextlib
import shutil
import subprocess

from folders import new_open_folder
from node import wait_until


@contextlib.contextmanager
def _mounted(base, *words):
    """(the folder, where the disk is mounted in it)"""
    mount = base / "mount"
    mount.mkdir()
    subprocess.run(["mount", *words, mount], check=True)
    try:
        yield base, mount
    finally:
        # What waited for a next start lets go of it a moment after the node ended.
        wait_until(lambda: subprocess.run(["umount", mount], stderr=subprocess.DEVNULL).returncode == 0,
                   60, "the disk is let go of")
        shutil.rmtree(base)


def disk_in_memory(mebibytes):
    return _mounted(new_open_folder(), "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "tmpfs")


def disk_in_a_file(mebibytes, *options):
    """An ext4; options are those of mkfs.ext4."""
    base = new_open_folder()
    image = base / "disk"
    with open(image, "wb") as file:
        file.truncate(mebibytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, image], check=True)
    return _mounted(base, "-o", "loop", image)
