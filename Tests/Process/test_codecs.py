"""A box is the same in every codec, for readers that share no code with ours."""

import hashlib
import io
import json
import os
import random
import re
import subprocess
import tarfile
import zipfile

import pytest

import boxes
import canonical
import facts
import identity
import wire_client as w
from boxes import described, entry
from node import CELAUTCTL
from test_exchange import export, import_bytes, refused

SEED = int(os.environ.get("CELAUT_SEED", random.randrange(1 << 32)))
CODECS = {"proto3": (w.box.CODEC_PROTO3, canonical.of_proto3),
          "json": (w.box.CODEC_JSON, canonical.of_json),
          "json+zip": (w.box.CODEC_JSON_ZIP, canonical.of_zip)}
START = entry("start", boxes.script("exit 0"))
DESCRIPTION = described(
    init={"entry_path": ["start"]}, api=[{"port": 80, "transport": "tcp", "protocol": ["http"],
                                          "mu_per_call": {"f": 3, "é": "99999999999999999999"}}],
    envs={"B": "text", "A": {"tags": ["n"], "prose": "a \"number\"\n", "formal": "é"}},
    network=[{"tags": ["net"], "prose": "peers", "formal": "x", "protocol_stack": ["tcp"]}])


def check(node, entries, description=DESCRIPTION):
    """Each codec has the values of the box, and is read back to the same id."""
    box = node.import_box(boxes.tar_bytes(entries), description)
    sent = {}
    for name, (codec, read) in CODECS.items():
        sent[name] = export(node, box.service_id, codec)[0]
        assert canonical.service_id(read(sent[name])) == box.service_id, name
    sent["another zip"] = canonical.zip_by_hand(sent["json+zip"])
    for name, data in sent.items():
        node.remove_box(box.service_id)
        assert import_bytes(node, data).service_id == box.service_id, name
        assert export(node, box.service_id, w.box.CODEC_PROTO3)[0] == sent["proto3"], name
    node.remove_box(box.service_id)
    return box.service_id, sent


def every_kind():
    return [START, entry("d/", kind=tarfile.DIRTYPE, mode=0o1777), entry("d/empty", b"", mode=0o600),
            entry("d/é", b"nfc", mode=0o644), entry("d/e\u0301", b"nfd", mode=0o644),
            entry("d/up", kind=tarfile.SYMTYPE, link="../start"),
            entry("d/away", kind=tarfile.SYMTYPE, link="/etc/x"),
            entry("n" * 255, bytes(range(256)) * 300, mode=0o444),
            entry("e/f/", kind=tarfile.DIRTYPE, mode=0o700),
            entry("x", b"x", mode=0o644, pax_headers={"SCHILY.xattr.user.note": "kept"})]


def test_a_box_with_every_kind_of_entry_is_the_same_in_every_codec(node):
    check(node, every_kind())


def test_generated_boxes_are_the_same_in_every_codec(node):
    print(f"CELAUT_SEED={SEED}")
    chance = random.Random(SEED)
    for _ in range(6):
        entries, folders = [START], [""]
        for number in range(chance.randrange(1, 40)):
            name = chance.choice(folders) + chance.choice(["a", "Z", "é", "e\u0301", "-", "\u0301"]) \
                + str(number)
            kind = chance.randrange(4)
            if kind == 0:
                entries.append(entry(name + "/", kind=tarfile.DIRTYPE, mode=chance.choice([0o755, 0o700])))
                folders.append(name + "/")
            elif kind == 1:
                entries.append(entry(name, kind=tarfile.SYMTYPE,
                                     link=chance.choice(["/usr/lib", "../x", "a/./b", "../../.."])))
            else:
                entries.append(entry(name, chance.randbytes(chance.choice([0, 1, 64, 70_000])),
                                     mode=chance.choice([0o644, 0o755])))
        check(node, entries)


def test_protoc_finds_the_documented_numbers_in_what_we_write(node):
    box, sent = check(node, [START, entry("d/l", kind=tarfile.SYMTYPE, link="/a")])
    raw = canonical.decoded_raw(sent["proto3"])
    container, = raw[2]
    assert container[1] == [{1: ['"linux/amd64"']}]
    assert container[3] == [{1: ['"start"']}]
    for limits in (container[4][0][1][0], container[4][0][2][0]):
        assert set(limits) == {1, 2, 3, 4, 5}
    assert container[5][0][1] == ['"__config__"']
    assert [e[1] for e in container[7]] == [['"A"'], ['"B"']]
    directory, start = container[2][0][1]
    assert directory[1] == ['"d"'] and start[1] == ['"start"']
    link = directory[4][0][1][0]
    assert link[3] == [{1: ['"/a"'], 2: ['"/d/l"']}]
    assert [e[1][0] for e in start[5]] == ['"gid"', '"mode"', '"mtime_ns"', '"uid"']
    assert start[5][1][2] == ['"33261"']
    slot, = raw[3][0][1]
    assert slot[1] == ["80"] and slot[2] == [{1: ['"tcp"']}] and slot[3] == [{1: ['"http"']}]
    assert [e[2] for e in slot[4]][0] == [{1: ['"3"']}]
    assert set(raw[4][0]) == {1, 2, 3, 4}


def definition(name):
    """Each part says where it stands."""
    return {"tags": [f"{name} tags"], "prose": f"{name} prose", "formal": f"{name} formal"}


WHOLE = {
    "prose": "service prose", "architecture": {**definition("architecture"), "tags": ["linux/amd64"]},
    "init": {"entry_path": ["start"], "xattrs": {"of init": "init xattr"}},
    "resources": {"at_init": {"blkio_weight": 101, "cpu_period": 100_001, "cpu_quota": 50_001,
                              "mem_limit": 100_000_001, "disk_space": 300_000_001},
                  "at_most": {"blkio_weight": 102, "cpu_period": 100_002, "cpu_quota": 50_002,
                              "mem_limit": 100_000_002, "disk_space": 300_000_002}},
    "config_declaration": {"path": ["etc", "configuration"], "format": definition("config format")},
    "node_protocol_stack": [definition("node protocol")], "envs": {"VARIABLE": definition("variable")},
    "api": [{"port": 8_081, "transport": {**definition("transport"), "tags": ["tcp"]},
             "protocol": [definition("slot protocol")], "mu_per_call": {"method": "77000"}}],
    "payment_contracts": [{"ledger": definition("ledger"), "xattrs": {"address": "contract xattr"},
                           "mu_per_unit": "88000"}],
    "network": [{**definition("network"), "protocol_stack": [definition("peer protocol")],
                 "environment_variable": "VARIABLE"}]}

# Where protoc must find what was said, by the names of the facts.
PLACES = {
    "service prose": "prose", "linux/amd64": "container.architecture.tags",
    "start": {"container.init.entry_path", "container.filesystem.branch.name"},
    "of init": "container.init.xattrs.key",
    "init xattr": "container.init.xattrs.value",
    **{str(n): f"container.resources.{at}.{key}" for at, key, n in (
        (at, key, n) for at in ("at_init", "at_most") for key, n in WHOLE["resources"][at].items())},
    "etc": "container.config_declaration.path", "configuration": "container.config_declaration.path",
    "VARIABLE": {"container.environment_variables.key", "network.environment_variable"},
    "8081": "api.slot.port", "tcp": "api.slot.transport.tags", "method": "api.slot.mu_per_call.key",
    "77000": "api.slot.mu_per_call.value.n", "address": "api.payment_contracts.contract.xattrs.key",
    "contract xattr": "api.payment_contracts.contract.xattrs.value",
    "88000": "api.payment_contracts.mu_per_unit.n",
    **{f"{name} {part}": f"{place}.{part}" for name, place, parts in (
        ("architecture", "container.architecture", ("prose", "formal")),
        ("config format", "container.config_declaration.format", ("tags", "prose", "formal")),
        ("node protocol", "container.node_protocol_stack", ("tags", "prose", "formal")),
        ("variable", "container.environment_variables.value", ("tags", "prose", "formal")),
        ("transport", "api.slot.transport", ("prose", "formal")),
        ("slot protocol", "api.slot.protocol_stack", ("tags", "prose", "formal")),
        ("ledger", "api.payment_contracts.contract.ledger", ("tags", "prose", "formal")),
        ("network", "network", ("tags", "prose", "formal")),
        ("peer protocol", "network.protocol_stack", ("tags", "prose", "formal"))) for part in parts},
}


def named(raw, message, seen, path=""):
    """What protoc finds without a schema, by the names of the facts: {text or number: {place, ...}}. A
    number that the facts do not have for a message is an error."""
    found = {}
    for number, values in raw.items():
        key, inner = facts.NUMBERS[message][number]
        seen.setdefault(message, set()).add(number)
        place = f"{path}.{key}".lstrip(".")
        # What the facts have as bytes is a tree, and a map's values are messages, here.
        inner = {"container.filesystem": "Filesystem", "api.slot.mu_per_call.value": "Amount",
                 "container.environment_variables.value": "DataFormat"}.get(place, inner)
        for value in values:
            if inner and isinstance(value, dict):
                for text, places in named(value, inner, seen, place).items():
                    found.setdefault(text, set()).update(places)
            elif not inner:
                text = value.strip('"') if isinstance(value, str) else None
                found.setdefault(text, set()).add(place)
            else:
                assert value == '""', (place, value)
    return found


def test_protoc_finds_every_part_of_a_specification_under_the_number_of_the_facts(node):
    """Each part says something of its own, and each is found where it belongs: no number of the facts is
    without one, and nothing stands under another."""
    _, sent = check(node, [
        START, entry("./", kind=tarfile.DIRTYPE, mode=0o700), entry("d/", kind=tarfile.DIRTYPE),
        entry("l", kind=tarfile.SYMTYPE, link="/target/of/it"), entry("file", b"content of it")], WHOLE)
    seen = {}
    found = named(canonical.decoded_raw(sent["proto3"]), "Service", seen)
    for text, place in PLACES.items():
        assert found.get(text) == ({place} if isinstance(place, str) else place), (text, found.get(text))
    assert found["content of it"] == {"container.filesystem.branch.file"}
    assert found["/target/of/it"] == {"container.filesystem.branch.link.src"}
    assert found["/l"] == {"container.filesystem.branch.link.dst"}
    # What is not offered here, or is of other messages.
    missing = {message: set(numbers) - seen.get(message, set())
               for message, numbers in facts.NUMBERS.items()}
    assert {message: numbers for message, numbers in missing.items() if numbers} == {
        "Service": {5}, "Sysresources": {99}}, missing


def test_json_is_canonical_and_holds_the_tree_in_base64(node):
    _, sent = check(node, [START])
    text = sent["json"].decode()
    again = json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert text == again


def test_a_zip_cut_anywhere_or_with_a_changed_byte_is_refused_or_another_box(node):
    tree = {"start": ("file", 0o755, START[1]), "b": ("file", 0o644, b"b" * 500)}
    whole = identity.service(described(init={"entry_path": ["start"]}, api=[]), tree)
    box = import_bytes(node, whole)
    data = export(node, box.service_id, w.box.CODEC_JSON_ZIP)[0]
    node.remove_box(box.service_id)
    chance = random.Random(SEED)
    for end in sorted(chance.sample(range(5, len(data)), 40)):
        refused(node, data[:end], codec=w.box.CODEC_JSON_ZIP)
    for _ in range(40):
        other = bytearray(data)
        other[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            made = import_bytes(node, bytes(other), codec=w.box.CODEC_JSON_ZIP).service_id
        except w.Fault:
            continue
        node.remove_box(made)
        refused(node, bytes(other), codec=w.box.CODEC_JSON_ZIP, expected_id=b"\1" * 32)


def zip_of(*entries):
    import io
    import zipfile
    out = io.BytesIO()
    service = json.dumps({"container": {"init": {"entryPath": ["start"]}}})
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("service.json", service)
        for name, mode, content in entries:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


STARTS = ("filesystem/start", 0o100755, START[1])


@pytest.mark.parametrize("entries", [
    [STARTS, ("filesystem/../x", 0o100644, b"")], [STARTS, ("elsewhere", 0o100644, b"")],
    [STARTS, ("filesystem/p", 0o010644, b"")],
    [STARTS, ("filesystem/a/b", 0o100644, b""), ("filesystem/a", 0o100644, b"")],
    [STARTS, STARTS], [STARTS, ("filesystem/" + "n" * 256, 0o100644, b"")],
    [STARTS, ("attributes.json", 0o100644, b'{"gone":{}}')]])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_is_no_box_is_refused(node, entries):
    node.remove_box(import_bytes(node, zip_of(STARTS)).service_id)
    refused(node, zip_of(*entries))


def test_directories_that_a_zip_does_not_name_are_as_those_that_a_tar_does_not(node):
    """Many programs write zips without them. One that is named behind what is in it has what it says."""
    deep, folder = ("filesystem/a/b/c", 0o100644, b"x"), ("filesystem/a/", 0o040700, b"")
    named = [("filesystem/a/", 0o040755, b""), ("filesystem/a/b/", 0o040755, b""), deep, STARTS]
    boxes_made = [import_bytes(node, zip_of(*entries)) for entries in (
        named, [deep, STARTS], [STARTS, deep], [folder, deep, STARTS], [deep, STARTS, folder])]
    ids = [box.service_id for box in boxes_made]
    assert ids[0] == ids[1] == ids[2] != ids[3] == ids[4]
    assert {box.entries for box in boxes_made} == {4}
    for service_id in {*ids}:
        node.remove_box(service_id)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("entries", [
    [STARTS, STARTS],
    [("filesystem/a/start", 0o100644, b""), STARTS, ("filesystem/a/start", 0o100644, b"")],
    [("filesystem/a/", 0o040755, b""), STARTS, ("filesystem/a/", 0o040755, b"")]])
def test_what_is_twice_in_a_zip_is_refused_by_its_name(node, entries):
    fault = refused(node, zip_of(*entries))
    assert (fault.reason, fault.subject.rstrip("/")) == (
        "DUPLICATE", entries[-1][0].removeprefix("filesystem/").rstrip("/")), fault


def test_a_device_in_a_zip_is_refused_by_its_name(node):
    for mode in (0o020666, 0o060660, 0o010644, 0o140755):
        fault = refused(node, zip_of(STARTS, ("filesystem/dev/odd", mode, b"")))
        assert (fault.reason, fault.subject) == ("SPECIAL_FILE", "filesystem/dev/odd"), fault


@pytest.mark.parametrize("data", [b"x", b"no zip at all", b"P" * 100_000, b"\0" * 100_000])
def test_what_is_no_zip_is_not_said_to_be_half_of_one(node, data):
    fault = refused(node, data, codec=w.box.CODEC_JSON_ZIP)
    assert (fault.code, fault.reason, fault.subject) == ("INVALID", "MALFORMED", "zip"), fault
    assert refused(node, zip_of(STARTS)[:-1], codec=w.box.CODEC_JSON_ZIP).reason == "TRUNCATED"


def test_a_zip_bomb_is_refused_before_it_fills_the_disk(node):
    fault = refused(node, zip_of(STARTS, ("filesystem/bomb", 0o100644, bytes(1_600_000_000))), deadline=600)
    assert fault.code == "TOO_LARGE" and fault.subject == "bomb"


def test_a_content_that_is_longer_than_declared_is_refused(node):
    data = bytearray(zip_of(STARTS, ("filesystem/lies", 0o100644, bytes(70_000))))
    for place in range(len(data) - 4):
        if data[place:place + 4] == (70_000).to_bytes(4, "little"):
            data[place:place + 4] = (7).to_bytes(4, "little")
    assert refused(node, bytes(data)).code == "INVALID"


# The file by which two nodes find a codec.

def fits(value, schema):
    """Whether a value is what a schema of JSON Schema says, as far as ours use it."""
    kinds = {"object": dict, "array": list, "string": str}
    assert set(schema) <= {"$schema", "title", "description", "type", "required", "properties", "const",
                           "items", "maxItems", "pattern"}, schema
    return ((("const" not in schema) or value == schema["const"])
            and (("type" not in schema) or isinstance(value, kinds[schema["type"]]))
            and all(key in value for key in schema.get("required", []))
            and all(fits(value[key], one) for key, one in schema.get("properties", {}).items() if key in value)
            and (not isinstance(value, list) or len(value) <= schema.get("maxItems", len(value)))
            and (not isinstance(value, list) or all(fits(one, schema.get("items", {})) for one in value))
            and (("pattern" not in schema) or bool(re.search(schema["pattern"], value))))


SCHEMA = json.loads((canonical.MODELS / "codecs.schema.json").read_text())


def test_the_node_says_which_codecs_it_understands_as_the_schema_has_it():
    done = subprocess.run([CELAUTCTL, "boxes", "codecs", "--format", "json"], stdout=subprocess.PIPE, check=True)
    assert done.stdout == (canonical.MODELS / "codecs.json").read_bytes()
    said = json.loads(done.stdout)
    assert fits(said, SCHEMA)
    assert said["hashes"] == [hash.hexdigest() for hash in (
        hashlib.sha3_256(), hashlib.sha256(), hashlib.blake2b(digest_size=32))]
    for change in ({"version": 2}, {"codecs": ["x"] * 65}, {"hashes": ["AB"]}, {"codecs": "proto3"}):
        assert not fits({**said, **change}, SCHEMA)
    table = subprocess.run([CELAUTCTL, "boxes", "codecs"], stdout=subprocess.PIPE, text=True, check=True)
    assert [line.split()[0] for line in table.stdout.splitlines()[1:]] == [
        "proto3", "json", "json+zip", "SHA3-256", "SHA-256", "BLAKE2b-256"]


@pytest.mark.parametrize("theirs, codec", [
    (["json+zip", "json", "cbor"], "json"), (["x", "json+zip"], "json+zip"), (["json", "proto3"], "proto3")])
def test_an_export_chooses_the_codec_that_both_understand(node, tmp_path, theirs, codec):
    box = node.import_box(boxes.tar_bytes([START]), DESCRIPTION).service_id
    file, out = tmp_path / "codecs.json", tmp_path / "box"
    file.write_text(json.dumps({"version": 1, "codecs": theirs, "hashes": [], "more": [1]}))
    done = node.command("boxes", "export", box.hex(), "--codecs-of", file, "-o", out, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["codec"] == codec
    assert canonical.service_id(CODECS[codec][1](out.read_bytes())) == box
    node.remove_box(box)


@pytest.mark.parametrize("text, told", [
    ('{"version":1,"codecs":["cbor"],"hashes":[]}', "no codec in common"),
    ('{"version":2,"codecs":["json"],"hashes":[]}', "does not say"), ("", "does not say"),
    ("x" * 20_000, "cannot be read")])
def test_a_file_without_a_common_codec_is_told_and_nothing_is_written(node, tmp_path, text, told):
    file = tmp_path / "codecs.json"
    file.write_text(text)
    done = node.command("boxes", "export", "ab" * 32, "--codecs-of", file, "-o", tmp_path / "box")
    assert done.returncode in (65, 66) and told in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["codecs.json"]


# JSON that another program wrote.

def test_json_of_another_program_has_the_same_value_and_the_id_of_its_canonical_form(node):
    """Members in any order, spaces, escapes, absent defaults said and said defaults absent: the id is
    computed over the canonical form of the values, so it is that of the box."""
    box, sent = check(node, [START], DESCRIPTION)
    said = json.loads(sent["json"])

    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(list(value))}
        return [turned(one) for one in value] if isinstance(value, list) else value
    said["container"]["resources"]["atInit"]["memLimit"] = int(
        said["container"]["resources"]["atInit"]["memLimit"])
    said["prose"], said["possibleEnvironmentWorkload"] = None, []
    said["container"]["init"]["xattrs"] = {}
    said["api"]["slot"][0]["transport"]["formal"] = ""
    for text in (json.dumps(turned(said)), json.dumps(said, indent=7, ensure_ascii=True),
                 "\n\t " + json.dumps(said, ensure_ascii=False) + " \r\n"):
        # A line's end is also the start of a service in proto3: what begins with one has to be named.
        assert import_bytes(node, text.encode(), codec=w.box.CODEC_JSON).service_id == box
        node.remove_box(box)


@pytest.mark.parametrize("path", [["other"], ["container", "init", "entry_path"], ["api", "slot", 0, "name"]])
def test_json_with_a_member_nobody_knows_is_refused_by_its_path(node, path):
    """Nothing is dropped: the value would be another than its writer meant."""
    _, sent = check(node, [START], DESCRIPTION)
    said = json.loads(sent["json"])
    inside = said
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = "x"
    fault = refused(node, json.dumps(said).encode())
    assert (fault.code, fault.reason) == ("INVALID", "MALFORMED")
    assert fault.subject.replace("[0]", ".0") == ".".join(map(str, path))


def test_foreign_canonical_bytes_keep_their_id_and_are_not_written_as_values(node):
    """The id is that of the bytes as they came, whatever their order: they go out as they came, and in
    no codec that would give another id."""
    start = identity.filesystem({"start": ("file", 0o755, boxes.script("exit 0"))})
    ours = (identity.tags(1, "linux/amd64"), identity.blob(2, start), identity.blob(3, identity.blob(1, "start")))
    foreign = {
        "fields in another order": identity.blob(2, ours[2] + ours[1] + ours[0]),
        "a field nobody knows": identity.blob(2, b"".join(ours) + identity.number(77, 1)),
        "a default that is said": identity.blob(1, "") + identity.blob(2, b"".join(ours)),
        "a field in two parts": identity.blob(2, ours[0] + ours[0] + ours[1] + ours[2]),
    }
    plain = import_bytes(node, identity.blob(2, b"".join(ours)))
    for what, data in foreign.items():
        box = import_bytes(node, data)
        assert box.service_id == hashlib.sha3_256(data).digest() != plain.service_id, what
        assert (box.entrypoint, box.architecture) == (plain.entrypoint, plain.architecture), what
        assert export(node, box.service_id, w.box.CODEC_PROTO3)[0] == data, what
        for codec in (w.box.CODEC_JSON, w.box.CODEC_JSON_ZIP):
            with pytest.raises(w.Fault) as caught:
                export(node, box.service_id, codec)
            assert caught.value.code == "UNSUPPORTED" and caught.value.lines == ["proto3", "bee"], what
        node.remove_box(box.service_id)
    node.remove_box(plain.service_id)


# What a service may have besides its tree.

def many(node, count):
    """(codec, bytes) of a service of so many networks that say nothing."""
    box, sent = check(node, [START])
    said = json.loads(sent["json"])
    said["network"] = [{}] * count
    yield "json", json.dumps(said).encode()
    yield "json+zip", zip_with(sent["json+zip"], network=[{}] * count)
    yield "proto3", identity.blob(2, identity.tags(1, "linux/amd64")) + b"\x22\0" * count


def zip_with(data, container=None, **changes):
    """A zip of the same box whose service.json says something else."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as other:
        for info in archive.infolist():
            content = archive.read(info)
            if info.filename == "service.json":
                said = json.loads(content) | changes
                said["container"] |= container or {}
                content = json.dumps(said).encode()
            other.writestr(info, content)
    return out.getvalue()


def test_a_service_of_more_fields_than_there_may_be_is_refused_in_every_codec(node):
    """A field of two bytes is a value of a hundred: what is held is bounded by their number."""
    for codec, data in many(node, 70_000):
        fault = refused(node, data)
        assert (fault.code, fault.subject, fault.fault.limit) == ("TOO_LARGE", "fields", 65_536), (codec, fault)


def test_names_in_many_spellings_are_no_more_work_than_as_many_others(node):
    """é in two spellings, twenty times: a million names that a text's own hash takes for one. Compared
    with each other they would take hours."""
    def name(number):
        return "".join("é" if number >> place & 1 else "e\u0301" for place in range(20))
    variables = b"".join(identity.blob(7, identity.blob(1, name(n)) + identity.blob(2, b""))
                         for n in range(60_000))
    start = identity.filesystem({"start": ("file", 0o755, START[1])})
    data = identity.blob(2, identity.tags(1, "linux/amd64") + identity.blob(2, start)
                         + identity.blob(3, identity.blob(1, "start")) + variables)
    box = import_bytes(node, data, deadline=600)
    assert box.service_id == hashlib.sha3_256(data).digest()
    node.remove_box(box.service_id)


def test_a_zip_says_its_filesystem_by_its_files_alone(node):
    _, sent = check(node, [START])
    fault = refused(node, zip_with(sent["json+zip"], container={"filesystem": "CgUKAWESAA=="}))
    assert (fault.code, fault.reason, fault.subject) == ("INVALID", "MALFORMED", "container.filesystem")
    assert import_bytes(node, zip_with(sent["json+zip"], container={"filesystem": ""})).entries == 1
    for box in node.list_boxes():
        node.remove_box(box.service_id)
