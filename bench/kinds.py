"""Repositories to be measured: packed histories that are signed, unsigned, or signed in all three formats."""

import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from types import TracebackType

from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.openpgpbuild import OpenPgpSigner
from tests.support.sshbuild import SshSigner

_MIXED = 8948  # of one real history: Sigstore, SSH, OpenPGP, and the rest unsigned
_SIGSTORE, _SSH, _OPENPGP = 2230, 3186, 2607


def signed_repo(folder: Path, count: int, *, fresh: bool) -> ScratchRepo:
    """A packed repository of ``count`` signed commits, with its trust root beside it."""
    signer = BulkSigner(folder / "authority", fresh=fresh)
    history = History(signer=signer.sign)
    tip = history.commit(signed="alice")
    for _ in range(count - 1):
        tip = history.commit(tip, signed="alice")
    (folder / "root.json").write_bytes(signer.trusted_root_json)
    return packed(history, folder / "repo", tip)


def packed(history: History, path: Path, tip: str) -> ScratchRepo:
    """Write a history as git keeps an old one."""
    repo = ScratchRepo.init(path)
    history.write(repo.path / ".git", {"refs/heads/main": tip})
    repo.git("gc", "-q")
    return repo


def unsigned_repo(path: Path, count: int, refs: int = 0) -> ScratchRepo:
    """A packed repository of ``count`` unsigned commits and ``refs`` branches, made by git fast-import."""
    repo = ScratchRepo.init(path)
    made = subprocess.Popen(
        ["git", "fast-import", "--quiet"], cwd=repo.path, env=environment(), stdin=subprocess.PIPE, text=True
    )
    assert made.stdin is not None
    for number in range(count):
        who = f"Person {number % 50} <person{number % 50}@example.com> {1_000_000_000 + number * 600} +0000"
        message = f"change number {number}\n\nSome words about why this was changed, as people write them.\n"
        mark = f"mark :{number + 1}\n" if refs else ""
        made.stdin.write(f"commit refs/heads/main\n{mark}committer {who}\ndata {len(message)}\n{message}\n")
    for number in range(refs):
        made.stdin.write(f"reset refs/heads/topic/{number}\nfrom :{number % count + 1}\n\n")
    made.stdin.close()
    assert made.wait() == 0
    repo.git("pack-refs", "--all")
    return repo


class MixedRepo:
    """A history signed in three formats, in the shares of a real one; the keyring goes away with the context."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir()
        self._folder, self._home = folder, Path(f"/tmp/bench-gpg-{folder.stat().st_ino}")  # short: sockets lie in it
        self._home.mkdir(mode=0o700)
        self.variables = {"GNUPGHOME": str(self._home)}
        self._sigstore, self._ssh, self._pgp = (
            BulkSigner(folder / "authority"),
            SshSigner(b"\x05" * 32),
            OpenPgpSigner(),
        )
        self.allowed = folder / "allowed"
        self.allowed.write_text(f"sam@example.com {self._ssh.public}\n")
        (folder / "root.json").write_bytes(self._sigstore.trusted_root_json)
        self.repo = packed(*self._history(folder / "repo", count))

    def _history(self, path: Path, count: int) -> tuple[History, Path, str]:
        """Formats in turn by their share: no long stretch of one."""
        wanted = {"sigstore": _SIGSTORE, "ssh": _SSH, "openpgp": _OPENPGP}
        made = dict.fromkeys(wanted, 0)
        history, tip = History(signer=self._sign), ""
        for number in range(count):
            due = [form for form in wanted if made[form] < (number + 1) * wanted[form] // _MIXED]
            if due:
                made[due[0]] += 1
            tip = history.commit(*([tip] if tip else []), signed=due[0] if due else None, message=f"change {number}")
        return history, path, tip

    def _sign(self, who: str, payload: bytes, at: datetime) -> bytes:
        form = who.partition("@")[0]
        if form == "ssh":
            return self._ssh.sign(payload)
        if form == "openpgp":
            return self._pgp.sign(payload)
        return self._sigstore.sign(who, payload, at)

    def __enter__(self) -> "MixedRepo":
        subprocess.run(
            ["gpg", "--batch", "--quiet", "--import"], env=environment(**self.variables), input=self._pgp.public,
            check=True,
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(self._home, ignore_errors=True)
