"""What `/openapi.json` says against what the door does: schemathesis (PyPI) makes requests from the
document, right and wrong ones, and looks at each answer. The same seed, so the same requests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import boxes
import wire_client as w
from node import Node
from test_http_door import free_port

VERSION = "schemathesis==4.32.5"
# As it was when the test was written, so that no later release of what it needs changes the test; without
# it where one of them can be had no more.
NEEDS = ["-r", Path(__file__).with_name("schemathesis.txt")]

# A message that is right by its schema can be wrong by what it says: no such service, a number past a
# bound, two members of one choice. That is 400 or 422, which by itself this tool takes for a failure. And
# it takes a header that nobody knows for a wrong request, which it is not: what only looks answers 200.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 408, 409, 413, 422, 429]

[checks.negative_data_rejection]
expected-statuses = [200, 400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 431]
"""


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schemathesis")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=300)
    # A network fails now and then.
    for needs in (NEEDS, NEEDS, [VERSION], [VERSION]):
        done = subprocess.run(
            [folder / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", *needs],
            text=True, timeout=600, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout
    (folder / "schemathesis.toml").write_text(SETTINGS)
    return folder


def test_every_answer_is_one_that_the_description_has(tool, tmp_path):
    port = free_port()
    with Node(config={"gateway-broker": f"[http]\nport = {port}\n"}) as node:
        node.import_box(boxes.probe_tree(tmp_path), boxes.described(tag="probe"))
        with node.connect("gateway-broker", "GatewayBroker") as connection:
            client = connection.call(
                "GatewayBroker.AddClient",
                w.gateway.AddClientRequest(key=os.urandom(16), name="schema"))
        # With a deadline of its own, no stream lasts for ever, and none is too short for an answer.
        run = subprocess.run(
            [tool / "venv/bin/st", "run", f"http://127.0.0.1:{port}/openapi.json",
             "-H", f"Authorization: Bearer {client.token}", "-H", "Celaut-Deadline-Ms: 30000",
             "--checks", "all", "--seed", "1", "--max-examples", "15", "--generation-database",
             "none", "--request-timeout", "180", "--phases", "examples,coverage,fuzzing",
             "--suppress-health-check", "all", "--no-color"],
            cwd=tool, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1_200)
        assert run.returncode == 0, run.stdout[-20_000:]
        assert "Tested: 17" in run.stdout, run.stdout[-4_000:]
