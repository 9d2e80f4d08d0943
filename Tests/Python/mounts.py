"""Mounting a box the way the node does, from what OpenBox gives: with the calls of the kernel's
Documentation/filesystems/mount_api.rst, so that nothing of the node is needed to look into a box."""

import ctypes
import os

import wire_client as w

LIBC = ctypes.CDLL(None, use_errno=True)
FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432
SET_STRING, SET_FD, CREATE = 1, 5, 6
CLOEXEC, READ_ONLY = 1, 1


def call(number, *arguments):
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def mounted(kind, *settings):
    """A read-only mount that is attached nowhere, as a descriptor."""
    context = call(FSOPEN, kind, CLOEXEC)
    try:
        for key, value in settings:
            if isinstance(value, bytes):
                call(FSCONFIG, context, SET_STRING, key, value, 0)
            else:
                call(FSCONFIG, context, SET_FD, key, None, value)
        call(FSCONFIG, context, CREATE, None, None, 0)
        return call(FSMOUNT, context, CLOEXEC, READ_ONLY)
    finally:
        os.close(context)


class OpenedBox:
    """A box as a root: `root` is a descriptor of its directory. Held as long as the context."""

    def __init__(self, connection, box, holder):
        self.connection, self.box, self.holder = connection, box, holder
        self.descriptors = []

    def __enter__(self):
        reply, self.descriptors = self.connection.call_with_descriptors(
            "BoxBuilder.OpenBox",
            w.box.OpenBoxRequest(box=self.box, holder=self.holder, knows_read_only=True))
        image, directory = self.descriptors[:2]
        if reply.root == w.box.ROOT_KIND_CHECKOUT:
            self.root = directory
            return self
        below = mounted(b"erofs", (b"source", f"/proc/self/fd/{image}".encode()))
        self.descriptors.append(below)
        self.root = mounted(
            b"overlay", (b"lowerdir+", below), (b"datadir+", directory), (b"metacopy", b"on"),
            (b"redirect_dir", b"on"))
        self.descriptors.append(self.root)
        return self

    def __exit__(self, *_):
        for descriptor in reversed(self.descriptors):
            os.close(descriptor)
        self.connection.call("BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder=self.holder))
