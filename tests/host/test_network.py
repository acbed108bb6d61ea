"""One choice of TLS authorities and proxies for every connection: each setting, each kind of connection."""

import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType

import pytest
from cryptography.x509 import IPAddress
from tuf.api.exceptions import DownloadError

from gitsign_py.clients.ambient import ambient_token
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tuffetch import BoundedFetcher
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.git.config import GitConfig, GitValue
from gitsign_py.host.network import Network, TlsTrust, proxy_for, tls_context, tls_trust
from tests.support import tokens
from tests.support.badserver import BadServer, reply, serving
from tests.support.tls import server_side, write_certificate

RAW = tokens.make({"iat": int(time.time()), "exp": int(time.time()) + 600, "email": None, "sub": "https://e.com/w"})
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's certificate of its own, alone in its directory."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "company.pem", IPAddress(ip_address("127.0.0.1")))


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[BadServer]:
    with serving(reply(200, {"value": RAW}), tls=server_side(certificate)) as served:
        yield served


def git_says(key: str, value: str, scope: str = "global") -> GitConfig:
    return GitConfig(MappingProxyType({key.lower(): (GitValue(value, scope, "file:config"),)}))


def ask_service(network: Network, url: str) -> None:
    """Fulcio, Rekor, the timestamp server and the issuer are asked like this."""
    with HttpSession(network=network) as http:
        http.exchange("Fulcio", "GET", url)


def ask_tuf(network: Network, url: str) -> None:
    """What ``initialize`` and every refresh fetch with."""
    with BoundedFetcher(network, 10.0) as fetcher:
        try:
            assert b"".join(fetcher.fetch(url))
        except DownloadError as error:
            raise error.__cause__ or error from None


def ask_platform(network: Network, url: str) -> None:
    """A CI system is asked for its token."""
    job = {"GITHUB_ACTIONS": "1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "ACTIONS_ID_TOKEN_REQUEST_URL": url}
    with HttpSession(network=network) as http:
        assert ambient_token("github-actions", job, audience="sigstore", http=http).raw == RAW


CONNECTIONS: dict[str, Callable[[Network, str], None]] = {
    "services": ask_service,
    "tuf": ask_tuf,
    "platform": ask_platform,
}
SETTINGS: dict[str, Callable[[Path], Network]] = {
    "SSL_CERT_FILE": lambda pem: Network({"SSL_CERT_FILE": str(pem)}),
    "SSL_CERT_DIR": lambda pem: Network({"SSL_CERT_DIR": str(pem.parent)}),
    "REQUESTS_CA_BUNDLE": lambda pem: Network({"REQUESTS_CA_BUNDLE": str(pem)}),
    "REQUESTS_CA_BUNDLE, a directory": lambda pem: Network({"REQUESTS_CA_BUNDLE": str(pem.parent)}),
    "CURL_CA_BUNDLE": lambda pem: Network({"CURL_CA_BUNDLE": str(pem)}),
    "GIT_SSL_CAINFO": lambda pem: Network({"GIT_SSL_CAINFO": str(pem)}),
    "GIT_SSL_CAPATH": lambda pem: Network({"GIT_SSL_CAPATH": str(pem.parent)}),
    "http.sslCAInfo": lambda pem: Network({}, git_says("http.sslCAInfo", str(pem))),
    "http.sslCAInfo in the home directory": lambda pem: Network(
        {"HOME": str(pem.parent)}, git_says("http.sslCAInfo", f"~/{pem.name}")
    ),
    "http.sslCAPath": lambda pem: Network({}, git_says("http.sslCAPath", str(pem.parent))),
    "beside the system's own names": lambda pem: Network(
        {
            "SSL_CERT_FILE": SYSTEM,
            "SSL_CERT_DIR": "/etc/ssl/certs",
            "REQUESTS_CA_BUNDLE": SYSTEM,
            "CURL_CA_BUNDLE": str(pem),
        }
    ),
    "git's setting beside the system's own names": lambda pem: Network(
        {"GIT_SSL_CAINFO": SYSTEM, "GIT_SSL_CAPATH": "/etc/ssl/certs"}, git_says("http.sslCAInfo", str(pem))
    ),
}


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_each_setting_alone_serves_each_connection(
    server: BadServer, certificate: Path, setting: str, connection: str
) -> None:
    CONNECTIONS[connection](SETTINGS[setting](certificate), server.url)


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_without_a_setting_the_systems_store_refuses_and_says_what_to_do(server: BadServer, connection: str) -> None:
    with pytest.raises(ServiceError) as caught:
        CONNECTIONS[connection](Network({}), server.url)
    assert "TLS failed (self-signed certificate)" in caught.value.message
    assert "those of the system's store" in caught.value.message
    assert "SSL_CERT_FILE" in caught.value.hint


def test_the_order_is_the_documented_one(tmp_path: Path) -> None:
    every = {
        name: str(tmp_path / name)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
    }
    config, found = git_says("http.sslCAInfo", "/git/ca.pem"), []
    for name in list(every):
        found.append(tls_trust(every, config).name)
        del every[name]
    assert [*found, tls_trust(every, config).name, tls_trust(every).name] == [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "http.sslCAInfo",
        "",
    ]


def test_gits_authorities_count_beside_the_systems_and_variables_instead(certificate: Path) -> None:
    assert tls_trust({"GIT_SSL_CAINFO": str(certificate)}).beside
    alone = tls_context(tls_trust({"SSL_CERT_FILE": str(certificate)}))
    assert alone.cert_store_stats()["x509"] == 1


def test_a_repository_names_no_authority_and_no_proxy(server: BadServer, certificate: Path) -> None:
    config = git_says("http.sslCAInfo", str(certificate), "local")
    with pytest.raises(ServiceError, match="TLS failed"):
        ask_service(Network({}, config), server.url)
    assert proxy_for("https://h/", {}, git_says("http.proxy", "http://evil:1", "local")) == ""


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "there is no such file"), (b"", "no PEM certificate"), (b"-----BEGIN CERTIFICATE-----\nAA\n", "no PEM")],
)
def test_a_file_without_certificates_is_named_with_its_setting(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=why) as caught:
        ask_service(Network({"CURL_CA_BUNDLE": str(path)}), "https://127.0.0.1:1/")
    assert caught.value.reason == "tls-authorities-unreadable"
    assert caught.value.message.startswith(f"CURL_CA_BUNDLE names {path}")


def test_plain_http_on_this_machine_needs_no_authorities() -> None:
    with serving(reply(200, {})) as plain:
        ask_service(Network({"SSL_CERT_FILE": "/nowhere"}), plain.url)


def test_the_name_of_a_host_is_checked_whatever_counts(tmp_path: Path) -> None:
    other = write_certificate(tmp_path / "other.pem", IPAddress(ip_address("127.0.0.2")))
    with (
        serving(reply(200, {}), tls=server_side(other)) as served,
        pytest.raises(ServiceError, match="IP address mismatch"),
    ):
        ask_service(Network({"SSL_CERT_FILE": str(other)}), served.url)


P, Q = "http://proxy:3128", "http://other:8080"
CASES: list[tuple[str, Mapping[str, str], str, str]] = [
    ("https://h/", {"https_proxy": P}, "", P),
    ("https://h/", {"HTTPS_PROXY": P}, "", P),
    ("https://h/", {"https_proxy": P, "HTTPS_PROXY": Q}, "", P),
    ("https://h/", {"http_proxy": P}, "", ""),
    ("http://h/", {"http_proxy": P}, "", P),
    ("http://h/", {"HTTP_PROXY": P}, "", ""),
    ("http://h/", {"HTTP_PROXY": P, "ALL_PROXY": Q}, "", Q),
    ("https://h/", {"all_proxy": P}, "", P),
    ("https://h/", {"ALL_PROXY": "socks5h://p:1"}, "", "socks5h://p:1"),
    ("https://h/", {"https_proxy": "proxy:3128"}, "", P),
    ("https://h/", {"https_proxy": "proxy"}, "", "http://proxy:1080"),
    ("https://h/", {"https_proxy": "http://me:secret@proxy/"}, "", "http://me:secret@proxy:1080/"),
    ("https://h/", {"https_proxy": "https://[::1]"}, "", "https://[::1]:443"),
    ("https://h/", {"https_proxy": "socks5h://proxy:"}, "", "socks5h://proxy:1080"),
    ("https://h/", {"https_proxy": "http://proxy:x"}, "", "http://proxy:x"),
    ("https://h/", {"https_proxy": Q}, P, P),
    ("https://h/", {"https_proxy": Q, "no_proxy": "h"}, P, ""),
    ("https://a.corp.example/", {"https_proxy": P, "no_proxy": ".corp.example"}, "", ""),
    ("https://corp.example/", {"https_proxy": P, "no_proxy": ".corp.example"}, "", ""),
    ("https://notcorp.example/", {"https_proxy": P, "no_proxy": "corp.example"}, "", P),
    ("https://h:8443/", {"https_proxy": P, "NO_PROXY": "x, h:8443"}, "", ""),
    ("https://h/", {"https_proxy": P, "NO_PROXY": "h:8443"}, "", P),
    ("https://h/", {"https_proxy": P, "NO_PROXY": "h:443"}, "", ""),
    ("http://h/", {"http_proxy": P, "NO_PROXY": "h:80"}, "", ""),
    ("http://h/", {"http_proxy": P, "NO_PROXY": "h:443"}, "", P),
    ("https://10.1.2.3/", {"https_proxy": P, "no_proxy": "10.0.0.0/8:443"}, "", ""),
    ("https://[::1]:8443/", {"https_proxy": P, "no_proxy": "[::1]:8443"}, "", ""),
    ("https://[::1]:8443/", {"https_proxy": P, "no_proxy": "[::1]:8444"}, "", P),
    ("https://[::1]:8443/", {"https_proxy": P, "no_proxy": "[::1]"}, "", ""),
    ("https://[2001:db8::1]/", {"https_proxy": P, "no_proxy": "[2001:db8::]/32"}, "", ""),
    ("https://[2001:db8::1]/", {"https_proxy": P, "no_proxy": "[2001:db8::]/32:444"}, "", P),
    ("https://10.1.2.3/", {"https_proxy": P, "no_proxy": "10.0.0.0/8"}, "", ""),
    ("https://11.1.2.3/", {"https_proxy": P, "no_proxy": "10.0.0.0/8"}, "", P),
    ("https://[2001:db8::1]/", {"https_proxy": P, "no_proxy": "2001:db8::/32"}, "", ""),
    ("https://127.0.0.1:1/", {"https_proxy": P, "no_proxy": "127.0.0.1"}, "", ""),
    ("https://h/", {"https_proxy": P, "no_proxy": "*"}, "", ""),
]


@pytest.mark.parametrize(("url", "environment", "setting", "expected"), CASES)
def test_proxies_are_chosen_as_git_and_curl_do(
    url: str, environment: Mapping[str, str], setting: str, expected: str
) -> None:
    config = git_says("http.proxy", setting) if setting else None
    assert proxy_for(url, environment, config) == expected


def test_an_empty_http_proxy_switches_the_variables_off() -> None:
    assert proxy_for("https://h/", {"https_proxy": P}, git_says("http.proxy", "")) == ""


def test_what_counts_is_said_in_words() -> None:
    assert str(TlsTrust()) == "the system's store"
    assert str(tls_trust({"GIT_SSL_CAINFO": "/c.pem"})) == "GIT_SSL_CAINFO (/c.pem, beside the system store)"


def both(*pairs: tuple[str, str, str]) -> GitConfig:
    return GitConfig(MappingProxyType({key.lower(): (GitValue(value, scope, "f"),) for key, value, scope in pairs}))


def test_a_setting_for_a_url_counts_there_alone_and_no_repository_hides_it() -> None:
    here, elsewhere = "https://fulcio.example.com/api", "https://rekor.example.com/"
    config = both(
        ("http.sslCAInfo", "/all.pem", "global"),
        ("http.https://fulcio.example.com.sslCAInfo", "/one.pem", "global"),
        ("http.https://fulcio.example.com/api.sslCAInfo", "/evil.pem", "local"),
        ("http.https://rekor.example.com.proxy", "http://proxy:1", "global"),
        ("http.https://fulcio.example.com.proxy", "", "global"),
        ("http.https://fulcio.example.com.sslVerify", "false", "global"),
    )
    network = Network({"https_proxy": P}, config)
    assert [str(network.trust_for(url)) for url in (here, elsewhere)] == [
        "http.https://fulcio.example.com.sslCAInfo (/one.pem, beside the system store)",
        "http.sslCAInfo (/all.pem, beside the system store)",
    ]
    assert [network.proxy(url) for url in (here, elsewhere, "https://c.example/")] == ["", "http://proxy:1", P]
    assert "/one.pem" in network.key
    assert "/evil.pem" not in network.key
    variable = Network({"GIT_SSL_CAINFO": "/variable.pem"}, config)
    assert variable.trust_for(here).name == "GIT_SSL_CAINFO"


def test_connections_by_one_authority_are_not_used_for_what_another_one_counts(
    server: BadServer, certificate: Path
) -> None:
    """The same host and port, another path: what was trusted there is not what is to be trusted here."""
    config = git_says(f"http.{server.url}/trusted.sslCAInfo", str(certificate))
    with HttpSession(network=Network({}, config)) as http:
        http.exchange("Fulcio", "GET", f"{server.url}/trusted/a")
        with pytest.raises(ServiceError, match="TLS failed"):
            http.exchange("Fulcio", "GET", f"{server.url}/other")
