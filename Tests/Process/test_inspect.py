"""What is told of a box: everything its description says, and every digest it is known by."""

import hashlib
import json
import re
import sqlite3
import subprocess

import pytest
from google.protobuf import json_format

import boxes
import canonical
import wire_client as w
from boxes import described, entry
from test_exchange import export, import_bytes

START = boxes.script("exit 0")
WHOLE = described(
    tag="whole", prose="says everything",
    architecture={"tags": ["linux/amd64", "x86-64-v2"], "prose": "any of ten years"},
    init={"entry_path": ["start"], "xattrs": {"stop": "term"}},
    envs={"LEVEL": {"tags": ["integer"], "prose": "1 to 9"}, "NAME": None},
    config_declaration={"path": ["etc", "node"], "format": "celaut"},
    resources={"at_init": {"mem_limit": 64 << 20, "cpu_quota": 2000, "cpu_period": 10_000},
               "at_most": {"mem_limit": 128 << 20, "cpu_quota": 5000, "cpu_period": 10_000}},
    node_protocol_stack=["http/2", {"tags": ["grpc"], "formal": "service Gateway"}],
    api=[{"port": 8080, "transport": "tcp", "protocol": ["http"], "mu_per_call": {"solve": 3},
          "methods": {"solve": {"input": "dimacs", "output": {"tags": ["json"], "prose": "the model"}},
                      "status": {}},
          "cost_function": {"tags": ["wasm"], "formal": {"base64": "AGFzbQ=="}}}],
    payment_contracts=[{"ledger": "ergo", "xattrs": {"address": "9f"}, "mu_per_unit": "70"}],
    reputation_proofs=[{"ledger": "ergo", "xattrs": {"token": "abc"}}],
    network=[{"tags": ["bitcoin-mainnet"], "prose": "peers", "protocol_stack": ["tcp", "bitcoin"],
              "environment_variable": "NAME"}],
    possible_environment_workload=[{"workloads": [
        {"count": 3, "dependency": "ab" * 32, "resources": {"mem_limit": 32 << 20}}]}],
    shared_filesystems=[{"path": "/srv", "role": "shared", "access": "ro", "tag": "data"}],
    read_only_filesystem=True)


@pytest.fixture
def box(node):
    made = node.import_box(boxes.tar_bytes([entry("start", START), entry("srv/", kind=b"5")]), WHOLE)
    yield made.service_id
    node.remove_box(made.service_id)


def inspected(node, name, *options):
    return json.loads(node.command("boxes", "inspect", name, "--format", "json", *options).stdout)


def test_every_part_of_a_description_is_shown(node, box):
    table = " ".join(node.command("boxes", "inspect", box.hex()).stdout.split())
    for said in ["prose says everything", "architecture says linux/amd64, x86-64-v2 (any of ten years)",
                 "start stop term", "variable LEVEL integer (1 to 9)", "variable NAME -",
                 "configuration /etc/node: celaut", "at init memory 64.0 MiB",
                 "at most memory 128.0 MiB, disk 1.9 GiB, processor 5000 µs of 10000 µs",
                 "expected gateway http/2", "expected gateway grpc (15 bytes of formal description)",
                 "slot 8080/tcp http", "method solve in dimacs, out json (the model), 3 a call",
                 "method status -", "cost function wasm (4 bytes of formal description)",
                 "paid through ergo, address=9f, 70 for one unit",
                 "network bitcoin-mainnet (peers), speaking tcp bitcoin, with the same NAME",
                 f"workload 1 3 of {'ab' * 32} with memory 32.0 MiB",
                 "shared directory /srv ro as data", "file system ro", "reputation ergo token=abc"]:
        assert said in table, (said, table)


def test_programs_get_the_specification_in_the_names_of_the_json_codec(node, box):
    shown = inspected(node, box.hex())
    document = json.loads(export(node, box, w.box.CODEC_JSON)[0])
    del document["container"]["filesystem"]
    assert shown["service"]["specification"] == document
    methods = shown["service"]["methods"]["8080/tcp"]
    assert methods["methods"]["solve"]["input"] == {"tags": ["dimacs"]}
    assert methods["costFunction"] == {"tags": ["wasm"], "formal": "AGFzbQ=="}
    assert shown["service"]["sharedDirectories"] == [
        {"path": "/srv", "role": "shared", "access": "ro", "tag": "data"}]
    assert shown["service"]["readOnly"] is True


@pytest.mark.parametrize("codec", [
    w.box.CODEC_PROTO3, w.box.CODEC_JSON, w.box.CODEC_JSON_ZIP, w.box.CODEC_BEE])
def test_that_nothing_can_be_written_is_part_of_the_id_and_travels_in_every_codec(node, codec):
    tree = boxes.tar_bytes([entry("start", START)])
    ids = {}
    for said in (True, False, None):
        description = described(init={"entry_path": ["start"]}, api=[], read_only_filesystem=said)
        ids[said] = node.import_box(tree, description).service_id
        shown = inspected(node, ids[said].hex())
        assert shown["service"]["readOnly"] is bool(said) and "sharedDirectories" in shown["service"]
    assert ids[False] == ids[None] != ids[True]
    # As existing nodes have it.
    filesystem = canonical.messages().Filesystem.FromString(canonical.messages().Service.FromString(
        export(node, ids[True], w.box.CODEC_PROTO3)[0]).container.filesystem)
    assert dict(filesystem.xattrs) == {"read_mode": b"ro"}
    data = export(node, ids[True], codec)[0]
    node.remove_box(ids[True])
    assert import_bytes(node, data).service_id == ids[True]
    assert inspected(node, ids[True].hex())["service"]["readOnly"] is True
    table = " ".join(node.command("boxes", "inspect", ids[True].hex()).stdout.split())
    assert "file system ro" in table
    for id_ in {ids[True], ids[False]}:
        node.remove_box(id_)


def unknown(node, name):
    done = node.command("boxes", "inspect", name, "--format", "json")
    return done.returncode and json.loads(done.stderr)["condition"]["code"] == "notFound"


def digests_of(data):
    return {"SHA3-256": hashlib.sha3_256(data).hexdigest(), "SHA-256": hashlib.sha256(data).hexdigest(),
            "BLAKE2b-256": hashlib.blake2b(data, digest_size=32).hexdigest()}


def test_a_box_is_known_by_three_digests_once_they_were_asked_for(node, box):
    data = export(node, box, w.box.CODEC_PROTO3)[0]
    all_three = digests_of(data)
    assert inspected(node, box.hex())["digests"] == {"SHA3-256": box.hex()}
    for digest in (all_three["SHA-256"], all_three["BLAKE2b-256"]):
        assert unknown(node, digest)
    assert inspected(node, box.hex(), "--digests")["digests"] == all_three
    # Remembered, and good for naming the box in any request.
    assert inspected(node, box.hex())["digests"] == all_three
    for digest in all_three.values():
        assert inspected(node, digest)["box"]["id"] == box.hex()
        assert export(node, bytes.fromhex(digest), w.box.CODEC_PROTO3)[0] == data
    # They go with the box.
    node.remove_box(bytes.fromhex(all_three["SHA-256"]))
    assert unknown(node, all_three["SHA-256"])
    assert import_bytes(node, data).service_id == box
    assert inspected(node, box.hex())["digests"] == {"SHA3-256": box.hex()}


def test_an_exported_package_says_its_digests_and_an_imported_ones_are_known_when_they_are_true(node, box):
    package = export(node, box, w.box.CODEC_BEE)[0]
    data = export(node, box, w.box.CODEC_PROTO3)[0]
    assert inspected(node, box.hex())["digests"] == digests_of(data)
    node.remove_box(box)
    assert import_bytes(node, package).service_id == box
    assert inspected(node, digests_of(data)["BLAKE2b-256"])["digests"] == digests_of(data)


def test_a_digest_that_was_altered_in_the_index_names_nothing_and_is_found(node, box):
    true = inspected(node, box.hex(), "--digests")["digests"]
    with sqlite3.connect(node.state / "box-builder" / "index.sqlite", timeout=120) as index:
        for table, in index.execute("SELECT value FROM digest").fetchall():
            index.execute("UPDATE digest SET value = ? WHERE value = ?", (bytes(31) + table[:1], table))
    for name in (true["SHA-256"], true["BLAKE2b-256"], "00" * 31 + true["SHA-256"][:2]):
        assert unknown(node, name)
    assert "digest" in node.command("boxes", "verify", "--format", "json").stdout
    # What is asked for is computed again.
    assert inspected(node, box.hex(), "--digests")["digests"] == true


def test_every_part_has_the_number_that_the_schema_gives_it_and_protobufs_own_json_is_the_same_box(node, box):
    data = export(node, box, w.box.CODEC_PROTO3)[0]
    read = canonical.messages().Service.FromString(data)
    # What has no name in the schema would be printed by its number.
    named = subprocess.run(["protoc", f"--proto_path={canonical.MODELS}", "--decode=celaut.Service", "celaut.proto"],
                           input=data, stdout=subprocess.PIPE, check=True).stdout.decode("utf-8", "replace")
    assert not re.search(r"^\s*\d+\s*[:{]", named, re.M), named
    assert {field.name for field, _ in read.ListFields()} == {
        "prose", "container", "api", "network", "possible_environment_workload"}
    assert len(read.container.ListFields()) == 7 and len(read.network[0].ListFields()) == 4
    app = canonical.messages().AppProtocol.FromString(read.api.slot[0].protocol_stack[-1].formal)
    assert set(app.methods) == {"solve", "status"} and app.cost_function.formal == b"\0asm"
    assert read.api.payment_contracts[0].contract.ledger.tags == ["ergo"]
    workload, = read.possible_environment_workload[0].workloads
    assert (workload.count, workload.dependency.hash[0].value) == (3, bytes.fromhex("ab" * 32))
    node.remove_box(box)
    for text in (json_format.MessageToJson(read), json_format.MessageToJson(read, indent=None)):
        assert import_bytes(node, text.encode()).service_id == box
        assert export(node, box, w.box.CODEC_PROTO3)[0] == data
        node.remove_box(box)
    import_bytes(node, data)
