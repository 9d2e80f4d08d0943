"""Packages (`.celaut.bee`), written and read by hand from the documented records alone: what any other
node would do. Nothing of this repository is used but the varints of identity.py."""

import hashlib
import struct

from identity import blob, number, varint

KINDS = {"SHA3-256": hashlib.sha3_256, "SHA-256": hashlib.sha256,
         "BLAKE2b-256": lambda data: hashlib.blake2b(data, digest_size=32)}
TYPES = {kind: of(b"").digest() for kind, of in KINDS.items()}
SHA3 = TYPES["SHA3-256"]
CHUNK = 1 << 20


def record(body):
    """4 bytes of length, the highest first, and a serialized Buffer."""
    return struct.pack(">I", len(body)) + body


def chunk(data):
    return record(blob(1, data))


SEPARATOR = record(number(2, 1))


def head(index):
    return record(blob(4, number(1, index)))


def metadata(data=b""):
    return record(blob(1, data) + number(2, 1) + blob(4, number(1, 1)))


def named(data, kind="SHA3-256"):
    return KINDS[kind](data).digest()


def pointer(name, typed=True, kind="SHA3-256"):
    """A serialized Buffer.Block: 70 bytes with the type of its hash, 36 without."""
    return blob(1, (blob(1, TYPES[kind]) if typed else b"") + blob(2, name))


def marker(name, positions=(), kind="SHA3-256"):
    """The record that starts a block, and the identical one that ends it."""
    packed = b"".join(varint(position) for position in positions)
    return record(blob(5, pointer(name, kind=kind) + (blob(2, packed) if positions else b"")))


def chunks(data):
    return b"".join(chunk(data[at:at + CHUNK]) for at in range(0, len(data), CHUNK))


def block(data, positions=(), name=None, kind="SHA3-256"):
    mark = marker(name or named(data, kind), positions, kind)
    return mark + chunks(data) + mark


def package(*parts, about=b""):
    """Metadata, then the records of the service."""
    return metadata(about) + head(2) + b"".join(parts) + SEPARATOR


# Reading

def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a message; values are numbers or bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if key & 7 == 2:
            assert at + value <= len(data), "a length past the end"
            value, at = data[at:at + value], at + value
        else:
            assert key & 7 == 0, key
        yield key >> 3, value


def records(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack(">I", data[at:at + 4])
        body = data[at + 4:at + 4 + length]
        assert len(body) == length, "a record that is cut"
        yield dict(fields(body))
        at += 4 + length


class Package:
    """What a package says: .metadata and .service as bytes, .blocks as (name, positions, start, end) in
    the expanded service."""

    def __init__(self, data):
        self.metadata, self.service, self.blocks = b"", b"", []
        index, open_blocks, ended = None, [], set()
        for said in records(data):
            if 4 in said:
                index = dict(fields(said[4]))[1]
            if 5 in said:
                said_block = dict(fields(said[5]))
                hashed = dict(fields(said_block[1]))
                assert hashed[1] == SHA3, "a marker without its type"
                name = hashed[2]
                if open_blocks and open_blocks[-1][0] == name:
                    _, positions, start = open_blocks.pop()
                    self.blocks.append((name, positions, start, len(self.service)))
                    content = self.service[start:]
                    assert not content or hashlib.sha3_256(content).digest() == name
                else:
                    packed, at, positions = said_block.get(2, b""), 0, []
                    while at < len(packed):
                        position, at = read_varint(packed, at)
                        positions.append(position)
                    open_blocks.append((name, positions, len(self.service)))
            if 1 in said:
                assert len(said[1]) <= CHUNK
                if index == 1:
                    self.metadata += said[1]
                else:
                    self.service += said[1]
            if said.get(2):
                ended.add(index)
        assert ended == {1, 2} and not open_blocks

    @property
    def service_id(self):
        return hashlib.sha3_256(self.service).digest()
