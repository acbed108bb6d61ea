"""Foreign witnesses of time-stamp tokens: a real authority's, openssl's verdict and rfc3161-client's."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc3161_client
from cryptography.hazmat.primitives import serialization

from gitsign_py.core.pki import cms, oids
from gitsign_py.core.pki.timestampbuild import granted_token
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.trust.root import CertificateAuthority, parse_trusted_root
from gitsign_py.errors import VerificationError
from tests.support import tsafactory as factory
from tests.support.timestampcheck import GOOD, MESSAGE, verify
from tests.support.tsafactory import NOW, Authority
from tests.support.vectors import folder


def _real_authorities() -> tuple[CertificateAuthority, ...]:
    return parse_trusted_root((folder("realstack") / "trusted_root.json").read_bytes()).timestamp_authorities


@pytest.mark.parametrize("name", ["v1-offline-tsa", "v1-online-tsa", "v2-offline-tsa"])
def test_tokens_of_the_real_authority_in_commits_are_believed(name: str) -> None:
    commit = (folder("realstack") / f"{name}.commit").read_bytes()
    armor = re.search(rb"-----BEGIN SIGNED MESSAGE-----(.*?)-----END", commit, re.DOTALL)
    assert armor is not None
    signer = cms.parse_signed_data(base64.b64decode(b"".join(armor[1].split()))).signers[0]
    token = cms.attribute_value(signer.unsigned_attributes, oids.TIMESTAMP_TOKEN)
    assert token is not None
    verified = verify_timestamp(token.raw, message=signer.signature, authorities=_real_authorities())
    assert verified.time.date() == datetime(2026, 11, 20, tzinfo=UTC).date()
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(token.raw, message=signer.signature + b"\0", authorities=_real_authorities())
    assert caught.value.reason == "timestamp-imprint-mismatch"


@pytest.mark.parametrize("name", ["cosign", "sigstore-python"])
def test_tokens_of_the_real_authority_in_bundles_are_believed(name: str) -> None:
    bundle = json.loads((folder("realstack") / f"{name}.v2.sigstore.json").read_bytes())
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    response = base64.b64decode(stamps[0]["signedTimestamp"])
    message = base64.b64decode(bundle["messageSignature"]["signature"])
    verified = verify_timestamp(granted_token(response), message=message, authorities=_real_authorities())
    assert verified.accuracy == timedelta(seconds=1)


def _openssl_verifies(tmp_path: Path, token: bytes, message: bytes, authority: Authority) -> bool:
    files = {"token.der": token, "message": message}
    pem = serialization.Encoding.PEM
    files["root.pem"] = authority.issuers[-1].public_bytes(pem)
    files["leaf.pem"] = authority.leaf.public_bytes(pem)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    arguments = ["openssl", "ts", "-verify", "-token_in", "-in", "token.der", "-data", "message"]
    arguments += ["-CAfile", "root.pem", "-untrusted", "leaf.pem", "-attime", str(int(NOW.timestamp()))]
    return subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize(
    ("signing", "good"),
    [
        ({}, True),
        ({"hash_name": "sha512", "signer_hash": "sha384", "accuracy": {"seconds": 1}, "nonce": 9}, True),
        ({"signer": {"message_digest": b"\0" * 32}}, False),
        ({"signer": {"ess": []}}, False),
        ({"content_type": "data"}, False),
        ({"tsa": factory.name("somebody else")}, False),
        ({"version": 2}, False),
    ],
)
def test_openssl_comes_to_the_same_verdict(tmp_path: Path, signing: dict[str, object], good: bool) -> None:
    token = factory.make_token(GOOD, MESSAGE, **signing)  # type: ignore[arg-type]
    assert _openssl_verifies(tmp_path, token, MESSAGE, GOOD) is good
    try:
        ours = verify(token).time == NOW
    except VerificationError:
        ours = False
    assert ours is good


@pytest.mark.parametrize("embed", [True, False])
def test_rfc3161_client_comes_to_the_same_verdict(embed: bool) -> None:
    response = factory.make_response(factory.make_token(GOOD, MESSAGE, embed=embed, nonce=9))
    verifier = (
        rfc3161_client.VerifierBuilder()
        .tsa_certificate(GOOD.leaf)
        .add_root_certificate(GOOD.issuers[-1])
        .nonce(9)
        .build()
    )
    parsed = rfc3161_client.decode_timestamp_response(response)
    assert verifier.verify(parsed, hashlib.sha256(MESSAGE).digest())
    assert verify(granted_token(response), nonce=9).time == NOW
