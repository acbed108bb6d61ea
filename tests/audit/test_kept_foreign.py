"""Verdicts on OpenPGP and SSH signatures are kept as long as all that they rest on stays the same, and no longer."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.audit.cache import Basis, FactsCache
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.audit.plan import AuditPlan, resolve_targets
from gitsign_py.audit.resources import Resources
from gitsign_py.host.git.objects import GitRepository
from tests.support.foreignkeys import GpgHome, gpg_home
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.openpgpbuild import OpenPgpSigner
from tests.support.sshbuild import SshSigner

pytestmark = pytest.mark.skipif(
    shutil.which("gpg") is None or shutil.which("ssh-keygen") is None, reason="gpg or ssh-keygen is not installed"
)

PAT, KIM = OpenPgpSigner(), OpenPgpSigner(b"\x08" * 32)
SAM, TOM = SshSigner(b"\x05" * 32), SshSigner(b"\x09" * 32)
SIGNERS: dict[str, OpenPgpSigner | SshSigner] = {"pat": PAT, "kim": KIM, "sam": SAM, "tom": TOM}
EACH = 3
GOOD = {name: {"good"} for name in SIGNERS}
CALM = Counter[str]()


@dataclass
class Desk:
    """A repository with commits by four keys, programs that note how they are called, and a cache."""

    folder: Path
    repo: ScratchRepo
    gpg: GpgHome
    by: dict[str, str]

    @property
    def env(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return environment(PATH=path, GNUPGHOME=str(self.gpg.path), HOME=str(self.folder))

    def audit(self, cache: str = "cache", jobs: int = 1) -> tuple[dict[str, set[str]], Counter[str]]:
        """Verdicts by signer (with the reason where it is not good), and how often each program verified."""
        log = self.folder / "log"
        log.write_text("")
        settings = VerifySettings(None, datetime.now(UTC))
        found: dict[str, set[str]] = {}
        with (
            FactsCache(self.folder / cache, Basis.of_signatures(settings)) as kept,
            GitRepository(self.repo.path, environment=self.env) as repository,
        ):
            targets, exclude = resolve_targets(repository, ("main",))
            for one in audit_history(repository, AuditPlan(targets, exclude), Resources(settings, jobs, kept)):
                if name := self.by.get(one.oid):
                    found.setdefault(name, set()).add(one.reason if one.verdict != "good" else "good")
        return found, Counter(log.read_text().split())

    def config(self, text: str) -> None:
        (self.gpg.path / "gpg.conf").write_text(text)

    def revoke(self, content: bytes) -> None:
        (self.folder / "revoked").write_bytes(content)
        self.repo.git("config", "gpg.ssh.revocationFile", str(self.folder / "revoked"))


def program(folder: Path, name: str, noted: str, more: str = "") -> None:
    real = shutil.which(name)
    script = folder / "bin" / name
    script.write_text(
        f'#!/bin/sh\ncase " $* " in *" {noted} "*) echo {name} >> {folder}/log;; esac\nexec {real} {more} "$@"\n'
    )
    script.chmod(0o755)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScratchRepo, dict[str, str]]:
    history, by, tip = (
        History(signer=lambda who, data, _: SIGNERS[who.partition("@")[0]].sign(data)),
        dict[str, str](),
        list[str](),
    )
    for number in range(EACH):
        for name in SIGNERS:
            tip = [history.commit(*tip, signed=name, message=f"{name} {number}")]
            by[tip[0]] = name
    repo = ScratchRepo.init(tmp_path_factory.mktemp("kept") / "repo")
    history.write(repo.path / ".git", {"refs/heads/main": tip[0]})
    return repo, by


@pytest.fixture
def desk(made: tuple[ScratchRepo, dict[str, str]], tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "bin").mkdir()
    program(
        tmp_path, "gpg", "--verify", f'$(test -e {tmp_path}/now && echo --faked-system-time "$(cat {tmp_path}/now)")'
    )
    program(tmp_path, "ssh-keygen", "verify")
    with gpg_home() as gpg:
        gpg.gpg("--import", stdin=PAT.public + KIM.public)
        yield Desk(tmp_path, made[0], gpg, made[1])
    subprocess.run(["git", "config", "--unset", "gpg.ssh.revocationFile"], cwd=made[0].path, check=False)


def test_one_process_for_a_key_and_none_the_second_time(desk: Desk) -> None:
    """gpg says of one signature by each key that the key counts; SSH signatures need no process at all."""
    assert desk.audit() == (GOOD, Counter(gpg=2))
    assert desk.audit() == (GOOD, CALM)
    assert desk.audit("another", jobs=2) == (GOOD, Counter(gpg=2))


def test_a_changed_list_of_revoked_keys_counts_at_once(desk: Desk) -> None:
    desk.revoke(b"# nobody\n")
    assert desk.audit() == (GOOD, Counter(gpg=2))
    assert desk.audit() == (GOOD, CALM)
    desk.revoke(f"{SAM.public} sam\n".encode())
    revoked = GOOD | {"sam": {"signature-invalid"}}  # git says no more of it
    assert desk.audit() == (revoked, Counter({"ssh-keygen": EACH}))
    assert desk.audit() == (revoked, Counter({"ssh-keygen": EACH}))  # a no of ssh-keygen is not kept
    same_size = f"{TOM.public} tom\n".encode()
    desk.revoke(same_size)
    assert desk.audit()[0] == GOOD | {"tom": {"signature-invalid"}}
    desk.revoke(b"not a list\n")
    assert desk.audit()[0] == GOOD | {name: {"signature-invalid"} for name in ("sam", "tom")}
    desk.revoke(b"# nobody\n")
    assert desk.audit() == (GOOD, CALM)  # the very state in which these were found


def test_a_list_written_by_ssh_keygen_is_read_without_a_process(desk: Desk) -> None:
    (desk.folder / "spec").write_text(f"sha256: {TOM.public}\n")
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(desk.folder / "krl"), str(desk.folder / "spec")], check=True)
    desk.revoke((desk.folder / "krl").read_bytes())
    assert desk.audit() == (GOOD | {"tom": {"signature-invalid"}}, Counter({"ssh-keygen": EACH, "gpg": 2}))
    assert desk.audit()[1] == Counter({"ssh-keygen": EACH})


def test_a_changed_keyring_counts_at_once(desk: Desk) -> None:
    assert desk.audit() == (GOOD, Counter(gpg=2))
    before = (desk.gpg.path / "pubring.kbx").stat()
    desk.gpg.gpg("--delete-keys", KIM.fingerprint)
    assert desk.audit()[0] == GOOD | {"kim": {"key-missing"}}
    desk.gpg.gpg("--import", stdin=PAT.revocation)
    os.utime(desk.gpg.path / "pubring.kbx", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert desk.audit()[0] == GOOD | {"kim": {"key-missing"}, "pat": {"key-revoked"}}
    found, calls = desk.audit()
    assert found["pat"] == {"key-revoked"}
    assert calls == CALM  # what gpg says of a revoked key is kept


def test_settings_and_programs_count(desk: Desk) -> None:
    assert desk.audit()[1] == Counter(gpg=2)
    desk.config("# nothing\n")
    assert desk.audit()[1] == Counter(gpg=2)
    assert desk.audit()[1] == CALM
    desk.config("weak-digest SHA256\n")
    found, _ = desk.audit()
    assert found["pat"] != {"good"}
    other = desk.folder / "other.kbx"
    desk.config("# nothing\n")
    desk.gpg.gpg("--no-default-keyring", "--keyring", str(other), "--import", stdin=OpenPgpSigner(b"\x0a" * 32).public)
    desk.config(f"keyring {other}\n")
    assert [desk.audit()[1] for _ in range(2)] == [Counter(gpg=2)] * 2  # what lies elsewhere is not watched
    desk.config("# nothing\n")
    assert desk.audit()[1] == CALM
    os.utime(desk.folder / "bin" / "gpg", ns=(1, 1))
    os.utime(desk.folder / "bin" / "ssh-keygen", ns=(1, 1))
    assert desk.audit()[1] == Counter(gpg=2)


def test_a_key_that_has_expired_meanwhile(desk: Desk) -> None:
    """Nothing has changed but the time."""
    desk.gpg.gpg("--import", stdin=PAT.expiring(3600))
    (desk.folder / "now").write_text("20231114T221900")
    assert desk.audit()[0] == GOOD
    assert desk.audit() == (GOOD, CALM)
    (desk.folder / "now").write_text("20240101T000000")
    assert desk.audit()[0] == GOOD | {"pat": {"key-expired"}}


def test_one_bad_signature_vouches_for_nothing(desk: Desk) -> None:
    """Signatures of another commit by the same key, good and bad in one batch: each has its own verdict."""
    tip = next(oid for oid, name in desk.by.items() if name == "pat")
    data = desk.repo.raw("commit", tip).replace(b"pat 0", b"pat x")
    bad = desk.repo.store("commit", data)
    head = desk.repo.git("rev-parse", "main")
    desk.repo.git("update-ref", "refs/heads/main", bad)
    try:
        desk.by[bad] = "pat"
        assert desk.audit()[0] == {"pat": {"signature-invalid"}}
    finally:
        del desk.by[bad]
        desk.repo.git("update-ref", "refs/heads/main", head)
