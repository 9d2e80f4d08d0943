"""The HTTP door with TLS: with a certificate that is given and one that it makes; what cannot be is a
configuration error."""

import base64
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest

import wire_client as w
from folders import new_open_folder
from node import Node, wait_until
from test_http_door import free_port


def issue(folder, name, *more):
    """(certificate, key) that openssl makes."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-subj", f"/CN={name}", *more],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=180)
    # The daemon has a user of its own.
    key.chmod(0o644)
    return certificate, key


def configured(port, certificate=None, key=None, address="127.0.0.1"):
    text = f'[http]\nport = {port}\naddress = "{address}"\n'
    if certificate:
        text += f'certificate = "{certificate}"\n'
    if key:
        text += f'key = "{key}"\n'
    return {"gateway-broker": text}


def curl(url, *more):
    """(exit code, version of HTTP and status, body)"""
    run = subprocess.run(
        ["curl", "-sS", "--max-time", "180", "-w", "\n%{http_version} %{http_code}", *more, url],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200)
    body, _, last = run.stdout.rpartition("\n")
    return run.returncode, last, body


@pytest.fixture(scope="module")
def folder():
    """One that every user can read."""
    path = new_open_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def given(folder):
    certificate, key = issue(
        folder, "gateway", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1")
    port = free_port()
    with Node(config=configured(port, certificate, key)) as node:
        yield node, port, certificate, folder


@pytest.mark.parametrize("option, version", [
    ("--http1.1", "1.1"), ("--http2", "2"), ("--no-alpn", "1.1")])
def test_a_given_certificate_is_shown_and_both_versions_are_agreed_on(given, option, version):
    _, port, certificate, _ = given
    code, last, body = curl(
        f"https://127.0.0.1:{port}/openapi.json", "--cacert", certificate, option)
    assert (code, last) == (0, f"{version} 200") and body.startswith("{")


def test_who_trusts_another_certificate_does_not_connect(given):
    _, port, _, folder = given
    other, _ = issue(folder, "other", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1")
    assert curl(f"https://127.0.0.1:{port}/openapi.json", "--cacert", other)[0] == 60
    assert curl(f"https://127.0.0.1:{port}/openapi.json")[0] == 60


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_who_speaks_without_tls_or_only_an_old_one_gets_nothing_from_it(given):
    _, port, certificate, _ = given
    with socket.create_connection(("127.0.0.1", port), timeout=180) as connection:
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"HTTP/1.1 200" not in connection.recv(65_536)
        except ConnectionResetError:
            pass
    context = ssl.create_default_context(cafile=certificate)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        with socket.create_connection(("127.0.0.1", port), timeout=180) as connection:
            context.wrap_socket(connection, server_hostname="127.0.0.1")


def test_a_token_is_asked_for_and_taken_below_tls(given):
    node, port, certificate, _ = given
    with node.connect("gateway-broker", "GatewayBroker") as connection:
        client = connection.call(
            "GatewayBroker.AddClient", w.gateway.AddClientRequest(key=os.urandom(16), name="tls"))
    url = f"https://127.0.0.1:{port}/v1/identity"
    for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
        assert curl(url, "--cacert", certificate, option)[1] == f"{version} 401"
        assert curl(url, "--cacert", certificate, option, "-H",
                    f"Authorization: Bearer {client.token}")[1] == f"{version} 200"


def fingerprint(node):
    facts = {fact.name: fact.value for fact in node.status("gateway-broker").facts}
    return facts.get("http-certificate-sha256")


def test_a_door_to_the_network_makes_a_certificate_keeps_it_and_says_which(folder, tmp_path):
    port = free_port()
    config = configured(port, address="0.0.0.0")
    with Node(base=folder, config=config) as node:
        made = list((node.state / "gateway-broker").glob("http-*.pem"))
        assert [oct(path.stat().st_mode & 0o777) for path in made] == ["0o600"]
        text = made[0].read_text()
        certificate = tmp_path / "pinned.pem"
        certificate.write_text(
            re.search("-----BEGIN CERTIFICATE.*?END CERTIFICATE-----\n", text, re.S).group())
        der = base64.b64decode("".join(certificate.read_text().splitlines()[1:-1]))
        assert fingerprint(node) == hashlib.sha256(der).hexdigest() in node.log()
        assert "PRIVATE" not in node.log()
        # Another reader finds nothing wrong with it, and its signature is its own.
        subprocess.run(
            ["openssl", "verify", "-check_ss_sig", "-x509_strict", "-CAfile", certificate,
             certificate],
            check=True, stdout=subprocess.DEVNULL, timeout=180)
        for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
            code, last, _ = curl(
                f"https://celaut:{port}/openapi.json", "--cacert", certificate, option,
                "--resolve", f"celaut:{port}:127.0.0.1")
            assert (code, last) == (0, f"{version} 200")
        # It is nobody's that other machines trust, and nothing is told without it.
        assert curl(f"https://127.0.0.1:{port}/openapi.json")[0] == 60
        before = fingerprint(node)
    with Node(base=folder, config=config) as node:
        assert fingerprint(node) == before


def test_a_key_of_another_certificate_is_a_configuration_error(folder):
    certificate, _ = issue(folder, "one", "-days", "2")
    _, key = issue(folder, "foreign", "-days", "2")
    node = Node(config=configured(free_port(), certificate, key))
    try:
        node.begin()
        wait_until(lambda: "http: key" in node.log(), 60, "the gateway says what is wrong")
        with pytest.raises((OSError, w.Closed)), w.Connection(node.socket("gateway-broker"), timeout=1):
            pass
    finally:
        node.__exit__()
