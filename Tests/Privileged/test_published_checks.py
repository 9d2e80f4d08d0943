"""Checks that others have published, inside an instance: systemd's own (Debian's package systemd-tests). Those
of what any program may do of files, processes, sockets and clocks pass, so the sandbox takes nothing away
that a service counts on; those that set up devices, mounts, networks and namespaces do not."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import wait_until

FOLDER = Path("/usr/lib/systemd/tests")
LIBRARIES = "/usr/lib/x86_64-linux-gnu/systemd:/usr/lib/systemd"

PASS = """async bus-objects bus-server bus-vtable clock copy cpu-set-util data-fd-util devnum-util env-util
errno-util exit-status fd-util fdset fileio hostname-util id128 io-util libmount local-addresses log mkdir
mmap-cache os-util proc-cmdline psi-util random-util rlimit-util seccomp serialize
set-disable-mempool sigbus signal-util socket-netlink sysctl-util terminal-util tmpfile-util umask-util
user-util util utmp xattr-util""".split()

# They end with 77 where they see that they may not, or abort where it is refused: to become another user
# or to give files to one is, too.
REFUSED = """bpf-devices bpf-firewall capability chown-rec dev-setup execute fs-util loop-block loopback
namespace procfs-util rm-rf sched-prio socket-util""".split()


def program(name):
    [path] = [one for one in FOLDER.glob(f"**/test-{name}") if one.is_file()]
    return path


def libraries(paths):
    """What the programs are linked with, by name."""
    told = subprocess.run(["ldd", *paths], check=True, text=True, stdout=subprocess.PIPE,
                          env={"LD_LIBRARY_PATH": LIBRARIES}).stdout
    assert "not found" not in told, told
    return {Path(found).name: Path(found) for found in re.findall(r"/\S+\.so\S*", told)}


def ended(node, started):
    return any(one.instance_id == started.instance.instance_id
               and one.state.phase == w.sandbox.PHASE_ENDED for one in node.list_services(ended=True))


def text_file(name, text):
    return boxes.entry(name, text.encode(), mode=0o644)


@pytest.fixture(scope="module")
def results(node):
    """The exit code and the last words of each, from one instance."""
    names = PASS + REFUSED
    paths = [program(name) for name in names]
    entries = boxes.busybox_entries()
    for folder in ("etc", "home", "lib", "lib64", "root", "run", "t", "usr", "var"):
        entries.append(boxes.entry(f"{folder}/", kind=boxes.tarfile.DIRTYPE))
    for folder in ("tmp", "var/tmp"):
        entries.append(boxes.entry(f"{folder}/", kind=boxes.tarfile.DIRTYPE, mode=0o1777))
    for name in ("cat", "echo", "sh", "sleep", "touch", "true"):
        entries.append(boxes.entry(f"bin/{name}", kind=boxes.tarfile.SYMTYPE, link="/bin/busybox"))
    entries += [
        text_file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                                "nobody:x:65534:65534:nobody:/:/bin/false\n"),
        text_file("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
        text_file("etc/nsswitch.conf", "passwd: files\ngroup: files\n"),
        text_file("etc/os-release", "ID=box\nNAME=box\nPRETTY_NAME=box\nVERSION_ID=1\n")]
    for name, path in libraries(paths).items():
        folder = "lib64" if name.startswith("ld-linux") else "lib"
        entries.append(boxes.entry(f"{folder}/{name}", path.read_bytes()))
    for path in paths:
        entries.append(boxes.entry(f"t/{path.name}", path.read_bytes()))
    entries.append(boxes.entry("start", boxes.script(
        "export LD_LIBRARY_PATH=/lib HOME=/root PATH=/bin",
        "for test in " + " ".join(names) + "; do",
        "  rm -rf /tmp/* /var/tmp/*; cd /tmp",
        "  timeout -s KILL 300 /t/test-$test > /run/said 2>&1 < /dev/null",
        "  echo \"$test $? $(tail -n 3 /run/said | tr -c 'a-zA-Z0-9/:=<>()._' ' ')\"",
        "done")))
    bounds = {"mem_limit": 512 << 20, "disk_space": 512 << 20}
    box = node.import_box(boxes.tar_bytes(entries), boxes.described(
        tag="published", init={"entry_path": ["start"], "xattrs": {"terminals": "true"}}, api=[],
        resources={"at_init": bounds, "at_most": bounds}))
    started = node.start_service(box.service_id)
    wait_until(lambda: time.sleep(0.3) or ended(node, started), 1_000, "all checks are over")
    assert node.watch_until_ended(started.token).ended.cause == w.sandbox.END_CAUSE_EXITED
    lines = node.output(started.token)[0].decode().splitlines()
    said = {line.split(" ", 2)[0]: line.split(" ", 2)[1:] for line in lines}
    return {name: (int(code), words) for name, (code, words) in said.items()}


@pytest.mark.parametrize("name", PASS)
def test_what_any_program_may_do_is_as_systemd_expects_it(results, name):
    code, words = results[name]
    assert code == 0, words


@pytest.mark.parametrize("name", REFUSED)
def test_what_only_the_host_may_do_does_not_succeed(results, name):
    code, words = results[name]
    assert code in (77, 134), words


# What makes sandboxes, mounts, devices and limits on a host, by its own tools, as root would.
TOOLS = {
    "a sandbox of its own": "bwrap --unshare-all --ro-bind / / /bin/true",
    "a sandbox without namespaces of users": "bwrap --unshare-pid --bind / / /bin/true",
    "a user namespace": "unshare --user /bin/true",
    "a mount namespace": "unshare --mount /bin/true",
    "a network namespace": "unshare --net /bin/true",
    "the namespaces of its init": "nsenter --target 1 --all /bin/true",
    "a mount": "mount -t tmpfs none /tmp",
    "a bind mount": "mount --bind /etc /tmp",
    "less of its root's protection": "mount -o remount,dev,suid /",
    "an unmount": "umount /proc",
    "a loop device": "losetup --find --show /start",
    "another root": "chroot / /bin/true",
    "another user": "setpriv --reuid 1 --clear-groups /bin/true",
    "a capability": "setpriv --inh-caps +sys_admin --ambient-caps +sys_admin /bin/true",
    "more open files": "prlimit --nofile=9999999:9999999 /bin/true",
    "real time": "chrt --fifo 1 /bin/true",
    "the kernel's log": "dmesg",
}


@pytest.fixture(scope="module")
def tried(node):
    """The exit code and the last words of each tool, from one instance."""
    programs = {command.split()[0] for command in TOOLS.values()} | {"true"}
    paths = {name: Path(shutil.which(name)) for name in programs}
    entries = boxes.busybox_entries()
    for folder in ("etc", "lib", "lib64", "run"):
        entries.append(boxes.entry(f"{folder}/", kind=boxes.tarfile.DIRTYPE))
    entries.append(boxes.entry("tmp/", kind=boxes.tarfile.DIRTYPE, mode=0o1777))
    for name, path in libraries(paths.values()).items():
        folder = "lib64" if name.startswith("ld-linux") else "lib"
        entries.append(boxes.entry(f"{folder}/{name}", path.read_bytes()))
    for name, path in paths.items():
        entries.append(boxes.entry(f"bin/{name}", path.read_bytes()))
    lines = ["export LD_LIBRARY_PATH=/lib PATH=/bin"]
    for number, command in enumerate(TOOLS.values()):
        lines.append(f"/bin/{command} > /run/said 2>&1; echo {number} $? $(tail -n 3 /run/said)")
    # What the tools are tried with works.
    lines.append("/bin/true; echo \"true $?\"")
    entries.append(boxes.entry("start", boxes.script(*lines)))
    box = node.import_box(boxes.tar_bytes(entries), boxes.described(
        tag="tools", init={"entry_path": ["start"]}, api=[]))
    started = node.start_service(box.service_id)
    node.watch_until_ended(started.token)
    said = dict(line.split(" ", 1) for line in node.output(started.token)[0].decode().splitlines())
    assert said.pop("true") == "0"
    return {what: said[str(number)] for number, what in enumerate(TOOLS)}


@pytest.mark.parametrize("what", TOOLS)
def test_the_tools_of_a_host_do_not_give_an_instance(tried, what):
    code, _, words = tried[what].partition(" ")
    assert int(code) not in (0, 126, 127), tried[what]
    assert re.search(r"not permitted|denied|privileg|No permissions|superuser|cannot|/proc/1/ns",
                     words, re.IGNORECASE), words
