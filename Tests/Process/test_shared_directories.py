"""Directories that a parent shares with its children: what each side sees and may do, what is refused,
what nobody gets by tricks with names, and what of it outlives the supervisor."""

import os
import random
import signal
import threading
import time

import pytest

import boxes
import canonical
import wire_client as w
from node import Node, wait_until
from probe import Probe
from supervisor import OpenBox, Supervisor
from traces import Traces

MEBIBYTE = 1 << 20
PORT = boxes.PROBE_PORT
BOUNDS = {"mem_limit": 256 * MEBIBYTE, "disk_space": 64 * MEBIBYTE}
FORBIDDEN_BYTES = "what only this instance has"


def directory(name, mode=0o755):
    return boxes.entry(name, kind=boxes.tarfile.DIRTYPE, mode=mode)


def share(path, role, **more):
    return {"path": path, "role": role, **more}


OFFERED = [share("/srv/both", "shared"), share("/srv/seen", "shared", access="ro"),
           share("/var/notes", "shared", tag="notes")]
INHERITED = [share("/srv/both", "guest"), share("/srv/seen", "guest", access="ro"),
             share("/mnt/mine", "guest", tag="notes", access="ro")]


def import_box(node, scratch, tag, shares):
    boxes.probe_tree(scratch)
    tree = boxes.tar_bytes(boxes.busybox_entries() + [
        directory("tmp/", 0o1777), directory("srv/"), directory("srv/both/", 0o750),
        directory("srv/seen/"), directory("srv/other/"), directory("var/"),
        directory("var/notes/"), directory("mnt/"), directory("mnt/mine/"),
        boxes.entry("srv/both/of-the-box", b"hidden\n", mode=0o644),
        boxes.entry("secret", FORBIDDEN_BYTES.encode(), mode=0o600),
        boxes.entry("probe", (scratch / "probe").read_bytes())])
    return node.import_box(tree, boxes.described(
        tag=tag, resources={"at_init": BOUNDS, "at_most": BOUNDS},
        shared_filesystems=shares)).service_id


@pytest.fixture(scope="module", params=["auto", "checkout"])
def node(request):
    with Node(roots=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def parent_service(node, scratch):
    return import_box(node, scratch, "sharing", OFFERED)


@pytest.fixture(scope="module")
def child_service(node, scratch):
    return import_box(node, scratch, "shared-with", INHERITED)


@pytest.fixture
def parent(node, parent_service):
    started = Probe(node, node.start_service(parent_service))
    yield started
    node.stop_service(started.token, grace_ms=0)


class Inside:
    """An instance that is reached from inside its parent only."""

    def __init__(self, node, service, parent, **fields):
        self.parent = parent
        self.started = node.start_service(
            service, memory_bytes=32 * MEBIBYTE, disk_bytes=8 * MEBIBYTE, processes=16,
            parent=w.gateway.InstanceReference(token=parent.token), **fields)
        self.token = self.started.token
        own = parent.started.instance.instance_id
        [address] = [one for one in self.started.instance.addresses if one.inside == own]
        self.host = address.host

    def run(self, command):
        """A shell command inside: (output, status)."""
        line = command.replace("'", "'\\''")
        text, _ = self.parent.run(f"(echo 'run {line}' | nc -w 60 {self.host} {PORT})")
        output, _, status = text.rpartition("=")
        return output, int(status) if status.strip().isdigit() else status

    def output(self, command):
        output, status = self.run(command)
        assert status == 0, (command, output, status)
        return output


def output(instance, command):
    text, status = instance.run(command)
    assert status == 0, (command, text, status)
    return text


def refusal(node, service, parent=None):
    with pytest.raises(w.Fault) as refused:
        if parent:
            Inside(node, service, parent)
        else:
            node.start_service(service, memory_bytes=32 * MEBIBYTE)
    return refused.value


def test_what_one_side_writes_the_other_reads_as_its_own(node, parent, child_service):
    child = Inside(node, child_service, parent)
    output(parent, "echo of the parent > /srv/both/down; mkdir /srv/both/deep")
    assert child.output("cat /srv/both/down") == "of the parent\n"
    child.output("echo of the child > /srv/both/up; mv /srv/both/up /srv/both/deep/up")
    assert output(parent, "cat /srv/both/deep/up") == "of the child\n"
    for one in (parent, child):
        listing = output(one, "stat -c '%u:%g %a' /srv/both /srv/both/down /srv/both/deep/up")
        assert listing.split("\n")[:3] == ["0:0 750", "0:0 644", "0:0 644"]
    # What the box has there stands below it, and is in no share.
    assert output(parent, "ls /srv/both").split() == ["deep", "down"]
    child.output("rm -r /srv/both/deep")
    assert output(parent, "ls /srv/both").split() == ["down"]


def test_what_is_read_only_is_so_in_the_child_alone(node, parent, child_service):
    child = Inside(node, child_service, parent)
    output(parent, "echo one > /srv/seen/file; echo tagged > /var/notes/file")
    assert child.output("cat /srv/seen/file") == "one\n"
    # By its tag, at another path.
    assert child.output("cat /mnt/mine/file") == "tagged\n"
    for command in ("echo x > /srv/seen/file", "touch /srv/seen/new", "rm /srv/seen/file",
                    "chmod 777 /srv/seen", "mkdir /mnt/mine/x"):
        text, status = child.run(f"{command} 2>&1")
        assert status != 0 and "Read-only file system" in text, (command, text)
    output(parent, "echo two > /srv/seen/file")
    assert child.output("cat /srv/seen/file") == "two\n"


def test_two_children_have_the_same_and_a_stranger_s_child_has_its_own(
        node, parent, parent_service, child_service):
    one, other = (Inside(node, child_service, parent) for _ in range(2))
    one.output("echo for my sibling > /srv/both/file")
    assert other.output("cat /srv/both/file") == "for my sibling\n"
    stranger = Probe(node, node.start_service(parent_service))
    try:
        third = Inside(node, child_service, stranger)
        assert third.output("ls -a /srv/both").split() == [".", ".."]
    finally:
        stranger.stop(grace_ms=0)


def test_nothing_in_a_share_is_executed_raises_rights_or_is_a_device(node, parent, child_service):
    child = Inside(node, child_service, parent)
    output(parent, "cp /bin/busybox /srv/both/program; chmod 4755 /srv/both/program")
    text, status = child.run("/srv/both/program true 2>&1")
    assert status != 0 and "Permission denied" in text, text
    table = child.output("grep ' /srv/\\| /mnt/' /proc/self/mountinfo").splitlines()
    assert len(table) == 3
    for line in table:
        options = line.split()[5].split(",")
        assert {"nosuid", "nodev", "noexec", "nosymfollow"} <= set(options), line
        # Nothing of the host but the number of a device.
        assert line.split()[3] in ("/shares/0", "/shares/1", "/shares/2"), line
    table = output(parent, "grep ' /srv/\\| /var/' /proc/self/mountinfo").splitlines()
    assert len(table) == 3
    for line in table:
        assert {"nosuid", "nodev", "nosymfollow"} <= set(line.split()[5].split(",")), line
    for one in (parent, child):
        text, status = one.run("mknod /srv/both/device c 1 3 2>&1")
        assert status != 0, text


def test_a_link_in_a_share_leads_nowhere_on_either_side(node, parent, child_service):
    child = Inside(node, child_service, parent)
    for one, other in ((parent, child), (child, parent)):
        for target in ("/secret", "../../secret", "/srv/both/real", "."):
            output(one, f"rm -f /srv/both/link; ln -s {target} /srv/both/link")
            text, status = other.run("cat /srv/both/link/. /srv/both/link 2>&1")
            assert status != 0 and FORBIDDEN_BYTES not in text, (target, text)
            text, status = other.run("echo overwritten > /srv/both/link")
            assert status != 0, target
            assert output(other, "readlink /srv/both/link").strip() == target
    for one in (parent, child):
        assert output(one, "cat /secret") == FORBIDDEN_BYTES


def test_what_is_asked_for_and_not_offered_is_refused_by_its_path(
        node, scratch, parent, child_service):
    cases = [
        (share("/srv/other", "guest"), "/srv/other"),
        (share("/srv/seen", "guest"), "/srv/seen"),  # offered read-only
        (share("/var/notes", "guest", access="ro"), "/var/notes"),  # offered by its tag
        (share("/srv/both", "guest", tag="none"), "/srv/both"),
    ]
    for number, (asked, path) in enumerate(cases):
        service = import_box(node, scratch, f"asks-{number}", [asked])
        fault = refusal(node, service, parent)
        assert (fault.code, fault.subject) == ("FORBIDDEN", f"share {path}"), asked
        assert fault.lines == ["/srv/both rw", "/srv/seen ro", "notes rw"]
    # Without a parent there is nothing to inherit: the first in the order of the tree.
    fault = refusal(node, child_service)
    assert (fault.code, fault.subject) == ("FORBIDDEN", "share /mnt/mine")


def test_a_child_does_not_pass_on_what_it_inherited(node, parent, child_service):
    child = Inside(node, child_service, parent)
    with pytest.raises(w.Fault) as refused:
        node.start_service(
            child_service, memory_bytes=8 * MEBIBYTE, disk_bytes=4 * MEBIBYTE, processes=4,
            parent=w.gateway.InstanceReference(token=child.token))
    assert (refused.value.code, refused.value.subject) == ("FORBIDDEN", "share /mnt/mine")


def test_renaming_and_links_above_a_share_give_a_child_nothing_else(
        node, parent, child_service):
    """The parent swaps what is above its directory for links that lead elsewhere, again and again,
    while children start: each has the directory that was offered."""
    output(parent, "echo the share > /srv/both/marker")
    output(parent, "mkdir -p /fake/both /fake/seen; echo a fake > /fake/both/marker")
    stop = threading.Event()
    swaps = []

    def swap():
        while not stop.is_set():
            text, _ = parent.run(
                "for i in 1 2 3 4 5 6 7 8; do mv /srv /kept && ln -s /fake /srv; "
                "rm /srv && mv /kept /srv; done; echo done")
            swaps.append(text)
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(6):
            child = Inside(node, child_service, parent)
            assert child.output("cat /srv/both/marker") == "the share\n"
            node.stop_service(child.token, grace_ms=0)
    finally:
        stop.set()
        swapper.join()
    assert any("done" in text for text in swaps)
    # Gone altogether: it is still the one that was offered.
    output(parent, "mv /srv /elsewhere")
    child = Inside(node, child_service, parent)
    assert child.output("cat /srv/both/marker") == "the share\n"
    assert output(parent, "cat /elsewhere/both/marker") == "the share\n"


def used_bytes(node, token):
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        report = connection.call(
            "GatewayBroker.InspectService", w.gateway.InspectServiceRequest(
                instance=w.gateway.InstanceReference(token=token)), deadline=120)
    return report.state.usage.disk_bytes


def test_what_a_child_writes_there_is_the_parent_s_and_bounded_by_its_disk(
        node, parent, child_service):
    child = Inside(node, child_service, parent)
    # Eight times what its own disk takes, where it may write no more than its parent.
    text, status = child.run("dd if=/dev/zero of=/srv/both/big bs=1M count=80 2>&1")
    assert status != 0 and "No space left on device" in text, text
    size = int(output(parent, "stat -c %s /srv/both/big"))
    assert 40 * MEBIBYTE < size <= 68 * MEBIBYTE, size
    child.output("echo still writes its own > /tmp/file")
    text, status = parent.run("dd if=/dev/zero of=/tmp/own bs=1M count=8 2>&1")
    assert status != 0 and "No space left on device" in text, text
    child.output("rm /srv/both/big")
    output(parent, "dd if=/dev/zero of=/tmp/own bs=1M count=8 2>&1")


def test_another_supervisor_gives_the_same_directory(node, parent, child_service):
    first = Inside(node, child_service, parent)
    first.output("echo before > /srv/both/file")
    node.kill("sandbox-supervisor")
    wait_until(lambda: first.run("cat /srv/both/file") == ("before\n", 0), 120, "it is reached again")

    def another():
        try:
            return Inside(node, child_service, parent)
        except w.Fault as fault:
            # The gateway takes its peer up again.
            assert fault.code in ("UNAVAILABLE", "LIMIT_REACHED", "FORBIDDEN"), fault
            assert not fault.subject.startswith("share"), fault
    second = wait_until(another, 120, "a child starts")
    assert second.output("cat /srv/both/file") == "before\n"
    second.output("echo after > /srv/both/file")
    assert first.output("cat /srv/both/file") == "after\n"


def test_a_parent_that_is_killed_takes_its_children_and_nothing_stays(
        node, parent_service, child_service):
    before = Traces()
    parent = Probe(node, node.start_service(parent_service))
    child = Inside(node, child_service, parent)
    child.output("sleep 1000 > /srv/both/held 2>&1 &")
    node.stop_service(parent.token, grace_ms=0)
    ended = {one.instance_id for one in node.list_services(ended=True)}
    assert child.started.instance.instance_id in ended
    # Its layer, with the directories in it, was mounted for the child, too.
    wait_until(lambda: not Traces().new_since(before), 60, "nothing of the family is left")


@pytest.mark.parametrize("codec", ["proto3", "json", "json+zip"])
def test_another_node_learns_what_is_shared_from_every_codec(
        node, fresh_node, child_service, tmp_path, codec):
    package = tmp_path / "box"
    told = node.command("boxes", "export", child_service.hex(), "--codec", codec, "-o", package)
    assert told.returncode == 0, told
    # Another reader finds the same id where it reads and writes all of it.
    readers = {"proto3": canonical.of_proto3, "json": canonical.of_json}
    if codec in readers:
        assert canonical.service_id(readers[codec](package.read_bytes())) == child_service
    told = fresh_node.command("boxes", "import", package)
    assert told.returncode == 0, told
    assert [one.service_id for one in fresh_node.list_boxes()] == [child_service]
    fault = refusal(fresh_node, child_service)
    assert (fault.code, fault.subject) == ("FORBIDDEN", "share /mnt/mine")


def test_a_parent_that_dies_while_a_child_starts_gives_its_own_directory_or_none(node):
    """Its loop device is soon another's: a child that comes to run never sees what is in there then."""
    tree = boxes.tar_bytes(boxes.busybox_entries() + [
        directory("tmp/", 0o1777), directory("srv/"), directory("srv/both/"),
        boxes.entry("parent", boxes.script(
            "echo $MARK > /srv/both/marker; echo written; sleep 1000")),
        boxes.entry("child", boxes.script("cat /srv/both/marker"))])
    box_id = node.import_box(tree, boxes.described(
        tag="dying", init={"entry_path": ["parent"]}, api=[])).service_id
    seen = []
    with OpenBox(node, box_id) as box, Supervisor(node) as supervisor:
        def start_parent(mark):
            request = supervisor.request(box, ["parent"], environment=[("MARK", mark.encode())])
            request.offers.add(path=["srv", "both"], name="/srv/both")
            supervisor.send_start(box, request)
            wait_until(lambda: supervisor.output(request.instance_id)[0], 120, "it has written")
            return request.instance_id

        for number in range(10):
            parent = start_parent(f"parent-{number}")
            request = supervisor.request(box, ["child"])
            request.inherited.add(path=["srv", "both"], name="/srv/both")
            request.parent_id = parent
            supervisor.send_start(box, request)
            time.sleep(random.uniform(0, 0.03))
            witness = node.state / "sandbox-supervisor" / "instances" / parent.hex() / "witness"
            os.kill(int(witness.read_text().split()[0]), signal.SIGKILL)
            stranger = start_parent(f"stranger-{number}")
            child = supervisor.wait_ended(request.instance_id)
            said = supervisor.output(request.instance_id)[0].decode().strip()
            assert said in ("", f"parent-{number}"), said
            if child.ended.cause == w.sandbox.END_CAUSE_START_FAILED:
                assert child.ended.subject.startswith("share /srv/both: "), child.ended
            else:
                assert said, child.ended
            seen.append(said)
            supervisor.stop(stranger)
            for one in (parent, stranger, request.instance_id):
                supervisor.wait_ended(one)
                supervisor.forget(one)
    assert len(seen) == 10
