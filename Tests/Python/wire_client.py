"""A client of the node's daemons, written from Protocols/WIRE.md and the schemas beside it.

Standard library and `protobuf` only. It is what a stranger would write in an afternoon: blocking, one
thread. Section numbers in comments are those of WIRE.md.
"""

import atexit
import importlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROTOCOLS = Path(__file__).resolve().parents[2] / "Protocols"

# §2: magic, version, kind, flags, interface, method, body length, transaction, deadline,
# descriptors, reserved, reserved.
HEADER = struct.Struct("<4sBBHHHIQQHHI")
MAGIC = b"CLTW"
VERSION = 1
BODY_BYTES_MAX = 65_536
DESCRIPTORS_MAX = 16
CREDIT_INITIAL = 16

# §3
HELLO, REQUEST, REPLY, FAULT, ITEM, END, CANCEL, CREDIT, GOODBYE = range(1, 10)


def load_schemas():
    """Compiles Protocols/*.proto into a folder that goes when this process does."""
    folder = tempfile.mkdtemp(prefix="celaut-schemas-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = sorted(path.name for path in PROTOCOLS.glob("*.proto"))
    subprocess.run(["protoc", f"--proto_path={PROTOCOLS}", f"--python_out={folder}", *files], check=True)
    sys.path.insert(0, folder)
    return {name: importlib.import_module(name.removesuffix(".proto") + "_pb2") for name in files}


SCHEMAS = load_schemas()
wire = SCHEMAS["wire.proto"]
admin = SCHEMAS["admin.proto"]
box = SCHEMAS["box_builder.proto"]
sandbox = SCHEMAS["sandbox_supervisor.proto"]
gateway = SCHEMAS["gateway_broker.proto"]


class Method:
    """One method with its contract, read from the options in the schema."""

    def __init__(self, service, descriptor):
        self.name = f"{service.name}.{descriptor.name}"
        self.interface = service.GetOptions().Extensions[wire.interface].number
        self.contract = descriptor.GetOptions().Extensions[wire.method]
        self.ordinal = self.contract.ordinal
        self.request = descriptor.input_type._concrete_class
        self.reply = descriptor.output_type._concrete_class


SERVICES = {
    service.name: service
    for schema in SCHEMAS.values()
    for service in schema.DESCRIPTOR.services_by_name.values()
}
METHODS = {
    f"{service.name}.{method.name}": Method(service, method)
    for service in SERVICES.values()
    for method in service.methods
}


def interface(service_name):
    """The contract of an interface: number, revision, revision_min."""
    return SERVICES[service_name].GetOptions().Extensions[wire.interface]


class Frame:
    """One packet. Every header field can be set, the wrong ones too."""

    def __init__(self, kind, body=b"", interface=0, method=0, transaction=0, deadline=0,
                 descriptors=(), magic=MAGIC, version=VERSION, flags=0, body_length=None,
                 descriptor_count=None, reserved16=0, reserved32=0):
        self.kind, self.body, self.interface, self.method = kind, body, interface, method
        self.transaction, self.deadline = transaction, deadline
        self.descriptors = list(descriptors)
        self.magic, self.version, self.flags = magic, version, flags
        self.body_length = len(body) if body_length is None else body_length
        self.descriptor_count = (
            len(self.descriptors) if descriptor_count is None else descriptor_count)
        self.reserved16, self.reserved32 = reserved16, reserved32

    def encode(self):
        return HEADER.pack(
            self.magic, self.version, self.kind, self.flags, self.interface, self.method,
            self.body_length, self.transaction, self.deadline, self.descriptor_count,
            self.reserved16, self.reserved32) + self.body

    @classmethod
    def decode(cls, packet, descriptors):
        if len(packet) < HEADER.size:
            raise ProtocolBroken(f"a packet of {len(packet)} bytes")
        (magic, version, kind, flags, number, method, length, transaction, deadline, count,
         reserved16, reserved32) = HEADER.unpack_from(packet)
        body = packet[HEADER.size:]
        for what, right in [
            ("magic", magic == MAGIC), ("version", version == VERSION), ("flags", flags == 0),
            ("kind", HELLO <= kind <= GOODBYE), ("deadline", deadline == 0),
            ("body length", length == len(body) <= BODY_BYTES_MAX),
            ("descriptors", count == len(descriptors) <= DESCRIPTORS_MAX),
            ("reserved", reserved16 == 0 and reserved32 == 0),
        ]:
            if not right:
                raise ProtocolBroken(what)
        return cls(kind, body, number, method, transaction, deadline, descriptors)


class ProtocolBroken(Exception):
    """The daemon sent what WIRE.md does not allow."""


class Fault(Exception):
    """A request ended with a fault."""

    def __init__(self, body):
        self.fault = wire.Fault.FromString(body)
        self.code = wire.FaultCode.Name(self.fault.code).removeprefix("FAULT_CODE_")
        self.reason = wire.FaultReason.Name(self.fault.reason).removeprefix("FAULT_REASON_")
        self.subject = self.fault.subject
        self.lines = list(self.fault.lines)
        super().__init__(
            f"{self.code} {self.reason} subject={self.subject!r} limit={self.fault.limit} "
            f"actual={self.fault.actual} lines={self.lines}")


class Closed(Exception):
    """The connection ended; `reason` is that of the goodbye, or None where none came."""

    def __init__(self, body=None):
        self.reason, self.subject = None, ""
        if body is not None:
            goodbye = wire.Goodbye.FromString(body)
            self.reason = wire.GoodbyeReason.Name(goodbye.reason).removeprefix("GOODBYE_REASON_")
            self.subject = goodbye.subject
        super().__init__(f"{self.reason} {self.subject}")


class Connection:
    """A connection whose hello is done, unless `hello=False`."""

    def __init__(self, path, interfaces=(), hello=True, timeout=180.0, program="python"):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.transactions = 0
        self.inbox = {}
        try:
            self.socket.connect(str(path))
            if hello:
                self.say_hello(interfaces, program)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Says goodbye and closes (§8)."""
        try:
            body = wire.Goodbye(reason=wire.GOODBYE_REASON_DONE).SerializeToString()
            self.send(Frame(GOODBYE, body))
        except (OSError, Closed, ProtocolBroken):
            pass
        self.socket.close()

    def say_hello(self, interfaces, program="python"):
        """§4: both sides send hello first, without waiting."""
        hello = wire.Hello(program=program, version="1")
        for name in interfaces:
            contract = interface(name)
            hello.interfaces.add(
                interface=contract.number, revision_min=contract.revision_min,
                revision_max=contract.revision)
        self.send(Frame(HELLO, hello.SerializeToString()))
        frame = self.receive()
        if frame.kind != HELLO:
            raise ProtocolBroken(f"the first frame is of kind {frame.kind}")
        self.peer = wire.Hello.FromString(frame.body)

    def send(self, frame):
        packet = frame.encode()
        try:
            if frame.descriptors:
                socket.send_fds(self.socket, [packet], frame.descriptors)
            else:
                self.socket.send(packet)
        except BrokenPipeError:
            # The peer closed; its goodbye may still wait to be read, and says why (§8).
            while True:
                self.receive()

    def receive(self):
        """The next frame; Closed where the peer said goodbye or went away."""
        packet, descriptors, flags, _ = socket.recv_fds(
            self.socket, HEADER.size + BODY_BYTES_MAX, DESCRIPTORS_MAX, socket.MSG_CMSG_CLOEXEC)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ProtocolBroken("a packet that the kernel cut")
        if not packet:
            raise Closed()
        frame = Frame.decode(packet, descriptors)
        if frame.kind == GOODBYE:
            raise Closed(frame.body)
        return frame

    def start(self, name, request, descriptors=(), deadline=0.0):
        """Sends a request and gives its transaction; `deadline` in seconds, 0 for the default."""
        method = METHODS[name]
        self.transactions += 1
        self.inbox[self.transactions] = []
        self.send(Frame(
            REQUEST, request.SerializeToString(), method.interface, method.ordinal,
            self.transactions, int(deadline * 1e6), descriptors))
        return self.transactions

    def answer(self, transaction):
        """The next frame of a transaction; frames of others wait in their own lines."""
        while not self.inbox[transaction]:
            frame = self.receive()
            if frame.transaction not in self.inbox:
                raise ProtocolBroken(f"a frame of transaction {frame.transaction}")
            self.inbox[frame.transaction].append(frame)
        frame = self.inbox[transaction].pop(0)
        if frame.kind in (REPLY, FAULT, END):
            del self.inbox[transaction]
        if frame.kind == FAULT:
            raise Fault(frame.body)
        return frame

    def call(self, name, request, descriptors=(), deadline=0.0):
        """The reply of a plain method."""
        reply, received = self.call_with_descriptors(name, request, descriptors, deadline)
        for descriptor in received:
            os.close(descriptor)
        return reply

    def call_with_descriptors(self, name, request, descriptors=(), deadline=0.0):
        """The reply and its descriptors, which the caller now owns."""
        frame = self.answer(self.start(name, request, descriptors, deadline))
        if frame.kind != REPLY:
            raise ProtocolBroken(f"an answer of kind {frame.kind}")
        return METHODS[name].reply.FromString(frame.body), frame.descriptors

    def stream(self, name, request, descriptors=(), deadline=0.0):
        """The items of a streaming method, with one credit given back for each (§6)."""
        return self.items(name, self.start(name, request, descriptors, deadline))

    def items(self, name, transaction):
        while True:
            frame = self.answer(transaction)
            if frame.kind == END:
                return
            if frame.kind != ITEM:
                raise ProtocolBroken(f"an item of kind {frame.kind}")
            self.give_credit(name, transaction, 1)
            yield METHODS[name].reply.FromString(frame.body)

    def give_credit(self, name, transaction, items):
        method = METHODS[name]
        body = wire.Credit(items=items).SerializeToString()
        self.send(Frame(CREDIT, body, method.interface, method.ordinal, transaction))

    def cancel(self, name, transaction):
        method = METHODS[name]
        self.send(Frame(CANCEL, b"", method.interface, method.ordinal, transaction))


def connect(path, *interfaces, within=60.0):
    """Connects and says hello, again and again until the daemon is there or the time is over."""
    end = time.monotonic() + within
    while True:
        try:
            return Connection(path, interfaces)
        except (OSError, Closed):
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
