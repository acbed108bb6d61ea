"""The Fulcio client against scripted answers of a loopback server, and against the local stack."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gitsign_py.clients.fulcio import FulcioClient, KnownConfigurations
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.encoding import b64_decode, b64_encode, pem_encode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.fulcio import certificate_identity
from gitsign_py.core.sigstore.mapping import IssuerConfiguration
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.errors import ConfigError, FormatError, PolicyError, ServiceError
from gitsign_py.ports import Agree, IssuedCertificate
from gitsign_py.signing.credential import new_key
from tests.support.badserver import Action, BadServer, drop, forward, reply, routed, serving, slow, unused_url
from tests.support.pki import Authority
from tests.support.stack import RunningStack
from tests.support.tokens import make

V1, V2, CONFIGURATION = "POST /api/v1/signingCert", "POST /api/v2/signingCert", "GET /api/v2/configuration"
ROOT = Authority()
CHAIN = (ROOT.leaf().raw, ROOT.certificate.raw)
PEMS = [pem_encode(der, "CERTIFICATE").decode() for der in CHAIN]
EMBEDDED = {"signedCertificateEmbeddedSct": {"chain": {"certificates": PEMS}}}
REFUSAL = {"code": 3, "message": "There was an error processing the identity token", "details": []}


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession(Limits(total=3.0, backoff=0.01), jitter=lambda: 0.0) as opened:
        yield opened


def issue(session: HttpSession, url: str, raw: str | None = None) -> IssuedCertificate:
    spki, sign = new_key()
    return FulcioClient(session, url).issue(token=IdentityToken(raw or make()), public_key_spki=spki, sign=sign)


def answers(routes: dict[str, list[Action]]) -> Any:
    return serving(routed(dict(routes)))


def proof_is_over(server: BadServer, number: int, challenge: str) -> bool:
    """Check the proof of possession of a v2 request with cryptography alone."""
    request = json.loads(server.requests[number].body)["publicKeyRequest"]
    der = b64_decode("".join(request["publicKey"]["content"].splitlines()[1:-1]))
    key = load_der_public_key(der)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(b64_decode(request["proofOfPossession"]), challenge.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def test_the_v2_request_is_that_of_the_specification(session: HttpSession) -> None:
    with answers({V2: [reply(200, EMBEDDED)]}) as server:
        issued = issue(session, server.url + "/")
    assert issued == IssuedCertificate(CHAIN)
    (seen,) = server.requests
    assert seen.json()["credentials"] == {"oidcIdentityToken": make()}
    assert seen.json()["publicKeyRequest"]["publicKey"]["algorithm"] == "ECDSA"
    assert proof_is_over(server, 0, "alice@example.com")


def test_the_proof_is_over_the_subject_when_there_is_no_email(session: HttpSession) -> None:
    with answers({V2: [reply(200, EMBEDDED)]}) as server:
        issue(session, server.url, make({"email": None}))
    assert proof_is_over(server, 0, "subject-1")


def test_a_detached_sct_is_handed_on(session: HttpSession) -> None:
    sct = b'{"sct_version":0}'
    detached = {"chain": {"certificates": PEMS}, "signedCertificateTimestamp": b64_encode(sct)}
    with answers({V2: [reply(200, {"signedCertificateDetachedSct": detached})]}) as server:
        assert issue(session, server.url) == IssuedCertificate(CHAIN, sct)


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_v2_is_asked_by_v1(session: HttpSession, status: int) -> None:
    body = "".join(PEMS).encode()
    with answers({V2: [reply(status)], V1: [reply(201, body, {"SCT": b64_encode(b"{}")})]}) as server:
        assert issue(session, server.url) == IssuedCertificate(CHAIN, b"{}")
    seen = server.requests[1]
    assert seen.headers["authorization"] == f"Bearer {make()}"
    assert seen.json()["publicKey"]["algorithm"] == "ecdsa"


def test_v1_without_sct_header_has_no_detached_sct(session: HttpSession) -> None:
    with answers({V2: [reply(404)], V1: [reply(201, "".join(PEMS).encode())]}) as server:
        assert issue(session, server.url).detached_sct is None


def test_a_server_that_is_no_fulcio_is_told_apart(session: HttpSession) -> None:
    with answers({V2: [reply(404)], V1: [reply(404)]}) as server, pytest.raises(ServiceError) as caught:
        issue(session, server.url)
    assert caught.value.reason == "service-status"
    assert "check that the URL" in caught.value.hint


def test_a_refusal_names_the_issuer_since_fulcio_does_not(session: HttpSession) -> None:
    routes = {V2: [reply(400, REFUSAL)], CONFIGURATION: [reply(404)]}
    with answers(routes) as server, pytest.raises(ServiceError) as caught:
        issue(session, server.url)
    assert "There was an error processing the identity token" in caught.value.message
    assert "https://issuer.example" in caught.value.hint
    assert "sigstore" in caught.value.hint


def test_a_refusal_of_an_unverified_address_says_so(session: HttpSession) -> None:
    routes = {V2: [reply(400, REFUSAL)], CONFIGURATION: [reply(200, {"issuers": []})]}
    with answers(routes) as server, pytest.raises(ServiceError) as caught:
        issue(session, server.url, make({"email_verified": False}))
    assert "alice@example.com is not verified" in caught.value.hint


def configured(claim: str, url: str = "https://issuer.example") -> Action:
    issuer = {"issuerUrl": url, "audience": "sigstore", "challengeClaim": claim, "issuerType": "uri"}
    return reply(200, {"issuers": [{"wildcardIssuerUrl": "https://*.example"}, issuer]})


def test_a_server_that_wants_the_subject_signed_gets_it_at_the_second_try(session: HttpSession) -> None:
    refusal = reply(400, {"code": 3, "message": "The signature supplied in the request could not be verified"})
    with answers({V2: [refusal, reply(200, EMBEDDED)], CONFIGURATION: [configured("sub")]}) as server:
        assert issue(session, server.url).chain == CHAIN
    assert proof_is_over(server, 0, "alice@example.com")
    assert proof_is_over(server, 2, "subject-1")


def issue_by(client: FulcioClient, agree: Agree | None = None) -> IssuedCertificate:
    spki, sign = new_key()
    return client.issue(token=IdentityToken(make()), public_key_spki=spki, sign=sign, agree=agree)


WRONG_PROOF = reply(400, {"code": 3, "message": "The signature supplied in the request could not be verified"})


def test_a_wildcard_issuer_is_found_too(session: HttpSession) -> None:
    meta = {"wildcardIssuerUrl": "https://*.example", "challengeClaim": "sub", "issuerType": "kubernetes"}
    routes = {V2: [WRONG_PROOF, reply(200, EMBEDDED)], CONFIGURATION: [reply(200, {"issuers": [meta]})]}
    with answers(routes) as server:
        assert issue(session, server.url).chain == CHAIN
    assert proof_is_over(server, 2, "subject-1")


def test_another_name_is_agreed_to_before_it_is_asked_for(session: HttpSession) -> None:
    def refuse(found: IssuerConfiguration) -> None:
        raise PolicyError("consent-refused", f"not as {found.issuer_type}")

    with answers({V2: [WRONG_PROOF, reply(200, EMBEDDED)], CONFIGURATION: [configured("sub")]}) as server:
        client = FulcioClient(session, server.url)
        with pytest.raises(PolicyError, match="not as uri"):
            issue_by(client, refuse)
    assert [seen.path for seen in server.requests].count("/api/v2/signingCert") == 1


def test_what_an_agent_knows_saves_the_first_try_until_it_is_old(session: HttpSession) -> None:
    now = [0.0]
    known = KnownConfigurations(lambda: now[0])
    routes = {V2: [WRONG_PROOF, reply(200, EMBEDDED)], CONFIGURATION: [configured("sub")]}
    with answers(routes) as server:
        for _ in range(3):
            issue_by(FulcioClient(session, server.url, known))
        assert [seen.method for seen in server.requests] == ["POST", "GET", "POST", "POST", "POST"]
        now[0] = 601.0
        issue_by(FulcioClient(session, server.url, known))
        assert proof_is_over(server, 5, "alice@example.com")


def test_an_old_configuration_is_asked_for_again_after_a_refusal(session: HttpSession) -> None:
    known = KnownConfigurations()
    routes = {V2: [WRONG_PROOF, reply(200, EMBEDDED)], CONFIGURATION: [configured("email")]}
    with answers(routes) as server:
        known.keep(server.url, (IssuerConfiguration("https://issuer.example", "sigstore", "sub", "uri"),))
        assert issue_by(FulcioClient(session, server.url, known)).chain == CHAIN
        assert proof_is_over(server, 0, "subject-1")
        assert proof_is_over(server, 2, "alice@example.com")


def test_a_server_that_does_not_say_is_no_error(session: HttpSession) -> None:
    with answers({CONFIGURATION: [reply(404)]}) as server:
        assert FulcioClient(session, server.url).configuration_of("https://issuer.example") is None
        assert FulcioClient(session, server.url).configuration_of("https://issuer.example", ask=False) is None
    assert len(server.requests) == 1


@pytest.mark.parametrize("configuration", [configured("email"), configured("sub", "https://other.example"), drop()])
def test_a_refusal_that_no_other_claim_explains_stands(session: HttpSession, configuration: Action) -> None:
    routes = {V2: [reply(400, REFUSAL)], CONFIGURATION: [configuration]}
    with answers(routes) as server, pytest.raises(ServiceError, match="processing the identity token"):
        issue(session, server.url)
    assert [seen.path for seen in server.requests].count("/api/v2/signingCert") == 1


def test_a_refusal_of_a_token_without_email_is_not_looked_into(session: HttpSession) -> None:
    with answers({V2: [reply(403, REFUSAL)]}) as server, pytest.raises(ServiceError):
        issue(session, server.url, make({"email": None}))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage",
        [],
        {},
        {"signedCertificateEmbeddedSct": None},
        {"signedCertificateEmbeddedSct": {}},
        {"signedCertificateEmbeddedSct": {"chain": {"certificates": []}}},
        {"signedCertificateEmbeddedSct": {"chain": {"certificates": [1]}}},
        {"signedCertificateEmbeddedSct": {"chain": {"certificates": ["no pem"]}}},
        {"signedCertificateEmbeddedSct": {"chain": {"certificates": PEMS * 5}}},
        {"signedCertificateDetachedSct": {"chain": {"certificates": PEMS}, "signedCertificateTimestamp": "!"}},
        {"signedCertificateDetachedSct": {"chain": {"certificates": PEMS}, "signedCertificateTimestamp": 1}},
    ],
)
def test_garbage_is_not_a_certificate(session: HttpSession, answer: object) -> None:
    with answers({V2: [reply(200, answer)]}) as server, pytest.raises(ServiceError) as caught:
        issue(session, server.url)
    assert caught.value.reason == "service-answer-invalid"
    assert caught.value.message.startswith("Fulcio at ")


def test_garbage_of_v1_is_not_a_certificate(session: HttpSession) -> None:
    with answers({V2: [reply(404)], V1: [reply(201, b"x")]}) as server, pytest.raises(ServiceError) as caught:
        issue(session, server.url)
    assert caught.value.reason == "service-answer-invalid"


def test_fulcio_down_is_one_clear_line(session: HttpSession) -> None:
    with pytest.raises(ServiceError) as caught:
        issue(session, unused_url())
    assert caught.value.reason == "service-unreachable"


def test_fulcio_slow_is_left_in_time() -> None:
    with HttpSession(Limits(total=0.2)) as session, serving(slow(30)) as server, pytest.raises(ServiceError) as caught:
        issue(session, server.url)
    assert caught.value.reason == "service-timeout"


def test_fulcio_failing_once_gives_a_certificate(session: HttpSession) -> None:
    with answers({V2: [reply(503), reply(200, EMBEDDED)]}) as server:
        assert issue(session, server.url).chain == CHAIN


def test_a_token_that_is_none_is_not_sent(session: HttpSession) -> None:
    with serving(reply(200, EMBEDDED)) as server, pytest.raises(FormatError):
        issue(session, server.url, "not-a-token")
    assert server.requests == []


def test_a_url_that_is_none_is_refused_at_once(session: HttpSession) -> None:
    with pytest.raises(ConfigError, match="Fulcio"):
        FulcioClient(session, "fulcio.example")


@pytest.mark.parametrize("value", [{}, [], {"chains": {}}, {"chains": [1]}, {"chains": [{}]}])
def test_a_trust_bundle_of_another_form_is_refused(session: HttpSession, value: object) -> None:
    with serving(reply(200, value)) as server, pytest.raises(ServiceError):
        FulcioClient(session, server.url).trust_bundle()


def test_a_trust_bundle_is_read(session: HttpSession) -> None:
    with serving(reply(200, {"chains": [{"certificates": PEMS[1:]}]})) as server:
        assert FulcioClient(session, server.url).trust_bundle() == (CHAIN[1:],)


def test_a_configuration_of_another_form_is_refused(session: HttpSession) -> None:
    with serving(reply(200, {"issuers": [{"issuerUrl": 1}]})) as server, pytest.raises(ServiceError):
        FulcioClient(session, server.url).configuration()


def test_the_local_stack_gives_a_certificate_for_our_key(session: HttpSession, stack: RunningStack) -> None:
    spki, sign = new_key()
    client = FulcioClient(session, stack.url)
    issued = client.issue(token=IdentityToken(stack.token()), public_key_spki=spki, sign=sign)
    leaf = parse_certificate(issued.chain[0])
    assert leaf.public_key.spki == spki
    assert certificate_identity(leaf).value == "alice@example.com"
    assert issued.detached_sct is None


def test_the_local_stack_by_v1_alone_gives_the_same(session: HttpSession, stack: RunningStack) -> None:
    with answers({V2: [reply(404)], V1: [forward(stack.url)]}) as server:
        issued = issue(session, server.url, stack.token("bob@example.com"))
    assert certificate_identity(parse_certificate(issued.chain[0])).value == "bob@example.com"


def test_the_local_stack_refuses_a_proof_by_another_key(session: HttpSession, stack: RunningStack) -> None:
    (spki, _), (_, other) = new_key(), new_key()
    with pytest.raises(ServiceError) as caught:
        FulcioClient(session, stack.url).issue(token=IdentityToken(stack.token()), public_key_spki=spki, sign=other)
    assert caught.value.facts["status"] == 400


def test_the_local_stack_describes_itself(session: HttpSession, stack: RunningStack) -> None:
    client = FulcioClient(session, stack.url)
    (issuer,) = client.configuration()
    assert (issuer.url, issuer.audience, issuer.challenge_claim) == (stack.url, "sigstore", "email")
    assert len(client.trust_bundle()[0]) == 2
