"""S/MIME signatures by a company's CA: one verdict by git, ``verify``, audits and hooks, and gpgsm is who gives it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, History
from tests.support.smime import CAROL, Company, Person, gpgsm_home
from tests.support.stack import ROOT
from tests.support.workbench import program

pytestmark = pytest.mark.skipif(shutil.which("gpgsm") is None, reason="gpgsm is not installed")
NOUGHT = "0" * 40


def settings(*pairs: tuple[str, str]) -> dict[str, str]:
    """git's settings by the environment (git(1), GIT_CONFIG_COUNT)."""
    found = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


@dataclass
class Place:
    """Commits by name, signed by people of a CA that gpgsm trusts and of one that it does not know."""

    repo: ScratchRepo
    home: Path
    carol: Person
    named: dict[str, str] = field(default_factory=dict)
    loose: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        folder = self.repo.path.parent
        home = {"HOME": str(folder), "GNUPGHOME": str(self.home), "XDG_CACHE_HOME": str(folder / "cache")}
        return subprocess.run(
            command,
            cwd=self.repo.path, env=environment(**home, PYTHONPATH=str(ROOT), **more), input=stdin,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def tool(self, *arguments: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "gitsign_py", *arguments, stdin=stdin, **more)

    def audited(self, *options: str, **more: str) -> dict[str, dict[str, str]]:
        done = self.tool("audit", "--offline", "--all", "--tags", "--format", "json", *options, **more)
        found = {record["oid"]: record for record in json.loads(done.stdout)["records"]}
        return {name: found[oid] for name, oid in self.named.items()}

    def pushed(self, name: str, policy: str) -> tuple[int, str]:
        """What the hook of a server says to a push of a commit that is on no ref."""
        line = f"{NOUGHT} {self.loose[name]} refs/heads/pushed\n"
        done = self.tool("hook", "pre-receive", stdin=line, **settings(("gitsign.policy", policy)))
        return done.returncode, done.stderr

    def policy(self, key: str, window: str = "") -> str:
        path = self.repo.path.parent / "policy.toml"
        path.write_text(
            'version = 1\nmatch = "none"\nadministrators = ["alice"]\n'
            f'[people.alice]\nidentities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]\n'
            f'[people.carol]\nkeys = ["carol"]\n{window}\n[keys.carol]\nformat = "x509"\n{key}\n'
            '[[rules]]\nname = "all"\nallow = ["alice", "carol"]\n'
        )
        return str(path)


@pytest.fixture(scope="module", params=["sha1", "sha256"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("smime")
    company, stranger = Company(), Company("Other Root")
    people = {"carol@example.com": company.person(), "dave@example.com": company.person("Dave")}
    people["eve@example.com"] = stranger.person("Carol")
    sigstore = BulkSigner(folder / "authority")
    (folder / "root.json").write_bytes(sigstore.trusted_root_json)

    def sign(email: str, payload: bytes, at: datetime) -> bytes:
        return people[email].sign(payload) if email in people else sigstore.sign(email, payload, at)

    history = History(algorithm=request.param, signer=sign)
    repo = ScratchRepo.init(folder / "repo", f"--object-format={request.param}")
    named = {"alice": history.commit(signed="alice", files={"a": "1"})}
    for name in ("carol", "dave", "eve"):
        named[name] = history.commit(named["alice"], signed=name, files={name: "1"})
    named["tag"] = history.tag("v1", named["carol"], signed="carol")
    spoilt = history.objects[named["carol"]].data.replace(b"\n\nchange\n", b"\n\nevil\n")
    named["spoilt"] = history.add("commit", spoilt)
    loose = {name: history.commit(named["alice"], signed=name, message="pushed") for name in ("carol", "dave", "eve")}
    loose["spoilt"] = history.add("commit", history.objects[loose["carol"]].data.replace(b"\n\npushed", b"\n\nevil"))
    refs = {f"refs/heads/{name}": oid for name, oid in named.items() if name != "tag"}
    history.write(repo.path / ".git", {**refs, "refs/tags/v1": named["tag"]})
    for key, value in (
        ("gpg.x509.program", str(program(folder))),
        ("gitsign.trustedRoot", str(folder / "root.json")),
        ("gitsign.agent", "off"),
    ):
        repo.git("config", key, value)
    with gpgsm_home(company) as home:
        yield Place(repo, home, people["carol@example.com"], named, loose)


EXPECTED = {
    "alice": ("good", "good"),
    "carol": ("good", "good"),
    "dave": ("good", "good"),
    "tag": ("good", "good"),
    "eve": ("unchecked", "certificate-untrusted"),
    "spoilt": ("bad", "signature-invalid"),
}


def test_each_front_gives_the_same_verdict(place: Place) -> None:
    """A CA that nobody knows here is never bad, and without gpgsm nothing is."""
    found = place.audited()
    assert {name: (one["verdict"], one["reason"]) for name, one in found.items()} == EXPECTED
    assert {found[name]["format"] for name in ("carol", "eve", "spoilt", "tag")} == {"x509"}
    assert (found["carol"]["identity"], found["carol"]["issuer"]) == (CAROL, place.carol.company.text)
    words = {"good": ("GOODSIG", 0), "unchecked": ("ERRSIG", 3), "bad": ("BADSIG", 1)}
    for name, (verdict, reason) in EXPECTED.items():
        word, status = words[verdict]
        git = place.run("git", "verify-tag" if name == "tag" else "verify-commit", "--raw", place.named[name])
        assert (git.returncode != 0, f"[GNUPG:] {word} " in git.stderr) == (status != 0, True), (name, git.stderr)
        verify = place.tool("verify", "--any-identity", "--offline", "--json", place.named[name])
        [judgement] = json.loads(verify.stdout)
        assert (verify.returncode, judgement.get("reason", "good")) == (status, reason), name
    assert place.repo.git("log", "-1", "--format=%GF", place.named["carol"], GNUPGHOME=str(place.home)) == (
        place.carol.fingerprint.upper()
    )


def test_a_policy_lists_signers_by_name_or_by_fingerprint(place: Place) -> None:
    by_name = f'issuer = "{place.carol.company.text}"\nsubject = "E=carol@example.com, CN=Carol, O=Example GmbH"'
    for key in (by_name, f'fingerprint = "{place.carol.fingerprint}"'):
        policy = place.policy(key)
        found = place.audited("--policy", policy)
        verdicts = {name: one["verdict"] for name, one in found.items()}
        assert verdicts == {
            "alice": "verified", "carol": "verified", "tag": "verified", "dave": "unauthorised", "eve": "unchecked",
            "spoilt": "bad",
        }  # fmt: skip
        for name, trusted in (("carol", True), ("dave", False)):
            git = place.run("git", "-c", f"gitsign.policy={policy}", "verify-commit", "--raw", place.named[name])
            assert (git.returncode == 0, "TRUST_FULLY" in git.stderr) == (trusted, trusted), git.stderr
            verify = place.tool("verify", "--offline", place.named[name], **settings(("gitsign.policy", policy)))
            assert verify.returncode == (0 if trusted else 1), verify.stdout
    pushed = {name: place.pushed(name, policy) for name in place.loose}
    assert pushed["carol"][0] == 0, pushed
    reasons = {"dave": "signer-unknown", "eve": "certificate-untrusted", "spoilt": "signature-invalid"}
    for name, reason in reasons.items():
        status, said = pushed[name]
        assert (status, reason in said) == (1, True), (name, said)


def test_a_window_needs_a_proven_time_and_such_signatures_have_none(place: Place) -> None:
    policy = place.policy(f'fingerprint = "{place.carol.fingerprint}"', "until = 2099-01-01")
    assert place.audited("--policy", policy)["carol"]["reason"] == "time-unproven"


def test_without_gpgsm_they_are_unchecked(place: Place, tmp_path: Path) -> None:
    for name in ("git", "sh"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    found = place.audited(PATH=str(tmp_path))
    assert {name: (one["verdict"], one["reason"]) for name, one in found.items() if name != "alice"} == dict.fromkeys(
        ("carol", "dave", "eve", "tag", "spoilt"), ("unchecked", "program-missing")
    )


def test_where_allowed_signers_are_listed_nobody_else_is_one(place: Place) -> None:
    """The list is of Sigstore's certificates: one by a company's CA is not on it, for every front."""
    place.repo.git("config", "gitsign.allowedSigner", f"alice@example.com {ISSUER}")
    try:
        git = place.run("git", "verify-commit", "--raw", place.named["carol"])
        assert (git.returncode, "TRUST_NEVER" in git.stderr) == (1, True)
        verify = place.tool("verify", "--offline", place.named["carol"])
        assert (verify.returncode, "is not an allowed signer" in verify.stdout) == (1, True)
        assert place.audited()["carol"]["reason"] == "signer-not-allowed"
    finally:
        place.repo.git("config", "--unset", "gitsign.allowedSigner")


def test_policy_init_proposes_them_by_name(place: Place, tmp_path: Path) -> None:
    """The proposal lets them go on. One that gpgsm does not trust is a comment."""
    done = place.tool("policy", "init", "--offline", "--output", str(tmp_path / "policy.toml"), "carol", "eve")
    assert done.returncode == 0, done.stderr
    proposal = (tmp_path / "policy.toml").read_text()
    assert f'subject = "{CAROL}"' in proposal
    assert "# seen, not verified: x509" in proposal
    found = place.audited("--policy", str(tmp_path / "policy.toml"))
    assert {name: found[name]["verdict"] for name in ("alice", "carol", "eve")} == {
        "alice": "verified", "carol": "verified", "eve": "unchecked",
    }  # fmt: skip


def test_show_reads_their_names(place: Place) -> None:
    """gpgsm writes BER, which the numbered steps refuse: a person sees the names, and that nothing was verified."""
    for name in ("carol", "eve", "tag"):
        smime = json.loads(place.tool("show", "--json", place.named[name]).stdout)["predicate"]["smime"]
        assert smime["subject"] == CAROL
    assert smime["fingerprint"] == place.carol.fingerprint
    lines = place.tool("show", "--text", place.named["carol"]).stdout
    for words in (f"S/MIME by    {CAROL}", f"issuer       {place.carol.company.text}", "nothing of this was verified"):
        assert words in lines


def test_nobody_is_expected_by_such_a_certificate(place: Place) -> None:
    flags = ["--certificate-identity-regexp", ".*", "--certificate-oidc-issuer-regexp", ".*"]
    done = place.tool("verify", "--offline", *flags, place.named["carol"])
    assert (done.returncode, "with an S/MIME certificate" in done.stdout) == (1, True)
