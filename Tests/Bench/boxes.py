#!/usr/bin/python3
"""What it costs to take a tree in, to keep it and to mount it. One JSON line each, as deploy/bench
prints them.

    boxes.py import-cold|import-again|import-memory|mount|store-size

The tree of import-cold, import-again, mount and store-size is a Debian root made by debootstrap. All
programs write below one folder (TMPDIR), in turns, with the tree in the page cache; each starts with
nothing left to write, and is done when what it wrote is on the disk. Nothing is deleted between the
rounds, nor in the three minutes before: ext4 looks for inodes among those that were deleted lately
one by one, and a disk that is told of freed blocks (`discard`) is busy with them, which would be
measured instead.
"""

import hashlib
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Python"))

import boxes  # noqa: E402
import mounts  # noqa: E402
import node as nodes  # noqa: E402

ROUNDS = 5
# Of Debian's archive; debootstrap's own choice where nothing is said.
MIRROR = os.environ.get("CELAUT_MIRROR", "").split()
MEBIBYTE = 1 << 20


def tell(bench, ours, baseline, unit, **more):
    ratio = None if baseline is None else round(ours / baseline, 2)
    print(json.dumps({"bench": bench, **more, "ours": ours, "baseline": baseline, "ratio": ratio,
                      "unit": unit}), flush=True)


def debian_root(folder):
    """A bookworm root of 254 MB and 6,442 files, without its devices."""
    root = folder / "debian"
    with open(folder / "debootstrap.log", "wb") as log:
        subprocess.run(["debootstrap", "--variant=minbase", "--include=binutils,openssl,cpp,procps,iproute2,curl",
                        "bookworm", root, *MIRROR], check=True, stdout=log, stderr=log)
    shutil.rmtree(root / "dev")
    (root / "dev").mkdir()
    shutil.rmtree(root / "var/cache/apt")
    # What debootstrap, or a benchmark before, deleted is forgotten, see above.
    time.sleep(150)
    return root


def project(folder, entry="bin/true"):
    """A description of a box of its own folder; the tree is named beside it."""
    made = Path(tempfile.mkdtemp(prefix="project-", dir=folder))
    description = boxes.described(tag="bench", init={"entry_path": entry.split("/")}, api=[])
    (made / "service.json").write_text(json.dumps(description))
    return made


def touch_memory(count):
    """A fresh virtual machine gets its memory when it is first touched: before, not while measuring."""
    with mmap.mmap(-1, count) as memory:
        for place in range(0, count, mmap.PAGESIZE):
            memory[place] = 1


def seconds(work):
    os.sync()
    start = time.monotonic()
    work()
    return time.monotonic() - start


def run(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr, **options)


class Packed:
    """A node with an empty store, and packing a tree into it."""

    def __init__(self, folder):
        self.node = nodes.Node(base=Path(tempfile.mkdtemp(prefix="node-", dir=folder)))

    def __enter__(self):
        self.node.__enter__()
        return self

    def __exit__(self, *_):
        self.node.__exit__()

    def pack(self, root, made):
        done = self.node.command("pack", "--rootfs", root, made)
        if done.returncode:
            raise AssertionError(done.stderr)


def tar(root, archive):
    run("tar", "cf", archive, "-C", root, ".")
    run("sync", "-f", archive)


def import_rounds(folder):
    """Medians: tar, restic to an empty repository, restic again, ours, ours again."""
    root, made = debian_root(folder), project(folder)
    touch_memory(3 << 30)
    tar(root, folder / "warm.tar")
    environment = dict(os.environ, RESTIC_PASSWORD="bench", RESTIC_CACHE_DIR=str(folder / "cache"))
    figures = {name: [] for name in ("tar", "restic", "restic-again", "ours", "ours-again")}
    open_nodes = []
    try:
        for number in range(ROUNDS):
            figures["tar"].append(seconds(lambda: tar(root, folder / f"{number}.tar")))
            repository = folder / f"restic-{number}"
            restic = ["restic", "-q", "--repo", repository]
            run(*restic, "init", env=environment)
            backup = [*restic, "backup", root]
            figures["restic"].append(seconds(lambda: run(*backup, env=environment)))
            figures["restic-again"].append(seconds(lambda: run(*backup, env=environment)))
            packed = Packed(folder)
            open_nodes.append(packed.__enter__())
            figures["ours"].append(seconds(lambda: packed.pack(root, made)))
            figures["ours-again"].append(seconds(lambda: packed.pack(root, made)))
    finally:
        for packed in open_nodes:
            packed.__exit__()
    return {name: round(statistics.median(values), 3) for name, values in figures.items()}


def import_cold(folder):
    """The whole of `celautctl pack` against `tar cf` (and its flush) and `restic backup`."""
    figures = import_rounds(folder)
    tell("import-cold", figures["ours"], figures["tar"], "s", against="tar cf", budget=2.5)
    tell("import-cold", figures["ours"], figures["restic"], "s", against="restic backup", budget=0.5)
    tell("import-again", figures["ours-again"], figures["restic-again"], "s",
         against="restic backup again", budget=1.0)


def peak_mebibytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise AssertionError("no VmHWM")


def large_tree(sink, total):
    """A tar of files of 256 KiB to 64 MiB that no two parts of are equal, as a stream."""
    import io
    import tarfile
    program = Path("/bin/busybox").read_bytes()
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        info, content = boxes.entry("bin/true", program)
        archive.addfile(info, io.BytesIO(content))
        done, number = 0, 0
        block = os.urandom(MEBIBYTE)
        while done < total:
            size = min((MEBIBYTE // 4) << (number % 9), total - done)
            info, _ = boxes.entry(f"data/{number}", mode=0o644)
            info.size = size

            class Content:
                left = size
                part = number

                def read(self, count):
                    take = min(count, self.left, len(block))
                    self.left -= take
                    self.part += 1
                    return (self.part.to_bytes(16, "big") + block[16:])[:take]
            archive.addfile(info, Content())
            done, number = done + size, number + 1


def import_memory(folder):
    """The peak of box-builder's resident memory, shared pages included."""
    for total in (100 * 10**6, 4 * 10**9):
        with Packed(folder) as packed, packed.node.connect("box-builder", "BoxBuilder") as connection:
            reading, writing = os.pipe()

            def send():
                with os.fdopen(writing, "wb") as sink:
                    large_tree(sink, total)
            sender = threading.Thread(target=send)
            sender.start()
            description = boxes.described(init={"entry_path": ["bin", "true"]}, api=[])
            boxes.import_box(connection, reading, description, deadline=900)
            os.close(reading)
            sender.join()
            tell("import-memory", peak_mebibytes(packed.node.pid("box-builder")), None, "MiB",
                 tree=f"{total // 10**6} MB", budget=64)
        shutil.rmtree(packed.node.base, ignore_errors=True)


def mount_once(connection, box, holder, path):
    """OpenBox, both mounts, and the entrypoint's first bytes read: seconds."""
    start = time.monotonic()
    with mounts.OpenedBox(connection, box, holder) as opened:
        file = os.open(path, os.O_RDONLY, dir_fd=opened.root)
        assert os.read(file, 4) == b"\x7fELF"
        took = time.monotonic() - start
        os.close(file)
    return took


def small_tree():
    """5 MB in 130 files."""
    program = ("bin/true", Path("/bin/busybox").read_bytes())
    files = [(f"data/{number}", os.urandom(32_768)) for number in range(129)]
    return boxes.tar_bytes([boxes.entry(name, content) for name, content in (program, *files)])


def mount(folder):
    """From a box that is known to its root, with the program's first bytes read; medians."""
    root = debian_root(folder)
    with Packed(folder) as packed:
        packed.pack(root, project(folder, "usr/bin/true"))
        node = packed.node
        large = node.list_boxes()[0].service_id.hex()
        small = node.import_box(
            small_tree(), boxes.described(init={"entry_path": ["bin", "true"]}, api=[])
        ).service_id.hex()
        times = {large: [], small: []}
        with node.connect("box-builder", "BoxBuilder") as connection:
            for number in range(101):
                for box, path in ((large, "usr/bin/true"), (small, "bin/true")):
                    times[box].append(mount_once(connection, box, f"bench-{number}", path))
        ours, other = (round(statistics.median(times[box]) * 1000, 2) for box in (large, small))
        tell("mount", ours, 3.0, "ms", against="3 ms", budget=1.0)
        tell("mount", ours, other, "ms", against="a box of 5 MB", budget=1.5)


def stored_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*")
               if path.is_file() and not path.name.endswith(("-wal", "-shm", "lock")))


def store_size(folder):
    """Ten boxes of one base, each with 10 MB of its own: bytes of the store, all of its metadata
    included, against those of the distinct contents."""
    root, digests = debian_root(folder), {}

    def count(content):
        digests[hashlib.sha256(content).digest()] = len(content)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            count(path.read_bytes())
    with Packed(folder) as packed:
        for number in range(10):
            own = root / "srv" / "application"
            own.mkdir(parents=True, exist_ok=True)
            for part in range(10):
                content = os.urandom(10**6)
                (own / str(part)).write_bytes(content)
                count(content)
            packed.pack(root, project(folder))
        packed.node.stop()
        state = packed.node.state / "box-builder"
        contents = stored_bytes(state / "objects")
        tell("store-size", stored_bytes(state), sum(digests.values()), "bytes", budget=1.05)
        tell("store-size", contents, sum(digests.values()), "bytes", part="objects", budget=1.05)


def main():
    benches = {"import-cold": import_cold, "import-memory": import_memory, "mount": mount,
               "store-size": store_size}
    folder = Path(tempfile.mkdtemp(prefix="celaut-bench-"))
    folder.chmod(0o755)
    try:
        benches[sys.argv[1]](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
