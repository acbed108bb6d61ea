"""Audits by processes that Windows starts anew, and hooks that git runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.alonepolicy import ALICE_ALONE
from tests.support.windowskit import EMAIL, WindowsUser, windows

_RECEIVE = "env -u GIT_EXEC_PATH wine git.exe receive-pack"  # which would lead that git to this system's programs
# What git finds as an interpreter of a hook is on PATH here, unlike a shell.
_HOOK = """#!/python
import os, subprocess, sys
os.environ["GITSIGN_HOOK_FOLDER"] = os.path.dirname(sys.argv[0])
command = ["gitsign-py.exe", "hook", "pre-receive", *sys.argv[1:]]
sys.exit(subprocess.call(command, stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr))
"""


def write_policy(user: WindowsUser) -> Path:
    policy = user.directory / "policy.toml"
    policy.write_text(ALICE_ALONE.format(email=EMAIL, issuer=user.stack.url))
    return policy


def test_an_audit_by_two_processes_and_again_from_what_was_kept(user: WindowsUser) -> None:
    for number in range(25):  # more than one process does alone
        user.commit(str(number))
    user.git("commit", "-q", "--allow-empty", "-m", "unsigned")
    user.git("config", "gitsign.allowedSigner", f"{EMAIL} {user.stack.url}")
    for _ in range(2):
        done = user.tool("audit", "--format", "json", "--jobs", "2")
        assert done.returncode == 1, done.stderr
        verdicts = [one["verdict"] for one in json.loads(done.stdout)["records"]]
        assert sorted(verdicts) == ["unsigned", *["verified"] * 25]
    assert "cache" not in done.stderr  # of a cache that it could not use it would have warned
    done = user.tool("audit", "--policy", write_policy(user), "--format", "json", "--jobs", "2")
    judged = [one["verdict"] for one in json.loads(done.stdout)["records"]]
    assert len(judged) == 26
    for form in ("text", "sarif", "junit"):
        assert user.tool("audit", "--format", form, "--jobs", "1").returncode == 1


def test_a_policy_is_proposed_checked_and_explained(user: WindowsUser) -> None:
    user.commit("one")
    proposed = user.gitsign("policy", "init")
    assert EMAIL in proposed
    assert user.tool("policy", "check", write_policy(user)).returncode == 0


def push(user: WindowsUser, server: Path) -> "subprocess.CompletedProcess[str]":
    """From here to a git for Windows: as a client that one would need the shell, which is not there."""
    command = ["git", "push", "-q", f"--receive-pack={_RECEIVE}", str(server), "main"]
    return subprocess.run(
        command, cwd=user.repository, env=user.variables, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_hook_that_git_runs_accepts_and_refuses(user: WindowsUser) -> None:
    server = user.directory / "sérver.git"
    user.git("init", "-q", "--bare", "-b", "main", server)
    user.git("-C", server, "config", "gitsign.policy", windows(write_policy(user)))
    (server / "hooks").mkdir(exist_ok=True)
    (server / "hooks" / "pre-receive").write_text(_HOOK)
    (server / "hooks" / "pre-receive").chmod(0o755)
    user.commit("one")
    done = push(user, server)
    assert done.returncode == 0, done.stderr
    user.git("commit", "-q", "--allow-empty", "-m", "unsigned")
    user.git("-C", server, "config", "gitsign.logPath", windows(user.directory / "refused"))
    refused = push(user, server)
    assert refused.returncode == 1
    assert "in this push to refs/heads/main failed the checks" in refused.stderr
    assert "unsigned" in refused.stderr
    assert json.loads((user.directory / "refused").read_text("utf-8"))["pusher"] == user.kit.profile.name
    user.git("-C", server, "config", "gitsign.hookTimeout", "0.01")
    refused = push(user, server)
    assert refused.returncode == 1
    assert "[hook-timeout]" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_hooks_are_written_for_the_shell_that_comes_with_git(user: WindowsUser) -> None:
    user.gitsign("hooks", "install", "--local")
    text = (user.repository / ".git" / "hooks" / "pre-push").read_bytes()
    assert text.startswith(b"#!/bin/sh\n")
    assert b"\r" not in text
    program = windows(user.kit.program).replace("\\", "/").lower()
    assert program.encode() in text.lower()
    assert "ours" in user.gitsign("hooks", "status")
    user.gitsign("hooks", "uninstall")


def test_a_history_on_which_linux_and_windows_agree(user: WindowsUser) -> None:
    """The same history, the same words."""
    user.commit("one")
    user.git("commit", "-q", "--allow-empty", "-m", "unsigned")
    user.git("config", "gitsign.allowedSigner", f"{EMAIL} {user.stack.url}")
    there = json.loads(user.tool("audit", "--format", "json").stdout)["records"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT", "SIGSTORE"))}
    environment |= user.stack.environment() | {"XDG_CACHE_HOME": str(user.directory / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "gitsign_py", "audit", "--format", "json"], cwd=user.repository, env=environment,
        capture_output=True, check=False,
    )  # fmt: skip
    here = json.loads(done.stdout)["records"]
    assert there == here
