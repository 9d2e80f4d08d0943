"""What holds for an instance holds as well where its root is a checkout: the same tests again, on a node
whose box-builder gives no other."""

import json
import os

import pytest

import boxes
import test_isolation
import wire_client as w
from disks import disk_in_memory
from node import Node
from probe import Probe

# Collected here as tests of this file, with the node below.
globals().update({name: test for name, test in vars(test_isolation).items()
                  if name.startswith("test_") and callable(test)})


DAMAGED = 74


@pytest.fixture(scope="module")
def node():
    with Node(roots="checkout") as running:
        yield running


def test_an_instance_runs_from_the_checkout_and_leaves_it_as_it_was(node, probe_tree):
    box = node.import_box(probe_tree, boxes.described(tag="from-checkout"))
    root = node.state / "box-builder" / "checkouts" / box.service_id.hex()
    assert (root / "etc/shared").read_bytes() == b"the same for all\n"
    probe = Probe(node, node.start_service(box.service_id))
    assert probe.run("echo changed > /etc/shared && cat /etc/shared") == ("changed\n", 0)
    assert probe.run("stat -c '%u %g %a' /etc/shared /probe")[0] == "0 0 644\n0 0 755\n"
    assert (root / "etc/shared").read_bytes() == b"the same for all\n"
    probe.stop(grace_ms=0)
    assert node.command("boxes", "verify").returncode == 0


def test_a_checkout_that_was_found_altered_is_made_again_when_nobody_has_it(node):
    start = boxes.entry("start", boxes.script("exit 0"))
    box = node.import_box(
        boxes.tar_bytes([start, boxes.entry("kept", b"whole")]),
        boxes.described(init={"entry_path": ["start"]}, api=[]))
    kept = node.state / "box-builder" / "checkouts" / box.service_id.hex() / "kept"

    def opened(connection, holder):
        _, descriptors = connection.call_with_descriptors(
            "BoxBuilder.OpenBox", w.box.OpenBoxRequest(box=box.service_id.hex(), holder=holder))
        for descriptor in descriptors:
            os.close(descriptor)
        return kept.read_bytes()

    with node.connect("box-builder", "BoxBuilder") as connection:
        opened(connection, "first")
        kept.write_bytes(b"other")
        assert node.command("boxes", "verify", box.service_id.hex()).returncode == DAMAGED
        # Who has it may run from it, also where it is the same one that asks again.
        assert opened(connection, "second") == b"other"
        connection.call("BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder="second"))
        assert opened(connection, "first") == b"other"
        connection.call("BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder="first"))
        assert opened(connection, "third") == b"whole"
        assert node.command("boxes", "verify").returncode == 0
        connection.call("BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder="third"))
    node.remove_box(box.service_id)


def test_a_checkout_that_was_found_altered_is_made_again_by_another_life_of_the_builder(node):
    start = boxes.entry("start", boxes.script("exit 0"))
    box = node.import_box(
        boxes.tar_bytes([start, boxes.entry("kept", b"whole")]),
        boxes.described(init={"entry_path": ["start"]}, api=[]))
    name = box.service_id.hex()
    checkouts = node.state / "box-builder" / "checkouts"
    mark = checkouts / f"{name}.altered"
    (checkouts / name / "kept").write_bytes(b"other")
    assert node.command("boxes", "verify", name).returncode == DAMAGED
    node.kill("box-builder")
    assert mark.exists()
    # A mark is no leftover, and does not say that the box is damaged.
    found = json.loads(node.command("boxes", "verify", "--format", "json").stdout)
    assert {finding["name"] for finding in found["findings"]} == {f"checkouts/{name}/kept"}, found
    with node.connect("box-builder", "BoxBuilder") as connection:
        _, descriptors = connection.call_with_descriptors(
            "BoxBuilder.OpenBox", w.box.OpenBoxRequest(box=name, holder="another life"))
        for descriptor in descriptors:
            os.close(descriptor)
        assert (checkouts / name / "kept").read_bytes() == b"whole" and not mark.exists()
        connection.call("BoxBuilder.ReleaseBox", w.box.ReleaseBoxRequest(holder="another life"))
    assert node.command("boxes", "verify").returncode == 0
    # It goes with its box, by a removal or the next start.
    (checkouts / name / "kept").write_bytes(b"again")
    assert node.command("boxes", "verify", name).returncode == DAMAGED and mark.exists()
    node.remove_box(box.service_id)
    assert not mark.exists()
    mark.touch()
    node.kill("box-builder")
    assert node.command("boxes", "verify").returncode == 0 and not mark.exists()


def test_a_node_in_memory_starts_its_boxes_of_itself(probe_tree):
    """On a tmpfs, from whose files the kernel mounts no image."""
    with disk_in_memory(512) as (base, mount), Node(state=mount / "state", base=base) as node:
        probe = Probe(node, node.start_service(
            node.import_box(probe_tree, boxes.described()).service_id))
        assert probe.run("cat /etc/shared && echo own > /etc/shared") == ("the same for all\n", 0)
        probe.stop(grace_ms=0)
        assert node.command("boxes", "verify").returncode == 0
