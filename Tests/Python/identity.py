"""The id of a service, computed from the documented field numbers alone: what any other node would
compute. Trees are given as {path: ("file", mode, bytes) | ("link", target) | ("directory", mode)}."""

import hashlib


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def number(field, value):
    """A number that is there: zero is written too."""
    return varint(field << 3) + varint(value)


def blob(field, value):
    """A field with a length: text, bytes or a message; written also where it is empty."""
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tags(field, *names):
    return blob(field, b"".join(blob(1, name) for name in names))


def pairs(field, values):
    """A map: repeated {key=1, value=2}, sorted by key."""
    return b"".join(blob(field, blob(1, key) + blob(2, value)) for key, value in sorted(values.items()))


def attributes(mode):
    """Owners and times are normalised when a box is packed."""
    return pairs(5, {"mode": str(mode), "uid": "0", "gid": "0", "mtime_ns": "0"})


def filesystem(tree, path=""):
    """A serialized Filesystem: ItemBranch{name=1, file=2 | link=3 | filesystem=4, xattrs=5}."""
    inside = {name.removeprefix(path + "/" if path else "") for name in tree
              if not path or name.startswith(path + "/")}
    out = b""
    for name in sorted({name.split("/")[0] for name in inside}, key=str.encode):
        full = f"{path}/{name}" if path else name
        kind, *rest = tree.get(full, ("directory", 0o755))
        if kind == "file":
            content, mode = blob(2, rest[1]), 0o100000 | rest[0]
        elif kind == "link":
            content, mode = blob(3, blob(1, rest[0]) + blob(2, "/" + full)), 0o120777
        else:
            content, mode = blob(4, filesystem(tree, full)), 0o040000 | rest[0]
        out += blob(1, blob(1, name) + content + attributes(mode))
    return out


def resources(values):
    defaults = {"mem_limit": 10_000_000, "disk_space": 2_000_000_000}
    values = {**defaults, **values}
    return (number(1, values.get("blkio_weight", 0)) + number(2, values.get("cpu_period", 0))
            + number(3, values.get("cpu_quota", 0)) + number(4, values["mem_limit"])
            + number(5, values["disk_space"]))


def service(description, tree):
    """The expanded canonical bytes."""
    asked = description.get("resources", {})
    at_init = asked.get("at_init", {})
    container = tags(1, description["architecture"])
    container += blob(2, filesystem(tree))
    container += blob(3, b"".join(blob(1, part) for part in description["init"]["entry_path"]))
    container += blob(4, blob(1, resources(at_init)) + blob(2, resources(asked.get("at_most", at_init))))
    container += blob(5, blob(1, "__config__") + blob(2, b""))
    container += b"".join(
        blob(7, blob(1, name) + blob(2, b"")) for name in sorted(description.get("envs", {})))
    slots = b"".join(
        blob(1, number(1, slot["port"]) + tags(2, slot["transport"])
             + b"".join(tags(3, name) for name in slot.get("protocol", [])))
        for slot in description.get("api", []))
    return blob(2, container) + (blob(3, slots) if slots else b"")


def service_id(description, tree):
    return hashlib.sha3_256(service(description, tree)).digest()
