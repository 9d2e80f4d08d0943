"""The example with a network, as its README has it: packed from a copy of its folder, run on a node that
allows one name, and asked for that name and for everything else."""

import http.client
import http.server
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from node import Node
from projects import pack

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/examples/site-check"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def service(site, tmp_path_factory):
    """What the example answers: service(url…)."""
    policy = (EXAMPLE / "node/gateway-broker.toml").read_text()
    assert "127.0.0.1:8000" in policy
    policy = policy.replace("127.0.0.1:8000", f"127.0.0.1:{site}")
    folder = tmp_path_factory.mktemp("examples") / "site-check"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.lock.json"))
    with Node(config={"gateway-broker": policy}) as node:
        pack(node, folder)
        started = node.start_service("site-check", ready_ms=100_000)
        [address] = started.instance.addresses

        def ask(*urls):
            connection = http.client.HTTPConnection(address.host, address.port, timeout=300)
            connection.request("GET", "/?" + "&".join("url=" + quote(url, "") for url in urls))
            text = connection.getresponse().read().decode()
            connection.close()
            return text
        yield ask
        node.stop_service(started.token, grace_ms=0)


def test_it_knows_what_it_was_given(service):
    assert service() == "web: 10.66.0.1:80\ndns: 10.64.0.1:53\n"


def test_it_reaches_the_site_by_its_name_and_by_its_address(service):
    for host in ("site.example", "10.66.0.1"):
        length = len(f"{host} /a?b=c")
        assert service(f"http://{host}/a?b=c") == f"http://{host}/a?b=c: 200 OK, {length} bytes\n"


@pytest.mark.parametrize("host", [
    "example.org", "www.site.example", "localhost.localdomain", "192.0.2.1", "10.0.0.1", "10.66.0.2",
    "10.66.0.1:81", "169.254.169.254"])
def test_it_reaches_nothing_else(service, host):
    assert ": not reached: " in service(f"http://{host}/")


def test_it_does_not_reach_the_site_where_it_really_is(service, site):
    assert re.search(": not reached: .*refused", service(f"http://127.0.0.1:{site}/"))
