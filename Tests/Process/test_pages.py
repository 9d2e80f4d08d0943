"""Man pages and completions in a checkout: made by one command, whole, and read by the programs they
are for."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from node import BINARIES, CELAUTCTL

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run(
        [ROOT / "deploy/pages", folder], check=True, timeout=300, stdin=subprocess.DEVNULL,
        env={**os.environ, "CELAUT_BIN": str(BINARIES)})
    return folder


def commands():
    """The words of every command: ["celautctl", "boxes", "list"] and so on."""
    help_ = subprocess.run(
        [CELAUTCTL, "--experimental-dump-help"], check=True, timeout=180, stdout=subprocess.PIPE).stdout

    def below(command, words):
        words = words + [command["commandName"]]
        yield words
        for one in command.get("subcommands", []):
            if one["commandName"] != "help":
                yield from below(one, words)
    return list(below(json.loads(help_)["command"], []))


def test_every_command_and_daemon_has_a_page_with_its_name(pages):
    for words in commands():
        page = (pages / "man/man1" / ("-".join(words) + ".1")).read_text()
        assert ".SH NAME" in page and ".SH SYNOPSIS" in page, words
    daemons = [folder.parent.name for folder in (ROOT / "Daemons").glob("*/README.md")]
    assert {f"celaut-{name}.8" for name in daemons} == {
        page.name for page in (pages / "man/man8").iterdir()}


def test_the_completions_know_every_command(pages):
    for shell in ("bash", "zsh", "fish"):
        text = (pages / f"completions/celautctl.{shell}").read_text()
        for words in commands():
            assert words[-1] in text, (shell, words)


def test_bash_completes_what_was_begun(pages):
    """As a person would: source it, type, press the key."""
    script = f"""
        source {shlex.quote(str(pages))}/completions/celautctl.bash
        COMP_WORDS=(celautctl networks t) COMP_CWORD=2 COMP_LINE="celautctl networks t" COMP_POINT=20
        $(complete -p celautctl | sed -E 's/.*-F ([^ ]+).*/\\1/') celautctl t networks
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script], timeout=180, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PATH": f"{BINARIES}:{os.environ['PATH']}"})
    assert [word.strip() for word in done.stdout.split()] == ["test"], done.stderr
