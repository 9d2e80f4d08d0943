"""What is in a package is stored on a thread of its own. That one thread is held, as by a debugger: what follows
is read meanwhile, others are answered, and it all ends well when the thread goes on."""

import ctypes
import fcntl
import hashlib
import os
import random
import struct
import termios
from contextlib import contextmanager, suppress
from pathlib import Path

import bee
import wire_client as w
from node import PATIENCE, wait_until
from test_exchange import START, branch, service

# <sys/ptrace.h>, <sys/wait.h>
SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
FILES = [random.Random(number).randbytes(8_000) for number in range(40)]
WHOLE = service(branch("start", START, 0o100755) + b"".join(
    branch(f"file-{number:02}", content) for number, content in enumerate(FILES)))


def threads(pid, name):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        # It may end meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            if (task / "comm").read_text().strip() == name:
                found.append(int(task.name))
    return found


def trace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


@contextmanager
def held(thread):
    trace(SEIZE, thread)
    trace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        trace(DETACH, thread)


class Sent:
    """Bytes on their way into a pipe, as far as there is room for them."""

    def __init__(self, pipe, data):
        self.pipe, self.left = pipe, data

    def are_read(self):
        """Tries once more: whether all of it went in and was taken out again."""
        try:
            self.left = self.left[os.write(self.pipe, self.left):] if self.left else b""
        except BlockingIOError:
            return False
        waiting = fcntl.ioctl(self.pipe, termios.FIONREAD, struct.pack("i", 0))
        return not self.left and struct.unpack("i", waiting) == (0,)


def test_a_package_is_read_on_and_others_are_answered_while_its_contents_are_stored(node):
    pid = node.pid("box-builder")
    # Up to the first byte behind a content: that one is to be stored from then on.
    first = WHOLE.index(FILES[0]) + len(FILES[0]) + 1
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with node.connect("box-builder", "BoxBuilder") as connection:
            name = "BoxBuilder.ImportPackage"
            transaction = connection.start(name, w.box.ImportPackageRequest(), [reading], PATIENCE)
            os.close(reading)
            os.write(writing, bee.metadata() + bee.head(2) + bee.chunk(WHOLE[:first]))
            wait_until(lambda: threads(pid, "contents"), PATIENCE, "there is a thread for contents")
            (thread,) = threads(pid, "contents")
            with held(thread):
                # More than a pipe holds: it is read, or there is no room for all of it.
                # In records of less than a content: one that is not whole is read in any case.
                rest = Sent(writing, b"".join(
                    bee.chunk(WHOLE[at:at + 1_000]) for at in range(first, len(WHOLE), 1_000)))
                wait_until(rest.are_read, PATIENCE, "it is read on")
                assert node.list_boxes() == []
            os.write(writing, bee.SEPARATOR)
            os.close(writing)
            writing = None
            box = list(connection.items(name, transaction))[-1].box
    finally:
        if writing is not None:
            os.close(writing)
    assert box.service_id == hashlib.sha3_256(WHOLE).digest()
    assert node.command("boxes", "verify").returncode == 0
    node.remove_box(box.service_id)
