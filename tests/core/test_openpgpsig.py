"""OpenPGP signatures by our own code: what it accepts gpg accepts, algorithm by algorithm and over spoiled bytes."""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.audit.resting import usable_keys
from gitsign_py.core.git.openpgpform import OpenPgpKey, read_openpgp_signature
from gitsign_py.core.git.openpgpsig import verify_openpgp_signature
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError
from tests.support.foreignkeys import GpgHome, gpg_home
from tests.support.openpgpbuild import OpenPgpSigner

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhello\n"
KINDS = {"ed25519": "ed25519", "rsa": "rsa2048", "p256": "nistp256/ecdsa", "p384": "nistp384/ecdsa"}
HASHES = ("SHA256", "SHA384", "SHA512")  # gpg takes none that is shorter than an ECDSA key


@pytest.fixture(scope="module")
def home() -> Iterator[GpgHome]:
    with gpg_home() as made:
        primary = made.make("pat@example.com")
        for kind in list(KINDS.values())[1:]:
            made.gpg("--quick-add-key", primary, kind, "sign", "never")
        made.gpg("--import", stdin=OpenPgpSigner().public)
        yield made


def keys(home: GpgHome) -> dict[bytes, OpenPgpKey]:
    listed = home.gpg("--with-colons", "--with-key-data", "--list-keys")
    return dict(usable_keys(listed.encode()))


def signed(home: GpgHome, kind: str, hashing: str = "SHA512", *options: str) -> bytes:
    fingerprint = home.fingerprints("pat@example.com")[list(KINDS).index(kind)]
    chosen = ["-u", f"{fingerprint}!", "--digest-algo", hashing, "--armor", *options]
    return home.gpg(*chosen, "--detach-sign", stdin=MESSAGE).encode()


def ours(home: GpgHome, signature: bytes, message: bytes = MESSAGE) -> str:
    """The fingerprint of the key that our own code finds it good with; empty when it does not."""
    try:
        found = read_openpgp_signature(signature)
        key = keys_of(home)[found.issuer]
        verify_openpgp_signature(found, message, key)
    except (FormatError, VerificationError, KeyError):
        return ""
    return key.fingerprint


_KEYS: dict[Path, dict[bytes, OpenPgpKey]] = {}


def keys_of(home: GpgHome) -> dict[bytes, OpenPgpKey]:
    if home.path not in _KEYS:
        _KEYS[home.path] = keys(home)
    return _KEYS[home.path]


def oracle(home: GpgHome, signature: bytes, folder: Path, message: bytes = MESSAGE) -> str:
    """The fingerprint that gpg finds it good with, as git asks: the status lines count."""
    (folder / "signature").write_bytes(signature)
    command = ["gpg", "--homedir", str(home.path), "--status-fd=1", "--verify", str(folder / "signature"), "-"]
    done = subprocess.run(command, input=message, capture_output=True, check=False)
    valid = [line.split() for line in done.stdout.decode("utf-8", "replace").splitlines() if " VALIDSIG " in line]
    good = done.stdout.count(b"[GNUPG:] GOODSIG ") == 1 and len(valid) == 1
    return valid[0][2] if good else ""


@pytest.mark.parametrize(("kind", "hashing"), [(k, h) for k in KINDS for h in HASHES if (k, h) != ("p384", "SHA256")])
def test_a_good_signature_is_by_the_key_that_gpg_tells(home: GpgHome, kind: str, hashing: str, tmp_path: Path) -> None:
    signature = signed(home, kind, hashing)
    expected = home.fingerprints("pat@example.com")[list(KINDS).index(kind)]
    assert ours(home, signature) == oracle(home, signature, tmp_path) == expected
    assert ours(home, signature, MESSAGE + b"x") == ""


def test_what_tests_and_benchmarks_sign_is_good(home: GpgHome, tmp_path: Path) -> None:
    signature = OpenPgpSigner().sign(MESSAGE)
    assert ours(home, signature) == oracle(home, signature, tmp_path) == OpenPgpSigner().fingerprint


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_no_spoiled_signature_is_accepted_that_gpg_refuses(home: GpgHome, kind: str, tmp_path: Path) -> None:
    """Bytes of the packet (its checksum made right again by leaving it out), cuts, and bytes of the armor."""
    signature = signed(home, kind)
    lines = signature.decode().split("\n")
    body = [line for line in lines[2:] if line and not line.startswith(("=", "-"))]
    packet = base64.b64decode("".join(body))

    def armored(data: bytes) -> bytes:
        text = base64.b64encode(data).decode()
        rows = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
        return f"-----BEGIN PGP SIGNATURE-----\n\n{rows}\n-----END PGP SIGNATURE-----\n".encode()

    assert ours(home, armored(packet)) == oracle(home, armored(packet), tmp_path) != ""
    spoiled = [
        armored(packet[:at] + bytes([packet[at] ^ bit]) + packet[at + 1 :])
        for at in range(len(packet))
        for bit in (1, 128)
    ]
    spoiled += [armored(packet[:-1]), armored(packet + b"\0"), armored(packet + packet), signature + signature]
    spoiled += [signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :] for at in range(0, len(signature), 3)]
    accepted = [one for one in spoiled if ours(home, one)]
    assert [one for one in accepted if oracle(home, one, tmp_path) == ""] == []
    assert len(accepted) < 20  # an unhashed key id beside the fingerprint, a last line end


def test_what_is_not_ours_to_judge_is_left_to_gpg(home: GpgHome) -> None:
    text = home.gpg("-u", "pat@example.com", "--textmode", "--armor", "--detach-sign", stdin=MESSAGE).encode()
    ends = signed(home, "ed25519", "SHA512", "--default-sig-expire", "1d", "--faked-system-time", "20300101T000000")
    notation = signed(home, "ed25519", "SHA512", "--sig-notation", "a@example.com=b")
    old = signed(home, "rsa", "SHA1")
    for one in (text, ends, notation, old, b"", b"-----BEGIN PGP SIGNATURE-----\n\n\n-----END PGP SIGNATURE-----\n"):
        with pytest.raises(FormatError):
            read_openpgp_signature(one)


def test_a_signature_older_than_its_key_is_left_to_gpg(home: GpgHome) -> None:
    found = read_openpgp_signature(signed(home, "ed25519"))
    key = keys_of(home)[found.issuer]
    with pytest.raises(FormatError):
        verify_openpgp_signature(found, MESSAGE, key._replace(made=found.made + 1))
    with pytest.raises(FormatError):
        verify_openpgp_signature(found, MESSAGE, key._replace(fingerprint="0" * 40))
    with pytest.raises(InvalidSignatureError):
        verify_openpgp_signature(found, MESSAGE + b"x", key)
