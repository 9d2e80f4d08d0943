"""Boxes made for tests: trees as tar streams, good and bad, and their service.json."""

import copy
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import wire_client as w

PROBE_PORT = 7000
MEBIBYTE = 1 << 20

PROBE_DESCRIPTION = {
    "tag": "probe",
    "architecture": "linux/amd64",
    "resources": {
        "at_init": {"mem_limit": 64 * MEBIBYTE, "disk_space": 64 * MEBIBYTE},
        "at_most": {"mem_limit": 128 * MEBIBYTE, "disk_space": 64 * MEBIBYTE},
    },
    "init": {"entry_path": ["probe"]},
    "api": [{"port": PROBE_PORT, "transport": "tcp"}],
}


def described(base=None, **changes):
    """A copy of a description with keys replaced; None takes a key away."""
    description = copy.deepcopy(PROBE_DESCRIPTION if base is None else base)
    for key, value in changes.items():
        if value is None:
            description.pop(key, None)
        else:
            description[key] = value
    return description


def entry(name, content=b"", mode=0o755, kind=tarfile.REGTYPE, link="", **more):
    """One entry of a tar, whatever it is; its name is not checked."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_bytes(entries, mode="w"):
    """A pax tar of the entries, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def image_bytes(*layers, plain=None):
    """An image layout of the layers, as a tar; its configuration names the tars of `plain`, if given."""
    entries = []

    def blob(content):
        digest = hashlib.sha256(content).hexdigest()
        entries.append(entry(f"blobs/sha256/{digest}", content))
        return {"digest": f"sha256:{digest}", "size": len(content), "mediaType": "x.tar"}
    descriptors = [blob(layer) for layer in layers]
    said = {"architecture": "amd64", "os": "linux"}
    if plain is not None:
        said["rootfs"] = {"type": "layers", "diff_ids": [
            f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in plain]}
    config = blob(json.dumps(said).encode())
    manifest = blob(json.dumps({"config": config, "layers": descriptors}).encode())
    entries.append(entry("index.json", json.dumps({"manifests": [manifest]}).encode()))
    entries.append(entry("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'))
    return tar_bytes(entries)


def script(*lines):
    """An entrypoint that busybox runs."""
    return ("\n".join(["#!/bin/busybox sh", *lines]) + "\n").encode()


def busybox_entries():
    return [entry("bin/", kind=tarfile.DIRTYPE),
            entry("bin/busybox", Path("/bin/busybox").read_bytes())]


def script_box(*lines, **changes):
    """A tree and a description of a service that is one busybox script, without slots."""
    entries = busybox_entries() + [
        entry("tmp/", kind=tarfile.DIRTYPE, mode=0o1777), entry("start", script(*lines))]
    description = described(tag="script", init={"entry_path": ["start"]}, api=[])
    return tar_bytes(entries), described(description, **changes)


def probe_tree(folder):
    """The tree of the probe as a tar; compiled once per test run."""
    program = Path(folder) / "probe"
    if not program.exists():
        source = Path(__file__).resolve().parents[1] / "Privileged" / "probe.c"
        subprocess.run(
            ["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", program, source], check=True)
    return tar_bytes(busybox_entries() + [
        entry("tmp/", kind=tarfile.DIRTYPE, mode=0o1777),
        entry("etc/", kind=tarfile.DIRTYPE),
        entry("etc/shared", b"the same for all\n", mode=0o644),
        entry("probe", program.read_bytes())])


def as_descriptor(content):
    """A file without a name that holds the bytes; the caller closes it."""
    descriptor = os.memfd_create("celaut-test", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def import_box(connection, tree, description, tag="", deadline=120.0, **options):
    """Imports; `tree` is bytes or a descriptor, `description` bytes or a value. The summary."""
    if not isinstance(description, bytes):
        description = json.dumps(description).encode()
    descriptors = [as_descriptor(tree) if isinstance(tree, bytes) else os.dup(tree),
                   as_descriptor(description)]
    try:
        items = list(connection.stream(
            "BoxBuilder.ImportBox", w.box.ImportBoxRequest(tag=tag, **options), descriptors, deadline))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    if not items or items[-1].WhichOneof("event") != "box":
        raise w.ProtocolBroken("an import without a box at its end")
    return items[-1].box


def as_file(content):
    """Bytes too large for memory twice: an unlinked temporary file, at its start."""
    file = tempfile.TemporaryFile(prefix="celaut-test-")
    file.write(content)
    file.flush()
    file.seek(0)
    return file
