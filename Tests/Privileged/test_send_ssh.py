"""Boxes from one node to another over ssh itself: OpenSSH's client, and a server on the loopback of a
network of its own, with accounts, keys and a home of its own."""

import json
import random
import signal
import subprocess

import pytest

import boxes
from boxes import described, entry
from node import CELAUTCTL, Node, store_of, wait_until

PORT = 2222
PLAIN = described(init={"entry_path": ["start"]}, api=[])
START = boxes.script("exit 0")
LARGE = random.Random(9).randbytes(1_500_000)


@pytest.fixture(scope="module")
def other():
    with Node() as running:
        yield running


class Host:
    """Whom "ssh there" reaches, from inside its network."""

    def __init__(self, folder):
        self.folder = folder
        self.configuration = folder / "config"
        home = folder / "home"
        (home / ".ssh").mkdir(parents=True, mode=0o700)
        home.chmod(0o700)
        host_key, key = folder / "host", folder / "key"
        made = subprocess.run(["dropbearkey", "-t", "ed25519", "-f", host_key], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        public, = [line for line in made.splitlines() if line.startswith("ssh-ed25519 ")]
        (folder / "known").write_text(f"[127.0.0.1]:{PORT} {public}\n")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (home / ".ssh/authorized_keys").write_text((folder / "key.pub").read_text())
        # The server takes its users, and where their keys are, from here; nobody else sees it.
        (folder / "passwd").write_text(f"root:x:0:0:root:{home}:/bin/sh\n")
        self.configuration.write_text("\n".join([
            "Host there", "HostName 127.0.0.1", f"Port {PORT}", "User root", f"IdentityFile {key}",
            "IdentitiesOnly yes", f"UserKnownHostsFile {folder}/known", "GlobalKnownHostsFile /dev/null",
            "StrictHostKeyChecking yes", "BatchMode yes", "ControlPath none", "ConnectTimeout 30", ""]))
        script = (f"busybox ip link set lo up && mount --bind {folder}/passwd /etc/passwd && "
                  f"exec dropbear -F -E -s -p 127.0.0.1:{PORT} -r {host_key} -P {folder}/pid")
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "--propagation", "private", "/bin/sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.listens, 60, "a server of ssh")

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        with open(f"/proc/{self.process.pid}/net/tcp") as sockets:
            return any(line.split()[1].endswith(f":{PORT:04X}") for line in sockets if ":" in line.split()[1])

    def inside(self, *words):
        """Words that run in its network."""
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *map(str, words)]

    def send(self, node, *words, remote, options=""):
        """A finished `boxes send … --over "ssh there …"`."""
        over = f"ssh -F {self.configuration} {options} there {remote}"
        return subprocess.run(
            self.inside(CELAUTCTL, "boxes", "send", *words, "--over", over, "--runtime", node.runtime,
                        "--format", "json"),
            text=True, timeout=300, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def there(scratch):
    (scratch / "ssh").mkdir(mode=0o755)
    host = Host(scratch / "ssh")
    yield host
    host.stop()


def receive(other, *words):
    return " ".join(map(str, [CELAUTCTL, "boxes", "receive", "--runtime", other.runtime, *words]))


@pytest.fixture
def sent(node):
    """Two boxes with a content in common."""
    trees = [[entry("start", START), entry("large", LARGE), entry("own", bytes([n]) * 40_000)]
             for n in (1, 2)]
    ids = [node.import_box(boxes.tar_bytes(tree), PLAIN).service_id for tree in trees]
    yield ids
    for box in ids:
        node.remove_box(box)


def test_a_box_goes_over_ssh_without_what_the_receiver_has(node, other, there, sent):
    held = other.import_box(
        boxes.tar_bytes([entry("start", START), entry("l", LARGE)]), PLAIN).service_id
    done = there.send(node, sent[0].hex(), remote=receive(other, "--tag", "web"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["id"] == sent[0].hex() and not report["alreadyPresent"]
    assert report["bytesSaved"] == len(LARGE) and report["bytesSent"] < 60_000
    other.remove_box(held)
    assert [(box.service_id, list(box.tags)) for box in other.list_boxes()] == [(sent[0], ["web"])]
    assert other.command("boxes", "verify", "web").returncode == 0
    again = there.send(node, sent[0].hex(), remote=receive(other))
    assert json.loads(again.stdout)["alreadyPresent"]
    other.remove_box(sent[0])


def test_several_boxes_go_over_one_connection(node, other, there, sent):
    before = there.log.read_text().count("Pubkey auth succeeded")
    done = there.send(node, *[box.hex() for box in sent], remote=receive(other))
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)
    assert [report["id"] for report in reports] == [box.hex() for box in sent]
    # What both have went once.
    assert [report["bytesSaved"] for report in reports] == [0, len(LARGE)]
    assert there.log.read_text().count("Pubkey auth succeeded") == before + 1
    assert sorted(box.service_id for box in other.list_boxes()) == sorted(sent)
    for box in sent:
        other.remove_box(box)


@pytest.mark.parametrize("what, remote, options, code, told", [
    ("a host that is not the known one", None, "-o UserKnownHostsFile=/dev/null", 69, "Host key verification"),
    ("a host without the program", "/nowhere/celautctl boxes receive", "", 69, "not found"),
    ("a connection that dies", "'kill -9 $PPID'", "", 69, "ended the stream"),
    ("a host that greets", "'echo Welcome to this host; cat >/dev/null'", "", 65, "no exchange"),
    ("a stream that is cut", "CUT", "", (65, 69), "other side")],
    ids=["an unknown host", "no program", "a dead connection", "a greeting", "a cut stream"])
def test_what_goes_wrong_with_ssh_is_told_and_leaves_nothing(
        node, other, there, sent, what, remote, options, code, told):
    if remote == "CUT":
        # Byte by byte: what keeps some back would keep the first words back, too.
        remote = f"'dd bs=1 count=300000 status=none | {receive(other)}'"
    before = store_of(other)
    done = there.send(node, sent[0].hex(), remote=remote or receive(other), options=options)
    codes = code if isinstance(code, tuple) else (code,)
    assert done.returncode in codes and told in done.stderr, (what, done.returncode, done.stderr)
    assert not done.stdout
    assert not other.list_boxes()
    # Whoever received may be told of the end later than who sent.
    wait_until(lambda: store_of(other) == before, 60, "the store has what it had")
