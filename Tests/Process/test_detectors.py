"""What the other tests rely on to notice a fault notices it: a check that cannot fail is a defect."""

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import Node, Traces, nothing_new_since, wait_until
from traces import OWN_CGROUPS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def assert_seen(before, kind):
    with pytest.raises(AssertionError) as caught:
        nothing_new_since(before, within=0.05)
    assert kind in str(caught.value), caught.value


def test_a_process_in_another_pid_namespace_is_seen():
    before = Traces()
    child = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sleep", "100"])
    try:
        wait_until(lambda: Traces().new_since(before), 60, "the process is there")
        assert_seen(before, "processes")
        assert_seen(before, "namespaces")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    nothing_new_since(before)


def test_a_mount_is_seen(scratch):
    before = Traces()
    folder = scratch / "mounted"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        assert_seen(before, "mounts")
    finally:
        subprocess.run(["umount", folder], check=True)
    nothing_new_since(before)


def test_a_loop_device_is_seen(scratch):
    before = Traces()
    image = scratch / "image"
    image.write_bytes(bytes(1 << 20))
    loop = subprocess.run(
        ["losetup", "--find", "--show", image], check=True, text=True,
        stdout=subprocess.PIPE).stdout.strip()
    try:
        assert_seen(before, "loops")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)
    nothing_new_since(before)


def test_a_listener_is_seen():
    before = Traces()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert_seen(before, "listeners")
    nothing_new_since(before)


def test_a_cgroup_is_seen():
    before = Traces()
    roots = [Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")]
    folder = next(root for root in roots if root.is_dir()) / f"celaut-test-{os.urandom(6).hex()}"
    OWN_CGROUPS.add(folder.name)
    folder.mkdir()
    try:
        assert_seen(before, "cgroups")
    finally:
        folder.rmdir()
    nothing_new_since(before)


def test_what_an_instance_consists_of_is_seen(node, start_probe):
    before = Traces()
    probe = start_probe()
    for kind in ("processes", "namespaces", "mounts", "cgroups", "loops", "listeners"):
        assert_seen(before, kind)
    probe.stop(grace_ms=0)
    nothing_new_since(before)


def test_an_instance_is_seen_after_everything_above_it_was_killed(probe_tree):
    before = Traces()
    with Node() as node:
        box = node.import_box(probe_tree, boxes.described())
        node.start_service(box.service_id)
        for name in ("gateway-broker", "sandbox-supervisor"):
            node.kill(name)
        assert_seen(before, "loops")
        node.process.kill()
        node.process.wait()
        assert_seen(before, "processes")
        assert_seen(before, "cgroups")
        node.start()
        assert node.stop() == 0
    nothing_new_since(before)


def test_what_another_node_of_the_machine_has_is_not_seen():
    before = Traces()
    roots = [Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")]
    group = next(root for root in roots if root.is_dir()) / f"celaut-others-{os.urandom(6).hex()}"
    group.mkdir()
    try:
        with tempfile.NamedTemporaryFile() as image:
            image.truncate(1 << 20)
            loop = subprocess.run(
                ["losetup", "--find", "--show", image.name], check=True, text=True,
                stdout=subprocess.PIPE).stdout.strip()
            try:
                # What a node of another test still ends is gone in a moment; this would stay.
                nothing_new_since(before)
            finally:
                subprocess.run(["losetup", "--detach", loop], check=True)
    finally:
        group.rmdir()


@pytest.mark.parametrize("wrong,what", [
    (dict(magic=b"XXXX"), "magic"), (dict(version=2), "version"), (dict(flags=1), "flags"),
    (dict(deadline=1), "deadline"), (dict(body_length=3), "body length"),
    (dict(descriptor_count=1), "descriptors"), (dict(reserved16=1), "reserved"),
    (dict(reserved32=1), "reserved")])
def test_the_client_refuses_a_wrong_frame_of_a_daemon(wrong, what):
    with pytest.raises(w.ProtocolBroken, match=what):
        w.Frame.decode(w.Frame(w.REPLY, **wrong).encode(), [])


REPORT = """<testsuite><testcase classname="a" name="one"/>
<testcase classname="a" name="two">{}</testcase></testsuite>"""


@pytest.mark.parametrize("inside,code,line", [
    ("", 0, "2 passed, 0 failed"),
    ('<failure message="no"/>', 1, "1 passed, 1 failed"),
    ('<error message="no"/>', 1, "1 passed, 1 failed"),
    ('<skipped message="no root"/>', 1, "1 passed, 1 failed")])
def test_the_tally_counts_failures_and_skips(tmp_path, inside, code, line):
    (tmp_path / "report.xml").write_text(REPORT.format(inside))
    result = subprocess.run(
        [DEPLOY / "tally", "sum", tmp_path], text=True, stdout=subprocess.PIPE)
    assert (result.returncode, result.stdout.splitlines()[-1]) == (code, line)


def test_the_tally_of_nothing_is_a_failure(tmp_path):
    result = subprocess.run([DEPLOY / "tally", "sum", tmp_path], stdout=subprocess.PIPE)
    assert result.returncode == 1


def test_the_tally_of_a_broken_report_is_a_failure(tmp_path):
    (tmp_path / "report.xml").write_text("<testsuite><testcase")
    result = subprocess.run([DEPLOY / "tally", "sum", tmp_path], stdout=subprocess.PIPE)
    assert result.returncode == 1
