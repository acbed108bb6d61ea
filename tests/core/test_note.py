"""Signed notes: foreign ones are read, each malformed one is refused, only known keys count."""

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import example, given
from hypothesis import strategies as st

from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.tlog import note
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
P256 = ec.derive_private_key(7, ec.SECP256R1())
TEXT = b"first\n\nlast \xe2\x80\x94 line\n"


def public(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> PublicKey:
    return load_spki(
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def verifier(name: str = "ed", kind: note.Kind = "signature") -> note.NoteVerifier:
    return note.NoteVerifier(name, note.key_hint(name, public(ED), kind), public(ED), kind)


def signed(*names: str, text: bytes = TEXT) -> bytes:
    return note.sign_note(text, [note.NoteSigner(name, note.key_hint(name, public(ED)), ED.sign) for name in names])


def malformed(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        note.parse_note(data)
    assert caught.value.reason == "note-malformed"
    return caught.value.message


def test_the_key_of_go_s_checksum_database_has_its_published_hint() -> None:
    """sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8 (cmd/go/internal/modfetch/key.go)."""
    raw = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")[1:]
    spki = bytes.fromhex("302a300506032b6570032100") + raw
    assert note.key_hint("sum.golang.org", load_spki(spki)).hex() == "033de0ae"


def test_the_hint_of_an_ecdsa_key_starts_the_hash_of_its_spki() -> None:
    assert note.key_hint("any", public(P256)) == public(P256).key_id[:4]


def test_a_signed_note_verifies_and_reads_back() -> None:
    data = signed("ed", "second")
    parsed = note.parse_note(data)
    assert parsed.text == TEXT
    assert [item.name for item in parsed.signatures] == ["ed", "second"]
    assert note.format_note(parsed.text, parsed.signatures) == data
    assert note.verify_note(data, [verifier()]) == note.VerifiedNote(TEXT, (verifier(),), (None,))
    assert note.verify_note(data, [verifier("second"), verifier()]).signed_by == (verifier("second"), verifier())


def test_ecdsa_notes_verify() -> None:
    hint = note.key_hint("p256", public(P256))
    signer = note.NoteSigner("p256", hint, lambda text: P256.sign(text, ec.ECDSA(hashes.SHA256())))
    known = note.NoteVerifier("p256", hint, public(P256))
    assert note.verify_note(note.sign_note(TEXT, [signer]), [known]).signed_by == (known,)


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    stranger = note.NoteSigner("ed", b"\0\0\0\0", OTHER.sign)  # the name of a known key, not its hint
    renamed = note.NoteSigner("other", note.key_hint("ed", public(ED)), OTHER.sign)  # its hint, not its name
    mine = note.NoteSigner("ed", note.key_hint("ed", public(ED)), ED.sign)
    assert note.verify_note(note.sign_note(TEXT, [stranger, renamed, mine]), [verifier()]).text == TEXT
    with pytest.raises(VerificationError) as caught:
        note.verify_note(note.sign_note(TEXT, [stranger, renamed]), [verifier()])
    assert caught.value.reason == "note-unsigned"


def test_one_wrong_signature_of_a_known_key_condemns_the_note() -> None:
    hint = note.key_hint("ed", public(ED))
    both = [note.NoteSigner("ed", hint, ED.sign), note.NoteSigner("ed", hint, OTHER.sign)]
    for signers in (both, both[::-1], both[1:]):
        with pytest.raises(InvalidSignatureError) as caught:
            note.verify_note(note.sign_note(TEXT, signers), [verifier()])
        assert caught.value.reason == "note-signature-invalid"


def test_changed_text_is_refused() -> None:
    with pytest.raises(InvalidSignatureError):
        note.verify_note(signed("ed").replace(b"first", b"First"), [verifier()])


def test_cosignatures_tell_their_time() -> None:
    line = note.cosign("ed", public(ED), ED.sign, TEXT, 1_700_000_000)
    data = note.format_note(TEXT, [line])
    witness = verifier(kind="cosignature")
    assert note.verify_note(data, [witness]).times == (1_700_000_000,)
    assert witness.key_hint != verifier().key_hint
    later = note.NoteSignature("ed", line.key_hint, (1_700_000_001).to_bytes(8, "big") + line.signature[8:])
    for wrong in (later, note.NoteSignature("ed", line.key_hint, b"short")):
        with pytest.raises(InvalidSignatureError):
            note.verify_note(note.format_note(TEXT, [wrong]), [witness])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], "no signatures"),
        (lambda data: data + b"\n", "no signatures"),
        (lambda data: data.replace(b"\n\n", b"\n"), "no signatures"),
        (lambda data: data.partition(b"\n\n")[0] + b"\n\n", "no signatures"),
        (lambda data: data.replace("— ".encode(), b"- "), "form"),
        (lambda data: data.replace("— ".encode(), "—".encode()), "form"),
        (lambda data: data.replace(b" ed ", b"  "), "form"),
        (lambda data: data.replace(b" ed ", b" e+d "), "form"),
        (lambda data: data.replace(b" ed ", " e\u00a0d ".encode()), "form"),
        (lambda data: data.replace(b" ed ", b" e d "), "base64"),
        (lambda data: data.replace(b"=\n", b"\n"), "base64"),
        (lambda data: data.replace(b"=\n", b"= \n"), "base64"),
        (lambda data: data.replace(b"=\n", b"=\r\n"), "control"),
        (lambda data: data.replace(b"first", b"fir\tst"), "control"),
        (lambda data: data.replace(b"first", b"fir\xffst"), "UTF-8"),
        (lambda data: "text\n\n— ed AAAAAA==\n".encode(), "too short"),
        (lambda data: data + data.rpartition(b"\n\n")[2] * 100, "at most 100"),
        (lambda data: b"x" * 1_000_000 + data, "at most 1000000"),
    ],
)
def test_malformed_notes_are_refused(change: Callable[[bytes], bytes], words: str) -> None:
    data = note.format_note(b"first\n", [note.NoteSignature("ed", b"\1\2\3\4", b"1234")])
    assert data.endswith(b"=\n")
    assert words in malformed(change(data))


def test_sixteen_signatures_are_read() -> None:
    names = [f"key{number}" for number in range(16)]
    assert len(note.parse_note(signed(*names)).signatures) == 16


@pytest.mark.parametrize(
    ("text", "name"), [(b"no newline", "ed"), (b"text\n", "e d"), (b"text\r\n", "ed"), (b"a\n", "")]
)
def test_what_cannot_be_read_back_is_not_written(text: bytes, name: str) -> None:
    with pytest.raises(FormatError):
        note.format_note(text, [note.NoteSignature(name, b"\1\2\3\4", b"12345")])
    for lines in ([], [note.NoteSignature("ed", b"\1\2\3", b"12345")]):
        with pytest.raises(FormatError):
            note.format_note(b"text\n", lines)


@given(st.binary(max_size=200) | st.builds(lambda a, b: a + "\n\n— ".encode() + b, st.binary(), st.binary()))
@example("a\n\n— b AAAAAAA=\n".encode())
def test_whatever_is_read_is_written_back(data: bytes) -> None:
    try:
        parsed = note.parse_note(data)
    except FormatError:
        return
    assert note.format_note(parsed.text, parsed.signatures) == data


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_never_gives_another_text(at: int, value: int) -> None:
    data = bytearray(signed("ed"))
    data[at % len(data)] = value
    try:
        assert note.verify_note(bytes(data), [verifier()]).text == TEXT
    except (FormatError, VerificationError):
        return
