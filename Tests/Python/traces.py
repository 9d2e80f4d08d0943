"""What this run's own nodes consist of at one moment, and what of it is new since another: so that a test
sees what it left behind, and nothing of what other nodes of the machine do meanwhile.

Own is: a process that descends from this one; a cgroup named after a node of this run; a mount or a loop
device below a folder of this run; a socket that such a process holds."""

import ctypes
import os
import re
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
CGROUPS = Path("/sys/fs/cgroup")
# Folders that this run made, and names of its nodes' cgroups: who makes one adds it.
OWN_FOLDERS, OWN_CGROUPS = set(), set()


def adopt_orphans():
    """Whoever loses its parent below this process becomes its child, and not that of process 1: so
    descent tells what is this run's, also when a daemon in between was killed."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


adopt_orphans()


def own_folder(path):
    OWN_FOLDERS.add(str(path))
    return path


def own_node(state):
    """Notes the cgroup that `up` chose for a node, by its state directory."""
    text = (Path(state) / "config/sandbox-supervisor.toml").read_text()
    OWN_CGROUPS.add(re.search(r'^cgroup = "(.*)"', text, re.MULTILINE)[1])


def unescaped(text):
    """A path as the kernel writes it where fields end with blanks: those are octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def is_below_own(path):
    return any(path == folder or path.startswith(f"{folder}/") for folder in OWN_FOLDERS)


def descendants():
    """Pids of all that descend from this process, each with its parent's. Adopted witnesses that ended
    are laid to rest."""
    parents, ended = {}, []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            # A process may give itself any bytes as its name.
            head, fields = (process / "stat").read_text(errors="replace").rsplit(")", 1)
        except OSError:
            continue
        state, parent = fields.split()[:2]
        parents[int(process.name)] = int(parent)
        # The children that Python started are Python's to wait for; no test starts a launcher itself.
        if state == "Z" and int(parent) == os.getpid() and "(sandbox-launch" in head:
            ended.append(int(process.name))
    for pid in ended:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
    children = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, queue = {}, [os.getpid()]
    while queue:
        parent = queue.pop()
        for pid in children.get(parent, ()):
            found[pid] = parent
            queue.append(pid)
    return found


def executable_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def blanks(parents):
    """Witnesses that wait for an instance to be asked for, with namespaces of their own: at most one for each
    launcher, its child, and itself without one. What a node keeps ready is nothing that was left behind."""
    with_children = set(parents.values())
    found = {}
    for pid, parent in parents.items():
        if pid not in with_children and executable_of(pid).endswith("/sandbox-launcher") and (
                executable_of(parent).endswith("/sandbox-launcher")):
            found[parent] = pid
    return set(found.values())


class Traces:
    """Everything of this run that an instance consists of, at one moment."""

    KINDS = ("pid", "net", "mnt", "user")

    def __init__(self):
        from node import BINARIES
        programs = str(BINARIES.resolve())
        self.processes, self.namespaces, self.mounts = set(), set(), set()
        own = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in self.KINDS}
        pids = descendants()
        for pid in pids.keys() - blanks(pids):
            process = Path(f"/proc/{pid}")
            try:
                mine = {kind: os.readlink(process / "ns" / kind) for kind in own}
                executable = os.readlink(process / "exe")
                if (mine["pid"], mine["net"]) != (own["pid"], own["net"]) or (
                        executable.startswith(programs)):
                    self.processes.add((pid, executable))
                for kind in own:
                    if mine[kind] != own[kind] and mine[kind] not in self.namespaces:
                        self.namespaces.add(mine[kind])
                        if kind == "mnt":
                            self.add_mounts(mine[kind], process)
            except OSError:
                continue
        self.add_mounts(own["mnt"], Path("/proc/self"), is_below_own)
        self.cgroups = {folder for folder, _, _ in os.walk(CGROUPS)
                        if OWN_CGROUPS & set(folder.split("/"))}
        self.loops = set()
        for loop in Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                backing = loop.read_text().strip()
            except OSError:
                continue
            if is_below_own(backing):
                self.loops.add((loop.parts[3], backing))
        self.listeners = listeners({os.getpid(), *pids})

    def add_mounts(self, namespace, process, is_wanted=lambda _: True):
        for line in (process / "mountinfo").read_text(errors="replace").splitlines():
            fields = line.split()
            kind = fields[fields.index("-") + 1:]
            place = unescaped(fields[4])
            if is_wanted(place):
                self.mounts.add((namespace, place, *kind[:2]))

    def new_since(self, before):
        """What is there now and was not before, by kind."""
        return {
            name: sorted(map(str, now - getattr(before, name)))
            for name, now in vars(self).items() if now - getattr(before, name)}


def listeners(pids):
    """Local addresses, as the kernel writes them, where these processes take connections or
    datagrams in this network namespace."""
    bound = {}
    for name, is_waiting in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == is_waiting:
                bound[f"socket:[{fields[9]}]"] = f"{name} {fields[1]}"
    found = set()
    for pid in pids:
        try:
            held = list(os.scandir(f"/proc/{pid}/fd"))
        except OSError:
            continue
        for descriptor in held:
            try:
                target = os.readlink(descriptor.path)
            except OSError:
                continue
            if target in bound:
                found.add(bound[target])
    return found
