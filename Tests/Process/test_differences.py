"""`celautctl boxes diff`: whatever of a project is changed, the two boxes are told to differ in it, and in
nothing else."""

import copy
import json
import os

import pytest

import projects
from projects import pack, project


def three_ways(word, **more):
    return {"tags": [word], "prose": f"prose of {word}", "formal": f"formal {word}", **more}


# A description that says all there is to say.
WHOLE = {
    "prose": "says all", "architecture": {"tags": ["linux/amd64"], "prose": "a", "formal": "b"},
    "init": {"entry_path": ["start"], "xattrs": {"terminals": "true"}},
    "resources": {
        "at_init": {"mem_limit": 10_000_000, "disk_space": 10_000_000, "cpu_period": 100_000,
                    "cpu_quota": 50_000, "blkio_weight": 500},
        "at_most": {"mem_limit": 20_000_000, "disk_space": 20_000_000, "cpu_period": 200_000,
                    "cpu_quota": 60_000, "blkio_weight": 600}},
    "config_declaration": {"path": ["etc", "told"], "format": three_ways("json")},
    "node_protocol_stack": [three_ways("celaut")],
    "envs": {"NAME": three_ways("text")},
    "api": [{"port": 80, "transport": {"tags": ["tcp"], "prose": "t", "formal": "u"},
             "protocol": [three_ways("http")], "mu_per_call": {"solve": 3},
             "methods": {"solve": {"input": three_ways("dimacs"), "output": three_ways("answer")}},
             "cost_function": three_ways("wasm")}],
    "payment_contracts": [{"ledger": three_ways("books"), "xattrs": {"address": "x"},
                           "mu_per_unit": "70"}],
    "network": [three_ways("web", protocol_stack=[three_ways("http")], environment_variable="NAME")],
    "shared_filesystems": [{"path": "/srv", "role": "shared", "access": "ro", "tag": "work"}],
    "read_only_filesystem": True,
}
# What is one of few words.
OTHER = {("api", 0, "transport", "tags", 0): "udp", ("architecture", "tags", 0): "linux/arm64",
         ("init", "entry_path", 0): "other", ("shared_filesystems", 0, "path"): "/opt",
         ("shared_filesystems", 0, "role"): "guest", ("shared_filesystems", 0, "access"): "rw",
         ("payment_contracts", 0, "mu_per_unit"): "71", ("read_only_filesystem",): False}
# Where the specification calls it otherwise.
CALLED = {"envs": "environment_variables", "api": "slot", "protocol": "protocol_stack",
          "access": "shared", "role": "shared", "path": "shared"}


def leaves(value, path=()):
    if isinstance(value, (dict, list)):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(below, (*path, key))
    else:
        yield path, value


def changed(path, value):
    description = copy.deepcopy(WHOLE)
    place = description
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = OTHER.get(path, value + 1 if isinstance(value, int) else f"{value}x")
    return description


@pytest.fixture(scope="module")
def folder(scratch):
    made = project(scratch / "differences", WHOLE)
    for name in ("start", "other"):
        projects.write(made / "rootfs" / name, "#!/start\n", 0o755)
    for name in ("srv", "opt"):
        (made / "rootfs" / name).mkdir()
    return made


def told(node, one, other):
    done = node.command("boxes", "diff", one, other, "--format", "json")
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found else 0), done.stderr
    return found


@pytest.mark.parametrize("part", sorted(WHOLE))
def test_every_field_of_a_description_that_is_changed_is_told(node, folder, part):
    whole = pack(node, folder)["id"]
    assert told(node, whole, whole) == []
    for path, value in leaves(WHOLE[part], (part,)):
        (folder / "service.json").write_text(json.dumps(changed(path, value)))
        try:
            found = told(node, whole, pack(node, folder)["id"])
        finally:
            (folder / "service.json").write_text(json.dumps(WHOLE))
        assert found, path
        key = next(key for key in reversed(path) if isinstance(key, str))
        words = {key, CALLED.get(key, key)}
        where = path[0] in ("shared_filesystems", "read_only_filesystem")
        assert all(one["what"] == ("entry" if where else "field") for one in found), (path, found)
        assert all(any(word in one["path"] or word in one["attribute"] for word in words) or where
                   for one in found), (path, found)
        # Of methods as well: no field is told as the bytes it is in.
        assert not any(one["left"].startswith("0x") for one in found), (path, found)


def test_what_differs_in_its_spelling_alone_is_told(node, scratch):
    """é is one letter or two to a program, and the same to most that compare texts."""
    def packed(name, letter):
        made = project(scratch / f"spelled-{name}", projects.described(
            init={"entry_path": ["start"]}, prose=letter, envs=[letter]))
        projects.write(made / "rootfs/start", "#!/start\n", 0o755)
        os.setxattr(made / "rootfs/start", f"user.{letter}", b"1")
        (made / "rootfs/link").symlink_to(letter)
        return pack(node, made)["id"]
    one, two = "\u00e9", "e\u0301"
    found = told(node, packed("one", one), packed("two", two))
    assert {(each["path"], each["attribute"], each["kind"]) for each in found} == {
        ("/start", f"xattr:user.{one}", "removed"), ("/start", f"xattr:user.{two}", "added"),
        ("/link", "link", "changed"), ("prose", "", "changed"),
        (f"container.environment_variables[{one}]", "", "removed"),
        (f"container.environment_variables[{two}]", "", "added")}


def test_a_directory_that_is_no_longer_shared_is_all_that_is_told(node, folder):
    whole = pack(node, folder)["id"]
    less = {key: value for key, value in WHOLE.items() if key != "shared_filesystems"}
    (folder / "service.json").write_text(json.dumps(less))
    try:
        found = told(node, whole, pack(node, folder)["id"])
    finally:
        (folder / "service.json").write_text(json.dumps(WHOLE))
    assert [(one["path"], one["attribute"]) for one in found] == [("/srv", "shared")]


def test_every_property_of_an_entry_that_is_changed_is_told(node, scratch):
    one, other = (project(scratch / f"entries-{name}", projects.described(init={"entry_path": ["start"]}))
                  for name in ("one", "other"))
    for made, is_other in ((one, False), (other, True)):
        tree = made / "rootfs"
        projects.write(tree / "start", "#!/start\n", 0o755)
        projects.write(tree / "mode", "", 0o600 if is_other else 0o644)
        projects.write(tree / "content", "b" if is_other else "a")
        projects.write(tree / "longer", "bb" if is_other else "a")
        projects.write(tree / "owner", "")
        os.chown(tree / "owner", 7 if is_other else 0, 0)
        projects.write(tree / "attribute", "")
        os.setxattr(tree / "attribute", "user.x", b"2" if is_other else b"1")
        projects.write(tree / "attribute-more", "")
        if is_other:
            os.setxattr(tree / "attribute-more", "user.y", b"1")
        (tree / "link").symlink_to("content" if is_other else "mode")
        projects.write(tree / ("added" if is_other else "removed"), "")
        if is_other:
            projects.write(tree / "kind/below", "")
        else:
            projects.write(tree / "kind", "")
    found = told(node, *(pack(node, made, "--keep-owners")["id"] for made in (one, other)))
    assert {(each["path"], each["attribute"], each["kind"]) for each in found} == {
        ("/mode", "mode", "changed"), ("/content", "digest", "changed"),
        ("/longer", "digest", "changed"), ("/longer", "size", "changed"),
        ("/owner", "owner", "changed"), ("/attribute", "xattr:user.x", "changed"),
        ("/attribute-more", "xattr:user.y", "added"), ("/link", "link", "changed"),
        ("/added", "", "added"), ("/removed", "", "removed"), ("/kind", "kind", "changed"),
        ("/kind", "mode", "changed"), ("/kind/below", "", "added")}
    assert all(each["left"] != each["right"] for each in found)
