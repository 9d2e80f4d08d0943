"""Reads a service by the field numbers of the observed facts about existing nodes alone: the list below is
that page's section "Messages". Nothing of this repository is used, neither code nor schema."""

import hashlib

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# NAME: FIELD=NUMBER, with * where it is repeated; a capital is a message, () a map.
MESSAGES = """
Amount: n=1
DataFormat: tags=1* prose=2 formal=3
Protocol: tags=1* prose=2 formal=3
Ledger: tags=1* prose=2 formal=3
Architecture: tags=1* prose=2 formal=3
Contract: ledger=1:Ledger xattrs=2()
ContractRate: contract=1:Contract mu_per_unit=2:Amount
Service: prose=1 container=2:Container api=3:Api network=4*:Network possible_environment_workload=5*
Container: architecture=1:Architecture filesystem=2 init=3:Init resources=4:Resources config_declaration=5:Config node_protocol_stack=6*:Protocol environment_variables=7()
Filesystem: branch=1*:ItemBranch xattrs=2()
ItemBranch: name=1 file=2 link=3:Link filesystem=4:Filesystem xattrs=5()
Link: src=1 dst=2
Init: entry_path=1* xattrs=2()
Resources: at_init=1:Sysresources at_most=2:Sysresources
Config: path=1* format=2:DataFormat
Sysresources: blkio_weight=1# cpu_period=2# cpu_quota=3# mem_limit=4# disk_space=5# benchmark=99#
Api: slot=1*:Slot payment_contracts=2*:ContractRate
Slot: port=1# transport=2:Protocol protocol_stack=3*:Protocol mu_per_call=4()
Network: tags=1* prose=2 formal=3 protocol_stack=4*:Protocol environment_variable=5
Pair: key=1 value=2
"""


def numbers():
    """{message: {number: (name, the message it is or None)}}."""
    table = {}
    for line in MESSAGES.strip().splitlines():
        message, fields = line.split(": ")
        for text in fields.split():
            head, _, inner = text.partition(":")
            key, number = head.split("=")
            kind = "Pair" if number.endswith("()") else inner or None
            table.setdefault(message, {})[int(number.rstrip("*#()"))] = (key, kind)
    return table


NUMBERS = numbers()


def classes():
    """Text and bytes alike are bytes here, and every field is one that may be absent: what is read is
    written again as it was, or not at all."""
    file = descriptor_pb2.FileDescriptorProto(name="facts.proto", package="facts", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for line in MESSAGES.strip().splitlines():
        name, fields = line.split(": ")
        message = file.message_type.add(name=name)
        for text in fields.split():
            head, _, inner = text.partition(":")
            key, number = head.split("=")
            if number.endswith("()"):
                inner = "Pair"
            field = message.field.add(name=key, number=int(number.rstrip("*#()")))
            field.label = (kinds.LABEL_REPEATED if number.endswith(("*", "()")) else kinds.LABEL_OPTIONAL)
            field.type = (kinds.TYPE_MESSAGE if inner else
                          kinds.TYPE_UINT64 if number.endswith("#") else kinds.TYPE_BYTES)
            if inner:
                field.type_name = f".facts.{inner}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    # The older name of the same, before protobuf 4.22.
    made = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(
        pool).GetPrototype
    return {one.name: made(pool.FindMessageTypeByName(f"facts.{one.name}")) for one in file.message_type}


CLASSES = classes()


def in_order(message):
    """Maps sorted by key, branches by name: as they are written."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        many = field.label == field.LABEL_REPEATED
        if many and field.message_type.name in ("Pair", "ItemBranch"):
            key = "key" if field.message_type.name == "Pair" else "name"
            found = [getattr(one, key) for one in value]
            assert found == sorted(set(found)), (field.name, found)
        for one in value if many else [value]:
            in_order(one)


def service_id(data):
    """The id of a service, from the values that are known; 64 digits."""
    service = CLASSES["Service"].FromString(data)
    tree = CLASSES["Filesystem"].FromString(service.container.filesystem)
    for message in (service, tree):
        in_order(message)
        message.DiscardUnknownFields()
    service.container.filesystem = tree.SerializeToString()
    return hashlib.sha3_256(service.SerializeToString()).hexdigest()
