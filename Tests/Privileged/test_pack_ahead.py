"""`celautctl pack` of folders: what will be in the archive is told ahead of it and believed for nothing;
what tar leaves out makes no box; and a node from before that is served as before."""

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import termios
import threading
from pathlib import Path

import pytest

import boxes
import identity
import projects
import wire_client as w
from folders import new_folder
from node import CELAUTCTL, wait_until

TOLD = w.SCHEMAS["box_told.proto"]
END_WORD = b"celaut: complete"
# Enough for reading it once or twice to be told apart from all else that a daemon reads. In many files:
# hashing begins when it is seen that some are new.
FILES, FILE_BYTES = 96, 256 << 10


def told(*entries):
    """What is told ahead, with its end."""
    parts = [entry.SerializeToString() for entry in entries]
    return b"".join(identity.varint(len(part)) + part for part in parts) + b"\0"


def many_files():
    """New ones, by name."""
    return {f"data{number:02}": os.urandom(FILE_BYTES) for number in range(FILES)}


def a_file(path, content, mode=0o755):
    return TOLD.ToldEntry(
        path=path.encode(), kind=TOLD.TOLD_KIND_FILE, mode=mode, content_bytes=len(content))


def description():
    return projects.described(init={"entry_path": ["start"]})


class Upload:
    """An ImportTree whose archive is what is written into a pipe."""

    def __init__(self, node, told_descriptor):
        self.connection = w.Connection(node.socket("box-builder"), ["BoxBuilder"], timeout=120)
        reading, self.archive = os.pipe()
        text = boxes.as_descriptor(json.dumps(description()).encode())
        self.transaction = self.connection.start(
            "BoxBuilder.ImportTree", w.box.ImportBoxRequest(source=w.box.SOURCE_KIND_TREE),
            [reading, text, told_descriptor])
        for descriptor in (reading, text, told_descriptor):
            os.close(descriptor)

    def write(self, content):
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self.archive, rest):]

    def end(self):
        """Closes the archive; the box."""
        os.close(self.archive)
        try:
            items = list(self.connection.items("BoxBuilder.ImportTree", self.transaction))
        finally:
            self.connection.close()
        return items[-1].box


def import_tree(node, archive, said):
    """The box of an archive that is complete, with what was said of it ahead."""
    reading, writing = os.pipe()
    upload = Upload(node, reading)
    try:
        os.write(writing, said)
        # It is read before the archive's first byte is there, on whatever machine.
        wait_until(lambda: unread(writing) == 0, 60, "what was told is read")
    except BrokenPipeError:
        # Nonsense is not read to its end.
        pass
    os.close(writing)
    upload.write(archive + END_WORD)
    return upload.end()


def unread(pipe):
    """Bytes that are in a pipe."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def bytes_read(node):
    text = Path(f"/proc/{node.pid('box-builder')}/io").read_text()
    return int(dict(line.split(": ") for line in text.splitlines())["rchar"])


def ids(node):
    return {box.service_id for box in node.list_boxes()}


def fresh():
    """A program that is in no store."""
    return b"#!/bin/sh\n" + os.urandom(1 << 20)


def the_id(content, files={}):
    """Computed here, of a program and other files that may be executed."""
    return identity.service_id(description(), {
        name: ("file", 0o755, held) for name, held in {"start": content, **files}.items()})


def test_what_was_told_saves_reading_all_a_second_time(node):
    def times(is_told):
        files = {**many_files(), "start": fresh()}
        archive = boxes.tar_bytes([boxes.entry(*file) for file in files.items()])
        said = [a_file(f"./{name}", content) for name, content in files.items()]
        before = bytes_read(node)
        box = import_tree(node, archive, told(*said if is_told else []))
        read = bytes_read(node) - before
        assert box.service_id == the_id(files.pop("start"), files)
        return read / len(archive)

    assert times(is_told=False) > 1.5
    assert at_last(lambda: times(is_told=True) < 1.5)


def at_last(condition):
    """Who hashes is a thread beside the one that reads: on a busy machine it may begin late, and what
    went by is read again. Never is another matter."""
    return any(condition() for _ in range(30))


@pytest.mark.parametrize("said", [
    lambda content: b"",
    lambda content: b"\0",
    lambda content: b"\xff" * 10_000,
    lambda content: told(a_file("start", content))[:-1],
    lambda content: told(a_file("start", content[1:])),
    lambda content: told(a_file("start", content + b"x")),
    lambda content: told(a_file("start", content, mode=0o700)),
    lambda content: told(a_file("star", content)),
    lambda content: told(a_file("start", content), a_file("more", b"1")),
    lambda content: told(a_file("before", b"1"), a_file("start", content)),
    lambda content: told(TOLD.ToldEntry(path=b"start", kind=TOLD.TOLD_KIND_DIRECTORY)),
    lambda content: told(TOLD.ToldEntry(
        path=b"start", kind=TOLD.TOLD_KIND_FILE, content_bytes=2**64 - 1)),
], ids=["nothing", "no-entries", "noise", "no-end", "shorter", "longer", "mode", "name", "more",
        "another-before", "directory", "endless"])
def test_what_was_told_wrong_changes_nothing(node, said):
    content = fresh()
    archive = boxes.tar_bytes([boxes.entry("start", content)])
    assert import_tree(node, archive, said(content)).service_id == the_id(content)


def test_who_tells_and_never_ends_keeps_nobody_waiting(node):
    content = fresh()
    reading, writing = os.pipe()
    try:
        upload = Upload(node, reading)
        os.write(writing, told(a_file("start", content))[:-1])
        upload.write(boxes.tar_bytes([boxes.entry("start", content)]) + END_WORD)
        assert upload.end().service_id == the_id(content)
    finally:
        os.close(writing)


@pytest.mark.parametrize("word", [b"", END_WORD[:-1], END_WORD + b"\0"])
def test_an_archive_without_its_end_word_makes_no_box(node, word):
    content = b"#!/bin/sh\n" + os.urandom(100)
    before = ids(node)
    upload = Upload(node, boxes.as_descriptor(told(a_file("start", content))))
    upload.write(boxes.tar_bytes([boxes.entry("start", content)]) + word)
    with pytest.raises(w.Fault) as refused:
        upload.end()
    assert (refused.value.code, refused.value.reason) == ("INVALID", "TRUNCATED")
    assert ids(node) == before


def test_a_folder_is_told_as_tar_archives_it(node, tmp_path):
    project = projects.project(tmp_path / "p")
    tree = projects.busybox(project / "rootfs")
    (tree / "soft").symlink_to("../data/data01")

    def times():
        for name, content in many_files().items():
            projects.write(tree / "data" / name, content)
        (tree / "data").chmod(0o1770)
        again = tree / "again"
        again.unlink(missing_ok=True)
        os.link(tree / "data/data00", again)
        os.setxattr(again, "user.note", b"\0told")
        before = bytes_read(node)
        projects.pack(node, project)
        return (bytes_read(node) - before) / (FILES * FILE_BYTES)

    assert at_last(lambda: times() < 1.5)


def a_socket(tree):
    # Its name may be longer than an address.
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(tree)
        try:
            listener.bind("talk.sock")
        finally:
            os.chdir(here)


def test_a_socket_is_refused_by_its_path(node, tmp_path):
    project = projects.project(tmp_path / "p")
    (projects.busybox(project / "rootfs") / "run").mkdir()
    a_socket(project / "rootfs/run")
    before = ids(node)
    complaint = projects.refused(node, project)
    assert complaint["condition"]["reason"] == "specialFile", complaint
    assert complaint["condition"]["subject"] == "run/talk.sock"
    assert ids(node) == before


def test_what_tar_cannot_read_makes_no_box(node, tmp_path):
    project = projects.project(
        tmp_path / "p", config={"include": ["bin", "not-there"]},
        rootfs__unique=os.urandom(16).hex())
    projects.busybox(project / "rootfs")
    before = ids(node)
    complaint = projects.refused(node, project)
    assert "tar could not read all of" in complaint["error"], complaint
    assert any("not-there" in line for line in complaint["lines"])
    assert ids(node) == before


class Yesterday:
    """The box-builder of a node, as one that does not know ImportTree."""

    def __init__(self, node, path):
        self.node, self.refused = node, 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            far.connect(str(self.node.socket("box-builder")))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.pass_on, args=(one, other), daemon=True).start()

    def pass_on(self, one, other):
        method = w.METHODS["BoxBuilder.ImportTree"]
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(
                    one, w.HEADER.size + w.BODY_BYTES_MAX, w.DESCRIPTORS_MAX)
                if not packet:
                    other.shutdown(socket.SHUT_RDWR)
                    return
                _, _, kind, _, interface, ordinal, _, transaction, *_ = w.HEADER.unpack_from(packet)
                if (kind, interface, ordinal) == (w.REQUEST, method.interface, method.ordinal):
                    self.refused += 1
                    fault = w.wire.Fault(code=w.wire.FAULT_CODE_UNKNOWN_METHOD)
                    one.send(w.Frame(
                        w.FAULT, fault.SerializeToString(), interface, ordinal,
                        transaction).encode())
                else:
                    socket.send_fds(other, [packet], descriptors)
            except OSError:
                return
            for descriptor in descriptors:
                os.close(descriptor)

    def close(self):
        self.listener.close()


def test_a_node_that_is_not_told_ahead_gets_the_same_folder(node, tmp_path):
    project = projects.project(tmp_path / "p", rootfs__data=os.urandom(3 << 20))
    projects.busybox(project / "rootfs")
    folder = new_folder()
    yesterday = Yesterday(node, folder / "box-builder.sock")
    try:
        done = subprocess.run(
            [CELAUTCTL, "pack", project, "--runtime", folder, "--format", "json"], text=True,
            timeout=120, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        yesterday.close()
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    assert yesterday.refused == 1
    again = projects.pack(node, project)
    assert again["id"] == json.loads(done.stdout)["id"]
    assert again["alreadyPresent"]
