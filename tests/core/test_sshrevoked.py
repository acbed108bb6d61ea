"""Lists of revoked SSH keys: whatever key our own code clears, ssh-keygen clears by the same list."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gitsign_py.core.git.sshrevoked import read_revoked
from gitsign_py.errors import FormatError
from tests.support.sshbuild import SshSigner, words

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

ONE, TWO, THREE = (SshSigner(bytes([number]) * 32) for number in (1, 2, 3))


def ours(data: bytes, signer: SshSigner) -> bool:
    """Whether our own code clears the key."""
    try:
        return read_revoked(data).clears(signer.blob)
    except FormatError:
        return False


def oracle(folder: Path, data: bytes, signer: SshSigner) -> bool:
    """Whether ssh-keygen finds a signature of the key good by this list, as git asks it."""
    (folder / "revoked").write_bytes(data)
    (folder / "allowed").write_text(f"listed {signer.public}\n")
    (folder / "signature").write_bytes(signer.sign(b"hello"))
    asked = ["-n", "git", "-f", "allowed", "-I", "listed", "-s", "signature", "-r", "revoked"]
    command = ["ssh-keygen", "-Y", "verify", *asked]
    done = subprocess.run(command, cwd=folder, input=b"hello", capture_output=True, check=False)
    return done.returncode == 0


def krl(folder: Path, text: str, *options: str) -> bytes:
    """A KRL as ssh-keygen writes it from a specification (its KEY REVOCATION LISTS)."""
    (folder / "spec").write_text(text)
    (folder / "ca.pub").write_text(THREE.public + " ca\n")
    command = ["ssh-keygen", "-q", "-k", "-f", str(folder / "krl"), *options, "-s", str(folder / "ca.pub")]
    subprocess.run([*command, str(folder / "spec")], check=True, capture_output=True)
    return (folder / "krl").read_bytes()


LISTS = {
    "one key by line": f"{ONE.public} somebody\n".encode(),
    "comments and empty lines": f"# none\n\n  \t{ONE.public}\n#{TWO.public}\n".encode(),
    "no line end": ONE.public.encode(),
    "empty": b"",
}
KRLS = {
    "keys": f"key: {ONE.public}\n",
    "sha1": f"sha1: {ONE.public}\n",
    "sha256": f"sha256: {ONE.public}\n",
    "serials": f"serial: 1\nserial: 900\nserial: 10-20\nid: name\nkey: {ONE.public}\n",
}


@pytest.mark.parametrize("name", [*LISTS, *KRLS])
def test_a_list_says_what_ssh_keygen_says(name: str, tmp_path: Path) -> None:
    data = LISTS[name] if name in LISTS else krl(tmp_path, KRLS[name])
    for signer in (ONE, TWO):
        assert ours(data, signer) == oracle(tmp_path, data, signer) == (signer is TWO or name == "empty")


def test_no_spoiled_list_clears_a_key_that_ssh_keygen_does_not(tmp_path: Path) -> None:
    """Every third byte, and every cut: the list is the same, or it is left to ssh-keygen, or both clear the key."""
    data = krl(tmp_path, KRLS["serials"] + f"sha256: {THREE.public}\n")
    spoiled = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), 3)]
    spoiled += [data[:at] for at in range(8, len(data), 5)]
    cleared = [(one, signer) for one in spoiled for signer in (ONE, TWO) if ours(one, signer)]
    assert any(signer is TWO for _, signer in cleared)
    assert [signer for one, signer in cleared if not oracle(tmp_path, one, signer)] == []


@pytest.mark.parametrize(
    "data",
    [
        b"junk\n" + ONE.public.encode(),
        f'cert-authority {ONE.public}\n'.encode(),
        f"ssh-rsa {ONE.public.split()[1]}\n".encode(),
        b"ssh-dss AAAAB3NzaC1kc3M=\n",
        b"SSHKRL\n\0" + (2).to_bytes(4, "big") + bytes(24) + words(b"", b""),
        b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + words(b"", b"") + b"\x04" + words(b""),
        b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + words(b"", b"") + b"\xff" + words(words(b"x") + b"\0"),
        b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + words(b"", b"") + b"\x05" + words(words(bytes(20))),
    ],
)  # fmt: skip
def test_what_is_not_understood_clears_nobody(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_revoked(data)
