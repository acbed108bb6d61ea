"""The real Fulcio between our issuer, our CT log and our client: it believes them, and ours does what it does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gitsign_py.core.pki import oids
from gitsign_py.localstack.fulcio.pipelines import CI_SYSTEMS, CiSystem
from tests.support.foreign import EMAIL
from tests.support.localstackkit import PEM_SPKI, WORKFLOW, b64, new_key, signing_request
from tests.support.platforms import BUILDKITE, CIRCLECI, GITLAB
from tests.support.realfulcio import RealFulcio, running, settings
from tests.support.stack import RunningStack
from tests.support.workbench import Workbench

pytestmark = pytest.mark.unmeasured


@pytest.fixture(scope="module")
def fulcio(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealFulcio]:
    """For tokens of people."""
    with running(stack, tmp_path_factory.mktemp("fulcio"), settings(stack.url, "email")) as real:
        yield real


@pytest.fixture
def fulcio_of_workflows(stack: RunningStack, tmp_path: Path) -> Iterator[RealFulcio]:
    """For tokens of GitHub's workflows."""
    with running(stack, tmp_path, settings(stack.url, "github-workflow")) as real:
        yield real


def test_a_commit_with_a_certificate_of_the_real_server(fulcio: RealFulcio, bench: Workbench) -> None:
    env: dict[str, Any] = {"GITSIGN_FULCIO_URL": fulcio.url, "SIGSTORE_FULCIO_URL": fulcio.url}
    bench.commit(SIGSTORE_ID_TOKEN=bench.stack.token(), **env)
    done = bench.verify("HEAD")
    assert done.returncode == 0, done.stdout
    expired = bench.try_git("commit", "--allow-empty", "-S", "-m", "x", **env, SIGSTORE_ID_TOKEN="a.b.c")
    assert expired.returncode != 0


def leaf(answer: tuple[int, Any]) -> x509.Certificate:
    assert answer[0] == 200, answer
    pem = answer[1]["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
    return x509.load_pem_x509_certificate(pem.encode())


def test_both_give_the_same_certificate(fulcio: RealFulcio) -> None:
    same_certificate(fulcio, signing_request(new_key(), fulcio.stack.token(), EMAIL))


@pytest.mark.parametrize(
    "file", ["sign.yml", "two words.yml", "a%20b.yml", "\u00e4.yml", "(a)[b]!'*~.yml", "a?(b)#c.yml"]
)
def test_both_give_the_same_certificate_to_a_workflow(fulcio_of_workflows: RealFulcio, file: str) -> None:
    subject = "repo:o/r:ref:refs/heads/main"
    ref = f"o/r/.github/workflows/{file}@refs/heads/main"
    claims: dict[str, Any] = {**WORKFLOW, "workflow": file, "job_workflow_ref": ref, "workflow_ref": ref}
    token = fulcio_of_workflows.stack.token("", subject=subject, **claims)
    same_certificate(fulcio_of_workflows, signing_request(new_key(), token, subject))


_FIELDS = {
    9: "build-signer-uri",
    10: "build-signer-digest",
    11: "runner-environment",
    12: "source-repository-uri",
    13: "source-repository-digest",
    14: "source-repository-ref",
    15: "source-repository-identifier",
    16: "source-repository-owner-uri",
    17: "source-repository-owner-identifier",
    18: "build-config-uri",
    19: "build-config-digest",
    20: "build-trigger",
    21: "run-invocation-uri",
    22: "source-repository-visibility-at-signing",
}
"""The real one's names of the extensions in its settings for CI systems (pkg/certificate, ``Extensions``)."""


def ci_settings(stack: RunningStack, ci: CiSystem) -> str:
    """Tell the real server what ours makes of such tokens; whether both then write the same is for the test to say."""

    def template(ours: str) -> str:
        return re.sub(r"\{([^}]+)\}", r"{{ index . `\1` }}", ours)

    issuer = {"issuer-url": stack.url, "client-id": "sigstore", "type": "ci-provider", "ci-provider": "ci"}
    texts = {_FIELDS[number]: template(one) for number, one in ci.texts.items()}
    metadata = {"extension-templates": texts, "subject-alternative-name-template": template(ci.san)}
    return "---\n" + json.dumps({"oidc-issuers": {stack.url: issuer}, "ci-issuer-metadata": {"ci": metadata}})  # YAML


@pytest.mark.parametrize("claims", [GITLAB, BUILDKITE, CIRCLECI], ids=["gitlab", "buildkite", "circleci"])
def test_both_give_the_same_certificate_to_a_pipeline(
    stack: RunningStack, tmp_path: Path, claims: dict[str, Any]
) -> None:
    [ci] = [one for one in CI_SYSTEMS if one.marker in claims]
    with running(stack, tmp_path, ci_settings(stack, ci)) as real:
        token = stack.token("", subject=claims["sub"], **claims)
        same_certificate(real, signing_request(new_key(), token, claims["sub"]))


def same_certificate(fulcio: RealFulcio, asked: dict[str, Any]) -> None:
    real, ours = map(leaf, fulcio.answers(asked))
    assert [(one.oid, one.critical) for one in real.extensions] == [(one.oid, one.critical) for one in ours.extensions]
    for one, other in zip(real.extensions, ours.extensions, strict=True):
        if one.oid.dotted_string != oids.SCT_LIST:  # a promise for each certificate
            assert one.value.public_bytes() == other.value.public_bytes(), one.oid
    assert (real.subject, real.issuer, real.signature_algorithm_oid) == (
        ours.subject,
        ours.issuer,
        ours.signature_algorithm_oid,
    )
    assert real.not_valid_after_utc - real.not_valid_before_utc == ours.not_valid_after_utc - ours.not_valid_before_utc


def csr(private: Any, algorithm: Any) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(private, algorithm)
    return b64(request.public_bytes(serialization.Encoding.PEM))


def requests(stack: RunningStack) -> dict[str, dict[str, Any]]:
    """Requests, right and wrong, each with a name."""
    key, token = new_key(), stack.token()
    good, credentials = signing_request(key, token, EMAIL), {"credentials": {"oidcIdentityToken": token}}
    p224, small = ec.generate_private_key(ec.SECP224R1()), rsa.generate_private_key(65537, 1024)
    weak = {"publicKey": {"content": small.public_key().public_bytes(*PEM_SPKI).decode()}, "proofOfPossession": "AAAA"}
    found: dict[str, dict[str, Any]] = {
        "key": good,
        "CSR": credentials | {"certificateSigningRequest": csr(key, hashes.SHA256())},
        "Ed25519": credentials | {"certificateSigningRequest": csr(ed25519.Ed25519PrivateKey.generate(), None)},
        "unknown field": good | {"unknown": 1},
        "nothing": {},
        "no key": credentials,
        "no credentials": {name: value for name, value in good.items() if name != "credentials"},
        "wrong proof": signing_request(key, token, "mallory@example.com"),
        "no proof": credentials | {"publicKeyRequest": {"publicKey": good["publicKeyRequest"]["publicKey"]}},
        "no PEM": credentials | {"publicKeyRequest": {"publicKey": {"content": "x"}, "proofOfPossession": "AAAA"}},
        "no CSR": credentials | {"certificateSigningRequest": b64(b"x")},
        "P-224": signing_request(p224, token, EMAIL),
        "RSA of 1024 bits": credentials | {"publicKeyRequest": weak},
        "no token": signing_request(key, "a.b.c", EMAIL),
    }
    tokens = {
        "expired": stack.token(ttl=-60),
        "other audience": stack.token(audience="x"),
        "unverified": stack.token(email_verified=False),
        "other issuer": stack.token(iss="https://elsewhere.example"),
        "not yet": stack.token(nbf=1_999_999_999),
        "issued later": stack.token(iat=1_999_999_999),
        "no address": stack.token(email="", subject="me"),
    }
    return found | {name: signing_request(key, token, EMAIL) for name, token in tokens.items()}


def test_both_give_the_same_answers(fulcio: RealFulcio) -> None:
    for name, asked in requests(fulcio.stack).items():
        real, ours = fulcio.answers(asked)
        assert real[0] == ours[0], (name, real, ours)
        if real[0] == 200:
            assert set(real[1]) == set(ours[1]), name
        else:  # details are ours alone: they say what the one sentence does not
            assert {**real[1], "details": []} == {**ours[1], "details": []}, name


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({"certificateSigningRequest": "AAAA"}, "error parsing"),
        ({"publicKeyRequest": {"proofOfPossession": "*"}}, "invalid value for bytes field proofOfPossession"),
    ],
)
def test_what_no_message_can_be_is_told_alike(fulcio: RealFulcio, change: dict[str, Any], start: str) -> None:
    """Except that the real one says at which character."""
    asked = signing_request(new_key(), fulcio.stack.token(), EMAIL)
    for name, value in change.items():
        asked[name] = {**asked.get(name, {}), **value} if isinstance(value, dict) else value
    for status, body in fulcio.answers(asked):
        assert (status, body["code"]) == (400, 3)
        assert start in body["message"]
