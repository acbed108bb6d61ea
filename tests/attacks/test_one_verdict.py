"""One verdict: a commit was BADSIG to git, not verified (exit 1) to ``verify``, and unchecked (exit 3) to audits.

So whoever writes the trust root of a machine, or leaves a log out of it, could have a good commit called bad by one
program and only unchecked by another; scripts that go by one of them disagree. Bad is what the signature itself shows;
what this verifier lacks is unchecked, for every front, and unchecked is accepted by none.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.trust.root import TrustedRoot, format_trusted_root
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.verification import Verifier, verdict_of
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, START, History
from tests.support.workbench import Workbench, program

POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[[rules]]
name = "all"
allow = ["alice"]
"""
NOUGHT = "0" * 40
Change = Callable[[TrustedRoot, TrustedRoot], TrustedRoot]
LACKING: dict[str, tuple[Change, str]] = {
    "no-ct-log": (lambda root, _: replace(root, ctlogs=()), "sct-log-unknown"),
    "another-ct-log": (lambda root, other: replace(root, ctlogs=other.ctlogs), "sct-log-unknown"),
    "no-log": (lambda root, _: replace(root, tlogs=()), "log-unknown"),
    "another-log": (lambda root, other: replace(root, tlogs=other.tlogs), "log-unknown"),
    "no-ca": (lambda root, _: replace(root, certificate_authorities=()), "certificate-untrusted"),
    "another-instance": (lambda _, other: other, "certificate-untrusted"),
}


@dataclass
class Place:
    """A repository with one signed commit on main, and the trust root that is believed there."""

    repo: ScratchRepo
    history: History
    oid: str
    root: TrustedRoot

    def believe(self, root: TrustedRoot) -> None:
        self.root = root
        (self.repo.path / "root.json").write_bytes(format_trusted_root(root))

    def run(self, *command: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        home = {"HOME": str(self.repo.path), "XDG_CACHE_HOME": str(self.repo.path / "cache")}
        return subprocess.run(
            command,
            cwd=self.repo.path, env=environment(**home), input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def tool(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "gitsign_py", *arguments, stdin=stdin)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    signer = BulkSigner(tmp_path / "authority")
    history = History(signer=signer.sign)
    oid = history.commit(signed="alice", files={"a": "1"})
    repo = ScratchRepo.init(tmp_path / "repo")
    history.write(repo.path / ".git", {"refs/heads/main": oid})
    (repo.path / "policy.toml").write_text(POLICY)
    for key, value in (
        ("gpg.x509.program", str(program(tmp_path))),
        ("gitsign.trustedRoot", str(repo.path / "root.json")),
        ("gitsign.policy", str(repo.path / "policy.toml")),
        ("gitsign.agent", "off"),
    ):
        repo.git("config", key, value)
    made = Place(repo, history, oid, signer.trusted_root)
    made.believe(signer.trusted_root)
    return made


def all_say(place: Place, oid: str, verdict: str, reason: str) -> None:
    """Every front is asked about one commit."""
    word, status = {"bad": ("BADSIG", 1), "unchecked": ("ERRSIG", 3)}[verdict]
    git = place.run("git", "verify-commit", "--raw", oid)
    assert (git.returncode != 0, f"[GNUPG:] {word} " in git.stderr, "TRUST_FULLY" in git.stderr) == (True, True, False)
    verify = place.tool("verify", "--any-identity", "--offline", "--json", oid)
    [judgement] = json.loads(verify.stdout)
    assert (verify.returncode, judgement["verdict"]) == (status, verdict.replace("bad", "not-verified"))
    assert judgement["reason"] == reason
    audit = place.tool("audit", "--offline", "--format", "json", oid)
    [record] = json.loads(audit.stdout)["records"]
    assert (audit.returncode, record["verdict"], record["reason"]) == (status, verdict, reason)
    place.repo.git("update-ref", "-d", "refs/heads/main")
    hook = place.tool("hook", "pre-receive", stdin=f"{NOUGHT} {oid} refs/heads/pushed\n")
    assert (hook.returncode, reason in hook.stderr) == (1, True), hook.stderr
    signed = split_commit(place.history.objects[oid].data)
    with pytest.raises(GitsignError) as library:
        Verifier(place.root, START).verify(signed.payload, signed.signature or b"", object_id=oid)
    assert verdict_of(library.value) == verdict
    assert isinstance(library.value, UncheckedError) == (verdict == "unchecked")


@pytest.mark.parametrize(("change", "reason"), LACKING.values(), ids=LACKING)
def test_what_the_trust_root_lacks_is_unchecked_to_all(
    place: Place, tmp_path: Path, change: Change, reason: str
) -> None:
    place.believe(change(place.root, BulkSigner(tmp_path / "other").trusted_root))
    all_say(place, place.oid, "unchecked", reason)


def test_what_the_signature_shows_is_bad_to_all(place: Place) -> None:
    good = place.history.objects[place.oid].data
    oid = place.repo.store("commit", good.replace(b"\n\nchange\n", b"\n\nevil\n"))
    place.history.objects[oid] = replace(place.history.objects[place.oid], oid=oid, data=place.repo.raw("commit", oid))
    all_say(place, oid, "bad", "content-digest-mismatch")


def test_a_signature_for_another_program_is_unchecked(place: Place) -> None:
    pgp = b"-----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----"
    signed = split_commit(place.history.objects[place.oid].data)
    oid = place.repo.store("commit", signed.payload.replace(b"\n\n", b"\ngpgsig " + pgp + b"\n\n", 1))
    done = place.tool("verify", "--any-identity", "--offline", oid)
    assert (done.returncode, "signature-format-unsupported" in done.stdout) == (3, True)


def test_a_trust_root_that_cannot_be_read_shows_nothing(place: Place) -> None:
    for text in ("{}", "[", '{"mediaType": 1}'):
        (place.repo.path / "root.json").write_text(text)
        git = place.run("git", "verify-commit", "--raw", place.oid)
        assert (git.returncode != 0, "[GNUPG:] ERRSIG " in git.stderr, "BADSIG" in git.stderr) == (True, True, False)
        for command in (("verify", "--any-identity"), ("audit",)):
            assert place.tool(*command, "--offline", place.oid).returncode == 3


def test_a_second_shell_without_the_exports_lacks_the_ca(bench: Workbench) -> None:
    """A local stack's commit, where the trust root is the public one."""
    oid = bench.commit()
    for name in bench.stack.environment():
        bench.env.pop(name, None)
    git = bench.try_git("verify-commit", "--raw", oid)
    assert b"[GNUPG:] ERRSIG " in git.stderr
    assert b"BADSIG" not in git.stderr
    assert b"by a CA that this trust root lacks" in bench.try_git("verify-commit", oid).stderr
    done = bench.verify("--offline", oid)
    assert (done.returncode, b"by a CA that this trust root lacks" in done.stdout) == (3, True)
