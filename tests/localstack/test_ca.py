"""Fulcio: the certificates that it gives, read by cryptography and openssl, and the requests that it refuses."""

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.fulcio import certificate_identity, check_profile
from gitsign_py.localstack.fulcio.certrequest import BAD_CSR, BAD_KEY, BAD_SIGNATURE, WEAK_KEY
from gitsign_py.localstack.fulcio.claims import TOKEN_ERROR
from tests.support.localstackkit import (
    DER_SPKI,
    PEM_SPKI,
    WORKFLOW,
    b64,
    certify,
    chain_of,
    ecdsa,
    new_key,
    recorded,
    shape,
    signing_request,
    spoiled,
)
from tests.support.stack import RunningStack, StackAnswer

ODD: tuple[Any, ...] = ("", 1.5, None, [], {}, ["x"], "\ud800", "\u00e4")
CSR, ONEOF = "certificateSigningRequest", "dev.sigstore.fulcio.v2.CreateSigningCertificateRequest.key"
TWICE = f'proto: error parsing "{CSR}", oneof {ONEOF} is already set'


def csr_request(private: Any, *, token: str = "") -> dict[str, Any]:
    digest = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(private, digest)
    value: dict[str, Any] = {"certificateSigningRequest": b64(csr.public_bytes(serialization.Encoding.PEM))}
    return value | ({"credentials": {"oidcIdentityToken": token}} if token else {})


def sign(stack: RunningStack, body: object, token: str = "", path: str = "/api/v2/signingCert") -> StackAnswer:
    return stack.post(path, body, **({"Authorization": f"Bearer {token}"} if token else {}))


def loaded(answer: StackAnswer) -> list[x509.Certificate]:
    assert answer.status == 200, answer.body
    return [x509.load_pem_x509_certificate(pem) for pem in chain_of(answer)]


def extension(certificate: x509.Certificate, number: int) -> bytes:
    oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
    value = certificate.extensions.get_extension_for_oid(oid).value
    assert isinstance(value, x509.UnrecognizedExtension)
    return value.value


def text(certificate: x509.Certificate, number: int) -> str:
    value = extension(certificate, number)
    assert (value[0], value[1]) == (0x0C, len(value) - 2)  # UTF8String, short length
    return value[2:].decode()


def test_leaf_has_fulcios_profile(stack: RunningStack) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    leaf, intermediate, root = (x509.load_pem_x509_certificate(pem) for pem in certify(stack).chain)
    found = leaf.extensions
    assert leaf.subject == x509.Name([])
    assert before <= leaf.not_valid_before_utc <= datetime.now(UTC)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(minutes=10)
    san = found.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical
    assert san.value == x509.SubjectAlternativeName([x509.RFC822Name("alice@example.com")])
    usage = found.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    purposes = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CODE_SIGNING]
    with pytest.raises(x509.ExtensionNotFound):
        found.get_extension_for_class(x509.BasicConstraints)
    assert extension(leaf, 1) == stack.url.encode()
    assert text(leaf, 8) == stack.url
    assert len(text(leaf, 24)) == 24
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    for child, parent in ((leaf, intermediate), (intermediate, root)):
        key_id = parent.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        assert child.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == key_id
    for authority in (intermediate, root):
        key = authority.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp384r1"


def test_our_reader_accepts_the_leaf(stack: RunningStack) -> None:
    leaf = parse_certificate(certify(stack).leaf.public_bytes(serialization.Encoding.DER))
    check_profile(leaf)
    identity = certificate_identity(leaf)
    assert (identity.value, identity.san_type, identity.issuer) == ("alice@example.com", "email", stack.url)


def test_openssl_accepts_the_chain(stack: RunningStack, tmp_path: Path) -> None:
    certified = certify(stack)
    (tmp_path / "leaf.pem").write_bytes(certified.chain[0])
    (tmp_path / "rest.pem").write_bytes(certified.chain[1])
    command = ["openssl", "verify", "-x509_strict", "-purpose", "any", "-ignore_critical"]
    root = ["-CAfile", str(stack.directory / "fulcio-root.pem"), "-untrusted", str(tmp_path / "rest.pem")]
    subprocess.run([*command, *root, str(tmp_path / "leaf.pem")], check=True, capture_output=True)
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "leaf.pem"), "-noout", "-text"], check=True, capture_output=True
    ).stdout.decode()
    for line in ("email:alice@example.com", "Code Signing", "CT Precertificate SCTs", "Extensions: 00:00:05"):
        assert line in shown


def workflow_token(stack: RunningStack, **change: Any) -> str:
    claims = {name: value for name, value in (WORKFLOW | change).items() if value is not None}
    return stack.token("", subject="repo:o/r:ref:refs/heads/main", **claims)


def test_workflow_token_gives_claims(stack: RunningStack) -> None:
    leaf = loaded(sign(stack, csr_request(new_key()), workflow_token(stack)))[0]
    github = "https://github.com/"
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == [github + WORKFLOW["job_workflow_ref"]]
    raw = [WORKFLOW[name] for name in ("event_name", "sha", "workflow", "repository", "ref")]
    assert [extension(leaf, number).decode() for number in range(2, 7)] == raw
    assert [text(leaf, number) for number in range(9, 23)] == [
        github + WORKFLOW["job_workflow_ref"],
        "1" * 40,
        "github-hosted",
        github + "o/r",
        "2" * 40,
        "refs/heads/main",
        "11",
        github + "o",
        "22",
        github + WORKFLOW["workflow_ref"],
        "3" * 40,
        "push",
        github + "o/r/actions/runs/33/attempts/1",
        "public",
    ]
    assert text(leaf, 24) == "repo:o/r:ref:refs/heads/main"
    with pytest.raises(x509.ExtensionNotFound):
        extension(leaf, 23)
    claims = certificate_identity(parse_certificate(leaf.public_bytes(serialization.Encoding.DER))).claims
    assert claims["source_repository_uri"] == github + "o/r"
    assert claims["github_workflow_trigger"] == "push"


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("two words.yml", "two%20words.yml"),
        ("\u00e4.yml", "%C3%A4.yml"),
        ("(a).yml", "(a).yml"),
        ("a?(b)", "a%3F%28b%29"),
    ],
)
def test_a_workflows_name_is_percent_encoded(stack: RunningStack, file: str, path: str) -> None:
    """As the real Fulcio does it (tests/interop/test_fulcio.py has both side by side)."""
    ref = f"o/r/.github/workflows/{file}@refs/heads/main"
    leaf = loaded(sign(stack, csr_request(new_key()), workflow_token(stack, job_workflow_ref=ref)))[0]
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    wanted = f"https://github.com/o/r/.github/workflows/{path}@refs/heads/main"
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == [wanted]
    assert text(leaf, 9) == wanted


def test_deployment_environment_is_a_claim_of_its_own(stack: RunningStack) -> None:
    leaf = loaded(sign(stack, csr_request(new_key()), workflow_token(stack, environment="prod")))[0]
    assert text(leaf, 23) == "prod"


@pytest.mark.parametrize(
    ("subject", "uri"),
    [
        ("spiffe://example.org/builder", "spiffe://example.org/builder"),
        ("https://example.org/users/a?b#c", "https://example.org/users/a?b#c"),
        ("https://example.org/two words", "https://example.org/two%20words"),
        ("https://example.org/\u00e4", "https://example.org/%C3%A4"),
    ],
)
def test_subject_that_is_a_uri_is_the_identity(stack: RunningStack, subject: str, uri: str) -> None:
    private = new_key()
    body = signing_request(private, stack.token("", subject=subject), subject)
    leaf = loaded(sign(stack, body))[0]
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == [uri]


@pytest.mark.parametrize(
    "private",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["p384", "p521", "ed25519", "rsa"],
)
def test_other_kinds_of_keys_are_certified(stack: RunningStack, private: Any) -> None:
    token, challenge = stack.token(), b"alice@example.com"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        proof = private.sign(challenge)
    elif isinstance(private, rsa.RSAPrivateKey):
        proof = private.sign(challenge, padding.PKCS1v15(), hashes.SHA256())
    else:
        proof = private.sign(challenge, ec.ECDSA(hashes.SHA384() if private.curve.key_size == 384 else hashes.SHA512()))
    public = {"algorithm": "ECDSA", "content": private.public_key().public_bytes(*PEM_SPKI).decode()}
    body = {"publicKeyRequest": {"publicKey": public, "proofOfPossession": b64(proof)}}
    assert loaded(sign(stack, body, token))[0].public_key() == private.public_key()
    assert loaded(sign(stack, csr_request(private), token))[0].public_key() == private.public_key()


def test_token_may_stand_in_the_body_or_in_the_header(stack: RunningStack) -> None:
    private = new_key()
    assert loaded(sign(stack, csr_request(private, token=stack.token())))[0].public_key() == private.public_key()
    assert loaded(sign(stack, csr_request(private), stack.token()))[0].public_key() == private.public_key()


def test_v1_gives_a_pem_chain(stack: RunningStack) -> None:
    private = new_key()
    spki = b64(private.public_key().public_bytes(*DER_SPKI))
    body = {
        "publicKey": {"content": spki, "algorithm": "ecdsa"},
        "signedEmailAddress": b64(ecdsa(private, b"alice@example.com")),
        "certificateSigningRequest": None,
    }
    answer = sign(stack, body, stack.token(), "/api/v1/signingCert")
    real = recorded("fulcio/001")
    assert (answer.status, answer.headers["content-type"]) == (real.status, real.media_type)
    chain = x509.load_pem_x509_certificates(answer.body)
    assert len(chain) == len(x509.load_pem_x509_certificates(real.body)) == 3
    assert chain[0].public_key() == private.public_key()
    by_csr = sign(stack, csr_request(private), stack.token(), "/api/v1/signingCert")
    assert (by_csr.status, len(x509.load_pem_x509_certificates(by_csr.body))) == (201, 3)


def odd_token(stack: RunningStack, **claims: object) -> str:
    form = {"grant_type": "client_credentials", "client_id": "sigstore", "subject": "s", "claims": json.dumps(claims)}
    answer = stack.request("POST", "/token", urlencode(form).encode(), "application/x-www-form-urlencoded")
    return str(answer.json()["id_token"])


def error(stack: RunningStack, body: object, token: str = "", path: str = "/api/v2/signingCert") -> tuple[str, str]:
    """Message and reason of a refusal, which must be a 400 in gRPC's form."""
    answer = sign(stack, body, token, path)
    value = answer.json()
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert (set(value), value["code"]) == ({"code", "message", "details"}, 3)
    return value["message"], value["details"][0]["reason"] if value["details"] else ""


def test_bad_tokens_get_the_real_message_and_a_reason(stack: RunningStack) -> None:
    good = stack.token()
    head, payload, signature = good.split(".")
    bad = {
        "": "token-missing",
        "x": "token-malformed",
        good + "x": "token-malformed",
        f"{head}.{payload}.{'A' * len(signature)}": "token-signature-invalid",
        stack.token(ttl=-10): "token-expired",
        stack.token(audience="x"): "token-audience-wrong",
        stack.token(iss="http://127.0.0.1:9"): "token-issuer-unknown",
        stack.token(nbf=4_000_000_000): "token-not-yet-valid",
        stack.token(exp="soon"): "token-malformed",
        stack.token(email_verified=False): "token-email-unverified",
        stack.token(email_verified="true"): "token-email-unverified",
        odd_token(stack, email="nobody", email_verified=True): "token-email-invalid",
        odd_token(stack, email=7, email_verified=True): "token-claim-missing: email",
        stack.token("", subject="just-a-name"): "token-without-identity",
        stack.token("", subject="spiffe://example.org/two words"): "token-without-identity",
        workflow_token(stack, sha=None): "token-claim-missing: sha",
        workflow_token(stack, run_id=33): "token-claim-missing: run_id",
    }
    request = csr_request(new_key())
    assert {token: error(stack, request, token) for token in bad} == {
        token: (TOKEN_ERROR, reason) for token, reason in bad.items()
    }


def test_whatever_stands_where_it_should_not_is_answered(stack: RunningStack) -> None:
    """In a request, and in a token that the issuer signed as it was told."""
    good = signing_request(new_key(), stack.token(), "alice@example.com")
    asked = [*spoiled(good), *spoiled({"credentials": good["credentials"], CSR: "AAAA"})]
    tokens = [stack.token("", subject="repo:o/r", **{**WORKFLOW, name: value}) for name in WORKFLOW for value in ODD]
    tokens += [stack.token(**{name: value}) for name in ("sub", "iss", "aud", "exp", "nbf", "iat") for value in ODD]
    asked += [signing_request(new_key(), token, "alice@example.com") for token in tokens]
    for body in asked:
        answer = stack.post("/api/v2/signingCert", body)
        assert answer.status in {200, 400}, (answer.body, body)


def test_token_without_signature_is_refused(stack: RunningStack) -> None:
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    payload = stack.token().split(".")[1]
    message, _ = error(stack, csr_request(new_key()), f"{none}.{payload}.")
    assert message == TOKEN_ERROR


def test_bad_requests_get_the_real_messages(stack: RunningStack) -> None:
    private, token = new_key(), stack.token()
    good = signing_request(private, token, "alice@example.com")
    csr = base64.b64decode(csr_request(private)["certificateSigningRequest"])
    der = x509.load_pem_x509_csr(csr).public_bytes(serialization.Encoding.DER)
    forged = x509.load_der_x509_csr(der[:-1] + bytes([der[-1] ^ 1])).public_bytes(serialization.Encoding.PEM)
    key = good["publicKeyRequest"]["publicKey"]
    small = rsa.generate_private_key(65537, 1024).public_key().public_bytes(*PEM_SPKI).decode()
    odd = ec.generate_private_key(ec.SECP224R1()).public_key().public_bytes(*PEM_SPKI).decode()
    proof = good["publicKeyRequest"]["proofOfPossession"]

    def with_key(content: object, proven: object = proof) -> dict[str, Any]:
        return {"publicKeyRequest": {"publicKey": {"content": content}, "proofOfPossession": proven}}

    for body, message in [
        (signing_request(private, token, "mallory@example.com"), BAD_SIGNATURE),
        (with_key(key["content"], ""), BAD_SIGNATURE),
        (with_key(key["content"], "*"), 'proto: invalid value for bytes field proofOfPossession: "*"'),
        (with_key("nonsense"), BAD_KEY),
        (with_key(7), BAD_KEY),
        (with_key(small), WEAK_KEY),
        (with_key(odd), WEAK_KEY),
        (with_key(key["content"]) | csr_request(private), TWICE),
        ({}, BAD_KEY),
        ({"publicKeyRequest": []}, BAD_KEY),
        ({CSR: "*"}, f'proto: invalid value for bytes field {CSR}: "*"'),
        ({"certificateSigningRequest": b64(b"nonsense")}, BAD_CSR),
        ({"certificateSigningRequest": b64(forged)}, BAD_SIGNATURE),
    ]:
        assert error(stack, body, token)[0] == message, body
    assert error(stack, {"publicKey": None}, token, "/api/v1/signingCert")[0] == BAD_KEY
    assert error(stack, [], token)[0] == "the body must be a JSON object"


@pytest.mark.parametrize("number", ["005", "006", "007", "008", "009", "010", "011"])
def test_refusals_have_the_form_of_the_real_server(stack: RunningStack, number: str) -> None:
    """Bad token, expired, wrong audience, none, bad proof, unknown issuer, bad JSON: as probed on a real Fulcio."""
    real = recorded(f"fulcio/{number}")
    private = new_key()
    send: dict[str, tuple[object, str]] = {
        "005": (csr_request(private), stack.token() + "x"),
        "006": (csr_request(private), stack.token(ttl=-9)),
        "007": (csr_request(private), stack.token(audience="x")),
        "008": (csr_request(private), ""),
        "009": (signing_request(private, stack.token(), "other@example.com"), ""),
        "010": (csr_request(private), stack.token(iss="http://127.0.0.1:9")),
    }
    if number == "011":
        answer = stack.request("POST", "/api/v2/signingCert", b"{", "application/json")
    else:
        answer = sign(stack, *send[number])
        assert answer.json()["message"] == json.loads(real.body)["message"]
    assert (answer.status, answer.headers["content-type"]) == (real.status, real.media_type)
    assert set(answer.json()) == set(json.loads(real.body))
    assert answer.json()["code"] == json.loads(real.body)["code"]


@pytest.mark.parametrize(("number", "path"), [("012", "/api/v2/trustBundle"), ("013", "/api/v2/configuration")])
def test_descriptions_have_the_form_of_the_real_server(stack: RunningStack, number: str, path: str) -> None:
    real, answer = recorded(f"fulcio/{number}"), stack.get(path)
    assert (answer.status, answer.headers["content-type"]) == (real.status, real.media_type)
    assert shape(answer.json()) == shape(json.loads(real.body))


def test_trust_bundle_and_root_cert_are_the_chain_of_the_leaf(stack: RunningStack) -> None:
    chain = [x509.load_pem_x509_certificate(pem) for pem in certify(stack).chain[1:]]
    bundle = stack.get("/api/v2/trustBundle").json()["chains"]
    assert [[x509.load_pem_x509_certificate(pem.encode()) for pem in part["certificates"]] for part in bundle] == [
        chain
    ]
    answer = stack.get("/api/v1/rootCert")
    assert answer.headers["content-type"] == "application/pem-certificate-chain"
    assert x509.load_pem_x509_certificates(answer.body) == chain
