"""What every path has in common: size cap, media types, methods, loopback names, JSON errors."""

import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from gitsign_py.localstack.service import MAX_BODY
from tests.support.localstackkit import certify
from tests.support.stack import RunningStack

POSTS = ["/token", "/api/v2/signingCert", "/api/v1/signingCert", "/ct/v1/add-pre-chain", "/api/v1/log/entries"]


@pytest.mark.parametrize("path", POSTS)
def test_body_over_the_limit_gets_413_and_json(stack: RunningStack, path: str) -> None:
    media_type = "application/x-www-form-urlencoded" if path == "/token" else "application/json"
    answer = stack.request("POST", path, b" " * (MAX_BODY + 1), media_type)
    assert (answer.status, answer.headers["content-type"]) == (413, "application/json")
    assert str(MAX_BODY) in answer.body.decode()


def test_body_of_the_limit_is_read(stack: RunningStack) -> None:
    answer = stack.request("POST", "/api/v1/log/entries", b" " * MAX_BODY, "application/json")
    assert answer.status == 400


@pytest.mark.parametrize("path", ["/token", "/ct/v1/add-chain", "/api/v1/log/entries", "/api/v1/index/retrieve"])
def test_wrong_media_type_gets_415_and_json(stack: RunningStack, path: str) -> None:
    answer = stack.request("POST", path, b"{}", "text/plain")
    assert (answer.status, answer.headers["content-type"]) == (415, "application/json")
    assert "text/plain" in answer.body.decode()


@pytest.mark.parametrize("path", ["/nothing", "/log/", "/api/v1/", "/api/v1/log/", "/api/v1/log/entries/a/b"])
def test_unknown_path_gets_404_and_json(stack: RunningStack, path: str) -> None:
    answer = stack.get(path)
    assert (answer.status, answer.json()) == (404, {"code": 404, "message": f"path {path} was not found"})


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/v1/log"), ("DELETE", "/keys"), ("GET", "/token")])
def test_wrong_method_gets_405_and_the_methods_that_are_right(stack: RunningStack, method: str, path: str) -> None:
    answer = stack.request(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] in {"GET", "POST"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_request_for_a_foreign_host_name_is_refused(stack: RunningStack, host: str) -> None:
    """A page that makes its own name resolve to loopback (DNS rebinding) must not get tokens."""
    answer = stack.request("GET", "/keys", headers={"Host": host})
    assert answer.status == 403


@pytest.mark.parametrize(
    "hosts", [("127.0.0.1", "evil.example"), ("evil.example", "127.0.0.1"), ("localhost",) * 2, ()]
)
def test_request_for_two_hosts_or_none_is_refused(stack: RunningStack, hosts: tuple[str, ...]) -> None:
    """A proxy may have looked at the other one (RFC 9112 §3.2)."""
    with closing(http.client.HTTPConnection("127.0.0.1", stack.info.port, timeout=20)) as connection:
        connection.putrequest("GET", "/keys", skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        assert connection.getresponse().status in {400, 403}


def test_request_for_another_protocol_is_answered_in_this_one(stack: RunningStack) -> None:
    """No connection leaves the bounds by an upgrade (RFC 9110 §7.8)."""
    sent = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert stack.request("GET", "/keys", headers={**sent, "Sec-WebSocket-Version": "13"}).status == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:9"])
def test_loopback_names_are_served(stack: RunningStack, host: str) -> None:
    assert stack.request("GET", "/keys", headers={"Host": host}).status == 200


def test_page_of_another_origin_is_refused(stack: RunningStack) -> None:
    assert stack.request("GET", "/keys", headers={"Origin": "https://evil.example"}).status == 403
    assert stack.request("GET", "/keys", headers={"Origin": "null"}).status == 403
    assert stack.request("GET", "/keys", headers={"Origin": stack.url}).status == 200


def test_head_gives_headers_alone(stack: RunningStack) -> None:
    answer = stack.request("HEAD", "/keys")
    assert (answer.status, answer.body) == (200, b"")


def test_only_loopback_is_bound(stack: RunningStack) -> None:
    """The addresses of this machine other than loopback do not answer on the port."""
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in [address for address in others if not str(address).startswith("127.")]:
        with socket.socket() as sock:
            sock.settimeout(1)
            assert sock.connect_ex((str(address), stack.info.port)) != 0


def test_thirty_submissions_at_once_get_thirty_places(stack: RunningStack) -> None:
    who = certify(stack)
    before = stack.get("/api/v1/log").json()["treeSize"]
    entries = [who.entry(b"parallel %d" % number) for number in range(30)]
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda entry: stack.post("/api/v1/log/entries", entry), entries))
    assert [answer.status for answer in answers] == [201] * 30
    places = sorted(next(iter(answer.json().values()))["logIndex"] for answer in answers)
    assert places == list(range(before, before + 30))
