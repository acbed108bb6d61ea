"""Signing, checking, auditing, hooks and the agent, by real processes that lack what the other system lacks."""

import json
import os
import signal
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.alonepolicy import ALICE_ALONE
from tests.support.home import EMAIL, Home
from tests.support.othersystem import SYSTEMS
from tests.support.waiting import wait_until

_KIND = """
import os, select, signal, socket, sys
names = ((os, "fork"), (os, "getuid"), (os, "set_blocking"), (select, "poll"), (socket, "AF_UNIX"), (signal, "SIGALRM"))
there = [name for module, name in names if hasattr(module, name)]
modules = [name for name in ("fcntl", "termios", "resource", "pwd", "grp") if sys.modules.get(name, 0) is not None]
print(sys.platform, there + modules, os.path.exists("/proc/self/comm"), hasattr(socket, "SO_PEERCRED"))
try:
    open("/proc/self/comm").close()
except OSError:
    print("no /proc")
"""
_EVERY_MODULE = """
import importlib, pkgutil, gitsign_py
for module in pkgutil.walk_packages(gitsign_py.__path__, "gitsign_py."):
    if module.name != "gitsign_py.__main__":
        importlib.import_module(module.name)
        print(module.name)
"""


def who(home: Home, email: str = EMAIL) -> tuple[str, ...]:
    return "--certificate-identity", email, "--certificate-oidc-issuer", home.stack.url


@pytest.mark.parametrize("system", SYSTEMS, indirect=True)
def test_these_are_the_systems_that_they_stand_for(home: Home, system: str) -> None:
    words = home.run(sys.executable, "-c", _KIND).stdout
    if system == "macos":
        assert words.startswith("darwin ['fork', 'getuid'")
        assert "no /proc" in words
        assert "False" in words  # no SO_PEERCRED
    else:
        assert words.startswith("win32 []" if system == "windows" else "linux []")


@pytest.mark.parametrize("system", SYSTEMS, indirect=True)
def test_every_module_can_be_loaded(home: Home) -> None:
    done = home.run(sys.executable, "-c", _EVERY_MODULE)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 200


def test_it_says_what_it_is(home: Home) -> None:
    assert "gitsign-py" in home.gitsign("--version")
    assert "verify" in home.gitsign("--help")
    assert "gitsign.agent" in home.gitsign("version")


@pytest.mark.parametrize("system", SYSTEMS, indirect=True)
def test_git_signs_and_everybody_checks(home: Home) -> None:
    home.git("config", "gitsign.agent", "off")
    home.git("config", "gitsign.allowedSigner", f"{EMAIL} {home.stack.url}")
    (home.repository / "file").write_text("a")
    home.git("add", "file")
    commit = home.commit("one")
    home.git("tag", "-s", "-m", "tag", "v1")
    assert "GOODSIG" in home.run("git", "verify-commit", "--raw", commit).stderr
    home.git("verify-tag", "v1")
    assert "verified" in home.gitsign("verify", *who(home), "HEAD", "v1")
    assert home.run(home.program, "verify", *who(home, "mallory@example.com"), "HEAD").returncode == 1
    assert EMAIL in home.gitsign("show")
    raw = home.run("git", "cat-file", "commit", "HEAD").stdout
    (home.directory / "forged").write_text(raw.replace("\n\none", "\n\ntwo"))
    forged = home.git("hash-object", "-t", "commit", "-w", str(home.directory / "forged"))
    assert home.run("git", "verify-commit", forged).returncode == 1
    assert "content-digest-mismatch" in home.run(home.program, "verify", *who(home), forged).stdout
    assert not home.socket.exists()


@pytest.mark.unmeasured
def test_an_audit_by_several_processes(home: Home, history: Home) -> None:
    """More signatures than one process does alone, more processes than they need, cached facts next time."""
    home.git("config", "gitsign.allowedSigner", f"{EMAIL} {home.stack.url}")
    home.git("pull", "-q", str(history.repository), "main")
    home.git("commit", "-q", "--allow-empty", "-m", "unsigned")
    for _ in range(2):
        done = home.run(home.program, "audit", "--format", "json", "--jobs", "100")
        assert done.returncode == 1, done.stderr
        verdicts = [one["verdict"] for one in json.loads(done.stdout)["records"]]
        assert sorted(verdicts) == ["unsigned", *["verified"] * 26]
    assert "cache" not in done.stderr  # of a cache that it could not use it would have warned


def prepare_server(home: Home, seconds: float) -> None:
    server = home.directory / "server.git"
    home.git("init", "-q", "--bare", "-b", "main", str(server))
    policy = home.directory / "policy.toml"
    policy.write_text(ALICE_ALONE.format(email=EMAIL, issuer=home.stack.url))
    for key, value in (("gitsign.policy", policy), ("gitsign.hookTimeout", seconds)):
        home.git("-C", str(server), "config", key, str(value))
    home.run(home.program, "hooks", "install", "--server", "--program", home.program, GIT_DIR=str(server))
    home.git("remote", "add", "server", str(server))


def stand_still_in_the_hook(home: Home) -> None:
    """No step of it comes to its end any more, so that the time is up by a thread where there is no alarm."""
    slow = home.directory / "slow"
    slow.mkdir()
    (slow / "git").write_text(f'#!/bin/sh\ncase "$*" in *rev-list*--stdin*) exec sleep 60;; esac\nexec {git()} "$@"\n')
    (slow / "git").chmod(0o755)
    hook = home.directory / "server.git" / "hooks" / "pre-receive"
    lines = hook.read_text().splitlines(keepends=True)
    hook.write_text("".join([lines[0], f"PATH={slow}:$PATH\n", *lines[1:]]))
    home.git("-C", str(home.directory / "server.git"), "config", "gitsign.hookTimeout", "0.5")


def test_a_hook_accepts_what_the_policy_allows_refuses_the_rest_and_is_in_time(home: Home) -> None:
    prepare_server(home, 60)
    home.commit("one")
    home.git("push", "-q", "server", "main")
    home.git("commit", "-q", "--allow-empty", "-m", "unsigned")
    home.git("-C", str(home.directory / "server.git"), "config", "gitsign.logPath", str(home.directory / "refused"))
    refused = home.run("git", "push", "-q", "server", "main", USER="", USERNAME="Zoë")
    assert refused.returncode == 1
    assert "in this push to refs/heads/main failed the checks" in refused.stderr
    assert "unsigned" in refused.stderr
    lines = [json.loads(line) for line in (home.directory / "refused").read_text("utf-8").splitlines()]
    assert [(line["event"], line["pusher"]) for line in lines] == [("refused", "Zoë"), ("push", "Zoë")]
    stand_still_in_the_hook(home)
    began = time.monotonic()
    refused = home.run("git", "push", "-q", "server", "main")
    assert refused.returncode == 1
    assert "[hook-timeout]" in refused.stderr
    assert time.monotonic() - began < 30


def git() -> str:
    found = [Path(folder) / "git" for folder in os.environ["PATH"].split(os.pathsep)]
    return str(next(path for path in found if path.exists()))


@pytest.mark.parametrize("system", SYSTEMS, indirect=True)
def test_the_agent_starts_by_itself_signs_and_verifies(home: Home, system: str) -> None:
    first, second = home.commit("one"), home.commit("two")
    kind = home.socket.lstat().st_mode
    assert stat.S_ISSOCK(kind) if system == "macos" else stat.S_ISREG(kind)  # else: loopback, and its secret
    log = json.loads(home.gitsign("agent", "log", "--json"))
    assert [one["kind"] for one in log] == ["commit"] * len(log)
    assert len(log) >= 1
    home.commit("three")
    assert len(json.loads(home.gitsign("agent", "log", "--json"))) == len(log) + 1
    verdicts = home.signers(first, "--max-count=1") + home.signers(second, "--max-count=1")
    assert [verdict for verdict, _ in verdicts] == ["U", "U"]
    assert "ended" in home.gitsign("agent", "stop")
    wait_until(lambda: not home.socket.exists())


@pytest.mark.unmeasured
def test_twenty_clients_at_once_start_one_agent(home: Home) -> None:
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: home.run(home.program, "agent", "start"), range(20)))
    assert [one.returncode for one in done] == [0] * 20, [one.stderr for one in done]
    assert len(processes(home)) == 1


def processes(home: Home) -> list[int]:
    """The processes of this machine that are this user's agent."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"run" in words and os.fsencode(home.socket) in words:
            found.append(int(path.parent.name))
    return found


def test_an_agent_that_was_killed_is_followed_by_another(home: Home) -> None:
    home.gitsign("agent", "start")
    (first,) = processes(home)
    os.kill(first, signal.SIGKILL)
    assert home.run(home.program, "agent", "status").returncode == 3
    home.gitsign("agent", "start")
    assert processes(home) not in ([], [first])


def test_an_agent_that_cannot_start_says_why(home: Home) -> None:
    home.socket.parent.mkdir(mode=0o700)
    home.socket.write_text("somebody else's file")
    done = home.run(home.program, "agent", "start")
    assert done.returncode == 3
    assert "belongs to another program" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("system", ["windows"], indirect=True)
def test_a_stack_in_the_background_is_alone_and_ends_when_asked(home: Home) -> None:
    folder = str(home.directory / "sigstore")
    home.gitsign("stack", "up", "--detach", "--dir", folder, "--port", "0")
    try:
        second = home.run(home.program, "stack", "up", "--dir", folder, "--port", "0")
        assert second.returncode == 2
        assert "is running already" in second.stderr
        assert "pid" in home.gitsign("stack", "status", "--dir", folder)
    finally:
        home.gitsign("stack", "down", "--dir", folder)
    assert home.run(home.program, "stack", "status", "--dir", folder).returncode != 0


@pytest.mark.parametrize("system", ["windows"], indirect=True)
def test_the_demo(home: Home) -> None:
    scratch = home.directory / "scratch"
    scratch.mkdir()
    assert "Every step did what it should" in home.gitsign("demo", TMPDIR=str(scratch))
    assert list(scratch.iterdir()) == []
