"""What holds for an instance holds as well where its root is a checkout: the same tests again, on a node
whose box-builder gives no other."""

import pytest

import boxes
import test_isolation
from node import Node
from probe import Probe

# Collected here as tests of this file, with the node below.
globals().update({name: test for name, test in vars(test_isolation).items()
                  if name.startswith("test_") and callable(test)})


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
