"""Good bundles spoiled in one place are refused, at the step that fails and with its reason.

The names of the cases are those of sigstore-conformance where it has one; the bundles are our own.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gitsign_py.core.tlog import note
from gitsign_py.errors import VerificationError
from tests.support.bundlecheck import (
    MATERIAL,
    SECOND,
    WITNESS,
    entry_of,
    flipped,
    line_of,
    refused,
    verify,
    with_checkpoint,
)
from tests.support.bundles import BundleMaker, as_version, b64, unb64
from tests.support.logs import MemoryLog


def spoil(
    *path: Any, value: Any = None, change: Callable[[Any], Any] | None = None
) -> Callable[[dict[str, Any]], None]:
    """Set or change one field of a bundle; None removes it."""

    def apply(bundle: dict[str, Any]) -> None:
        place: Any = bundle
        for step in path[:-1]:
            place = place[step]
        if change is not None:
            place[path[-1]] = change(place[path[-1]])
        elif value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return apply


ENTRY = (MATERIAL, "tlogEntries", 0)
PROOF = (*ENTRY, "inclusionProof")
SPOILED: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "bundle-unknown-version": (
        spoil("mediaType", value="application/vnd.dev.sigstore.bundle+json;version=99.9"),
        "1.1",
        "bundle-version",
    ),
    "bundle-negative-log-index": (spoil(*ENTRY, "logIndex", value="-1"), "1.1", "json-int64"),
    "bundle-invalid-base64-signature": (spoil("messageSignature", "signature", value="*"), "1.1", "json-base64"),
    "no-inclusion-proof": (spoil(*PROOF), "1.1", "bundle-proof-missing"),
    "signature-mismatch": (spoil("messageSignature", "signature", change=flipped), "3.2", "signature-invalid"),
    "message-digest-mismatch": (
        spoil("messageSignature", "messageDigest", "digest", change=flipped),
        "3.3",
        "artifact-digest-mismatch",
    ),
    "log-entry-missing": (spoil(MATERIAL, "tlogEntries"), "4.1", "log-entry-missing"),
    "entry-kind-unknown": (spoil(*ENTRY, "kindVersion", "kind", value="rekord"), "4.2", "entry-kind-unsupported"),
    "entry-of-an-envelope": (
        spoil(*ENTRY, "kindVersion", value={"kind": "dsse", "version": "0.0.1"}),
        "4.2",
        "log-entry-mismatch",
    ),
    "entry-version-unlike-body": (spoil(*ENTRY, "kindVersion", "version", value="0.0.2"), "4.2", "log-body-kind"),
    "set-invalid-signature": (
        spoil(*ENTRY, "inclusionPromise", "signedEntryTimestamp", change=flipped),
        "4.3",
        "set-invalid",
    ),
    "set-over-another-time": (
        spoil(*ENTRY, "integratedTime", change=lambda text: str(int(text) + 1)),
        "4.3",
        "set-invalid",
    ),
    "set-over-another-index": (spoil(*ENTRY, "logIndex", value="7"), "4.3", "set-invalid"),
    "unknown-log": (spoil(*ENTRY, "logId", "keyId", change=flipped), "4.3", "log-unknown"),
    "inclusion-proof-corrupted-hash": (spoil(*PROOF, "hashes", 0, change=flipped), "4.3", "inclusion-proof-mismatch"),
    "inclusion-proof-too-long": (
        spoil(*PROOF, "hashes", change=lambda hashes: [*hashes, hashes[0]]),
        "4.3",
        "inclusion-proof-too-long",
    ),
    "inclusion-proof-too-short": (
        spoil(*PROOF, "hashes", change=lambda hashes: hashes[:-1]),
        "4.3",
        "inclusion-proof-too-short",
    ),
    "inclusion-index-not-below-size": (
        spoil(*PROOF, "logIndex", value="99999"),
        "4.3",
        "inclusion-index-not-below-size",
    ),
    "checkpoint-wrong-roothash": (spoil(*PROOF, "rootHash", change=flipped), "4.3", "checkpoint-root-mismatch"),
    "checkpoint-wrong-size": (spoil(*PROOF, "treeSize", value="1"), "4.3", "checkpoint-size-mismatch"),
    "no-time": (spoil(*ENTRY, "inclusionPromise"), "5.2", "time-unproven"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_one_thing_spoiled(maker: BundleMaker, case: str) -> None:
    change, step, reason = SPOILED[case]
    bundle = maker.message()
    change(bundle)
    refused(maker, bundle, step, reason)


def _no_line(name: bytes) -> Callable[[note.Note], bytes]:
    """The checkpoint without one line of its text, signed as before."""

    def change(parsed: note.Note) -> bytes:
        lines = parsed.text.split(b"\n")
        del lines[{b"origin": 0, b"size": 1, b"root": 2}[name]]
        return note.format_note(b"\n".join(lines), parsed.signatures)

    return change


CHECKPOINTS: dict[str, tuple[Callable[[note.Note], bytes], str]] = {
    "rekor2-checkpoint-missing-log-signature": (
        lambda parsed: note.format_note(parsed.text, [line_of("witness.example.com", WITNESS, parsed.text)]),
        "checkpoint-signature-missing",
    ),
    "rekor2-checkpoint-no-matching-signature": (
        lambda parsed: note.format_note(parsed.text, [line_of("tiled.example.com", SECOND, parsed.text)]),
        "checkpoint-signature-missing",
    ),
    "checkpoint-other-name": (
        lambda parsed: note.format_note(parsed.text, [replace(parsed.signatures[0], name="x.example.com")]),
        "checkpoint-origin-mismatch",
    ),
    "invalid-checkpoint-signature": (
        lambda parsed: note.format_note(
            parsed.text, [replace(parsed.signatures[0], signature=bytes(len(parsed.signatures[0].signature)))]
        ),
        "checkpoint-signature-invalid",
    ),
    "checkpoint-missing-sig-newline": (
        lambda parsed: note.format_note(parsed.text, parsed.signatures)[:-1],
        "note-malformed",
    ),
    "checkpoint-extra-newline": (
        lambda parsed: note.format_note(parsed.text, parsed.signatures) + b"\n",
        "note-malformed",
    ),
    "rekor2-checkpoint-missing-origin": (_no_line(b"origin"), "checkpoint-origin-mismatch"),
    "rekor2-checkpoint-missing-size": (_no_line(b"size"), "checkpoint-signature-invalid"),
    "rekor2-checkpoint-missing-root-hash": (_no_line(b"root"), "checkpoint-signature-invalid"),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_checkpoint_spoiled(maker: BundleMaker, case: str) -> None:
    change, reason = CHECKPOINTS[case]
    refused(maker, with_checkpoint(maker.message(tiled=True), change), "4.3", reason)


def test_checkpoint_of_another_log_under_its_key_hint(maker: BundleMaker) -> None:
    """checkpoint-bad-keyhint: signed by another key, under the right key's hint."""
    other = MemoryLog()

    def change(parsed: note.Note) -> bytes:
        own = parsed.signatures[0]
        return note.format_note(parsed.text, [replace(own, signature=other.sign(parsed.text))])

    refused(maker, with_checkpoint(maker.message(), change), "4.3", "checkpoint-signature-invalid")


def test_version_01_with_a_proof_that_contradicts_itself(maker: BundleMaker) -> None:
    bundle = as_version(maker.message(), "0.1")
    del entry_of(bundle)["inclusionProof"]["checkpoint"]
    entry_of(bundle)["inclusionProof"]["rootHash"] = flipped(entry_of(bundle)["inclusionProof"]["rootHash"])
    refused(maker, bundle, "4.3", "inclusion-proof-mismatch")


def test_every_bit_of_the_entry_and_signature_counts(maker: BundleMaker) -> None:
    """Each base64 field with its first bit turned."""
    bundle = maker.message()
    paths = list(_texts(bundle, ()))
    assert len(paths) == 7
    for path in paths:
        broken = copy.deepcopy(bundle)
        spoil(*path, change=lambda text: b64(bytes([unb64(text)[0] ^ 0x80]) + unb64(text)[1:]))(broken)
        with pytest.raises(VerificationError):
            verify(maker, broken)


BYTES = {
    "rawBytes",
    "keyId",
    "rootHash",
    "signature",
    "digest",
    "canonicalizedBody",
    "signedEntryTimestamp",
}


def _texts(value: Any, path: tuple[Any, ...]) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if isinstance(item, str) and name in BYTES:
            yield (*path, name)
        yield from _texts(item, (*path, name))
