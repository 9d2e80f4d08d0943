"""Projects made for tests, and the tools that make container images of them."""

import json
import os
import subprocess
from pathlib import Path

import boxes

ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8"}


def described(**changes):
    """A description whose program is busybox at /bin/busybox, without slots."""
    description = boxes.described(tag="project", init={"entry_path": ["bin", "busybox"]}, api=[])
    return boxes.described(description, **changes)


def project(folder, description=None, config=None, **files):
    """A project's folder; files by their paths, with `__` for a slash."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "service.json").write_text(json.dumps(description or described()))
    if config is not None:
        (folder / "pack_config.json").write_text(json.dumps(config))
    for name, content in files.items():
        write(folder / name.replace("__", "/"), content)
    return folder


def write(path, content, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)


def busybox(folder):
    """Busybox as the only program of a tree."""
    write(Path(folder) / "bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    return Path(folder)


def pack(node, folder, *arguments, **options):
    """The report of a pack that went well."""
    done = node.command("pack", *map(str, arguments), "--format", "json", str(folder), **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(node, folder, *arguments, **options):
    """The complaint of a pack that did not."""
    done = node.command("pack", *map(str, arguments), "--format", "json", str(folder), **options)
    assert done.returncode != 0, done.stdout
    complaint = json.loads(done.stderr.splitlines()[-1])
    assert complaint["exitCode"] == done.returncode
    return complaint


def run(*words, **options):
    """What a tool says; its failure is the test's."""
    done = subprocess.run(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=600, env=ENVIRONMENT, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}"
    return done.stdout


class Buildah:
    """buildah with its images in a folder of the test's."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, *words):
        return run(
            "buildah", "--root", self.folder / "storage", "--runroot", self.folder / "run",
            "--storage-driver", "vfs", *words)

    def build(self, context, tag="made:1"):
        self("bud", "--isolation", "chroot", "--layers", "--tag", tag, context)
        return tag

    def push(self, tag, target, *options):
        self("push", "--quiet", *options, tag, target)
