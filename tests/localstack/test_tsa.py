"""The local time-stamp authority, judged by openssl, rfc3161-client and the real authority's transcript."""

import base64
import hashlib
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc3161_client
from asn1crypto import tsp
from cryptography import x509

from gitsign_py.core.pki.timestampbuild import TimestampRequest, build_request, granted_token, parse_response
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.localstack.service import Request
from gitsign_py.localstack.stack import Stack
from gitsign_py.localstack.tsa.authority import PATH, QUERY, REPLY
from gitsign_py.localstack.tsa.tsatoken import POLICY
from tests.support.faultystack import FaultyStack
from tests.support.localstackkit import trusted_root
from tests.support.openedstack import answer_to
from tests.support.stack import ROOT, RunningStack, StackAnswer

MESSAGE = b"what is stamped"


def ask(stack: RunningStack, request: bytes, media_type: str = QUERY) -> StackAnswer:
    return stack.request("POST", PATH, request, media_type)


def query(hash_name: str = "sha256", **fields: object) -> bytes:
    digest = hashlib.new(hash_name, MESSAGE).digest()
    return build_request(TimestampRequest(hash_name, digest, **fields))  # type: ignore[arg-type]


def stamp(stack: RunningStack, request: bytes, status: int = 201) -> bytes:
    answer = ask(stack, request)
    assert (answer.status, answer.headers["content-type"]) == (status, REPLY)
    return answer.body


@pytest.mark.parametrize("certificates", [True, False])
@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_openssl_believes_the_token(stack: RunningStack, tmp_path: Path, hash_name: str, certificates: bool) -> None:
    (tmp_path / "query").write_bytes(query(hash_name, nonce=5, certificates=certificates))
    (tmp_path / "reply").write_bytes(stamp(stack, (tmp_path / "query").read_bytes()))
    chain = str(stack.directory / "tsa-chain.pem")
    command = ["openssl", "ts", "-verify", "-queryfile", "query", "-in", "reply", "-CAfile", chain, "-untrusted", chain]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    embedded = tsp.TimeStampResp.load((tmp_path / "reply").read_bytes())["time_stamp_token"]["content"]["certificates"]
    assert (len(embedded) == 2) is certificates


def test_rfc3161_client_believes_the_token(stack: RunningStack) -> None:
    request = rfc3161_client.TimestampRequestBuilder().data(MESSAGE).nonce(nonce=True).build()
    response = rfc3161_client.decode_timestamp_response(stamp(stack, request.as_bytes()))
    leaf, root = x509.load_pem_x509_certificates((stack.directory / "tsa-chain.pem").read_bytes())
    builder = rfc3161_client.VerifierBuilder.from_request(request).tsa_certificate(leaf).add_root_certificate(root)
    assert builder.build().verify_message(response, MESSAGE)


def test_our_core_believes_the_token_by_the_trusted_root(stack: RunningStack) -> None:
    authorities = trusted_root(stack).timestamp_authorities
    before = datetime.now(UTC).replace(microsecond=0)
    token = granted_token(stamp(stack, query(nonce=2**100)))
    after = datetime.now(UTC)
    verified = verify_timestamp(token, message=MESSAGE, authorities=authorities, nonce=2**100)
    assert (verified.policy, verified.accuracy) == (POLICY, timedelta(seconds=1))
    assert before <= verified.time <= after
    assert verified.time.microsecond == 0


def test_two_tokens_have_two_serial_numbers(stack: RunningStack) -> None:
    serials = {
        tsp.TimeStampResp.load(stamp(stack, query()))["time_stamp_token"]["content"]["encap_content_info"]["content"]
        .parsed["serial_number"]
        .native
        for _ in range(3)
    }
    assert len(serials) == 3


@pytest.mark.parametrize(
    ("request_der", "failure"),
    [
        (b"", "request has the wrong format"),
        (b"\x30\x80\x00\x00", "request has the wrong format"),
        (query(policy="1.2.3.4"), "policy not supported"),
        (build_request(TimestampRequest("sha256", b"short")), "request has the wrong format"),
        (query().replace(b"\x02\x01\x01", b"\x02\x01\x02", 1), "transaction not permitted or supported"),
    ],
)
def test_what_cannot_be_stamped_is_answered_with_a_failure(
    stack: RunningStack, request_der: bytes, failure: str
) -> None:
    response = parse_response(stamp(stack, request_der, 200))
    assert (response.status, response.token) == (2, None)
    assert failure in response.words


def test_many_timestamps_at_the_same_time_are_all_good(tmp_path: Path) -> None:
    """The first ones of a process met in asn1crypto's tables, which it fills without a lock."""
    stack = Stack(tmp_path / "s", 0)
    request = Request("POST", PATH, headers={"content-type": QUERY}, body=query(nonce=1))
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: answer_to(stack, request), range(64)))
    authorities = parse_trusted_root(stack.info.trusted_root.read_bytes()).timestamp_authorities
    stack.close()
    for answer in answers:
        verify_timestamp(granted_token(answer.body), message=MESSAGE, authorities=authorities, nonce=1)
    sources = (ROOT / "gitsign_py" / "localstack").rglob("*.py")
    assert not [path for path in sources if "import asn1crypto" in (text := path.read_text()) or "from asn1" in text]


def test_a_weak_hash_is_not_stamped(stack: RunningStack, tmp_path: Path) -> None:
    command = ["openssl", "ts", "-query", "-digest", "00" * 20, "-sha1", "-out", "query"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert "hash algorithm not supported" in parse_response(stamp(stack, (tmp_path / "query").read_bytes(), 200)).words


def test_another_media_type_is_an_http_error(stack: RunningStack) -> None:
    assert ask(stack, query(), "application/octet-stream").status == 415


def in_json(**members: object) -> bytes:
    digest = base64.b64encode(hashlib.sha256(MESSAGE).digest()).decode()
    return json.dumps({"artifactHash": digest, "hashAlgorithm": "sha256", **members}).encode()


@pytest.mark.parametrize("nonce", [None, 2**100])
def test_a_request_in_json(stack: RunningStack, nonce: int | None) -> None:
    """What sigstore-js sends, and all that the real authority takes beside it."""
    request = in_json(nonce=nonce, certificates=True, tsaPolicyOID=POLICY)
    for body in (request, in_json(nonce=nonce), in_json(nonce=nonce, hashAlgorithm="SHA256")):
        answer = ask(stack, body, "application/json")
        assert (answer.status, answer.headers["content-type"]) == (201, REPLY)
        token = granted_token(answer.body)
        authorities = trusted_root(stack).timestamp_authorities
        assert verify_timestamp(token, message=MESSAGE, authorities=authorities, nonce=nonce).policy == POLICY
        embedded = tsp.TimeStampResp.load(answer.body)["time_stamp_token"]["content"]["certificates"]
        assert (len(embedded) == 2) is (body == request)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"artifactHash": 1, "hashAlgorithm": "sha256"}',
        in_json(artifactHash="AAAA"),
        in_json(artifactHash="?"),
        in_json(hashAlgorithm="sha1"),
        in_json(hashAlgorithm=None),
        in_json(certificates="yes"),
        in_json(nonce="5"),
        in_json(nonce=True),
        in_json(nonce=2**600),
        in_json(tsaPolicyOID="1.2.x"),
        in_json(tsaPolicyOID="1.2.3.4"),
    ],
)
def test_a_request_in_json_that_cannot_be_stamped(stack: RunningStack, body: bytes) -> None:
    answer = ask(stack, body, "application/json")
    assert (answer.status, answer.json()["code"]) == (400, 400)


def test_the_chain_is_served(stack: RunningStack) -> None:
    assert stack.get(f"{PATH}/certchain").body == (stack.directory / "tsa-chain.pem").read_bytes()


def test_the_clock_can_be_wrong(faulty: FaultyStack) -> None:
    faulty.break_it("tsa:clock-skew=-7200")
    token = granted_token(stamp(faulty, query()))
    info = tsp.TSTInfo.load(tsp.TimeStampResp.load(stamp(faulty, query()))["time_stamp_token"]["content"]
                            ["encap_content_info"]["content"].contents)  # fmt: skip
    assert token
    assert datetime.now(UTC) - info["gen_time"].native > timedelta(hours=1, minutes=59)
