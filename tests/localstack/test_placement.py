"""Where a stack is and what it serves: the choices, the names that it answers to, and one that others reach."""

import http.client
import json
import logging
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request as WebRequest

from gitsign_py.cli.commands import stack as command
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.core.trust.signingconfig import parse_signing_config
from gitsign_py.errors import GitsignError, UsageError
from gitsign_py.localstack import local_sigstore
from gitsign_py.localstack.context import Sources
from gitsign_py.localstack.http import _check_origin, _client
from gitsign_py.localstack.placement import SERVICES, Placement, placement, reach
from gitsign_py.localstack.process import read_info
from gitsign_py.localstack.requestlog import JsonLines
from gitsign_py.localstack.rotate import rotate
from gitsign_py.localstack.service import Refusal
from gitsign_py.localstack.stack import Stack
from tests.support.localstackkit import new_key, signing_request
from tests.support.openedstack import ask
from tests.support.stack import running_stack

URL = "https://sigstore.example.com"
OTHERS = ["idp"]


@pytest.mark.parametrize(
    ("host", "url", "exposed"),
    [
        ("", "", False),
        ("127.0.0.1", "http://localhost:8080", False),
        ("::1", "", False),
        ("127.0.0.1", URL, True),
        ("0.0.0.0", URL, True),
        ("10.1.2.3", "http://127.0.0.1:1", True),
    ],
)
def test_what_others_can_reach_is_exposed(host: str, url: str, exposed: bool) -> None:
    made = placement(host, url, [], OTHERS)
    assert made.exposed is exposed
    assert "idp" not in made.services


@pytest.mark.parametrize(
    ("reason", "host", "url", "only", "without"),
    [
        ("stack-url-missing", "0.0.0.0", "", [], OTHERS),
        ("stack-issuer-exposed", "", URL, [], []),
        ("stack-issuer-exposed", "", URL, ["issuer", "tsa"], []),
        ("stack-url-invalid", "", f"{URL}/path", [], OTHERS),
        ("stack-url-invalid", "", "https://user@sigstore.example.com", [], OTHERS),
        ("stack-url-invalid", "", "ftp://sigstore.example.com", [], OTHERS),
        ("stack-url-invalid", "", "https://[::1", [], OTHERS),
        ("stack-url-invalid", "", "https://a:99999", [], OTHERS),
        ("stack-service-unknown", "", "", ["moon"], []),
        ("stack-service-unknown", "", "", ["tsa"], ["tsa"]),
        ("stack-service-needs", "", "", ["ca"], []),
    ],
)
def test_choices_that_do_not_fit(reason: str, host: str, url: str, only: list[str], without: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        placement(host, url, only, without)
    assert caught.value.reason == reason
    assert caught.value.hint


def test_services_are_chosen_one_by_one() -> None:
    assert placement("", "", [], []).services == SERVICES
    assert placement("", "", ["rekor", "rekor2", "tsa"], []).services == ("rekor1", "rekor2", "tsa")
    assert placement("", "", [], ["idp", "ca", "ctlog"]).services == ("rekor1", "rekor2", "tsa", "tuf")


def test_names_and_places() -> None:
    made = placement("::", f"{URL}:8443/", [], OTHERS)
    assert (made.url_at(1), made.origin) == (f"{URL}:8443", "sigstore.example.com:8443")
    assert made.names == {"127.0.0.1", "localhost", "::1", "sigstore.example.com"}
    assert (Placement("::1").url_at(80), reach("::"), reach("0.0.0.0"), reach("::1")) == (
        "http://[::1]:80",
        "::1",
        "127.0.0.1",
        "::1",
    )


def test_what_is_not_served_is_in_no_client_file(tmp_path: Path) -> None:
    place = placement("", "", ["rekor2", "tsa"], [])
    for _ in range(2):
        stack = Stack(tmp_path / "s", 0, place=place)
        stack.close()
        info = read_info(tmp_path / "s")
        assert info is not None
        root = parse_trusted_root(info.trusted_root.read_bytes())
        assert (root.certificate_authorities, root.ctlogs) == ((), ())
        config = parse_signing_config((tmp_path / "s" / "signing_config.json").read_bytes())
        assert [one.url for one in config.rekor_urls] == [info.url]
        assert (config.ca_urls, config.oidc_urls) == ((), ())
        rotate(info.directory, info.url, "rekor2", services=info.services)
        assert parse_trusted_root(info.trusted_root.read_bytes()).certificate_authorities == ()
    assert {"fulcio", "issuer"} & set(json.loads((tmp_path / "s" / "stack.json").read_bytes())) == set()


CONFIG = """
port = 0
url = "https://sigstore.example.com"
without = ["idp"]
issuers = "fulcio.yaml"
[issuer-keys]
"https://dex.example.com" = "keys.json"
"""
ISSUERS = "oidc-issuers: {https://dex.example.com: {client-id: sigstore, type: email}}"


def test_a_stack_behind_a_proxy_by_its_configuration_file(tmp_path: Path) -> None:
    """The program itself: it answers to its external name, and certifies whom the foreign issuer vouches for."""
    key = rsa.generate_private_key(65537, 2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{**public, "kid": "k", "use": "sig", "alg": "RS256"}]}))
    (tmp_path / "fulcio.yaml").write_text(ISSUERS)
    (tmp_path / "stack.toml").write_text(CONFIG)
    now = int(time.time())
    claims = {"iss": "https://dex.example.com", "sub": "x", "aud": "sigstore", "iat": now, "exp": now + 300}
    claims |= {"email": "alice@example.com", "email_verified": True}
    token = jwt.encode(claims, key, "RS256", headers={"kid": "k"})
    body = json.dumps(signing_request(new_key(), token, "alice@example.com")).encode()
    with running_stack(tmp_path / "stack", "--config", str(tmp_path / "stack.toml")) as stack:
        outside = {"Host": "sigstore.example.com", "Origin": URL}
        answer = stack.request("POST", "/api/v2/signingCert", body, "application/json", outside)
        assert (answer.status, stack.url) == (200, URL)
        assert stack.request("GET", "/api/v2/configuration", headers={"Host": "evil.example"}).status == 403
        assert stack.request("GET", "/healthz", headers={"Origin": "https://evil.example"}).status == 403
        for path in ("/token", "/auth", "/keys", "/device", "/actions/idtoken"):
            assert stack.request("POST" if path == "/token" else "GET", path, headers=outside).status == 404
        assert all(url.startswith(URL) for url in stack.environment().values() if url.startswith("http"))


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        ("stack-issuers-missing", ["--url", URL, "--without", "idp"]),
        ("stack-exposed", ["--url", URL, "--only", "tsa", "--seed", "x"]),
        ("stack-exposed", ["--url", URL, "--only", "tsa", "--fault-control"]),
        ("issuer-keys-invalid", ["--issuer-keys", "x"]),
        ("stack-config-invalid", ["--config", "no-such-file"]),
        ("stack-proxy-invalid", ["--proxy", "10.0.0.1/24"]),  # an address with a network's end is a mistake
        ("stack-proxy-invalid", ["--proxy", "proxy.example.com"]),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, reason: str, arguments: list[str]) -> None:
    with pytest.raises(GitsignError) as caught:
        command.run(["up", "--dir", str(tmp_path / "s"), *arguments])
    assert caught.value.reason == reason
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "text",
    [
        "moon = 1",
        'port = "1"',
        "port = true",
        "only = [1]",
        "issuer-keys = 1",
        "host = [",
        'proxies = "10.0.0.1"',
        "port = 70000",
    ],
)
def test_a_configuration_file_that_is_wrong(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(GitsignError) as caught:
        command.run(["up", "--dir", str(tmp_path / "s"), "--config", str(tmp_path / "f")])
    assert caught.value.reason == "stack-config-invalid"


def test_requests_are_logged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Id, client and identity; never a token, and no more series than there are services, methods and statuses."""
    caplog.set_level("INFO", logger="gitsign_py.localstack")
    with local_sigstore(tmp_path / "s") as sigstore:
        token = sigstore.token("alice@example.com")
        body = json.dumps(signing_request(new_key(), token, "alice@example.com")).encode()
        port = int(sigstore.url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/api/v2/signingCert", body, {"X-Forwarded-For": "1.2.3.4, 10.9.8.7"})
        answer = connection.getresponse()
        answer.read()
        connection.request("BREW", "/healthz")
        connection.getresponse().read()
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode()
        connection.close()
    record = next(one for one in caplog.records if "signingCert" in one.getMessage())
    line = json.loads(JsonLines().format(record))
    assert line["id"] == answer.getheader("X-Request-Id")
    assert (line["client"], line["identity"], line["status"]) == ("10.9.8.7", "alice@example.com", 200)
    assert not [one for one in caplog.records if token[:20] in one.getMessage()]
    series = 'gitsign_py_stack_request_seconds_count{method="POST",service="fulcio",status="200"} 1.0'
    assert series in metrics
    assert 'gitsign_py_stack_log_entries{log="ctlog (log 1)"} 1.0' in metrics
    assert "gitsign_py_stack_damaged_logs 0.0" in metrics


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("10.1.2.3", "192.0.2.7"),
        ("::ffff:10.1.2.3", "192.0.2.7"),
        ("127.0.0.9", "192.0.2.7"),
        ("::ffff:127.0.0.1", "192.0.2.7"),
        ("fd00::5", "192.0.2.7"),
        ("10.1.3.3", "10.1.3.3"),
        ("fd00::6", "fd00::6"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("no address", "no address"),
    ],
)
def test_a_proxy_alone_says_who_the_client_is(peer: str, client: str) -> None:
    """Also one in another container; anybody else would choose the address in the log."""
    place = placement("", URL, [], OTHERS, ["10.1.2.0/24", "fd00::5"])
    scope = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", b"198.51.100.1, 192.0.2.7")]}
    assert _client(WebRequest(scope), place) == client


@pytest.mark.parametrize(
    ("host", "origin", "served"),
    [
        ("sigstore.example.com", URL, True),
        ("127.0.0.1:18400", URL, True),  # a proxy that passes no Host on
        ("127.0.0.1:18400", "http://127.0.0.1:18400", True),
        ("sigstore.example.com", "http://sigstore.example.com", False),  # a page that somebody put in on the way
        ("sigstore.example.com:18400", "http://sigstore.example.com:18400", False),
        ("127.0.0.1:18400", "http://127.0.0.1:9999", False),
        ("127.0.0.1:18400", "https://127.0.0.1:18400", False),
        ("sigstore.example.com", "null", False),
        ("sigstore.example.com", "", False),
    ],
)
def test_pages_are_those_of_the_url_with_its_scheme(host: str, origin: str, served: bool) -> None:
    scope = {"type": "http", "headers": [(b"host", host.encode()), (b"origin", origin.encode())]}
    with nullcontext() if served else pytest.raises(Refusal, match="another origin"):
        _check_origin(WebRequest(scope), placement("", URL, [], OTHERS))


def test_ready_is_more_than_alive(tmp_path: Path) -> None:
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    stack = Stack(tmp_path / "s", 0, sources=Sources(lambda: now[0]))
    try:
        assert [ask(stack, path).status for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
        stack.context.state.damaged = {1: "rekor1 (log 1): entries are gone"}
        assert [ask(stack, path).status for path in ("/livez", "/readyz", "/healthz")] == [200, 503, 200]
        stack.context.state.damaged = {}
        now[0] -= timedelta(hours=1)
        assert [ask(stack, path).status for path in ("/livez", "/readyz")] == [200, 503]
    finally:
        stack.close()


def test_a_trace_is_one_line_of_json() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info(), "levelname": "ERROR"})
    text = JsonLines().format(record)
    assert "\n" not in text
    assert (json.loads(text)["level"], "ValueError" in json.loads(text)["trace"]) == ("error", True)
