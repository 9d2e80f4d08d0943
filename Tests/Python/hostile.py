"""The hostile programs (Tests/Privileged/hostile) as a box, and what became of one."""

import subprocess
from pathlib import Path

import boxes
import wire_client as w

SOURCES = Path(__file__).resolve().parents[1] / "Privileged" / "hostile"
SHARED_CONTENT = b"the same for all\n"
# A library with a name that a program of the host could ask for, if it ever looked into the box.
LIBRARY = """
#include <fcntl.h>
__attribute__((constructor)) static void loaded(void) { open("/loaded-by-the-node", O_CREAT, 0600); }
"""


def compiled(folder):
    """(the attacks, the library), compiled once per test run."""
    program, library = Path(folder) / "hostile", Path(folder) / "library.so"
    if not program.exists():
        subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program,
                        *sorted(SOURCES.glob("*.c"))], check=True)
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", library],
                       input=LIBRARY, text=True, check=True)
    return program.read_bytes(), library.read_bytes()


def tree(folder):
    """The box: the attacks, a file to attack, a setuid program, links that lead out, libraries."""
    program, library = compiled(folder)

    def folder_entry(name, mode=0o755):
        return boxes.entry(name, kind=boxes.tarfile.DIRTYPE, mode=mode)
    entries = boxes.busybox_entries() + [
        folder_entry("tmp/", 0o1777), folder_entry("etc/"), folder_entry("lib/"),
        folder_entry("lib/x86_64-linux-gnu/"),
        boxes.entry("etc/shared", SHARED_CONTENT, mode=0o644),
        boxes.entry("etc/ld.so.preload", b"/lib/x86_64-linux-gnu/libnss_files.so.2\n", mode=0o644),
        boxes.entry("etc/out", kind=boxes.tarfile.SYMTYPE, link="../../../../../../../../etc"),
        boxes.entry("bin/as-root", program, mode=0o6755),
        boxes.entry("hostile", program)]
    for name in ("libnss_files.so.2", "libnss_systemd.so.2", "libnss_dns.so.2", "libgcc_s.so.1",
                 "libc.so.6"):
        entries.append(boxes.entry(f"lib/x86_64-linux-gnu/{name}", library))
    return boxes.tar_bytes(entries)


def description():
    return boxes.described(tag="hostile", init={"entry_path": ["hostile"]}, api=[])


class Report:
    """How an attack ended, and what it said."""

    def __init__(self, state, stdout, stderr, dropped):
        self.state, self.ended, self.usage = state, state.ended, state.usage
        self.text = stdout.decode(errors="replace")
        self.stdout, self.stderr, self.dropped = stdout, stderr, dropped
        self.lines = self.text.splitlines()

    def refused(self):
        return [line for line in self.lines if line.startswith(("refused", "holds"))]

    def number(self, word):
        """The number in a line such as "forked 31"."""
        [line] = [line for line in self.lines if line.startswith(word + " ")]
        return int(line.split()[1])

    def assert_nothing_got_through(self):
        bad = [line for line in self.lines if line.startswith(("GOT THROUGH", "BAD ATTACK"))]
        assert not bad, "\n".join(bad)
        assert (self.ended.cause, self.ended.exit_code) == (w.sandbox.END_CAUSE_EXITED, 0), (
            self.ended, self.stderr[-500:])
        assert self.lines[-1] == f"{len(self.refused())} refused, 0 not", self.lines[-5:]
        assert self.refused(), "the attack tried nothing"


def environment(attack, **more):
    return [("ATTACK", attack.encode()),
            *((name, value if isinstance(value, bytes) else str(value).encode())
              for name, value in more.items())]


def run(supervisor, box, attack, within=240, variables=None, **limits):
    """Runs an attack in an instance of its own, to its end."""
    state, *output = supervisor.run(
        box, ["hostile"], within, environment=environment(attack, **(variables or {})), **limits)
    return Report(state, *output)
