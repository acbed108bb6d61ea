"""Requests through a SOCKS proxy, by each scheme that curl has: what the proxy is told, and what it may answer."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.x509 import IPAddress

from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.network import Network
from tests.support.badserver import reply, serving
from tests.support.relay import pump
from tests.support.tls import server_side, write_certificate

LIMITS = Limits(total=5.0, connect=2.0, tries=1)
LOOPBACK = bytes([127, 0, 0, 1])
DONE_5 = b"\x05\x00\x00\x01" + bytes(6)
TOLD_5 = b"\x05\x01\x00"  # the greeting, and the beginning of a request to connect
DONE_4 = b"\x00\x5a" + bytes(6)


@contextmanager
def proxying(port: int, answers: Sequence[bytes], seen: list[bytes]) -> Iterator[str]:
    """A proxy that answers each message with the next of ``answers``, and then is a pipe to a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as client:
            for answer in answers:
                seen.append(client.recv(4096))
                client.sendall(answer)
            with socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join(5)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _session(proxy: str) -> HttpSession:
    return HttpSession(LIMITS, network=Network({"all_proxy": proxy}))


@pytest.mark.parametrize(
    ("scheme", "host", "answers", "told"),
    [
        ("socks5h", "rekor.invalid", [b"\x05\x00", DONE_5], [TOLD_5, TOLD_5 + b"\x03\x0drekor.invalid\x00\x51"]),
        ("SOCKS5h", "rekor.invalid", [b"\x05\x00", b"\x05\x00\x00\x03\x02ab\x00\x01"], None),
        ("socks5h", "rekor.invalid", [b"\x05\x00", b"\x05\x00\x00\x04" + bytes(18)], None),
        ("socks5h", "[::1]", [b"\x05\x00", DONE_5], [TOLD_5, TOLD_5 + b"\x04" + bytes(15) + b"\x01\x00\x51"]),
        ("socks5", "127.0.0.1", [b"\x05\x00", DONE_5], [TOLD_5, TOLD_5 + b"\x01" + LOOPBACK + b"\x00\x51"]),
        ("socks4a", "rekor.invalid", [DONE_4], [b"\x04\x01\x00\x51\x00\x00\x00\x01\x00rekor.invalid\x00"]),
        ("socks4a", "127.0.0.1", [DONE_4], [b"\x04\x01\x00\x51" + LOOPBACK + b"\x00"]),
        ("socks4", "localhost", [DONE_4], [b"\x04\x01\x00\x51" + LOOPBACK + b"\x00"]),
        ("socks", "localhost", [DONE_4], [b"\x04\x01\x00\x51" + LOOPBACK + b"\x00"]),
    ],
)  # fmt: skip
def test_a_socks_proxy_is_told_a_name_or_an_address(
    scheme: str, host: str, answers: list[bytes], told: list[bytes] | None
) -> None:
    seen: list[bytes] = []
    with (
        serving(reply(200, {"a": 1})) as server,
        proxying(_port(server.url), answers, seen) as proxy,
        _session(f"{scheme}://{proxy}") as session,
    ):
        assert session.exchange("Rekor", "GET", f"http://{host}:81/api?x=y").json() == {"a": 1}
    assert told is None or seen == told
    (request,) = server.requests
    assert (request.path, request.headers["host"]) == ("/api?x=y", f"{host}:81")
    assert "proxy-authorization" not in request.headers


def test_socks5_looks_the_name_up_here() -> None:
    seen: list[bytes] = []
    with serving(reply(200, {"a": 1})) as server:
        answers = [b"\x05\x00", DONE_5]
        with proxying(_port(server.url), answers, seen) as proxy, _session(f"socks5://{proxy}") as session:
            session.exchange("Rekor", "GET", "http://localhost:81/")
    addresses = (b"\x01" + LOOPBACK, b"\x04" + bytes(15) + b"\x01")
    assert seen[1] in [b"\x05\x01\x00" + address + b"\x00\x51" for address in addresses]


@pytest.mark.parametrize(
    ("scheme", "answers", "told"),
    [
        ("socks5h", [b"\x05\x02", b"\x01\x00", DONE_5], b"\x01\x02me\x09pass@word"),
        ("socks4a", [DONE_4], b"\x04\x01\x00\x51\x00\x00\x00\x01me\x00rekor.invalid\x00"),
    ],
)
def test_the_password_of_the_url_goes_to_the_proxy_alone(scheme: str, answers: list[bytes], told: bytes) -> None:
    seen: list[bytes] = []
    with (
        serving(reply(200, {})) as server,
        proxying(_port(server.url), answers, seen) as proxy,
        _session(f"{scheme}://me:pass%40word@{proxy}") as session,
    ):
        session.exchange("Rekor", "GET", "http://rekor.invalid:81/")
    assert told in seen
    assert not any("pass" in value for value in server.requests[0].headers.values())


@pytest.mark.parametrize("known", [True, False])
def test_tls_is_checked_at_the_far_end_of_the_proxy(tmp_path: Path, known: bool) -> None:
    certificate = write_certificate(tmp_path / "server.pem", IPAddress(ip_address("127.0.0.2")))
    with (
        serving(reply(200, {"a": 1}), tls=server_side(certificate)) as server,
        proxying(_port(server.url), [b"\x05\x00", DONE_5], []) as proxy,
    ):
        environment = {"https_proxy": f"socks5h://{proxy}"} | ({"SSL_CERT_FILE": str(certificate)} if known else {})
        with HttpSession(LIMITS, network=Network(environment)) as session:
            if known:
                assert session.exchange("Rekor", "GET", "https://127.0.0.2:444/").json() == {"a": 1}
                return
            with pytest.raises(ServiceError) as caught:
                session.exchange("Rekor", "GET", "https://127.0.0.2:444/")
    assert caught.value.reason == "service-untrusted"


@pytest.mark.parametrize(
    ("scheme", "answers", "words"),
    [
        ("socks5h", [b"\x05\xff"], "the proxy wants a name and a password"),
        ("me:x@socks5h", [b"\x05\xff"], "the proxy takes no name and password"),
        ("me:x@socks5h", [b"\x05\x02", b"\x01\x01"], "the proxy refuses its name and password"),
        ("socks5h", [b"\x05\x02"], "the proxy wants another sign-in"),
        ("socks5h", [b"\x05\x00", b"\x05\x05\x00\x01"], "the proxy refuses: connection refused"),
        ("socks5h", [b"\x05\x00", b"\x05\x63\x00\x01"], "the proxy refuses: code 99"),
        ("socks4a", [b"\x00\x5b" + bytes(6)], "the proxy refuses"),
        ("socks5h", [b"HTTP/1.1 400 Bad\r\n\r\n"], "the connection broke off"),
        ("socks5h", [b"\x05\x00", DONE_5 + b"more"], "the connection broke off"),
        ("socks5h", [b"\x05\x00", b"\x05\x00\x00\x09" + bytes(6)], "the connection broke off"),
        ("socks4a", [b"SSH-2.0-OpenSSH"], "the connection broke off"),
    ],
)
def test_a_socks_proxy_that_does_not_connect_is_named(scheme: str, answers: list[bytes], words: str) -> None:
    credentials, _, scheme = scheme.rpartition("@")
    with serving(reply(200, {})) as server, proxying(_port(server.url), answers, []) as proxy:
        at = f"{credentials}@" if credentials else ""
        with _session(f"{scheme}://{at}{proxy}") as session, pytest.raises(ServiceError) as caught:
            session.exchange("Rekor", "POST", "http://rekor.invalid/", body=b"secret")
    said = f"Rekor at http://rekor.invalid/ cannot be reached through the proxy {scheme}://{proxy}: {words}"
    assert caught.value.message == said
    assert "no_proxy" in caught.value.hint
    assert server.requests == []


@pytest.mark.parametrize("proxy", [f"socks5://{'a' * 256}:b@127.0.0.1", "socks4a://a%00b@127.0.0.1", "socks9://p:1"])
def test_what_a_socks_proxy_cannot_be_told_is_an_error_of_the_setting(proxy: str) -> None:
    with serving(reply(200, {})) as server, proxying(_port(server.url), [b"\x05\x02", b""], []) as place:
        setting = proxy.replace("127.0.0.1", place)
        with _session(setting) as session, pytest.raises(ConfigError) as caught:
            session.exchange("Rekor", "GET", "http://rekor.invalid/")
    assert caught.value.reason == "service-request-invalid"
    assert "the proxy socks" in caught.value.message
    assert "socks5h" in caught.value.hint


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
