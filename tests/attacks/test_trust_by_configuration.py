"""A repository that brings its own trust: .git/config names a trust root, a policy, an introduction, whom to allow.

The attacker hands over a repository (an archive, a shared folder, a CI cache) whose commits are signed under
a root of their own, and whose configuration names that root. Everything verified, without a word.
"""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.cli.commands.hooks import shim
from tests.support import warm
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, History
from tests.support.stack import ROOT

POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[[rules]]
name = "everyone"
allow = ["alice"]
"""
NOBODY = POLICY.replace("alice@example.com", "nobody@example.com")
WHO = ("--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", ISSUER, "--offline")
SAID = "is said by this repository's own configuration"


@dataclass
class Copy:
    """A repository signed under the attacker's root, which is ``bad``; ``good`` is the person's own."""

    folder: Path
    repo: ScratchRepo
    first: str
    head: str

    @property
    def bad(self) -> Path:
        return self.folder / "bad.json"

    @property
    def good(self) -> Path:
        return self.folder / "good.json"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.bad.read_bytes()).hexdigest()

    def personal(self, key: str, value: str) -> None:
        self.repo.git("config", "--file", str(self.folder / ".gitconfig"), key, value)

    def env(self, **more: str) -> dict[str, str]:
        kept = environment(
            HOME=str(self.folder),
            XDG_CACHE_HOME=str(self.folder / "cache"),
            XDG_DATA_HOME=str(self.folder / "data"),
            XDG_RUNTIME_DIR=str(self.folder),
            PYTHONPATH=str(ROOT),
        )
        return {**kept, "GIT_CONFIG_GLOBAL": str(self.folder / ".gitconfig"), **more}

    def run(self, *arguments: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gitsign_py", *arguments],
            cwd=self.repo.path,
            env=self.env(**more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def git(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command, place = ["git", *arguments], self.repo.path
        return subprocess.run(command, cwd=place, env=self.env(), capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    signer = BulkSigner(tmp_path / "attacker")
    (tmp_path / "bad.json").write_bytes(signer.trusted_root_json)
    (tmp_path / "good.json").write_bytes(BulkSigner(tmp_path / "ours").trusted_root_json)
    (tmp_path / "policy.toml").write_text(POLICY)
    repo = ScratchRepo.init(tmp_path / "repo")
    history = History(signer=signer.sign)
    first = history.commit(signed="alice", files={".gitsign/policy.toml": POLICY, "a": "1"})
    head = history.commit(first, signed="alice", files={"a": "2"})
    history.write(
        repo.path / ".git", {"refs/heads/main": head, "refs/tags/v1": history.tag("v1", head, signed="alice")}
    )
    made = Copy(tmp_path, repo, first, head)
    made.personal("gitsign.trustedRoot", str(made.good))
    repo.git("config", "gitsign.trustedRoot", str(made.bad))
    return made


JUDGING = [
    ("verify", *WHO, "main"),
    ("verify", *WHO, "--json", "main"),
    ("verify-tag", *WHO, "v1"),
    ("show", "--verify", "--offline", "main"),
    ("audit", "--no-policy", "--offline", "main"),
    ("policy", "explain", "--policy", "main:.gitsign/policy.toml", "--offline", "main"),
    ("policy", "init", "--offline", "main"),
]


@pytest.mark.parametrize("command", JUDGING, ids=lambda words: " ".join(words[:2]))
def test_the_root_is_named_or_left_out(copy: Copy, command: tuple[str, ...]) -> None:
    done = copy.run(*command)
    assert done.returncode == 0, done.stderr
    for words in ("gitsign.trustedRoot", str(copy.bad), copy.digest, SAID, "local, file:.git/config"):
        assert words in done.stdout + done.stderr
    for arguments, more in (((*command, "--isolated"), {}), (command, {"GITSIGN_ISOLATED": "1"})):
        done = copy.run(*arguments, **more)
        assert done.returncode != 0
        assert SAID not in done.stdout + done.stderr


@pytest.mark.parametrize("way", ["include", "worktree"])
def test_what_the_configuration_includes_is_its_own(copy: Copy, way: str) -> None:
    copy.repo.git("config", "--unset", "gitsign.trustedRoot")
    if way == "include":
        (copy.folder / "repo" / "extra").write_text(f"[gitsign]\n\ttrustedRoot = {copy.bad}\n")
        copy.repo.git("config", "include.path", "../extra")
    else:
        copy.repo.git("config", "extensions.worktreeConfig", "true")
        copy.repo.git("config", "--worktree", "gitsign.trustedRoot", str(copy.bad))
    done = copy.run("verify", *WHO, "main")
    assert done.returncode == 0
    assert SAID in done.stderr
    assert copy.run("verify", *WHO, "--isolated", "main").returncode == 3  # by a CA that the own trust root lacks


LIST, POLICY_FILE = "gitsign.allowedSigner", "gitsign.policy"


@pytest.mark.parametrize("key", [LIST, POLICY_FILE])
def test_an_empty_value_switches_off_what_the_person_says(copy: Copy, key: str) -> None:
    """git forgets what other files list (git-config(1), credential.helper). It is named, wherever it lets more pass."""
    copy.repo.git("config", "--unset", "gitsign.trustedRoot")
    copy.personal("gitsign.trustedRoot", str(copy.bad))
    (copy.folder / "strict.toml").write_text(NOBODY)
    own = {LIST: f"nobody@example.com {ISSUER}", POLICY_FILE: str(copy.folder / "strict.toml")}
    copy.personal(key, own[key])
    copy.repo.git("config", "gpg.x509.program", str(copy.folder / "program"))
    warm.program(copy.folder / "program")
    audit, verify = ("audit", "--offline", "--no-cache", "main"), ("verify", "--offline", "main")
    assert [copy.run(*words).returncode for words in (audit, verify)] == [1, 1]
    assert copy.git("verify-commit", "main").returncode
    copy.repo.git("config", key, "")
    if key == POLICY_FILE:
        copy.personal(LIST, f"alice@example.com {ISSUER}")
        done = copy.run(*verify)
        assert done.returncode == 0
        assert SAID in done.stderr
    for said in (
        copy.run(*audit).stdout,
        copy.git("verify-commit", "main").stderr,
    ):
        assert f"{key} = (nothing) {SAID}" in said


def test_what_the_person_says_is_not_named(copy: Copy) -> None:
    copy.repo.git("config", "--unset", "gitsign.trustedRoot")
    copy.personal("gitsign.trustedRoot", str(copy.bad))
    option = ("--trusted-root", str(copy.bad))
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gitsign.trustedRoot", "GIT_CONFIG_VALUE_0": str(copy.bad)}
    for arguments, more in (((), {}), (option, {}), ((), {"GITSIGN_TRUSTED_ROOT": str(copy.bad)}), ((), given)):
        for isolated in ((), ("--isolated",)):
            done = copy.run("verify", *WHO, *arguments, *isolated, "main", **more)
            assert done.returncode == 0, done.stderr
            assert SAID not in done.stdout + done.stderr


@pytest.mark.parametrize("form", ["text", "json", "ndjson", "sarif", "junit", "markdown", "html"])
def test_every_report_names_it(copy: Copy, form: str) -> None:
    copy.repo.git("config", "gitsign.policy", str(copy.folder / "policy.toml"))
    done = copy.run("audit", "--offline", "--format", form, "main")
    assert done.returncode == 0, done.stderr
    policy = hashlib.sha256(POLICY.encode()).hexdigest()
    for words in (copy.digest, policy, "gitsign.policy = ", "gitsign.trustedRoot = "):
        assert words in done.stdout


def test_an_audit_names_the_signers_that_the_copy_allows(copy: Copy) -> None:
    """Without a policy these lists alone make verified what else is only good."""
    copy.repo.git("config", "gitsign.allowedSigner", f"alice@example.com {ISSUER}")
    (copy.folder / "signers").write_text("")
    copy.repo.git("config", "gpg.ssh.allowedSignersFile", str(copy.folder / "signers"))
    own = ("--trusted-root", str(copy.bad))
    value = json.loads(copy.run("audit", "--offline", "--format", "json", *own, "main").stdout)
    named = [notice.partition(" = ")[0] for notice in value["heading"]["notices"] if SAID in notice]
    assert named == ["gitsign.allowedSigner", "gpg.ssh.allowedSignersFile"]
    done = copy.run(
        "audit", "--offline", "--format", "json", *own, "--policy", str(copy.folder / "policy.toml"), "main"
    )
    assert SAID not in done.stdout + done.stderr
    isolated = copy.run("audit", "--offline", "--isolated", *own, "main")
    assert (SAID in isolated.stdout + isolated.stderr, "0 of 2 verified" in isolated.stdout) == (False, True)


def test_mode_and_introduction(copy: Copy) -> None:
    copy.repo.git("config", "gitsign.policyMode", "history")
    copy.repo.git("config", "gitsign.introduction", copy.first)
    done = copy.run("audit", "--offline", "--format", "json", "main")
    assert "gitsign.policyMode = history" in done.stdout
    assert f"gitsign.introduction = {copy.first}" in done.stdout
    asked = ("--in-history", "--introduction", copy.first, "--trusted-root", str(copy.bad))
    done = copy.run("audit", "--offline", "--format", "json", *asked, "main")
    assert SAID not in done.stdout
    done = copy.run("audit", "--offline", "--isolated", "--trusted-root", str(copy.bad), "main")
    assert "none: a good signature is good, and verified only by an allowed signer" in done.stdout


def test_the_branch_that_says_who_has_left(copy: Copy) -> None:
    """Its policy closes windows: a copy that names another branch for it opens them again."""
    program = copy.folder / "gitsign-py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gitsign_py "$@"\n')
    program.chmod(0o755)
    own = {"gpg.x509.program": program, "gitsign.agent": "off", "gitsign.policyMode": "history"}
    for key, value in {**own, "gitsign.introduction": copy.first}.items():
        copy.personal(key, str(value))
    copy.repo.git("config", "gitsign.protectedRef", "refs/heads/main")
    asked = copy.run("verify", "--offline", "main")
    by_git = copy.repo.run("verify-commit", "main", stdin=b"", **copy.env())
    for said in (asked.stderr, by_git.stderr.decode()):
        assert "gitsign.protectedRef = refs/heads/main" in said
        assert "gitsign.introduction" not in said
    assert (asked.returncode, by_git.returncode) == (0, 0)


def test_timestamps_that_the_person_asks_for(copy: Copy) -> None:
    copy.repo.git("config", "--unset", "gitsign.trustedRoot")
    copy.personal("gitsign.trustedRoot", str(copy.bad))
    copy.personal("gitsign.requireTimestamp", "true")
    copy.repo.git("config", "gitsign.requireTimestamp", "false")
    done = copy.run("verify", *WHO, "main")
    assert done.returncode == 0
    assert "gitsign.requireTimestamp = false" in done.stderr
    assert copy.run("verify", *WHO, "--isolated", "main").returncode != 0


def test_git_itself(copy: Copy) -> None:
    """git's own commands name what they rest on, and GITSIGN_ISOLATED keeps it out."""
    program = copy.folder / "gitsign-py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gitsign_py "$@"\n')
    program.chmod(0o755)
    copy.personal("gpg.x509.program", str(program))
    copy.personal("gitsign.agent", "off")
    copy.repo.git("config", "gitsign.allowedSigner", f"alice@example.com {ISSUER}")

    def verify(**more: str) -> "subprocess.CompletedProcess[str]":
        command = ["git", "verify-commit", "--raw", "main"]
        return subprocess.run(
            command, cwd=copy.repo.path, env=copy.env(**more), capture_output=True, text=True, timeout=60, check=False
        )

    done = verify()
    assert "TRUST_FULLY" in done.stderr
    assert copy.digest in (said := subprocess_text(copy))
    assert "gitsign.allowedSigner = alice@example.com" in said
    assert "TRUST_FULLY" not in verify(GITSIGN_ISOLATED="true").stderr


def subprocess_text(copy: Copy) -> str:
    done = subprocess.run(
        ["git", "verify-commit", "main"],
        cwd=copy.repo.path,
        env=copy.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


# --- hooks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pushed(copy: Copy) -> tuple[Copy, str]:
    return copy, f"{'0' * 40} {copy.head} refs/heads/new\n"


def test_an_isolated_hook_goes_by_the_owner_alone(pushed: tuple[Copy, str]) -> None:
    """A server's repository whose configuration others may write: the system's settings or the hook's own count."""
    copy, line = pushed
    copy.repo.git("update-ref", "-d", "refs/heads/main")
    copy.repo.git("update-ref", "-d", "refs/tags/v1")
    copy.repo.git("config", "gitsign.policy", str(copy.folder / "policy.toml"))
    assert copy.run("hook", "pre-receive", stdin=line).returncode == 0
    done = copy.run("hook", "--isolated", "pre-receive", stdin=line)
    assert done.returncode == 1
    assert "[policy-missing]" in done.stderr
    policy, root = f"gitsign.policy={copy.folder}/policy.toml", f"gitsign.trustedRoot={copy.bad}"
    given = ("--isolated", "-c", policy, "-c", root)
    assert copy.run("hook", *given, "pre-receive", stdin=line).returncode == 0
    (copy.folder / "nobody.toml").write_text(NOBODY)
    copy.personal("gitsign.policy", str(copy.folder / "nobody.toml"))
    done = copy.run("hook", "--isolated", "-c", root, "pre-receive", stdin=line)
    assert "[signer-unknown]" in done.stderr


def test_options_stand_before_the_name_alone(pushed: tuple[Copy, str]) -> None:
    """What comes after it is git's, and may be a pusher's choice."""
    copy, _ = pushed
    zero = "0" * 40
    done = copy.run("hook", "--isolated", "update", "refs/heads/new", zero, copy.head, "-c", "gitsign.policy=/x")
    assert done.returncode == 1
    assert "[hook-usage]" in done.stderr


def test_hooks_are_installed_with_their_settings(copy: Copy) -> None:
    policy = f"gitsign.policy={copy.folder}/a policy.toml"
    (copy.folder / "a policy.toml").write_text(POLICY)
    program = str(warm.program(copy.folder / "gitsign-py"))
    done = copy.run("hooks", "install", "--server", "--isolated", "-c", policy, "--program", program)
    assert done.returncode == 0, done.stderr
    text = (copy.repo.path / ".git" / "hooks" / "pre-receive").read_text()
    assert text == shim("pre-receive", program, ["--isolated", "-c", policy])
    assert f"hook --isolated -c '{policy}' pre-receive \"$@\"" in text
    assert copy.run("hooks", "install", "--server", "-c", "nonsense").returncode == 2
