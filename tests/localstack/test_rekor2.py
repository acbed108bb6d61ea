"""The local Rekor v2, judged by the real server's transcript, by the core's Merkle code and by sigstore-python."""

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from sigstore.errors import VerificationError as SigstoreError
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from gitsign_py.core.encoding import ByteReader
from gitsign_py.core.pki.timestampbuild import granted_token
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.checkpoint import Checkpoint, open_checkpoint
from gitsign_py.core.tlog.logentry import parse_hashedrekord
from gitsign_py.localstack.rekor.rekor2kinds import propose
from gitsign_py.localstack.service import Refusal, Request
from tests.support import tsafactory as factory
from tests.support.faultystack import FaultyStack
from tests.support.localstackkit import b64, recorded, shape, spoiled, trusted_root
from tests.support.rekor2kit import CERTIFICATE, ENTRIES, KEY, SPKI, VERIFIER, proposal
from tests.support.stack import RunningStack


def opened(stack: RunningStack, envelope: bytes) -> Checkpoint:
    log = trusted_root(stack).tlogs[-1]
    return open_checkpoint(envelope, log.public_key, key_hints=[log.log_id[:4]]).checkpoint


def test_an_entry_has_the_form_of_the_real_server(stack: RunningStack) -> None:
    stack.post(ENTRIES, proposal(b"before"))
    answer = stack.post(ENTRIES, proposal(b"form"))
    real = recorded("rekor2/001")
    assert (answer.status, answer.headers["content-type"]) == (real.status, real.media_type)
    assert shape(answer.json()) == shape(json.loads(real.body))
    value = answer.json()
    assert (value["integratedTime"], value["inclusionPromise"]) == ("0", None)
    ours = shape(json.loads(base64.b64decode(value["canonicalizedBody"])))
    assert ours == shape(json.loads(base64.b64decode(json.loads(real.body)["canonicalizedBody"])))


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"{\r\n", "rekor2/004"),
        (json.dumps(proposal(b"x", digest=b64(b"y" * 32))).encode(), "rekor2/003"),
        (
            json.dumps(proposal(b"x", verifier={"x509Certificate": {"rawBytes": b64(CERTIFICATE)}})).encode(),
            "rekor2/005",
        ),
        (b'{"apiVersion":"0.0.1"}', "rekor2/007"),
    ],
    ids=["json", "signature", "no key details", "of version 1"],
)
def test_refusals_have_the_form_of_the_real_server(stack: RunningStack, body: bytes, name: str) -> None:
    answer = stack.request("POST", ENTRIES, body, "application/json")
    real = recorded(name)
    assert answer.status == real.status
    assert answer.json()["code"] == json.loads(real.body)["code"] == 3
    assert shape(answer.json()) == shape(json.loads(real.body))


def test_a_repeated_entry_is_told_with_its_index(stack: RunningStack) -> None:
    proposed = proposal(b"again")
    index = stack.post(ENTRIES, proposed).json()["logIndex"]
    answer = stack.post(ENTRIES, proposed)
    real = recorded("rekor2/002")
    assert answer.status == real.status == 409
    assert answer.headers["x-log-index"] == index
    assert answer.json() == {
        "code": 6,
        "message": f"an equivalent entry already exists in the transparency log with index {index}",
        "details": [],
    }
    assert shape(answer.json()) == shape(json.loads(real.body))


@pytest.mark.parametrize("kind", ["certificate", "p384", "p521", "rsa"])
def test_other_keys_and_bare_keys_are_logged(stack: RunningStack, kind: str) -> None:
    if kind == "certificate":
        body = parse_hashedrekord(base64.b64decode(stack.post(ENTRIES, proposal(b"kind")).json()["canonicalizedBody"]))
        assert (body.verifier_kind, body.verifier_der) == ("certificate", CERTIFICATE)
        return
    makers: dict[str, tuple[Any, str, Any]] = {
        "p384": (ec.generate_private_key(ec.SECP384R1()), "PKIX_ECDSA_P384_SHA_384", hashes.SHA384()),
        "p521": (ec.generate_private_key(ec.SECP521R1()), "PKIX_ECDSA_P521_SHA_512", hashes.SHA512()),
        "rsa": (rsa.generate_private_key(65537, 2048), "PKIX_RSA_PKCS1V15_2048_SHA256", hashes.SHA256()),
    }
    key, details, algorithm = makers[kind]
    signature = key.sign(b"m", padding.PKCS1v15(), algorithm) if kind == "rsa" else key.sign(b"m", ec.ECDSA(algorithm))
    verifier = {"publicKey": {"rawBytes": b64(key.public_key().public_bytes(*SPKI))}, "keyDetails": details}
    asked = {
        "digest": b64(hashlib.new(algorithm.name, b"m").digest()),
        "signature": {"content": b64(signature), "verifier": verifier},
    }
    answer = stack.post(ENTRIES, {"hashedRekordRequestV002": asked})
    assert answer.status == 201
    wrong = {**verifier, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    asked["signature"] = {"content": b64(signature), "verifier": wrong}
    assert stack.post(ENTRIES, {"hashedRekordRequestV002": asked}).status == 400


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"hashedRekordRequestV002": None},
        {"hashedRekordRequestV002": []},
        proposal(b"x", digest=5),
        proposal(b"x", digest="*"),
        proposal(b"x", digest=""),
        proposal(b"x", signature={}),
        proposal(b"x", verifier={"keyDetails": "PKIX_ECDSA_P256_SHA_256"}),
        proposal(b"x", verifier={"publicKey": {"rawBytes": "AAAA"}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}),
        proposal(b"x", verifier={"x509Certificate": {"rawBytes": "AAAA"}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}),
        proposal(b"x", verifier={"x509Certificate": {"rawBytes": b64(CERTIFICATE)}, "keyDetails": ["x"]}),
        {**proposal(b"x"), "dsseRequestV002": {}},
        proposal(b"x", unknown=1),
        proposal(b"x", verifier=VERIFIER | {"unknown": 1}),
        proposal(b"x", verifier=VERIFIER | {"publicKey": KEY}),
        proposal(b"x", verifier=VERIFIER | {"keyDetails": "PKIX_RSA_PKCS1V15_2048_SHA256"}),
    ],
)
def test_other_requests_are_refused(stack: RunningStack, asked: dict[str, Any]) -> None:
    answer = stack.post(ENTRIES, asked)
    assert (answer.status, answer.json()["code"]) == (400, 3)


def test_a_request_is_read_as_protobuf_json(stack: RunningStack) -> None:
    """Field names as in the .proto, an enum as its number, base64 without padding: the same entry."""
    first = stack.post(ENTRIES, proposal(b"spelled"))
    asked = json.loads(base64.b64decode(first.json()["canonicalizedBody"]))["spec"]["hashedRekordV002"]
    verifier = {"x509_certificate": {"raw_bytes": b64(CERTIFICATE).rstrip("=")}, "key_details": 5}
    signature = {"content": asked["signature"]["content"], "verifier": verifier}
    again = {"hashed_rekord_request_v002": {"digest": asked["data"]["digest"], "signature": signature}}
    answer = stack.post(ENTRIES, again)
    assert (answer.status, answer.headers["x-log-index"]) == (409, first.json()["logIndex"])


def test_whatever_stands_where_it_should_not_is_refused_in_words() -> None:
    """Taken or refused: nothing else may happen to a request with one value replaced."""
    for asked in spoiled(proposal(b"x")):
        try:
            answer = propose(Request("POST", ENTRIES, body=json.dumps(asked).encode())).decode()
        except Refusal as refusal:
            answer = str(refusal.status)
        assert answer.startswith(("{", "400")), answer


@pytest.mark.parametrize("asked", [{}, {"hashedRekordRequestV002": None}, {"dsseRequestV002": {"envelope": {}}}])
def test_the_one_kind_of_request_is_named(stack: RunningStack, asked: dict[str, Any]) -> None:
    """As rekor-tiles answers since its version 2: an envelope is logged as hashedrekord over its PAE."""
    answer = stack.post(ENTRIES, asked)
    wanted = {"code": 3, "message": "invalid type, must be hashedrekord", "details": []}
    assert (answer.status, answer.json()) == (400, wanted)


def test_tiles_bundles_and_checkpoint_belong_together(stack: RunningStack) -> None:
    for number in range(5):
        stack.post(ENTRIES, proposal(b"tile %d" % number))
    checkpoint = opened(stack, stack.get("/api/v2/checkpoint").body)
    assert checkpoint.origin == "rekor2.local"
    width = checkpoint.size
    assert width < 256
    tile = stack.get(f"/api/v2/tile/0/000.p/{width}")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert "immutable" in tile.headers["cache-control"]
    hashes_ = [tile.body[at : at + 32] for at in range(0, len(tile.body), 32)]
    reader = ByteReader(stack.get(f"/api/v2/tile/entries/000.p/{width}").body)
    entries = [reader.opaque(2) for _ in range(width)]
    reader.finish()
    assert [merkle.leaf_hash(entry) for entry in entries] == hashes_
    assert merkle.root(width, lambda level, index: _subtree(hashes_, level, index)) == checkpoint.root


def _subtree(leaves: list[bytes], level: int, index: int) -> bytes:
    if level == 0:
        return leaves[index]
    return merkle.node_hash(_subtree(leaves, level - 1, 2 * index), _subtree(leaves, level - 1, 2 * index + 1))


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/64/000.p/1",
        "tile/1/000.p/1",
        "tile/x/000.p/1",
        "tile/01/000.p/1",
        "tile/0/x1/000",
        "tile/entries/000",
        "tile/entries/999.p/1",
    ],
)
def test_tiles_that_are_not_there_or_badly_named_are_not_found(stack: RunningStack, path: str) -> None:
    stack.post(ENTRIES, proposal(b"at least one"))
    assert stack.get(f"/api/v2/{path}").status == 404


def test_an_entry_that_no_bundle_can_hold_is_refused(stack: RunningStack) -> None:
    """Bundles give the length of an entry in two bytes."""
    long = factory.make_authority(alternative=x509.UniformResourceIdentifier("https://" + "x" * 50_000))
    verifier = {
        "x509Certificate": {"rawBytes": b64(factory.der_of(long.leaf))},
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
    }
    signature = {"content": b64(factory.sign(long.key, b"m", "sha256")), "verifier": verifier}
    asked = {"digest": b64(hashlib.sha256(b"m").digest()), "signature": signature}
    answer = stack.post(ENTRIES, {"hashedRekordRequestV002": asked})
    assert (answer.status, "more than 65535 bytes" in answer.json()["message"]) == (400, True)


def test_the_same_entry_gets_one_index_after_the_other(faulty: FaultyStack) -> None:
    proposed = proposal(b"again and again")
    assert [faulty.post(ENTRIES, proposed).status for _ in range(2)] == [201, 409]
    faulty.break_it("duplicate-entries")
    assert len({faulty.post(ENTRIES, proposed).json()["logIndex"] for _ in range(3)}) == 3


def test_a_shard_is_read_by_its_number(stack: RunningStack) -> None:
    root = opened(stack, stack.get("/rekor2/1/api/v2/checkpoint").body).root
    assert root == opened(stack, stack.get("/api/v2/checkpoint").body).root
    for wrong in ("0", "2", "x", "1000000000000"):
        assert stack.get(f"/rekor2/{wrong}/api/v2/checkpoint").status == 404


# -- a client that is not ours ----------------------------------------------------------------------------------------


def sigstore_config(stack: RunningStack, version: int) -> ClientTrustConfig:
    value = json.loads((stack.directory / "client_trust_config.json").read_text())
    signing = value["signingConfig"]
    signing["rekorTlogUrls"] = [url for url in signing["rekorTlogUrls"] if url["majorApiVersion"] == version]
    config = ClientTrustConfig.from_json(json.dumps(value))
    config.force_tlog_version = version
    return config


@pytest.mark.parametrize("version", [1, 2])
def test_sigstore_signs_with_a_timestamp_and_verifies(stack: RunningStack, version: int) -> None:
    config = sigstore_config(stack, version)
    with SigningContext.from_trust_config(config).signer(IdentityToken(stack.token())) as signer:
        made = signer.sign_artifact(b"blob")
    value = json.loads(made.to_json())
    assert value["verificationMaterial"]["tlogEntries"][0]["kindVersion"]["version"] == f"0.0.{version}"
    verifier = Verifier(trusted_root=config.trusted_root)
    policy = Identity(identity="alice@example.com", issuer=stack.url)
    verifier.verify_artifact(b"blob", Bundle.from_json(made.to_json()), policy)
    with pytest.raises(SigstoreError):
        verifier.verify_artifact(b"blub", made, policy)
    (stamp,) = value["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    token = granted_token(base64.b64decode(stamp["signedTimestamp"]))
    signature = base64.b64decode(value["messageSignature"]["signature"])
    verify_timestamp(token, message=signature, authorities=trusted_root(stack).timestamp_authorities)


@pytest.mark.parametrize("fault", ["wrong-proof", "wrong-root", "others-entry"])
def test_sigstore_refuses_what_a_lying_log_answers(faulty: FaultyStack, fault: str) -> None:
    config = sigstore_config(faulty, 2)
    faulty.post(ENTRIES, proposal(b"before"))
    faulty.break_it(f"rekor2:{fault}")
    with SigningContext.from_trust_config(config).signer(IdentityToken(faulty.token())) as signer:
        made = signer.sign_artifact(b"blob")
    policy = Identity(identity="alice@example.com", issuer=faulty.url)
    with pytest.raises(SigstoreError):
        Verifier(trusted_root=config.trusted_root).verify_artifact(b"blob", made, policy)
