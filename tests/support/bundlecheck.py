"""What the tests of bundle verification share: verify, expect a refusal at a step, look into a bundle."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.sigstore.bundle import parse_bundle
from gitsign_py.core.tlog import note
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import UncheckedError, VerificationError
from gitsign_py.verification.bundle import (
    Artifact,
    VerifiedBundle,
    artifact_of,
    verify_bundle,
)
from gitsign_py.verification.identity import Expected, ExpectedIdentity
from gitsign_py.verification.steps import Report
from tests.support.bundles import (
    ARTIFACT,
    AT,
    ISSUER,
    PERSON,
    BundleMaker,
    b64,
    unb64,
)
from tests.support.logs import MemoryLog
from tests.support.verdicts import UNCHECKED

REALSTACK = Path(__file__).parents[1] / "vectors/foreign/realstack"
WHO = ExpectedIdentity(Expected(PERSON), Expected(ISSUER))
NOW = AT + timedelta(days=1)
KINDS = ["dsse 0.0.1", "intoto 0.0.2", "dsse 0.0.2", "hashedrekord 0.0.2", "hashedrekord 0.0.1"]
MATERIAL = "verificationMaterial"


def verify(
    maker: BundleMaker,
    bundle: dict[str, Any],
    *,
    artifact: Artifact | None = None,
    root: TrustedRoot | None = None,
    key: PublicKey | None = None,
    expected: ExpectedIdentity | None = WHO,
    **how: Any,
) -> VerifiedBundle:
    return verify_bundle(
        json.dumps(bundle).encode(),
        artifact=artifact or artifact_of(ARTIFACT),
        trusted_root=root or maker.trusted_root,
        now=NOW,
        expected=key or expected,
        **how,
    )


def refused(maker: BundleMaker, bundle: dict[str, Any], step: str, reason: str, **how: Any) -> None:
    report = Report()
    with pytest.raises(VerificationError) as caught:
        verify(maker, bundle, report=report, **how)
    assert (caught.value.step, caught.value.reason) == (step, reason)
    assert report.steps[-1].number == step
    assert report.steps[-1].outcome == ("unchecked" if reason in UNCHECKED else "failed")
    assert isinstance(caught.value, UncheckedError) == (reason in UNCHECKED)


def entry_of(bundle: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = bundle[MATERIAL]["tlogEntries"][0]
    return entry


def flipped(text: str) -> str:
    data = bytearray(unb64(text))
    data[-1] ^= 1
    return b64(bytes(data))


def content_of(bundle: dict[str, Any]) -> Any:
    return parse_bundle(json.dumps(bundle).encode()).content


def with_checkpoint(bundle: dict[str, Any], change: Callable[[note.Note], bytes]) -> dict[str, Any]:
    place = entry_of(bundle)["inclusionProof"]["checkpoint"]
    place["envelope"] = change(note.parse_note(place["envelope"].encode())).decode()
    return bundle


def line_of(name: str, key: MemoryLog, text: bytes) -> note.NoteSignature:
    return note.NoteSignature(name, note.key_hint(name, key.public), key.sign(text))


WITNESS, SECOND = MemoryLog("witness.example.com", tiled=True), MemoryLog("tiled.example.com", tiled=True)
