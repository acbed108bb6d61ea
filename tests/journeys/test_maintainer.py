"""A maintainer's audit: a history of the shape that gitsign's and gittuf's have, and signatures of the real world.

Merges by a forge's key that nobody has here, SSH keys that nobody listed, unsigned commits of before, signatures whose
entry is in the log alone, another company's CA, a signature that was moved: each row has a cause that a person can act
on, and the first screen says what is wrong.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.foreignkeys import GpgHome, SshKey, gpg_home
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.inprocess import Said, run_here
from tests.support.signedrepo import SignedRepo
from tests.support.vectors import VECTORS

ESCAPE = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")


class Keys:
    """The signer of the history language: by the first word of a person's name."""

    def __init__(self, folder: Path, gpg: GpgHome) -> None:
        self.known = BulkSigner(folder / "known")
        self._stranger = BulkSigner(folder / "stranger")
        self._gpg, self._flow = gpg, gpg.make("noreply@forge.example")
        self._ssh = SshKey.make(folder / "ssh")

    def __call__(self, person: str, payload: bytes, at: datetime) -> bytes:
        kind, _, name = person.partition("/")
        if kind == "flow":
            return self._gpg.gpg("-a", "-b", "-u", self._flow, stdin=payload).encode()
        if kind == "ssh":
            command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(self._ssh.path)]
            return subprocess.run(command, input=payload, capture_output=True, check=True).stdout
        self.known._online = kind == "online"  # the entry is in the log, and not in the signature
        signer = self._stranger if kind == "stranger" else self.known
        return signer.sign(name or kind, payload, at)


class Project:
    """The repository, as a maintainer has cloned it, with an empty keyring."""

    def __init__(self, folder: Path, gpg: GpgHome) -> None:
        keys = Keys(folder, gpg)
        self.made = SignedRepo.make(folder, keys.known)
        history = self.made.history
        history.signer = keys
        tip = history.commit(message="begin", files={"a": "0"})
        for number in range(3):
            tip = history.commit(tip, by="bob", message=f"before signing {number}", files={"a": f"{number}."})
        for number in range(4):
            topic = history.commit(
                tip, by="carol", signed="ssh/carol", message=f"topic {number}", files={f"t{number}": ""}
            )
            tip = history.commit(tip, topic, by="noreply@forge.example", author="bob", signed="flow/web",
                                 message=f"Merge pull request #{number}", files={f"t{number}": ""})  # fmt: skip
        tip = history.commit(tip, signed="alice", message="keyless", files={"a": "k"})
        tip = history.commit(tip, by="dan", signed="online/dan", message="in the log alone", files={"a": "o"})
        tip = history.commit(tip, by="eve", signed="stranger/eve", message="another instance", files={"a": "s"})
        self.made.write(heads__main=tip, tags__v1=history.tag("v1", tip, signed="alice"))
        honest = self.made.repo.git("log", "--format=%H", "--grep=keyless", "main")
        moved = self.made.repo.raw("commit", honest).replace(b"\n\nkeyless", b"\n\nmoved here")
        self.moved = self.made.repo.store("commit", moved)
        self.made.repo.git("update-ref", "refs/heads/topic", self.moved)
        self.empty = folder / "no-keys"
        self.empty.mkdir(mode=0o700)

    def run(self, *arguments: str, **how: bool) -> Said:
        variables = environment(**self.made.variables, GNUPGHOME=str(self.empty))
        return run_here(self.made.repo.path, variables, *arguments, **how)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with gpg_home() as gpg:
        yield Project(tmp_path_factory.mktemp("project"), gpg)


def plain(said: Said) -> list[str]:
    return [ESCAPE.sub("", line) for line in said.lines if "judging" not in line]


def test_the_first_screen_says_what_is_wrong(project: Project) -> None:
    """At 80 columns, with and without colour: the figures, then the forged signature before all that is merely old."""
    said = project.run("audit", "--all", "--tags", "--offline", terminal=True)
    assert said.status == 1
    lines = plain(said)
    assert max(map(len, lines)) <= 80
    assert re.search("\x1b\\[31m +1 bad:", said.out)
    assert re.search("\x1b\\[33m +4 unchecked:", said.out), "what could not be checked is not shown as refused"
    quiet = project.run("audit", "--all", "--tags", "--offline", terminal=True, colour=False)
    assert [line.rstrip() for line in plain(quiet) if not line.startswith("run ")] == [
        line.rstrip() for line in lines if not line.startswith("run ")
    ]
    figures = next(number for number, line in enumerate(lines) if "0 of 17 verified (0.0 %)" in line)
    screen = lines[figures : figures + 24]
    assert screen[1].startswith("6 of 17 accepted (35.2 %)")
    causes = [line.strip() for line in screen if re.match(r" +\d+ (bad|unchecked|unsigned)", line)]
    assert causes[0] == "1 bad: the signed content was changed [content-digest-mismatch]"
    assert any("verify -v" in line for line in screen)


def test_no_row_is_without_a_cause_that_somebody_can_act_on(project: Project) -> None:
    report = json.loads(project.run("audit", "--all", "--tags", "--offline", "--format", "json").out)
    causes = report["summary"]["causes"]
    found = {(one["verdict"], one["reason"]): one["commits"] for one in causes}
    assert found == {
        ("bad", "content-digest-mismatch"): 1,
        ("unchecked", "key-missing"): 4,
        ("unchecked", "certificate-untrusted"): 1,
        ("unchecked", "log-entry-not-embedded"): 1,
        ("unsigned", "unsigned"): 4,
    }
    check_causes(report)
    [missing] = [one for one in causes if one["reason"] == "key-missing"]
    assert re.fullmatch(r"gpg --recv-keys [0-9A-F]{40}", missing["todo"])
    assert [one["name"] for one in missing["who"]] == ["noreply@forge.example"]


def check_causes(report: dict[str, Any]) -> None:
    """Every commit that is not accepted is in one cause, whose advice holds a command or names a person."""
    summary = report["summary"]
    assert sum(one["commits"] for one in summary["causes"]) == summary["total"] - summary["accepted"]
    for one in summary["causes"]:
        assert one["words"], one
        assert one["who"], one
        assert re.search(r"\b(gitsign-py|gpg|git) |--trusted-root|administrator|install ", one["todo"]), one


def test_what_a_maintainer_does_next_helps(project: Project) -> None:
    """A policy is proposed and says what could not be checked; one that fails leaves no file; forgers are found."""
    path = project.made.folder / "policy.toml"
    refused = project.run("policy", "init", "--offline", "--output", str(path), "main:no/such")
    assert refused.status != 0
    assert not path.exists()
    said = project.run("policy", "init", "--offline", "--output", str(path), "main")
    assert said.status == 0, said.err
    proposed = path.read_text() + said.out + said.err
    assert "gpg --recv-keys" in proposed
    judged = project.run("audit", "--offline", "--policy", str(path), "--format", "json", "refs/heads/topic")
    report = json.loads(judged.out)
    assert judged.status == 1
    [forged] = [one for one in report["records"] if one["oid"] == project.moved]
    assert forged["verdict"] == "bad"
    shown = project.run("verify", "-v", "--any-identity", project.moved)
    assert shown.status == 1
    assert "content-digest-mismatch" in shown.out + shown.err


def test_signatures_of_the_public_instance(tmp_path: Path) -> None:
    """Commits of real projects, each the end of a shallow history: what they say of themselves, and what to do."""
    repo = ScratchRepo.init(tmp_path / "repo")
    oids = [repo.store("commit", path.read_bytes()) for path in sorted((VECTORS / "production").glob("*.commit"))]
    (repo.path / ".git" / "shallow").write_text("".join(f"{oid}\n" for oid in sorted(oids)))
    for number, oid in enumerate(oids):
        repo.git("update-ref", f"refs/heads/b{number}", oid)
    variables = environment(
        HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"), XDG_DATA_HOME=str(tmp_path / "d")
    )
    root = str(VECTORS / "production" / "trusted_root.json")
    said = run_here(repo.path, variables, "audit", "--all", "--offline", "--trusted-root", root, "--format", "json")
    report = json.loads(said.out)
    check_causes(report)
    assert report["summary"]["total"] == len(oids)
    assert report["summary"]["verdicts"]["bad"] == 0, "a real signature is never called forged"
    assert report["summary"]["verdicts"]["good"] == 5
    reasons = {one["reason"] for one in report["summary"]["causes"]}
    assert reasons == {"log-entry-not-embedded", "certificate-untrusted", "signature-prerelease"}
