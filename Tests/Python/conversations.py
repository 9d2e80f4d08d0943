"""Conversations between an earlier build's programs, kept as bytes, and their replay against today's: the
earlier caller's frames to today's daemon, and the earlier daemon's answers to today's command.

    CELAUT_BIN=<an earlier build's programs> conversations.py record FILE

runs those programs with a tap on each socket. What depends on a run (ids, times) is in the frames as it was;
nothing of it is looked up again, since the commands name instances and boxes by their names.
"""

import base64
import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import boxes
import wire_client as w
from folders import new_folder
from node import DAEMONS, Node

ENDS = (w.REPLY, w.FAULT, w.END)
# LIMIT: a descriptor's content is kept in the file; more than this is not part of a conversation.
CONTENT_BYTES_MAX = 64 << 10


def tiny_program():
    """A static program that says hello and waits: 64 + 56 bytes of head, and code."""
    text = b"hello\n"
    code = bytes.fromhex(
        "b801000000" "bf01000000" "488d3512000000" "ba06000000" "0f05"  # write(1, text, 6)
        "b822000000" "0f05" "ebf7" "9090") + text                       # pause() for ever
    size = 120 + len(code)
    head = (b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (62).to_bytes(2, "little")
            + (1).to_bytes(4, "little") + (0x400078).to_bytes(8, "little") + (64).to_bytes(8, "little")
            + bytes(8) + bytes(4) + (64).to_bytes(2, "little") + (56).to_bytes(2, "little")
            + (1).to_bytes(2, "little") + bytes(6))
    segment = ((1).to_bytes(4, "little") + (5).to_bytes(4, "little") + bytes(8)
               + (0x400000).to_bytes(8, "little") * 2 + size.to_bytes(8, "little") * 2
               + (0x1000).to_bytes(8, "little"))
    return head + segment + code


def project(folder):
    """A service of a few hundred bytes."""
    folder.mkdir()
    (folder / "rootfs").mkdir()
    start = folder / "rootfs/start"
    start.write_bytes(tiny_program())
    start.chmod(0o755)
    (folder / "service.json").write_text(json.dumps(boxes.described(
        tag="kept", init={"entry_path": ["start"]}, api=[])))
    return folder


def commands(folder):
    """A maintainer's hour: what is asked of a node, in this order."""
    return [
        ("status",), ("boxes", "list"), ("pack", str(folder)), ("boxes", "list"),
        ("boxes", "inspect", "kept"), ("run", "--detach", "--name", "one", "kept"), ("ps",),
        ("logs", "one"), ("status",), ("stop", "--grace", "0s", "one"), ("ps", "--all"),
        ("boxes", "verify"), ("boxes", "remove", "kept"), ("boxes", "list")]


class Tap:
    """Stands where a daemon's socket was and hands everything on, both ways, noting it."""

    def __init__(self, path):
        self.name = Path(path).name.removesuffix(".sock")
        self.behind = Path(f"{path}.behind")
        os.rename(path, self.behind)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        os.chmod(path, 0o666)
        self.listener.listen()
        self.noted = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            far.connect(str(self.behind))
            frames = []
            self.noted.append(frames)
            for source, sink, way in ((near, far, ">"), (far, near, "<")):
                threading.Thread(
                    target=self.hand_on, args=(source, sink, way, frames), daemon=True).start()

    def hand_on(self, source, sink, way, frames):
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(source, 1 << 17, w.DESCRIPTORS_MAX)
            except OSError:
                return
            if not packet:
                sink.shutdown(socket.SHUT_WR)
                return
            descriptors = [poured(one) if way == ">" else one for one in descriptors]
            frames.append([way, packet.hex(), [content(one) for one in descriptors]])
            try:
                socket.send_fds(sink, [packet], descriptors)
            except OSError:
                # It closed with a frame on its way to it.
                return
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)


def poured(descriptor):
    """A pipe that is read from becomes a file with all that came out of it, which can be kept."""
    mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode) or mode != os.O_RDONLY:
        return descriptor
    with os.fdopen(descriptor, "rb") as pipe:
        return boxes.as_descriptor(pipe.read())


def content(descriptor):
    """What a descriptor stands for: a file's bytes, or its kind."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) and os.fstat(descriptor).st_size <= CONTENT_BYTES_MAX:
        return base64.b64encode(os.pread(descriptor, CONTENT_BYTES_MAX, 0)).decode()
    return {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFDIR: "directory",
            stat.S_IFREG: "file"}.get(stat.S_IFMT(mode), "other")


def record(path):
    """Every command of the hour, with what it said and what went over each socket meanwhile."""
    kept = []
    folder = project(new_folder() / "kept")
    with Node() as node:
        taps = [Tap(node.socket(name)) for name in DAEMONS]
        for words in commands(folder):
            before = {tap.name: len(tap.noted) for tap in taps}
            done = node.command(*words, "--format", "json")
            assert done.returncode == 0, (words, done.stderr)
            kept.append({
                "words": [word.replace(str(folder), "PROJECT") for word in words],
                "said": json.loads(done.stdout) if done.stdout.strip() else None,
                "talks": [{"daemon": tap.name, "frames": list(frames)} for tap in taps
                          for frames in tap.noted[before[tap.name]:]]})
        for tap in taps:
            os.rename(tap.behind, node.socket(tap.name))
    shutil.rmtree(folder.parent)
    Path(path).write_text("\n".join(json.dumps(one) for one in kept) + "\n")


def read(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def frame(packet):
    """A kept frame, whoever sent it."""
    fields = w.HEADER.unpack_from(packet)
    return w.Frame(fields[2], packet[w.HEADER.size:], fields[4], fields[5], fields[7], fields[8])


def opened(kind):
    """A descriptor as it was kept; the caller closes it. A pipe is one that nobody writes to."""
    if kind == "pipe":
        reading, writing = os.pipe()
        os.close(writing)
        return reading
    if kind in ("socket", "directory", "file", "other"):
        return os.open("/dev/null", os.O_RDWR)
    file = os.memfd_create("celaut-test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(file, base64.b64decode(kind))
    os.lseek(file, 0, os.SEEK_SET)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK
                | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return file


def shape(body):
    """The numbers and wire types of a message's fields."""
    found, position = set(), 0

    def number():
        nonlocal position
        value = shift = 0
        while True:
            byte = body[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while position < len(body):
        key = number()
        found.add((key >> 3, key & 7))
        if key & 7 == 0:
            number()
        elif key & 7 == 2:
            length = number()
            position += length
        else:
            position += {1: 8, 5: 4}[key & 7]
    return found


class Played:
    """A daemon that is not there: it gives a caller the answers that were kept, in their order, and says
    of what the earlier one never heard that it does not know it. Use as a context."""

    def __init__(self, path, talks):
        self.answers, self.hello = {}, None
        for talk in talks:
            current = {}
            for way, packet, kinds in talk["frames"]:
                one = frame(bytes.fromhex(packet))
                if way == "<" and one.kind == w.HELLO:
                    self.hello = one.body
                elif way == ">" and one.kind == w.REQUEST:
                    current[one.transaction] = []
                    self.answers.setdefault((one.interface, one.method), []).append(
                        current[one.transaction])
                elif way == "<" and one.transaction in current:
                    current[one.transaction].append((one, kinds))
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        os.chmod(path, 0o666)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(accepted,), daemon=True).start()

    def talk(self, accepted):
        def say(one):
            packet = one.encode()
            descriptors = [opened(kind) for kind in one.descriptors]
            header = bytearray(packet)
            socket.send_fds(accepted, [bytes(header)], descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        try:
            say(w.Frame(w.HELLO, self.hello))
            while True:
                packet, descriptors, _, _ = socket.recv_fds(accepted, 1 << 17, w.DESCRIPTORS_MAX)
                for descriptor in descriptors:
                    os.close(descriptor)
                if not packet:
                    return
                asked = frame(packet)
                if asked.kind != w.REQUEST:
                    continue
                known = self.answers.get((asked.interface, asked.method))
                if not known:
                    refusal = w.wire.Fault(code=w.wire.FAULT_CODE_UNKNOWN_METHOD)
                    say(w.Frame(w.FAULT, refusal.SerializeToString(), asked.interface, asked.method,
                                asked.transaction))
                    continue
                # The last answer is given again to who asks once more.
                for one, kinds in known.pop(0) if len(known) > 1 else known[0]:
                    say(w.Frame(one.kind, one.body, one.interface, one.method, asked.transaction,
                                descriptors=kinds))
        except OSError:
            pass
        finally:
            accepted.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "record":
        sys.exit(__doc__)
    record(sys.argv[2])


if __name__ == "__main__":
    main()
