"""Signatures over commits as bundles, and back. The judge is the sigstore package, on vectors of other makers too."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sigstore.hashes import Hashed
from sigstore.models import Bundle as ForeignBundle
from sigstore.models import TrustedRoot as ForeignRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity
from sigstore_models.common.v1 import HashAlgorithm

from gitsign_py.core.git.gitobject import SignedObject, split_object
from gitsign_py.core.sigstore.bundle import Bundle, format_bundle, parse_bundle
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import FormatError
from gitsign_py.verification import VerifiedSignature, verify_signature
from gitsign_py.verification.bundle import artifact_of, verify_bundle
from gitsign_py.verification.commitbundle import bundle_from_signature, signature_from_bundle
from tests.support import vectors
from tests.support.bulksigner import BulkSigner
from tests.support.bundles import BundleMaker

VECTORS = Path(__file__).parents[1] / "vectors/foreign"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
COMMIT = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n\nhello\n"
)


def check(signed: SignedObject, root: bytes) -> VerifiedSignature:
    assert signed.signature is not None
    return verify_signature(signed.payload, signed.signature, trusted_root=parse_trusted_root(root), now=NOW)


def round_trip(signed: SignedObject, root: bytes) -> tuple[Bundle, bytes]:
    """Export, verify as a bundle, import, verify as a signature."""
    assert signed.signature is not None
    verified = check(signed, root)
    bundle, artifact = bundle_from_signature(signed.signature, verified)
    data = format_bundle(bundle)
    seen = verify_bundle(data, artifact=artifact_of(artifact), trusted_root=parse_trusted_root(root), now=NOW)
    assert (seen.identity, seen.issuer, seen.times) == (verified.identity, verified.issuer, verified.times)
    armored = signature_from_bundle(parse_bundle(data), artifact)
    again = check(replace(signed, signature=armored), root)
    assert (again.identity, again.times, again.log) == (verified.identity, verified.times, verified.log)
    return bundle, artifact


def foreign(bundle: Bundle, artifact: bytes, root: Path, verified: VerifiedSignature) -> None:
    """sigstore-python believes it, and does not over another artifact."""
    verifier = Verifier(trusted_root=ForeignRoot.from_file(str(root)))
    theirs = ForeignBundle.from_json(format_bundle(bundle))
    policy = Identity(identity=verified.identity, issuer=verified.issuer)
    verifier.verify_artifact(artifact, theirs, policy)
    hashed = Hashed(digest=hashlib.sha256(artifact).digest(), algorithm=HashAlgorithm.SHA2_256)
    verifier.verify_artifact(hashed, theirs, policy)
    with pytest.raises(Exception, match=r".+"):
        verifier.verify_artifact(artifact + b"\0", theirs, policy)


@pytest.mark.parametrize(
    "name",
    [
        "v1-offline.commit",
        "v1-offline-tsa.commit",
        "v1-tag-offline.tag",
        "v2-offline-tsa.commit",
    ],
)
def test_signatures_of_the_go_client(name: str) -> None:
    path, root = VECTORS / "realstack" / name, VECTORS / "realstack/trusted_root.json"
    signed = split_object(path.suffix[1:], path.read_bytes())
    bundle, artifact = round_trip(signed, root.read_bytes())
    foreign(bundle, artifact, root, check(signed, root.read_bytes()))


@pytest.mark.parametrize("name", vectors.names("production", "offline-*"))
def test_signatures_of_the_public_instance(name: str) -> None:
    folder = vectors.folder("production")
    signed = split_object((folder / name).suffix[1:], (folder / name).read_bytes())
    root = folder / "trusted_root.json"
    bundle, artifact = round_trip(signed, root.read_bytes())
    foreign(bundle, artifact, root, check(signed, root.read_bytes()))


def test_our_own_signature(tmp_path: Path) -> None:
    signer = BulkSigner(tmp_path / "sigstore")
    armored = signer.sign("alice@example.com", COMMIT, AT)
    signed = replace(split_object("commit", COMMIT), signature=armored)
    bundle, artifact = round_trip(signed, signer.trusted_root_json)
    # What we built is built again to the same bytes.
    assert signature_from_bundle(bundle, artifact) == armored
    root = tmp_path / "root.json"
    root.write_bytes(signer.trusted_root_json)
    foreign(bundle, artifact, root, check(signed, signer.trusted_root_json))


def test_an_online_signature_has_no_bundle(tmp_path: Path) -> None:
    signer, online = BulkSigner(tmp_path / "a"), BulkSigner(tmp_path / "b", online=True)
    verified = check(
        replace(split_object("commit", COMMIT), signature=signer.sign("a@example.com", COMMIT, AT)),
        signer.trusted_root_json,
    )
    with pytest.raises(FormatError) as caught:
        bundle_from_signature(online.sign("a@example.com", COMMIT, AT), verified)
    assert caught.value.reason == "bundle-not-offline"


def test_bundles_that_are_not_of_a_commit(tmp_path: Path) -> None:
    signer, maker = BulkSigner(tmp_path / "a"), BundleMaker(tmp_path / "b")
    signed = replace(split_object("commit", COMMIT), signature=signer.sign("a@example.com", COMMIT, AT))
    bundle, artifact = round_trip(signed, signer.trusted_root_json)
    managed = parse_bundle(json.dumps(maker.message(maker.managed())).encode())
    attestation = parse_bundle(json.dumps(maker.attestation()).encode())
    stamped = replace(bundle, timestamps=(b"1", b"2"))
    for other, what in (
        (managed, artifact),
        (attestation, artifact),
        (stamped, artifact),
        (replace(bundle, entries=()), artifact),
        (bundle, b"no DER"),
        (bundle, b"\x30\x00"),
    ):
        with pytest.raises(FormatError) as caught:
            signature_from_bundle(other, what)
        assert caught.value.reason == "bundle-not-of-a-commit"
