"""SSH signatures by our own code: what it accepts ssh-keygen accepts, key by key and over every spoiled byte."""

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gitsign_py.core.git.foreignsig import ssh_public_key, ssh_signature
from gitsign_py.core.git.sshsig import verify_ssh_signature
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhello\n"
KEYS = {
    "ed25519": ("-t", "ed25519"),
    "nistp256": ("-t", "ecdsa", "-b", "256"),
    "nistp384": ("-t", "ecdsa", "-b", "384"),
    "nistp521": ("-t", "ecdsa", "-b", "521"),
    "rsa": ("-t", "rsa", "-b", "2048"),
}
TOKENS = ("sk-ed25519", "sk-ecdsa")


def text(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def armored(blob: bytes) -> bytes:
    body = base64.b64encode(blob).decode()
    lines = [body[at : at + 70] for at in range(0, len(body), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


def mpint(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def by_token(kind: str, *, flags: int = 1, namespace: bytes = b"git", algorithm: bytes = b"sha512") -> bytes:
    """A signature as a security key makes it (PROTOCOL.u2f), by a key that is not in one."""
    digest = hashlib.new(algorithm.decode(), MESSAGE).digest()
    data = b"SSHSIG" + text(namespace, b"", algorithm, digest)
    tail = bytes([flags]) + (7).to_bytes(4, "big")
    signed = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(data).digest()
    if kind == "sk-ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
        name, public = b"sk-ssh-ed25519@openssh.com", key.public_key().public_bytes_raw()
        blob, signature = text(name, public, b"ssh:"), key.sign(signed)
    else:
        curve = ec.generate_private_key(ec.SECP256R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        name = b"sk-ecdsa-sha2-nistp256@openssh.com"
        numbers = decode_dss_signature(curve.sign(signed, ec.ECDSA(hashes.SHA256())))
        blob, signature = text(name, b"nistp256", point, b"ssh:"), text(*map(mpint, numbers))
    whole = b"SSHSIG" + (1).to_bytes(4, "big") + text(blob, namespace, b"", algorithm, text(name, signature) + tail)
    return armored(whole)


def signed(folder: Path, name: str, namespace: str = "git", *options: str) -> bytes:
    key = folder / name
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-N", "", *KEYS[name], "-f", str(key)], check=True)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, *options, "-f", str(key)]
    return subprocess.run(command, input=MESSAGE, capture_output=True, check=True).stdout


def oracle(folder: Path, signature: bytes, message: bytes = MESSAGE) -> str:
    """The fingerprint that ssh-keygen finds good, the key being the only allowed signer; empty when it does not."""
    (folder / "allowed").write_text(f'listed namespaces="git" {ssh_public_key(signature)}\n')
    (folder / "signature").write_bytes(signature)
    command = ["ssh-keygen", "-Y", "verify", "-n", "git", "-f", "allowed", "-I", "listed", "-s", "signature"]
    done = subprocess.run(command, cwd=folder, input=message, capture_output=True, check=False)
    return done.stdout.decode().split()[-1] if done.returncode == 0 else ""


def ours(signature: bytes, message: bytes = MESSAGE) -> str:
    try:
        return verify_ssh_signature(signature, message, b"git")
    except (FormatError, VerificationError):
        return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ssh")


@pytest.fixture(scope="module", params=[*KEYS, *TOKENS])
def good(request: pytest.FixtureRequest, folder: Path) -> bytes:
    return by_token(request.param) if request.param in TOKENS else signed(folder, request.param)


def test_a_good_signature_has_the_fingerprint_that_ssh_keygen_tells(good: bytes, folder: Path) -> None:
    found = verify_ssh_signature(good, MESSAGE, b"git")
    assert found.startswith("SHA256:")
    assert found == oracle(folder, good)
    with pytest.raises(InvalidSignatureError):
        verify_ssh_signature(good, MESSAGE + b"x", b"git")


def test_no_spoiled_byte_is_accepted(good: bytes, folder: Path) -> None:
    blob = ssh_signature(good)
    for at in range(len(blob)):
        for change in (0x01, 0x80):
            spoiled = armored(blob[:at] + bytes([blob[at] ^ change]) + blob[at + 1 :])
            assert not (found := ours(spoiled)), (at, found, oracle(folder, spoiled))


@pytest.mark.parametrize("cut", [1, 4, 20])
def test_bytes_too_few_or_too_many_are_refused(good: bytes, cut: int) -> None:
    blob = ssh_signature(good)
    assert not ours(armored(blob[:-cut]))
    assert not ours(armored(blob + bytes(cut)))


LEFT: dict[str, Callable[[Path], bytes]] = {
    "another namespace": lambda folder: signed(folder, "ed25519", "file"),
    "a token that nobody touched": lambda _: by_token("sk-ed25519", flags=0),
    "another curve's name": lambda folder: armored(
        ssh_signature(signed(folder, "nistp256")).replace(b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", 1)
    ),
    "no signature at all": lambda _: b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
    "two signatures": lambda folder: signed(folder, "ed25519") * 2,
    "another version": lambda folder: armored(
        ssh_signature(signed(folder, "ed25519")).replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2", 1)
    ),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_not_ours_to_judge_is_left_to_ssh_keygen(case: str, folder: Path) -> None:
    with pytest.raises(FormatError):
        verify_ssh_signature(LEFT[case](folder), MESSAGE, b"git")


def test_both_hashes_are_known_and_no_other(folder: Path) -> None:
    by_sha256 = signed(folder, "ed25519", "git", "-O", "hashalg=sha256")
    assert ours(by_sha256) == oracle(folder, by_sha256) != ""
    assert not ours(by_token("sk-ed25519", algorithm=b"sha384"))
