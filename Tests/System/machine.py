"""A whole Debian machine for a test: a root made by debootstrap, booted with systemd as its process 1
in a container (systemd-nspawn), with a network of its own that leads nowhere.

What a container lacks of a machine is given to it by one unit of the test, before anything else starts:
the hierarchies of cgroups writable, and loop devices."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

# Of Debian's archive; debootstrap's own choice where nothing is said.
MIRROR = os.environ.get("CELAUT_MIRROR", "").split()
# What the package depends on is in the root already: the machine has no network to fetch it.
PACKAGES = ("systemd,systemd-sysv,dbus,e2fsprogs,libarchive13,libcap2,libgcc-s1,libseccomp2,"
            "libsqlite3-0,libstdc++6,libsystemd0,busybox-static,"
            "sudo")
HOST_UNIT = """\
[Unit]
Description=What a container lacks of a machine
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mount -o remount,bind,rw /sys/fs/cgroup; \
for one in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$$one" || true; done; \
mknod /dev/loop-control c 10 237; \
for number in $$(seq 0 255); do mknod -m 660 /dev/loop$$number b 7 $$number; done; true'
[Install]
WantedBy=sysinit.target
"""


def run(*words, **options):
    done = subprocess.run(
        list(map(str, words)), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=options.pop("timeout", 600), **options)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


def bootstrap(folder):
    """A minimal Debian in a folder."""
    for pause in (5, 20, None):
        try:
            run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", folder, *MIRROR,
                timeout=1_200)
            break
        except AssertionError:
            # A network fails now and then.
            if pause is None:
                raise
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(pause)
    unit = folder / "etc/systemd/system/test-host.service"
    unit.write_text(HOST_UNIT)
    wants = folder / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / unit.name).symlink_to(f"/etc/systemd/system/{unit.name}")
    # Nobody logs in, nothing may be fetched, and no file comes because of the hour.
    for name in ("console-getty.service", "getty@.service", "apt-daily.timer",
                 "apt-daily-upgrade.timer", "systemd-logind.service", "dpkg-db-backup.timer",
                 "e2scrub_all.timer", "fstrim.timer", "systemd-tmpfiles-clean.timer"):
        (folder / "etc/systemd/system" / name).symlink_to("/dev/null")


def wait_until(condition, within, what):
    """Waits for a condition of the world outside, which sends no event, with a deadline."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what}")
        time.sleep(0.02)


class Machine:
    """Use as a context: powered off and removed at its end."""

    def __init__(self, base, folder):
        self.root = Path(folder) / "root"
        self.log_path = Path(folder) / "console.log"
        self.name = f"celaut-test-{os.getpid()}-{os.urandom(3).hex()}"
        run("cp", "-a", "--reflink=auto", base, self.root)
        self.container = None
        self.leader = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.power_off()
        shutil.rmtree(self.root, ignore_errors=True)

    def boot(self):
        """Until nothing is starting any more."""
        make_cgroups(self.name)
        with open(self.log_path, "ab") as log:
            self.container = subprocess.Popen(
                ["/bin/sh", "-c", ENTER_CGROUPS, self.name, "systemd-nspawn", "--quiet", "--directory", self.root, "--boot", "--capability=all",
                 "--private-network", "--register=no", "--keep-unit", f"--machine={self.name}",
                 "--console=pipe", "--link-journal=no", "--system-call-filter=@mount @keyring bpf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.leader = wait_until(self.find_leader, 120, "the machine's process 1")
        try:
            wait_until(self.is_running, 300, "the machine is up")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.console()}") from None
        return self

    def find_leader(self):
        assert self.container.poll() is None, self.console()
        children = Path(f"/proc/{self.container.pid}/task/{self.container.pid}/children")
        for pid in children.read_text().split():
            try:
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return int(pid)
            except OSError:
                continue
        return None

    def is_running(self):
        state = self.execute("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def console(self):
        return self.log_path.read_text(errors="replace")[-4000:] if self.log_path.exists() else ""

    def execute(self, *words, check=True, timeout=300, **options):
        """A command inside, as root."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
             *map(str, words)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, **options)
        if check:
            assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-6000:]}"
        return done

    def path(self, inside):
        """A path of the running machine, mounts of its own included, as seen from here."""
        return Path(f"/proc/{self.leader}/root{inside}")

    def journal(self, *words):
        self.execute("journalctl", "--sync", check=False)
        return self.execute("journalctl", "--no-pager", "-b", "-o", "cat", *words).stdout

    def power_off(self):
        """As by pulling the plug: nothing inside is told."""
        if self.container is None:
            return
        for pid in (self.leader, self.container.pid):
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.container.wait(120)
        self.container = self.leader = None
        wait_until(lambda: remove_cgroups(self.name), 120, "the machine's cgroups are empty")


# In every hierarchy a machine sees its own part alone, so that there can be several beside each other.
ENTER_CGROUPS = """\
for place in /sys/fs/cgroup/"$0" /sys/fs/cgroup/*/"$0"; do
    if [ -d "$place" ]; then echo $$ >"$place/cgroup.procs"; fi
done
exec "$@"
"""


def hierarchies():
    root = Path("/sys/fs/cgroup")
    return [place for place in (root, *root.iterdir()) if (place / "cgroup.procs").exists()
            and not place.is_symlink()]


def make_cgroups(name):
    for place in hierarchies():
        (place / name).mkdir(exist_ok=True)
        cpus = place / name / "cpuset.cpus"
        if cpus.exists():
            # A new part of a cpuset hierarchy has nothing, and takes no process then.
            for file in ("cpuset.cpus", "cpuset.mems"):
                (place / name / file).write_text((place / file).read_text())


def remove_cgroups(name):
    """A machine's cgroups end with its power; those of a container are the host's. Whether all went."""
    left = False
    for place in hierarchies():
        for folder, _, _ in os.walk(place / name, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                left = True
    return not left
