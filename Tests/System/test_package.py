"""What can be seen of the package and of the units without a machine to run them."""

import re
import subprocess

import pytest

from conftest import REPOSITORY

UNITS = REPOSITORY / "deploy/systemd"
# The daemon with privileges: the lowest that works for it (the unit says beside each line why).
EXPOSURE_MAX = {"celaut-sandbox-supervisor.service": 4.3}
EXPOSURE_MAX_OTHERS = 1.5
INSTALLED_BYTES_MAX = 130_000_000
DAEMON_BYTES_MAX = 6_000_000


def test_lintian_finds_no_error(package):
    done = subprocess.run(
        ["lintian", "--fail-on", "error", "--allow-root", package], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    assert done.returncode == 0, done.stdout


def test_the_package_takes_at_most_130_megabytes(package):
    size = subprocess.run(
        ["dpkg-deb", "--field", package, "Installed-Size"], text=True, check=True,
        stdout=subprocess.PIPE).stdout
    print(f"installed: {int(size) * 1024 / 1e6:.1f} MB")
    assert int(size) * 1024 <= INSTALLED_BYTES_MAX


@pytest.mark.parametrize("name", ["box-builder", "sandbox-supervisor", "gateway-broker"])
def test_a_daemon_takes_at_most_six_megabytes(package, tmp_path, name):
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True, timeout=600)
    size = (tmp_path / "usr/lib/celaut" / name).stat().st_size
    print(f"{name}: {size / 1e6:.2f} MB")
    assert size <= DAEMON_BYTES_MAX


def test_every_program_of_the_package_has_a_page(package):
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package], text=True, check=True, stdout=subprocess.PIPE).stdout
    names = {line.split()[5] for line in listed.splitlines()}
    for page in ("man1/celautctl.1.gz", "man1/celautctl-run.1.gz", "man8/celaut-box-builder.8.gz",
                 "man8/celaut-gateway-broker.8.gz", "man8/celaut-sandbox-supervisor.8.gz"):
        assert f"./usr/share/man/{page}" in names, page
    for shell in ("bash-completion/completions/celautctl", "zsh/vendor-completions/_celautctl",
                  "fish/vendor_completions.d/celautctl.fish"):
        assert f"./usr/share/{shell}" in names, shell


def services():
    """The units that run a program of ours."""
    return sorted(path for path in UNITS.glob("*.service") if "Type=notify" in path.read_text())


@pytest.mark.parametrize("unit", services(), ids=lambda path: path.stem)
def test_no_unit_leaves_more_open_than_it_needs(unit):
    done = subprocess.run(
        [REPOSITORY / "deploy/security", "--open"], text=True, check=True, stdout=subprocess.PIPE,
        timeout=300)
    found = re.search(rf"^{unit.stem} +([0-9.]+)$", done.stdout, re.M)
    assert found, done.stdout
    allowed = EXPOSURE_MAX.get(unit.name, EXPOSURE_MAX_OTHERS)
    assert float(found[1]) <= allowed, done.stdout


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    for unit in UNITS.iterdir():
        # The programs and pages are not installed on this machine.
        text = re.sub(r"^ExecStart=\S+.*", "ExecStart=/bin/true", unit.read_text(), flags=re.M)
        text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *tmp_path.iterdir()], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    ours = [line for line in done.stdout.splitlines() if "celaut" in line]
    assert done.returncode == 0 and not ours, done.stdout
