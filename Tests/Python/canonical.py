"""Reads a service in any codec with protobuf, hashlib, json and zipfile, and computes its id from the
values alone. The messages are those of Protocols/models/celaut.proto."""

import functools
import hashlib
import importlib.util
import io
import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from google.protobuf import json_format

from folders import folder_for_a_while

MODELS = Path(__file__).resolve().parents[2] / "Protocols" / "models"


@functools.cache
def messages():
    with folder_for_a_while() as folder:
        subprocess.run(["protoc", f"--proto_path={MODELS}", f"--python_out={folder}",
                        MODELS / "celaut.proto"], check=True)
        spec = importlib.util.spec_from_file_location("celaut_pb2", f"{folder}/celaut_pb2.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["celaut_pb2"] = module
        spec.loader.exec_module(module)
    return module


def serialized(message):
    return message.SerializeToString(deterministic=True)


def service_id(data):
    return hashlib.sha3_256(data).digest()


def refilled(service):
    """The bytes of a service whose filesystem is read and written again, with nothing kept as bytes."""
    model, again = messages(), messages().Service()
    again.CopyFrom(service)
    again.container.filesystem = serialized(
        model.Filesystem.FromString(service.container.filesystem))
    return serialized(again)


def of_proto3(data):
    return refilled(messages().Service.FromString(data))


def of_json(data):
    return refilled(json_format.Parse(data, messages().Service()))


def pairs(target, attributes, text=None, extended=()):
    for key, value in attributes.items():
        target[key] = str(value).encode()
    if text is not None:
        target["link"] = text.encode()
    for key, value in extended:
        target["xattr." + key] = value


def resolved(folder, text):
    names = [] if text.startswith("/") else list(folder)
    for part in text.split("/"):
        if part == "..":
            del names[-1:]
        elif part not in ("", "."):
            names.append(part)
    return "/" + "/".join(names)


def of_zip(data):
    """The same from a zip: the tree is what the entries say, and attributes.json where they cannot."""
    import base64
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        service = json_format.Parse(archive.read("service.json"), messages().Service())
        said = json.loads(archive.read("attributes.json"))
        root = messages().Filesystem()
        folders = {(): root}
        infos = [i for i in archive.infolist() if i.filename.startswith("filesystem/")]
        for info in sorted(infos, key=lambda i: [p.encode() for p in PurePosixPath(i.filename).parts]):
            names = PurePosixPath(info.filename).parts[1:]
            own = said.pop("/".join(names), {})
            mode = info.external_attr >> 16
            branch = folders[names[:-1]].branch.add(name=names[-1])
            text = None
            if stat.S_ISDIR(mode):
                branch.filesystem.SetInParent()
                folders[names] = branch.filesystem
            elif stat.S_ISLNK(mode):
                text = archive.read(info).decode()
                branch.link.src = resolved(names[:-1], text)
                branch.link.dst = "/" + "/".join(names)
                text = None if text == branch.link.src else text
                mode = 0o120777
            else:
                branch.file = archive.read(info)
            pairs(branch.xattrs, {"mode": own.get("mode", mode), "uid": own.get("uid", 0),
                                  "gid": own.get("gid", 0), "mtime_ns": own.get("mtimeNs", 0)},
                  text, [(k, base64.b64decode(v)) for k, v in own.get("xattrs", {}).items()])
        own = said.pop("", {})
        if "mode" in own:
            pairs(root.xattrs, {"mode": own["mode"], "uid": own["uid"], "gid": own["gid"],
                                "mtime_ns": own["mtimeNs"]})
        if "readMode" in own:
            root.xattrs["read_mode"] = own["readMode"].encode()
        assert not said
    service.container.filesystem = serialized(root)
    return serialized(service)


def zip_by_hand(data):
    """Another zip of the same box: in another order, stored and not deflated, by another program."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, \
            zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as other:
        for info in reversed(archive.infolist()):
            fresh = zipfile.ZipInfo(info.filename)
            fresh.create_system, fresh.external_attr = 3, info.external_attr
            other.writestr(fresh, archive.read(info))
    return out.getvalue()


def numbers(text):
    """What `protoc --decode_raw` prints, as {number: [value, ...]}, messages as the same."""
    stack = [{}]
    for line in text.splitlines():
        line = line.strip()
        if line == "}":
            stack.pop()
        elif line.endswith("{"):
            inside = {}
            stack[-1].setdefault(int(line[:-1]), []).append(inside)
            stack.append(inside)
        else:
            number, value = line.split(": ", 1)
            stack[-1].setdefault(int(number), []).append(value)
    return stack[0]


def decoded_raw(data):
    done = subprocess.run(["protoc", "--decode_raw"], input=data, stdout=subprocess.PIPE, check=True)
    return numbers(done.stdout.decode(errors="replace"))
