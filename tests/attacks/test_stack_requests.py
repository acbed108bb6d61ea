"""Requests that the local stack did not expect: header values that are no hosts, control characters in a redirect.

The attack: ``Host: [`` was an internal error (500, a trace in the log), and a redirect_uri with line ends or letters
that no header can hold went into the Location header. Each request is answered 4xx.
"""

import socket
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from gitsign_py.localstack.idp.login import redirect_allowed
from tests.support.stack import RunningStack, running_stack

ODD = (
    "[", "[::1", "[[[", "[]:1", "[:", "]", "\x7f", "\xe9", "//", "@", "127.0.0.1:x", "127.0.0.1:99999999", "%", "%00",
    "%ff", "%ED%A0%80", "a" * 5000, "-1", "9" * 400, "1e9", "1_0", "\xb2", "{}", "null", "http://[", "http://]",
)  # fmt: skip
HEADERS = ("Host", "Origin", "Content-Type", "Accept", "Authorization", "Cookie", "Content-Length", "Expect", "Referer")
QUERIES = (
    "/auth", "/device", "/api/v1/log", "/api/v1/log/proof", "/api/v1/log/entries", "/ct/v1/get-entries",
    "/ct/v1/get-sth-consistency", "/ct/v1/get-proof-by-hash", "/api/v2/x", "/rekor2/x/api/v2/tile/0/x",
)  # fmt: skip
NAMES = (
    "logIndex", "lastSize", "firstSize", "treeID", "first", "second", "start", "end", "hash", "tree_size", "client_id",
    "redirect_uri", "user_code", "response_type", "state", "code_challenge",
)  # fmt: skip
BODIES = (
    b"", b"{}", b"[]", b"null", b"1", b'{"a":', b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"publicKeyRequest":[]}',
    b'{"credentials":1}', b'{"chain":["AAAA"]}', b'{"entries":[1]}', b'{"hash":1}', b'{"logIndexes":[1e99]}',
    b'{"entryUUIDs":[1]}', b'{"artifactHash":5}', b'{"email":"\\ud800"}', b'{"hashedRekordRequestV002":1}',
)  # fmt: skip
POSTS = (
    "/token", "/auth", "/device", "/device/code", "/api/v1/log/entries", "/api/v1/log/entries/retrieve",
    "/api/v1/index/retrieve", "/api/v2/log/entries", "/api/v2/signingCert", "/api/v1/signingCert",
    "/ct/v1/add-chain", "/ct/v1/add-pre-chain", "/api/v1/timestamp",
)  # fmt: skip


def status(stack: RunningStack, request: bytes) -> int:
    """The status of one raw request; 0 when the server hangs up without a word."""
    with socket.create_connection(("127.0.0.1", stack.info.port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    return int(answer.split(b" ")[1]) if answer else 0


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", *headers, "Connection: close", "", ""]).encode("latin-1")


@pytest.mark.parametrize("host", ["[", "[::1", "[[[", "[]:1", "[:"])
def test_a_host_that_is_none_gets_400(stack: RunningStack, host: str) -> None:
    assert status(stack, head("GET /keys", f"Host: {host}")) == 400
    assert status(stack, head("GET /nothing", f"Host: {host}")) in (400, 404)
    assert status(stack, head("GET /keys", "Host: localhost", f"Origin: http://{host}")) == 400


@pytest.mark.parametrize("host", ["evil@localhost", "localhost/evil.example", "localhost?evil", "localhost#evil"])
def test_a_host_with_more_than_a_host_gets_400(stack: RunningStack, host: str) -> None:
    """What stands behind it or before it would be somebody else's reading of the same header."""
    assert status(stack, head("GET /keys", f"Host: {host}")) == 400


def test_no_request_is_an_internal_error(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack") as stack:
        bad: list[object] = []
        for name in HEADERS:
            for odd in ODD:
                lines = [f"{name}: {odd}"] + (["Host: localhost"] if name != "Host" else [])
                if status(stack, head("GET /keys", *lines)) >= 500:
                    bad.append((name, odd[:40]))
        for path in QUERIES:
            for odd in ODD:
                value = odd if odd.startswith("%") else quote(odd, encoding="latin-1")
                query = "&".join(f"{name}={value}" for name in NAMES)
                if status(stack, head(f"GET {path}?{query}", "Host: localhost")) >= 500:
                    bad.append((path, odd[:40]))
        for path in POSTS:
            for kind in ("application/json", "application/x-www-form-urlencoded", "application/timestamp-query"):
                for body in BODIES:
                    length = f"Content-Length: {len(body)}"
                    request = head(f"POST {path}", "Host: localhost", f"Content-Type: {kind}", length) + body
                    if status(stack, request) >= 500:
                        bad.append((path, kind, body[:40]))
        assert bad == []


def test_a_body_that_breaks_off_is_no_error_of_the_stack(stack: RunningStack) -> None:
    request = head("POST /token", "Host: localhost", "Content-Type: application/json", "Content-Length: 50") + b"{}"
    assert status(stack, request) < 500


@pytest.mark.parametrize(
    "tail", ["\n", "\r\nSet-Cookie: a=b", "\t", "\0", "\x7f", " ", "\u2192", "\u202e", "x\nhttp://evil.example/"]
)
@pytest.mark.parametrize("start", ["http://localhost:1/cb", "http://local{}host:1/cb", "{}http://localhost:1/"])
def test_a_redirect_with_control_characters_is_refused(stack: RunningStack, start: str, tail: str) -> None:
    target = start.format(tail) if "{}" in start else start + tail
    assert not redirect_allowed(target)
    asked = {
        "client_id": "sigstore", "redirect_uri": target, "response_type": "code", "scope": "openid",
        "code_challenge": "a" * 43, "code_challenge_method": "S256", "decision": "allow", "email": "a@b.example",
    }  # fmt: skip
    assert stack.get(f"/auth?{urlencode(asked)}").status == 400
    answer = stack.request("POST", "/auth", urlencode(asked).encode(), "application/x-www-form-urlencoded")
    assert answer.status == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        *("http://localhost:1/#", "http://localhost:1/?", "http://localhost:1/?a=b", "http://localhost:1/x#y"),
        *("http://@localhost:1/", "http://:word@localhost:1/", "http://a@localhost:1/", "http://localhost:1/\\x"),
    ],
)
def test_a_redirect_that_the_answer_cannot_follow_is_refused(target: str) -> None:
    """An empty fragment took the code into itself (RFC 6749 §3.1.2 has none), where no client reads it."""
    assert not redirect_allowed(target)
    assert redirect_allowed("http://localhost:1/x;y=1")
