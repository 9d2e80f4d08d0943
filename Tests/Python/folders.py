"""Folders for what a test makes. Their names are plain wherever a tool makes a name of a path: Python's own
random names have `_` at either end now and then, which is no part of an image's name."""

import contextlib
import secrets
import shutil
import tempfile
from pathlib import Path


def new_folder():
    """An empty folder of the caller's, that only this user can enter; lower-case hex after its prefix."""
    while True:
        folder = Path(tempfile.gettempdir()) / f"celaut-test-{secrets.token_hex(6)}"
        try:
            folder.mkdir(mode=0o700)
            return folder
        except FileExistsError:
            continue


def new_open_folder():
    """One that the daemons' users can enter as well."""
    folder = new_folder()
    folder.chmod(0o755)
    return folder


@contextlib.contextmanager
def folder_for_a_while():
    folder = new_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
