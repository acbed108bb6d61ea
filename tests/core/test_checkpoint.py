"""Checkpoints: those of real logs open with the real keys; each wrong one is refused with its own reason."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.pki.keys import PublicKey, load_pem, load_spki
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    seal_checkpoint,
    signer_name,
)
from gitsign_py.errors import FormatError, VerificationError
from tests.support import vectors

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
P256 = ec.derive_private_key(7, ec.SECP256R1())
WITNESS = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
ROOT = merkle.leaf_hash(b"")
TILED = Checkpoint("log.example.com/one", 7, ROOT)
REKOR = Checkpoint("rekor.example.com - 6332920020225541387", 7, ROOT, ("Timestamp: 1679349379012118479",))


def public(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> PublicKey:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return load_spki(key.public_key().public_bytes(encoding, form))


def ecdsa(text: bytes) -> bytes:
    return P256.sign(text, ec.ECDSA(hashes.SHA256()))


def sealed(checkpoint: Checkpoint = TILED) -> bytes:
    return seal_checkpoint(checkpoint, public(ED), ED.sign)


def refused(envelope: bytes, key: PublicKey | None = None, **facts: Any) -> str:
    with pytest.raises((VerificationError, FormatError)) as caught:
        open_checkpoint(envelope, key or public(ED), **facts)
    return caught.value.reason


def test_what_is_sealed_opens() -> None:
    assert open_checkpoint(sealed(), public(ED)).checkpoint == TILED
    assert open_checkpoint(sealed(), public(ED), origin="log.example.com/one").checkpoint == TILED
    envelope = seal_checkpoint(REKOR, public(P256), ecdsa)
    assert open_checkpoint(envelope, public(P256), key_hints=[public(P256).key_id[:4]]).checkpoint == REKOR
    assert envelope.decode().splitlines()[-1].startswith("— rekor.example.com ")


def test_names_of_signers_leave_out_the_tree_s_id() -> None:
    assert signer_name("rekor.sigstore.dev - 1193050959916656506") == "rekor.sigstore.dev"
    assert signer_name("log2025-1.rekor.sigstore.dev") == "log2025-1.rekor.sigstore.dev"
    assert REKOR.signer_name == "rekor.example.com"


def test_an_empty_tree_has_the_empty_root() -> None:
    empty = Checkpoint("log.example.com", 0, merkle.empty_root())
    assert open_checkpoint(sealed(empty), public(ED)).checkpoint == empty
    text = format_checkpoint(TILED).replace(b"\n7\n", b"\n0\n")
    with pytest.raises(FormatError, match="without leaves"):
        parse_checkpoint(text)


def test_another_log_s_checkpoint_is_refused() -> None:
    assert refused(sealed(), public(P256)) == "checkpoint-signature-missing"
    assert refused(sealed(), key_hints=[b"\0\0\0\0"]) == "checkpoint-signature-missing"
    assert refused(sealed(), origin="log.example.com/two") == "checkpoint-origin-mismatch"


def test_a_changed_checkpoint_is_refused() -> None:
    assert refused(sealed().replace(b"\n7\n", b"\n8\n")) == "checkpoint-signature-invalid"


def test_an_origin_that_does_not_fit_the_signer_s_name_is_refused() -> None:
    hint = note.key_hint("one.example", public(ED))
    envelope = note.sign_note(
        format_checkpoint(Checkpoint("two.example", 7, ROOT)), [note.NoteSigner("one.example", hint, ED.sign)]
    )
    assert refused(envelope, key_hints=[hint]) == "checkpoint-origin-mismatch"


def witnessed() -> tuple[bytes, note.NoteVerifier]:
    parsed = note.parse_note(sealed())
    line = note.cosign("w1", public(WITNESS), WITNESS.sign, parsed.text, 1_700_000_000)
    known = note.NoteVerifier("w1", line.key_hint, public(WITNESS), "cosignature")
    return note.format_note(parsed.text, [line, *parsed.signatures]), known


def test_cosignatures_are_passed_over_or_verified() -> None:
    envelope, known = witnessed()
    assert open_checkpoint(envelope, public(ED)).witnesses == ()
    assert open_checkpoint(envelope, public(ED), witnesses=[known]).witnesses == (("w1", 1_700_000_000),)


def test_a_witness_alone_makes_no_checkpoint() -> None:
    envelope, known = witnessed()
    parsed = note.parse_note(envelope)
    alone = note.format_note(parsed.text, parsed.signatures[:1])
    assert refused(alone, witnesses=[known]) == "checkpoint-signature-missing"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n7\n", b"\n07\n"),
        lambda text: text.replace(b"\n7\n", b"\n-7\n"),
        lambda text: text.replace(b"\n7\n", b"\n 7\n"),
        lambda text: text.replace(b"\n7\n", b"\n9223372036854775808\n"),
        lambda text: text.replace(b"\n7\n", "\n\u0667\n".encode()),
        lambda text: text.replace(b"=\n", b"\n"),
        lambda text: text.replace(b"=\n", b"=x\n"),
        lambda text: text.replace(b"log.example.com/one", b""),
        lambda text: text + b"\n",
        lambda text: text[:-1],
        lambda text: text + b"one\n\ntwo\n",
        lambda text: text + b"\xff\n",
        lambda text: b"\n".join(text.split(b"\n")[:2]) + b"\n",
        lambda text: b"log.example.com/one\n7\nAAAA\n",
        lambda text: b"",
    ],
)
def test_malformed_text_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FormatError) as caught:
        parse_checkpoint(change(format_checkpoint(TILED)))
    assert caught.value.reason == "checkpoint-malformed"


def test_signed_but_malformed_text_and_large_envelopes_are_refused() -> None:
    hint = note.key_hint("a", public(ED))
    assert refused(note.sign_note(b"a\nx\ny\n", [note.NoteSigner("a", hint, ED.sign)])) == "checkpoint-malformed"
    assert refused(b"x" * 65537) == "checkpoint-malformed"


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("a\nb", 7, ROOT),
        Checkpoint("a", 7, b"short"),
        Checkpoint("", 7, ROOT),
        Checkpoint("a", 7, ROOT, ("b\nc",)),
    ],
)
def test_what_cannot_be_read_back_is_not_written(checkpoint: Checkpoint) -> None:
    with pytest.raises(FormatError):
        format_checkpoint(checkpoint)


@given(
    st.binary(max_size=200) | st.builds(lambda *lines: b"\n".join(lines) + b"\n", st.binary(), st.binary(), st.binary())
)
def test_whatever_is_read_is_written_back(text: bytes) -> None:
    try:
        checkpoint = parse_checkpoint(text)
    except FormatError:
        return
    assert format_checkpoint(checkpoint) == text


@given(st.integers(0, 300), st.integers(0, 255))
def test_a_changed_byte_never_gives_another_checkpoint(at: int, value: int) -> None:
    envelope = bytearray(sealed(Checkpoint("log.example.com/one", 7, ROOT, ("extension",))))
    envelope[at % len(envelope)] = value
    try:
        assert open_checkpoint(bytes(envelope), public(ED)).checkpoint.root == ROOT
    except (VerificationError, FormatError):
        return


def test_checkpoints_of_real_logs_open() -> None:
    head = vectors.http_json("probe/rekor1/021-GET_api_v1_log.http")
    key = load_pem((vectors.folder("realstack") / "keys/rekor1.pub").read_bytes())
    opened = open_checkpoint(head["signedTreeHead"].encode(), key)
    assert (opened.checkpoint.size, opened.checkpoint.root.hex()) == (182, head["rootHash"])
    assert opened.checkpoint.origin == "rekor1.stack.local - 6332920020225541387"


@pytest.mark.parametrize("name", ["cosign.v2.sigstore.json", "sigstore-python.v2.sigstore.json"])
def test_checkpoints_in_bundles_of_a_tiled_log_open(name: str) -> None:
    bundle = json.loads((vectors.folder("realstack") / name).read_bytes())
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    envelope = entry["inclusionProof"]["checkpoint"]["envelope"].encode()
    key = load_pem((vectors.folder("realstack") / "keys/rekor2.pub").read_bytes())
    opened = open_checkpoint(envelope, key, origin="rekor2.stack.local")
    assert opened.checkpoint.root == base64.b64decode(entry["inclusionProof"]["rootHash"])
    assert note.key_id("rekor2.stack.local", key) == base64.b64decode(entry["logId"]["keyId"])
