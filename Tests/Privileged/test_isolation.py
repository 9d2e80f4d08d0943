"""What a program inside an instance can see, reach and do: looked at from inside, with a probe."""

import os
import re
import socket
import threading
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import paths_below
from traces import descendants

CLONE_NEWUSER = 0x10000000


def status_field(probe, name):
    output, _ = probe.run("cat /proc/self/status")
    return re.search(rf"^{name}:\s*(.*)$", output, re.MULTILINE).group(1)


def test_the_only_network_device_is_loopback(shared_probe):
    output, _ = shared_probe.run("cat /proc/net/dev")
    devices = [line.split(":")[0].strip() for line in output.splitlines() if ":" in line]
    assert devices == ["lo"]


def test_nothing_is_routed(shared_probe):
    output, _ = shared_probe.run("cat /proc/net/route")
    assert len(output.splitlines()) <= 1, output
    for address in ("192.0.2.1", "10.0.0.1", "169.254.169.254"):
        assert shared_probe.ask(f"connect {address} 80") == "errno 101\n", address


def test_what_listens_on_the_host_is_not_there(shared_probe):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert shared_probe.ask(f"connect 127.0.0.1 {port}") == "errno 111\n"
    # The probe itself can be reached from inside, so that the refusal above means something.
    assert shared_probe.ask(f"connect 127.0.0.1 {boxes.PROBE_PORT}") == "ok\n"


def test_an_abstract_socket_of_the_host_is_not_there(shared_probe):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0celaut-test-{os.getpid()}")
        listener.listen()
        output, _ = shared_probe.run("cat /proc/net/unix")
        assert "celaut-test" not in output


@pytest.mark.parametrize("field", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_no_capability_is_held_or_can_be_gained(shared_probe, field):
    assert int(status_field(shared_probe, field), 16) == 0


def test_no_new_privileges_is_set_and_a_filter_is_in_force(shared_probe):
    assert status_field(shared_probe, "NoNewPrivs") == "1"
    assert status_field(shared_probe, "Seccomp") == "2"


def test_the_processes_of_the_host_are_not_there(shared_probe):
    output, _ = shared_probe.run("for p in /proc/[0-9]*; do cat $p/comm; done")
    names = output.split()
    assert len(names) <= 6, names
    assert "celautctl" not in names and "python3" not in names


def test_the_init_cannot_be_killed_or_looked_into(shared_probe):
    shared_probe.run("kill -9 1; kill -TERM 1; kill -STOP 1")
    assert shared_probe.run("echo alive") == ("alive\n", 0)
    output, status = shared_probe.run("cat /proc/1/environ /proc/1/maps /proc/1/mem; ls -l /proc/1/fd /proc/1/root")
    assert status != 0, output
    assert "/" + "var" not in output and "celaut" not in output, output


def test_the_host_name_is_not_that_of_the_host(shared_probe):
    assert shared_probe.run("hostname") == ("celaut\n", 0)


def test_no_path_of_the_host_is_visible(shared_probe, node):
    output, _ = shared_probe.run("cat /proc/self/mountinfo /proc/mounts")
    for secret in (str(node.state), str(node.base), "objects", "/" + "tmp/celaut"):
        assert secret not in output, output


def test_every_mount_but_the_root_is_one_that_the_node_gives(shared_probe):
    output, _ = shared_probe.run("cat /proc/self/mountinfo")
    kinds = {line.split(" - ")[1].split()[0] for line in output.splitlines() if " - " in line}
    assert kinds <= {"overlay", "proc", "sysfs", "tmpfs", "devpts", "mqueue", "ext4", "erofs"}, output


def test_the_devices_are_few_and_harmless(shared_probe):
    output, _ = shared_probe.run("find /dev -type b")
    assert output.strip() == "", output
    output, _ = shared_probe.run("find /dev -type c")
    assert set(output.split()) <= {
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
        "/dev/ptmx", "/dev/pts/ptmx", "/dev/console"}, output
    assert shared_probe.run("echo x > /dev/null && head -c 4 /dev/zero | wc -c")[0].strip() == "4"


@pytest.mark.parametrize("path", [
    "/proc/sysrq-trigger", "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern",
    "/proc/sys/vm/drop_caches", "/proc/irq", "/sys/kernel/mm/ksm/run", "/proc/acpi/wakeup"])
def test_the_kernel_cannot_be_configured_through(shared_probe, path):
    output, status = shared_probe.run(f"echo 1 > {path}")
    assert status != 0, output


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kmsg",
                                  "/proc/sched_debug", "/sys/firmware/acpi"])
def test_what_tells_of_the_machine_cannot_be_read(shared_probe, path):
    output, status = shared_probe.run(f"head -c 100 {path} | wc -c")
    assert output.strip().endswith("0") or status != 0, output


# Numbers of x86_64; a call that is refused leaves its effect undone, which is what counts.
REFUSED_CALLS = {
    "mount": "165 0 0 0 0 0", "umount2": "166 0 0", "pivot_root": "155 0 0", "chroot": "161 0",
    "unshare(user)": f"272 {CLONE_NEWUSER}", "unshare(net)": "272 0x40000000",
    "setns": "308 0 0", "ptrace(traceme)": "101 0 0 0 0", "bpf": "321 0 0 0",
    "perf_event_open": "298 0 0 -1 -1 0", "io_uring_setup": "425 1 0", "userfaultfd": "323 0",
    "keyctl": "250 0 -3 1", "add_key": "248 0 0 0 0 0", "request_key": "249 0 0 0 0",
    "kexec_load": "246 0 0 0 0", "init_module": "175 0 0 0", "delete_module": "176 0 0",
    "reboot": "169 0xfee1dead 672274793 0", "swapon": "167 0 0", "acct": "163 0",
    "settimeofday": "164 0 0", "clock_settime": "227 0 0", "sethostname": "170 0 0",
    "open_by_handle_at": "304 -100 0 0", "iopl": "172 3", "ioperm": "173 0 1 1",
    "personality(no-randomize)": "135 0x0040000", "syslog": "103 10 0 0",
    "open_tree": "428 -100 0 0", "fsopen": "430 0 0",
    "move_pages": "279 0 1 0 0 0 0", "process_vm_readv": "310 1 0 0 0 0",
    "kcmp": "312 1 1 0 0 0", "quotactl": "179 0 0 0 0", "clone(user)": f"56 {CLONE_NEWUSER | 17} 0 0 0 0",
}


@pytest.mark.parametrize("name", REFUSED_CALLS)
def test_a_system_call_that_could_lead_out_is_refused(shared_probe, name):
    answer = shared_probe.ask("call " + REFUSED_CALLS[name])
    # EFAULT or EBADF would mean that the kernel looked at the arguments: it must not get there.
    assert re.fullmatch(r"errno (1|13|38)\n|signal 31\n", answer), answer


@pytest.mark.parametrize("name,arguments,allowed", [
    ("inet stream", "2 1 0", True), ("inet datagram", "2 2 0", True), ("unix", "1 1 0", True),
    ("inet6 stream", "10 1 0", None), ("packet", "17 3 0", False), ("raw", "2 3 1", False),
    ("vsock", "40 1 0", False), ("alg", "38 5 0", False), ("bluetooth", "31 3 0", False),
    ("netlink audit", "16 3 9", False), ("netlink netfilter", "16 3 12", None)])
def test_a_socket_family_is_what_a_service_may_have(shared_probe, name, arguments, allowed):
    answer = shared_probe.ask("socket " + arguments)
    if allowed is True:
        assert answer == "ok\n"
    elif allowed is False:
        assert answer.startswith(("errno", "signal")), answer


@pytest.mark.parametrize("kind", ["c 1 3", "b 8 0"])
def test_no_device_can_be_made(shared_probe, kind):
    output, status = shared_probe.run(f"mknod /tmp/device {kind}")
    # Landlock's answer, and the kernel's own where there is no Landlock.
    assert status != 0 and ("permission denied" in output.lower()
                            or "not permitted" in output.lower()), output


def test_the_environment_is_what_was_asked_for_and_nothing_else(start_probe, monkeypatch):
    monkeypatch.setenv("OF_THE_HOST", "1")
    asked = [("GREETING", b"hello"), ("EMPTY", b""), ("BYTES", "é=ü".encode())]
    probe = start_probe(
        environment=asked, envs={"GREETING": "", "EMPTY": "", "BYTES": ""})
    lines = probe.ask("environment").splitlines()
    assert sorted(lines) == sorted(f"{name}={value.decode()}" for name, value in asked)


def test_the_configuration_file_is_where_the_description_says(start_probe):
    probe = start_probe(
        environment=[("GREETING", b"hello in the file")], envs={"GREETING": ""},
        config_declaration={"path": ["etc", "node.config"]})
    output, status = probe.run("cat /etc/node.config")
    assert status == 0 and "hello in the file" in output and "GREETING" in output, output
    assert probe.run("test -e /__config__")[1] != 0


def test_the_configuration_file_has_its_default_place(start_probe):
    probe = start_probe(environment=[("GREETING", b"here")], envs={"GREETING": ""})
    output, status = probe.run("cat /__config__")
    assert status == 0 and "here" in output


def test_what_one_instance_writes_no_other_sees(start_probe, node):
    first, second = start_probe(), start_probe()
    assert first.run("echo changed > /etc/shared && cat /etc/shared") == ("changed\n", 0)
    assert first.run("rm -r /bin/busybox /tmp; :")[1] is not None
    assert second.run("cat /etc/shared") == ("the same for all\n", 0)
    third = start_probe()
    assert third.run("cat /etc/shared") == ("the same for all\n", 0)
    objects = [path for path in paths_below(node.state / "box-builder")
               if path.is_file() and path.stat().st_size == len(b"the same for all\n")]
    assert all(b"changed" not in path.read_bytes() for path in objects)


def host_uids():
    """The users that probes of this run run as, seen from the host."""
    found = set()
    for pid in descendants():
        process = Path(f"/proc/{pid}")
        try:
            if os.readlink(process / "exe") == "/probe":
                found.add(int((process / "status").read_text().split("Uid:")[1].split()[0]))
        except OSError:
            continue
    return found


def test_an_instance_has_users_of_its_own(start_probe):
    before = host_uids()
    start_probe(), start_probe()
    uids = host_uids() - before
    assert len(uids) == 2 and min(uids) > 65_535, uids


def test_a_setuid_program_gives_nothing(start_probe):
    probe = start_probe()
    assert probe.run("cp /bin/busybox /tmp/busybox && chmod 6755 /tmp/busybox") == ("", 0)
    assert probe.run("/tmp/busybox id -u") == probe.run("id -u")
    output, _ = probe.run("/tmp/busybox cat /proc/self/status")
    assert re.search(r"^CapEff:\s*0+$", output, re.MULTILINE), output


def test_the_limits_are_those_of_the_description(start_probe, node):
    probe = start_probe(memory_bytes=100 << 20)
    [listed] = [one for one in node.list_services()
                if one.instance_id == probe.started.instance.instance_id]
    assert listed.state.limits.memory_bytes == 100 << 20
    assert listed.state.limits.disk_bytes == 64 << 20
    assert listed.state.limits.processes >= 1


def test_files_are_owned_and_permitted_as_packed(start_probe):
    probe = start_probe()
    assert probe.run("stat -c '%a %u %g' /etc/shared")[0] == "644 0 0\n"
    assert probe.run("stat -c '%a' /tmp")[0] == "1777\n"


def test_the_relay_is_on_the_loopback_of_the_host_only(shared_probe):
    port = shared_probe.address[1]
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
                 if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"]
    assert listening == [f"0100007F:{port:04X}"]


def test_a_hundred_connections_at_once_are_each_answered(shared_probe):
    answers, lock = [], threading.Lock()

    def ask(number):
        answer = shared_probe.run(f"echo {number}")
        with lock:
            answers.append((number, answer))
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [(number, (f"{number}\n", 0)) for number in range(100)]


def test_ten_megabytes_come_through_the_relay_whole(shared_probe):
    output, status = shared_probe.run("seq 1 1400000", timeout=240)
    assert status == 0
    assert output == "".join(f"{number}\n" for number in range(1, 1_400_001))


def test_cpu_use_stays_within_the_quota(start_probe):
    resources = {"mem_limit": boxes.MEBIBYTE * 64, "disk_space": boxes.MEBIBYTE * 64,
                 "cpu_period": 100_000, "cpu_quota": 20_000}
    probe = start_probe(resources={"at_init": resources, "at_most": resources})
    output, _ = probe.run("timeout 2 sh -c 'while :; do :; done'; cat /proc/$$/stat; :", timeout=240)
    ended = probe.stop()
    assert 20_000 < ended.state.usage.cpu_us < 1_200_000, ended.state.usage


def test_an_instance_keeps_no_socket_of_the_host_open(shared_probe):
    output, _ = shared_probe.run("ls -l /proc/$PPID/fd")
    assert len([line for line in output.splitlines() if "->" in line]) <= 6, output
    assert w.PROTOCOLS.as_posix() not in output


def test_a_witness_keeps_one_capability_and_is_shut_in(shared_probe, node):
    instance = shared_probe.started.instance.instance_id.hex()
    record = node.state / "sandbox-supervisor/instances" / instance / "witness"
    status = Path(f"/proc/{record.read_text().split()[0]}/status").read_text()
    fields = {name: value.strip() for name, _, value in
              (line.partition(":") for line in status.splitlines())}
    kill = 1 << 5
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == kill
    assert int(fields["CapBnd"], 16) == int(fields["CapAmb"], 16) == 0
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert set(fields["Uid"].split()) == {str(record.parent.stat().st_uid)} != {"0"}
