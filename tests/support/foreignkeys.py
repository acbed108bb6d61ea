"""Keys of other signature formats, for real: a GnuPG home that lives as long as a test, and SSH keys."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitsign_py.policy.sshkey import ssh_fingerprint


@dataclass(frozen=True)
class GpgHome:
    """A keyring. Short paths, since gpg-agent's socket lies in it."""

    path: Path

    def gpg(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            [
                "gpg",
                "--homedir",
                str(self.path),
                "--batch",
                "--yes",
                "--pinentry-mode=loopback",
                "--passphrase=",
                *arguments,
            ],
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.decode()

    def make(self, user: str, *options: str, expires: str = "never") -> str:
        """Make a signing key and give its fingerprint."""
        self.gpg(*options, "--quick-generate-key", user, "ed25519", "sign", expires)
        return self.fingerprints(user)[0]

    def fingerprints(self, user: str) -> list[str]:
        """The primary key's, then those of its subkeys."""
        lines = self.gpg("--list-keys", "--with-colons", user).splitlines()
        return [line.split(":")[9] for line in lines if line.startswith("fpr:")]

    def revoke(self, fingerprint: str) -> None:
        """Import the revocation certificate that gpg made with the key, which a colon disables."""
        text = (self.path / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        self.gpg("--import", stdin=text.replace(":-----BEGIN", "-----BEGIN").encode())

    def forget(self, fingerprint: str) -> None:
        """Delete a key, secret part first."""
        self.gpg("--delete-secret-and-public-key", fingerprint)

    def wrapper(self, name: str, *options: str) -> Path:
        """A gpg with options, such as a clock of its own."""
        script = self.path / name
        script.write_text(f'#!/bin/sh\nexec gpg {" ".join(options)} "$@"\n')
        script.chmod(0o755)
        return script


@contextmanager
def gpg_home() -> Iterator[GpgHome]:
    """A new keyring; its agent ends with it."""
    path = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))
    try:
        yield GpgHome(path)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(path), "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class SshKey:
    """An SSH key pair; ``path`` is the private half."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> "SshKey":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "c", "-f", str(path)], check=True)
        return cls(path)

    @property
    def public(self) -> str:
        """Type and key, without the comment."""
        return " ".join(self.path.with_suffix(".pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        return ssh_fingerprint(self.public)
