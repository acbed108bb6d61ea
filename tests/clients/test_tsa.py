"""The client of time-stamp authorities, against the local one and against servers that are none."""

import hashlib
from collections.abc import Iterator

import pytest

from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tsa import TsaClient
from gitsign_py.core.pki.timestampbuild import TimestampRequest, build_request, granted_token, parse_response
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import ServiceError
from tests.support.badserver import BadServer, huge, reply
from tests.support.faultystack import FaultyStack
from tests.support.stack import RunningStack

MESSAGE = b"a signature"
REQUEST = TimestampRequest("sha256", hashlib.sha256(MESSAGE).digest(), nonce=4711)
PATH = "/api/v1/timestamp"


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession() as session:
        yield session


def test_a_timestamp_is_fetched_and_verifies(stack: RunningStack, session: HttpSession) -> None:
    response = TsaClient(session, stack.url + PATH).timestamp(build_request(REQUEST))
    authorities = parse_trusted_root(stack.trusted_root.read_bytes()).timestamp_authorities
    verified = verify_timestamp(granted_token(response), message=MESSAGE, authorities=authorities, nonce=4711)
    assert verified.authority.uri == stack.url + PATH


def test_a_refusal_comes_back_as_it_is(stack: RunningStack, session: HttpSession) -> None:
    assert parse_response(TsaClient(session, stack.url + PATH).timestamp(b"nonsense")).status == 2


@pytest.mark.parametrize("kind", ["text/html", "", "application/timestamp-query"])
def test_another_media_type_is_refused(session: HttpSession, kind: str) -> None:
    answer = reply(200, b"hello", {"Content-Type": kind} if kind else {})
    with BadServer([answer]) as server, pytest.raises(ServiceError) as caught:
        TsaClient(session, server.url).timestamp(b"")
    assert caught.value.reason == "service-answer-invalid"
    assert server.requests[0].headers["content-type"] == "application/timestamp-query"


def test_a_huge_answer_is_not_read(session: HttpSession) -> None:
    with BadServer([huge(1 << 20)]) as server, pytest.raises(ServiceError) as caught:
        TsaClient(session, server.url).timestamp(b"")
    assert caught.value.reason == "service-answer-too-large"


def test_a_short_outage_is_survived_and_a_long_one_told(faulty: FaultyStack, session: HttpSession) -> None:
    client = TsaClient(session, faulty.url + PATH)
    faulty.break_it("tsa:5xx=1")
    assert parse_response(client.timestamp(build_request(REQUEST))).status == 0
    faulty.break_it("tsa:5xx")
    with pytest.raises(ServiceError) as caught:
        client.timestamp(build_request(REQUEST))
    assert caught.value.reason == "service-status"
