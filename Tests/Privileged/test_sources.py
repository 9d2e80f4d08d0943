"""What a box can be made of: archives, container images, Dockerfiles, Debian packages. Equal input is one
box, whatever form it came in."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import projects
from node import CELAUTCTL, wait_until
from projects import pack, project, refused, run

LAYERS = """
FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
RUN /bin/busybox mkdir -p /d/e /k && /bin/busybox touch /d/a /d/e/b /k/x /gone \\
 && /bin/busybox ln -s d /l && /bin/busybox ln /d/a /hard && /bin/busybox ln -s ../bin/busybox /d/up
RUN /bin/busybox rm -rf /d/e /gone && /bin/busybox rm -rf /k && /bin/busybox mkdir /k \\
 && /bin/busybox touch /k/new /l/through && /bin/busybox chmod 700 /d
CMD ["/nothing"]
ENV IGNORED=1
EXPOSE 99
"""


@pytest.fixture(scope="module")
def folder(scratch):
    made = scratch / "sources"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def image(folder):
    """An image of four layers: (buildah, its tag, its tree as umoci unpacks it)."""
    context = folder / "context"
    context.mkdir()
    shutil.copy("/bin/busybox", context / "busybox")
    (context / "Dockerfile").write_text(LAYERS)
    buildah = projects.Buildah(folder)
    tag = buildah.build(context)
    buildah.push(tag, f"oci:{folder}/layout:1")
    run("umoci", "raw", "unpack", "--image", f"{folder}/layout:1", folder / "unpacked")
    return buildah, tag, folder / "unpacked"


@pytest.fixture(scope="module")
def bare(folder):
    return project(folder / "bare")


# Container images.

@pytest.mark.parametrize("form", [
    "oci-layout", "oci-archive", "oci-archive-gzip", "docker-archive", "skopeo-zstd",
    "umoci-layers", "found-by-itself"])
def test_an_image_is_the_box_of_the_tree_that_umoci_unpacks(node, image, bare, folder, form):
    buildah, tag, unpacked = image
    path, option, expected = folder / form, "--image", unpacked
    if form == "oci-layout":
        buildah.push(tag, f"oci:{path}:1")
    elif form == "oci-archive":
        buildah.push(tag, f"oci-archive:{path}:a:1")
    elif form == "oci-archive-gzip":
        buildah.push(tag, f"oci-archive:{path}.plain:a:1")
        path.write_bytes(subprocess.check_output(["gzip", "-c", f"{path}.plain"]))
    elif form == "docker-archive":
        buildah.push(tag, f"docker-archive:{path}:app:1")
    elif form == "skopeo-zstd":
        buildah.push(tag, f"dir:{folder}/plain", "--disable-compression")
        run("skopeo", "copy", "--dest-compress", "--dest-compress-format", "zstd",
            f"dir:{folder}/plain", f"oci:{path}:1")
        assert any(blob.read_bytes().startswith(b"\x28\xb5\x2f\xfd")
                   for blob in (path / "blobs/sha256").iterdir())
    elif form == "umoci-layers":
        expected = folder / "more"
        shutil.copytree(folder / "layout", path)
        shutil.copytree(unpacked, expected, symlinks=True)
        projects.write(expected / "added", "by umoci")
        shutil.rmtree(expected / "k")
        run("umoci", "insert", "--image", f"{path}:1", expected / "added", "/added")
        run("umoci", "insert", "--whiteout", "--image", f"{path}:1", "/k")
    else:
        buildah.push(tag, f"oci-archive:{path}:a:1")
        option = "--rootfs"
    assert pack(node, bare, option, path)["id"] == pack(node, bare, "--rootfs", expected)["id"]


def test_an_image_of_several_is_chosen_by_architecture_and_by_name(node, image, bare, folder):
    buildah, _, _ = image
    for name, architecture in (("one", "amd64"), ("two", "arm64")):
        context = folder / name
        projects.write(context / "Dockerfile", "FROM scratch\nCOPY b /bin/busybox\nCOPY w /w\n")
        projects.write(context / "b", "program", 0o755)
        projects.write(context / "w", name)
        buildah("bud", "--isolation", "chroot", "--platform", f"linux/{architecture}",
                "--tag", f"{name}:1", context)
    buildah("manifest", "create", "both", "localhost/one:1", "localhost/two:1")
    buildah("manifest", "push", "--all", "both", f"oci:{folder}/both:x")
    foreign = project(folder / "arm", projects.described(architecture="linux/arm64"))
    for made, name in ((bare, "one"), (foreign, "two")):
        box = pack(node, made, "--image", folder / "both")
        assert box["id"] == pack(node, made, "--rootfs", tree_of(folder, name))["id"]
    buildah.push("one:1", f"oci:{folder}/single:x")
    complaint = refused(node, foreign, "--image", folder / "single")
    assert complaint["condition"]["code"] == "unsupported", complaint
    assert complaint["lines"] == ["linux/amd64"]
    complaint = refused(node, bare, "--image", folder / "both", "--image-name", "nobody:1")
    assert complaint["condition"]["code"] == "notFound" and complaint["lines"] == ["x"]


def tree_of(folder, name):
    tree = folder / f"tree-{name}"
    projects.write(tree / "bin/busybox", "program", 0o755)
    projects.write(tree / "w", name)
    return tree


def test_a_blob_with_another_digest_is_refused_by_its_name(node, image, bare, folder):
    altered = folder / "altered"
    shutil.copytree(folder / "layout", altered)
    blob = max((altered / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    complaint = refused(node, bare, "--image", altered)
    assert complaint["condition"]["code"] == "corrupt"
    assert blob.name in complaint["condition"]["subject"]


# A Dockerfile.

def test_a_dockerfile_gives_its_files_and_nothing_else(node, image, bare, folder):
    buildah, _, unpacked = image
    made = project(
        folder / "dockerfile", config={"ignore": ["*.pyc"]},
        Dockerfile="FROM base:1\nCOPY . /site\nRUN /bin/busybox touch /ran\nCMD [\"/x\"]\nUSER 1\n",
        a__page="hello", kept__x="1", dropped__y="2")
    projects.write(made / "a/page.pyc", "")
    (made / ".dockerignore").write_text("dropped\nDockerfile\n*.json\n.dockerignore\n")
    base = ["--base", f"base:1={folder}/layout:1"]
    first = pack(node, made, *base)
    tree = folder / "expected"
    shutil.copytree(unpacked, tree, symlinks=True)
    for name, content in (("site/a/page", "hello"), ("site/kept/x", "1"), ("ran", "")):
        projects.write(tree / name, content)
    assert first["id"] == pack(node, bare, "--rootfs", tree)["id"]
    for path in made.rglob("*"):
        os.utime(path, (1, 1))
    assert pack(node, made, *base)["id"] == first["id"]


@pytest.fixture
def plain_path():
    """A path that a name can be made of, wherever the tests' folders are."""
    path = Path("/run") / f"celaut-test-{os.urandom(6).hex()}"
    yield path
    path.unlink()


def test_a_dockerfile_finds_its_base_in_a_layout(node, image, folder, plain_path):
    plain_path.symlink_to(folder / "layout")
    made = project(
        folder / "from-layout",
        Dockerfile=f"FROM oci:{plain_path}:1\nCOPY service/x service/y /\n", x="1", y="2")
    (made / ".dockerignore").write_text("y\n")
    complaint = refused(node, made)
    assert any("y" in line for line in complaint["lines"]), complaint
    (made / ".dockerignore").unlink()
    assert pack(node, made)["entries"] > 0


@pytest.mark.parametrize("name", ["My_", "my_"])
def test_a_path_that_is_no_name_is_told_how_to_be_a_base(node, image, bare, folder, name):
    layout = folder / "odd" / name / "layout"
    shutil.copytree(folder / "layout", layout)
    made = project(folder / f"on-odd-{name}", Dockerfile=f"FROM oci:{layout}:1\n")
    complaint = refused(node, made)
    assert "--base NAME=LAYOUT takes a layout at any path" in complaint["hint"], complaint
    projects.write(made / "Dockerfile", "FROM odd/base:1\n")
    box = pack(node, made, "--base", f"odd/base:1={layout}:1")
    assert box["id"] == pack(node, bare, "--image", folder / "layout")["id"]
    projects.write(made / "Dockerfile", "FROM oci:/nowhere/at-all:1\n")
    assert refused(node, made)["hint"] == (
        'Base images are taken from --base NAME=LAYOUT, "FROM oci:…" or a registry.')


@pytest.mark.parametrize("form", ["layout", "layout.tar", "saved.tar"])
def test_a_base_image_is_anything_that_is_here_wherever_it_is(node, image, folder, form):
    """buildah makes a name of the path, and not of this one."""
    buildah, tag, _ = image
    place = folder / "My Images"
    place.mkdir(exist_ok=True)
    path = place / form
    pushed = folder / f"{form}-pushed"
    buildah.push(tag, {"layout": f"oci:{pushed}:1", "layout.tar": f"oci-archive:{pushed}:1",
                       "saved.tar": f"docker-archive:{pushed}:base:1"}[form])
    os.rename(pushed, path)
    made = project(
        folder / f"on-{form}", config={"base_images": {"some/base:1": f"../My Images/{form}"}},
        Dockerfile="FROM some/base:1\nCOPY x /x\n", x="1")
    box = pack(node, made)
    other = project(
        folder / f"by-option-{form}", Dockerfile="FROM some/base:1\nCOPY x /x\n", x="1")
    assert pack(node, other, "--base", f"some/base:1={path}")["id"] == box["id"]
    assert pack(node, other, "--base", f"some/base:1=../My Images/{form}", cwd=made)["id"] == box["id"]
    assert refused(node, other, "--base", "some/base:1=nowhere")["exitCode"] == 66


@pytest.mark.parametrize("tool, package, config, files", [
    ("buildah", "buildah", None, {"Dockerfile": "FROM scratch\n"}),
    ("apt-get", "apt", {"debian": ["busybox"]}, {}),
    ("dpkg-deb", "dpkg", {"debian": ["busybox"]}, {})])
def test_a_tool_that_is_not_there_is_named_with_its_package(node, folder, tool, package, config, files):
    """In a mount namespace in which there is none."""
    made = project(folder / f"no-{tool}", config=config, **files)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'mount --bind /dev/null /usr/bin/{tool}; exec "$@"', "sh",
         CELAUTCTL, "pack", made, "--runtime", node.runtime],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    assert done.returncode == 69, done.stderr
    assert f"needs {tool}" in done.stderr and f"apt-get install {package}" in done.stderr


# Debian packages.

# Runs the words behind the first two in a view of the machine in which what is written to apt's and dpkg's own
# folders is kept aside; what that was is named in the file that is the second word. The first is where.
ASIDE = """set -e
aside=$1 named=$2
shift 2
mount -t tmpfs tmpfs $aside
for place in /var/lib/apt/lists /var/lib/dpkg /var/cache/apt; do
    mkdir -p $aside/upper$place $aside/work$place
    mount -t overlay -o lowerdir=$place,upperdir=$aside/upper$place,workdir=$aside/work$place overlay $place
done
"$@"
find $aside/upper ! -type d >$named
"""


def test_what_the_machine_s_apt_and_dpkg_know_stays_as_it_is(node, folder):
    """Whatever else the machine does with them meanwhile."""
    made = project(folder / "debian-aside", config={"debian": ["busybox"]})
    (folder / "aside").mkdir()
    run("unshare", "--mount", "--propagation", "private", "sh", "-c", ASIDE, "sh", folder / "aside",
        folder / "named", CELAUTCTL, "pack", made, "--update", "--runtime", node.runtime)
    assert (folder / "named").read_text() == ""


def test_debian_packages_become_a_tree_that_repeats(node, folder):
    made = project(folder / "debian", config={"debian": ["busybox"]}, rootfs__lib__mine="over it")
    first = pack(node, made)
    lock = json.loads((made / "debian.lock.json").read_text())
    names = [package["name"] for package in lock["packages"]]
    assert "busybox" in names and "libc6" in names and names == sorted(names)
    assert not {"dpkg", "adduser", "perl-base"} & set(names)
    assert all(len(package["sha256"]) == 64 and package["version"] for package in lock["packages"])
    written = (made / "debian.lock.json").stat().st_mtime_ns
    assert pack(node, made)["id"] == first["id"]
    assert (made / "debian.lock.json").stat().st_mtime_ns == written
    assert pack(node, made, "--update")["id"] == first["id"]


def test_the_tree_of_debian_packages_is_that_of_dpkg_deb(node, folder):
    """Each package unpacked by dpkg-deb into a merged /usr, which GNU tar keeps as the links it is."""
    made = project(folder / "debian-plain", config={"debian": ["busybox"]})
    box = pack(node, made)
    tree = folder / "by-hand"
    for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "run", "sys", "tmp"):
        (tree / name).mkdir(parents=True)
    (tree / "tmp").chmod(0o1777)
    for name in ("bin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    lock = json.loads((made / "debian.lock.json").read_text())
    packages = folder / "packages"
    packages.mkdir()
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
        *(f"{package['name']}={package['version']}" for package in lock["packages"]), cwd=packages)
    assert len(list(packages.iterdir())) == len(lock["packages"])
    for package in packages.iterdir():
        run("sh", "-c", f"dpkg-deb --fsys-tarfile {package} | "
            f"tar -x -p --keep-directory-symlink -C {tree}")
    (tree / "usr/sbin").rmdir()
    assert box["id"] == pack(node, folder / "debian-plain", "--rootfs", tree)["id"]


def test_a_package_that_is_not_what_the_lock_says_is_refused(node, folder):
    made = project(folder / "debian-altered", config={"debian": ["busybox"]})
    pack(node, made)
    path = made / "debian.lock.json"
    lock = json.loads(path.read_text())
    lock["packages"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(lock))
    complaint = refused(node, made)
    assert "--update" in complaint["hint"] and complaint["exitCode"] == 65, complaint
    path.write_text("{")
    assert "debian.lock.json" in refused(node, made)["error"]


def test_owners_of_packages_are_kept_where_that_is_asked(node, folder):
    """A package of our own, where downloads are kept: nothing is downloaded."""
    tree = folder / "package"
    projects.write(tree / "DEBIAN/control", "Package: owned\nVersion: 1\nArchitecture: amd64\n"
                   "Maintainer: nobody <nobody@example.org>\nDescription: x\n")
    projects.busybox(tree)
    projects.write(tree / "var/mail/box", "x")
    os.chown(tree / "var/mail/box", 8, 12)
    run("dpkg-deb", "-b", tree, folder / "owned.deb")
    content = (folder / "owned.deb").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    cache = folder / "cache"
    projects.write(cache / f"celaut/debian/{digest}.deb", content)
    made = project(folder / "owned", config={"debian": ["owned"]})
    (made / "debian.lock.json").write_text(json.dumps({
        "asked": ["owned"], "essential": False, "architecture": "amd64", "packages": [{
            "name": "owned", "version": "1", "architecture": "amd64", "sha256": digest,
            "bytes": len(content)}]}))
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    plain = pack(node, made, env=environment)
    kept = pack(node, made, "--keep-owners", env=environment)
    told = json.loads(node.command(
        "boxes", "diff", plain["id"], kept["id"], "--format", "json").stdout)
    assert [(one["path"], one["attribute"], one["right"]) for one in told] == [
        ("/var/mail/box", "owner", "8:12")]
    explained = pack(node, made, "--explain", env=environment)
    [owners] = [one for one in explained["normalised"] if one["what"].startswith("owner")]
    assert owners["entries"] == [{"path": "var/mail/box", "had": "8:12"}]


def test_a_package_that_debian_does_not_have_is_refused_by_its_name(node, folder):
    made = project(folder / "debian-none", config={"debian": ["no-such-package-here"]})
    complaint = refused(node, made)
    assert complaint["error"] == 'Debian has no package called "no-such-package-here".', complaint
    assert not (made / "debian.lock.json").exists()


# Dependencies.

def without_network(node, made, *arguments, **environment):
    """A pack in a network namespace that has nothing, with apt that tries once."""
    once = made.parent / "once.conf"
    once.write_text('Acquire::Retries "0";')
    return subprocess.run(
        ["unshare", "-n", CELAUTCTL, "pack", *arguments, "--runtime", node.runtime, made],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
        env={**projects.ENVIRONMENT, "APT_CONFIG": str(once), **environment})


def test_an_index_that_cannot_be_read_is_told_and_not_taken_for_an_empty_one(node, folder):
    made = project(folder / "debian-offline", config={"debian": ["busybox"]})
    done = without_network(node, made, XDG_CACHE_HOME=str(folder / "no-cache"))
    assert done.returncode == 69, done.stderr
    assert "Debian's index cannot be read" in done.stderr and "Failed to fetch" in done.stderr
    # With an index and packages of an earlier day it goes on, and says so.
    first = pack(node, made)
    done = without_network(node, made, "--update")
    assert done.returncode == 0, done.stderr
    assert first["id"] in done.stdout and "there may be newer packages" in done.stderr
    assert "newer" not in without_network(node, made).stderr


def test_a_service_reads_the_ids_of_what_it_depends_on(node, folder):
    known = pack(node, project(folder / "known"), "--rootfs", projects.busybox(folder / "known/tree"))
    child = project(folder / "family/child", rootfs__child="")
    projects.busybox(child / "rootfs")
    made = project(
        folder / "family", projects.described(init={"entry_path": ["start"]}),
        config={"dependencies": {"CHILD": "child", "KNOWN": known["id"]}})
    projects.busybox(made / "rootfs")
    projects.write(made / "rootfs/start", "#!/bin/busybox sh\n/bin/busybox cat /.dependencies\n", 0o755)
    box = pack(node, made)
    expected = f"CHILD={pack(node, child)['id']}\nKNOWN={known['id']}\n".encode()
    token = node.start_service(box["id"]).token
    wait_until(lambda: node.output(token)[0] == expected, 60, "the service says the ids")
    assert pack(node, made)["id"] == box["id"]
    # As a list, they are one a line.
    (made / "pack_config.json").write_text(json.dumps({"dependencies": [known["id"], "child"]}))
    assert pack(node, made)["id"] != box["id"]


def test_a_dependency_can_be_in_the_box(node, folder):
    known = pack(node, project(folder / "inside"), "--rootfs", projects.busybox(folder / "inside/tree"))
    made = project(
        folder / "around", config={
            "dependencies": [known["id"]], "service_dependencies_directory": "__services__"})
    projects.busybox(made / "rootfs")
    box = pack(node, made)
    assert box["contentBytes"] > 2 * os.path.getsize("/bin/busybox")
    assert box["entries"] == 2 + 1 + 2


def test_projects_that_depend_on_each_other_are_refused(node, folder):
    for name, other in (("a", "../b"), ("b", "../a")):
        made = project(folder / f"circle/{name}", config={"dependencies": {"OTHER": other}})
        projects.busybox(made / "rootfs")
    complaint = refused(node, folder / "circle/a")
    assert "depends on itself" in complaint["error"]
    assert len(complaint["lines"]) == 3


@pytest.mark.parametrize("source, told", [
    ("nowhere", "neither an id"), ("0" * 64, "000000"),
    *[(source, f"{source} is somewhere on a network") for source in (
        "https://example.org/x", "git+https://example.org/x.git#v1", "git@example.org:team/x",
        "ssh://git@example.org/x", "../x.git")]])
def test_a_dependency_that_is_not_there_is_refused_by_its_name(node, folder, source, told):
    made = project(folder / "lost", config={"dependencies": {"X": source}})
    projects.busybox(made / "rootfs")
    assert told in refused(node, made)["error"]
