"""The agent as git's users meet it: real git, a real local Sigstore, a browser that somebody else drives."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gitsign_py.agent import client
from gitsign_py.core.git.gitobject import split_commit
from tests.support.home import Home
from tests.support.stack import ROOT


def test_one_sign_in_serves_many_commits_tags_and_repositories(home: Home) -> None:
    home.person_signs_in()
    home.commit("one")
    home.commit("two")
    home.git("tag", "-s", "v1", "-m", "first")
    other = home.directory / "other"
    home.git("clone", "-q", str(home.repository), str(other))
    for key in ("gpg.format", "gpg.x509.program", "gitsign.tokenProvider"):
        home.git("-C", str(other), "config", key, home.git("config", key))
    home.git("-C", str(other), "commit", "-q", "--allow-empty", "-S", "-m", "three")
    assert len(home.sign_ins) == 1
    signers = home.signers()
    assert [verdict for verdict, _ in signers] == ["U", "U"]
    assert len({fingerprint for _, fingerprint in signers}) == 1
    home.git("verify-tag", "v1")
    held = home.status()["held"]
    assert [(one["identity"], one["signatures"]) for one in held] == [("alice@example.com", 4)]
    log = json.loads(home.gitsign("agent", "log", "--json"))
    assert [one["kind"] for one in log] == ["commit", "commit", "tag", "commit"]
    assert [one["subject"] for one in log] == ["one", "two", "first", "three"]
    assert log[-1]["directory"] == str(other)
    lines = home.gitsign("agent", "log").splitlines()
    assert "commit as alice@example.com, log index" in lines[0]
    assert lines[-1].endswith(f", from {other}: three")
    assert json.loads(home.gitsign("whoami", "--json"))["source"] == "signing agent"


def test_the_local_issuers_sign_in_starts_an_agent_a_token_at_hand_does_not(home: Home) -> None:
    home.commit("by a token that was handed over", SIGSTORE_ID_TOKEN=home.stack.token())
    home.commit("in a CI job", CI="true")
    assert not home.socket.exists()
    home.commit("one")
    home.commit("two")
    assert [one["signatures"] for one in home.status()["held"]] == [2]
    assert len({fingerprint for _, fingerprint in home.signers()}) == 3


def test_an_agent_that_runs_is_passed_over_where_it_is_switched_off(home: Home) -> None:
    home.commit("by the agent")
    home.git("config", "gitsign.agent", "off")
    home.commit("without it")
    assert home.run("git", "verify-commit", "HEAD").returncode == 0
    assert len({fingerprint for _, fingerprint in home.signers()}) == 2
    assert [one["signatures"] for one in home.status()["held"]] == [1]


def test_what_the_agent_signs_every_verifier_accepts(home: Home) -> None:
    home.person_signs_in()
    home.commit("one")
    verify = ("verify", "--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", home.stack.url)
    assert "verified" in home.gitsign(*verify, "--offline", "HEAD").lower()
    assert home.run("git", "verify-commit", "HEAD").returncode == 0  # by the agent
    home.gitsign("agent", "stop")
    assert home.run("git", "verify-commit", "HEAD").returncode == 0  # without it


NOWHERE = "/proc/no-agent.sock"  # where not even root can make one
_MODULES = """
import os, sys
before = set(sys.modules)
sys.path.insert(0, sys.argv.pop(1))
from gitsign_py.cli import main
status = main(sys.argv[1:])
print(status, *sorted(set(sys.modules) - before), file=sys.stderr)
"""


def test_with_a_warm_agent_the_client_loads_the_lightest_of_the_standard_library_alone(home: Home) -> None:
    """contextlib, collections, re or typing would each cost more than all that is loaded here.

    gc is built in; gitsign_py.sizes holds one number, so that the front need not load what else knows it. The module
    digests costs less than hashlib, and ownmodules saves more than it costs.
    """
    home.gitsign("agent", "start")
    commit = home.commit("one")
    signed = split_commit(home.run("git", "cat-file", "commit", commit).stdout.encode())
    (home.directory / "signature").write_bytes(signed.signature or b"")
    (home.directory / "payload").write_bytes(signed.payload)
    agent = {".agent", ".agent.client", ".agent.place", ".agent.protocol"}
    ours = {
        "",
        ".errors",
        ".cli",
        ".cli.commands",
        ".cli.gpg",
        ".cli.gpg.arguments",
        ".cli.gpg.front",
        ".cli.ownmodules",
        ".cli.text",
        ".core",
        ".core.digests",
        ".sizes",
    } | agent
    allowed = {f"gitsign_py{name}" for name in ours} | {"_socket", "gc", "types", "__editable___gitsign_py_finder"}
    foreground = {"gitsign_py.host", "gitsign_py.host.foreground"}
    for arguments, more in (
        (("--verify", home.directory / "signature", home.directory / "payload"), set()),
        (("-bsau", "alice@example.com", home.directory / "payload"), foreground),
    ):
        done = home.run(sys.executable, "-P", "-S", "-c", _MODULES, ROOT, *arguments)
        status, *modules = done.stderr.splitlines()[-1].split()
        assert status == "0", done.stderr
        assert set(modules) <= allowed | more


def test_the_agent_and_no_agent_give_git_the_same_verdict(home: Home) -> None:
    home.person_signs_in()
    home.commit("good")
    raw = home.run("git", "cat-file", "commit", "HEAD").stdout
    bad = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        input=raw.replace("good", "evil"), cwd=home.repository, env=home.variables,
        text=True, capture_output=True, check=True,
    ).stdout.strip()  # fmt: skip
    for revision in ("HEAD", bad):
        warm = home.run("git", "verify-commit", "--raw", revision)
        cold = home.run("git", "verify-commit", "--raw", revision, GITSIGN_CREDENTIAL_CACHE=NOWHERE)
        assert (warm.returncode, warm.stderr) == (cold.returncode, cold.stderr)
    assert "BADSIG" in warm.stderr
    assert home.status()["pid"]


@pytest.mark.unmeasured
def test_twenty_commits_at_once_are_one_sign_in_and_one_agent(home: Home) -> None:
    home.person_signs_in()
    home.git("config", "user.name", "Alice")
    home.git("commit", "-q", "--allow-empty", "-m", "base")
    for number in range(20):
        home.git("worktree", "add", "-q", "-b", f"b{number}", str(home.directory / f"w{number}"))
    running = [
        subprocess.Popen(
            ["git", "commit", "-q", "--allow-empty", "-S", "-m", f"commit {number}"],
            cwd=home.directory / f"w{number}", env=home.variables, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for number in range(20)
    ]  # fmt: skip
    for process in running:
        said = process.communicate(timeout=120)[1]
        assert said == b"" or said.startswith(b"Sign in with"), said  # what a person must see, while the sign-in waits
        assert process.returncode == 0
    assert len(home.sign_ins) == 1
    signers = [home.signers("-1", f"b{number}")[0] for number in range(20)]
    assert {verdict for verdict, _ in signers} == {"U"}
    assert len({fingerprint for _, fingerprint in signers}) == 1
    assert home.status()["held"][0]["signatures"] == 20


@pytest.mark.unmeasured
def test_a_rebase_of_a_hundred_commits_is_one_sign_in_and_memory_stays_flat(home: Home) -> None:
    home.person_signs_in()
    home.git("commit", "-q", "--allow-empty", "-m", "base")
    stream = "".join(
        f"commit refs/heads/main\ncommitter Alice <alice@example.com> {1795179195 + number} +0000\ndata 2\nc\n"
        f"M 644 inline f\ndata {len(str(number))}\n{number}\n"
        for number in range(100)
    )
    stream = stream.replace("data 2\nc\nM", "data 2\nc\nfrom refs/heads/main^0\nM", 1)
    subprocess.run(
        ["git", "fast-import", "--quiet"], input=stream.encode(), cwd=home.repository, env=home.variables, check=True
    )
    home.git("reset", "-q", "--hard")
    done = threading.Event()
    memory: list[int] = []

    def watch() -> None:
        while not done.wait(0.3):
            try:
                pid = int((client.ask(str(home.socket), "ping") or {}).get("pid", b"0"))
                status = Path(f"/proc/{pid}/status").read_text()
                memory.append(int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]))
            except (OSError, StopIteration):
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    rebase = ["git", "rebase", "-q", "--exec", "git commit -q --amend --no-edit -S", "HEAD~100"]
    finished = subprocess.run(
        rebase, cwd=home.repository, env=home.variables, capture_output=True, text=True, timeout=300, check=False
    )
    done.set()
    watcher.join()
    assert finished.returncode == 0, finished.stderr
    assert len(home.sign_ins) == 1
    signers = home.signers("HEAD~100..HEAD")
    assert len(signers) == 100
    assert len(set(signers)) == 1
    assert signers[0][0] == "U"
    assert home.status()["held"][0]["signatures"] == 100
    if len(memory) > 10:
        quarter = len(memory) // 4
        assert max(memory[-quarter:]) - max(memory[quarter : 2 * quarter]) < 4096  # KiB, over half of the commits


def test_lock_and_logout_drop_the_key(home: Home) -> None:
    home.person_signs_in()
    home.commit("one")
    assert home.gitsign("agent", "lock") == "1 key dropped.\n"
    assert home.status()["held"] == []
    home.commit("two")
    assert len(home.sign_ins) == 2
    out = home.gitsign("logout")
    assert f"Signed out: alice@example.com at {home.stack.url}." in out
    assert "dropped 1 key." in out
    assert home.status()["held"] == []
    done = home.run(home.program, "whoami")
    assert done.returncode == 1
    assert "you are not signed in" in done.stderr
    first, second = home.signers()
    assert first[1] != second[1]


def test_a_failure_of_a_server_is_one_line_and_the_agent_is_not_the_worse(home: Home) -> None:
    home.person_signs_in()
    home.commit("one")
    log = home.directory / "log"
    done = home.run(
        "git", "commit", "-q", "--allow-empty", "-S", "-m", "two",
        GITSIGN_REKOR_URL="http://127.0.0.1:1", GITSIGN_LOG=str(log),
    )  # fmt: skip
    assert done.returncode != 0
    assert "service-unreachable" in log.read_text()
    home.commit("three")
    assert len(home.signers()) == 2


def test_a_refused_sign_in_is_one_line_and_nothing_is_signed(home: Home) -> None:
    home.person_signs_in()
    (home.directory / "browser.py").write_text(
        (home.directory / "browser.py").read_text().replace('press("allow", email=sys.argv[2])', 'press("deny")')
    )
    log = home.directory / "log"
    done = home.run("git", "commit", "-q", "--allow-empty", "-S", "-m", "one", GITSIGN_LOG=str(log))
    assert done.returncode != 0
    assert "the sign-in was refused on the issuer's page, nothing was signed" in log.read_text()
    assert home.run("git", "log").returncode != 0
    assert home.status()["held"] == []


def test_another_committer_needs_consent_and_without_a_terminal_there_is_none(home: Home) -> None:
    home.person_signs_in("alice@private.example")
    done = home.run("git", "commit", "-q", "--allow-empty", "-S", "-m", "one", GITSIGN_LOG=str(home.directory / "log"))
    assert done.returncode != 0
    said = (home.directory / "log").read_text()
    assert "consent-needed" in said
    assert "gitsign.matchCommitter" in said
    assert home.status()["held"] == []  # no certificate was asked for
    home.git("config", "gitsign.matchCommitter", "false")
    home.commit("two")
    home.git("config", "gitsign.matchCommitter", "true")
    assert home.run("git", "commit", "-q", "--allow-empty", "-S", "-m", "three").returncode != 0
    home.commit("four", "--no-edit", GIT_COMMITTER_EMAIL="alice@private.example")
    assert [verdict for verdict, _ in home.signers()] == ["U", "U"]


def test_two_identities_side_by_side(home: Home) -> None:
    home.person_signs_in("alice@example.com")
    home.commit("one")
    home.person_signs_in("bob@example.com")
    token = home.stack.token("bob@example.com")
    home.commit("two", GIT_COMMITTER_EMAIL="bob@example.com", SIGSTORE_ID_TOKEN=token)
    home.commit("three", GIT_COMMITTER_EMAIL="bob@example.com")
    home.commit("four")
    held = {one["identity"]: one["signatures"] for one in home.status()["held"]}
    assert held == {"alice@example.com": 2, "bob@example.com": 2}
    assert len(home.sign_ins) == 1


@pytest.mark.cold  # by the environment that the agent was started with
def test_no_secret_in_any_file_environment_or_answer(home: Home) -> None:
    home.person_signs_in()
    home.commit("one", GITSIGN_LOG=str(home.directory / "log"))
    home.commit("two", SIGSTORE_ID_TOKEN=home.stack.token())
    environment = Path(f"/proc/{home.pid()}/environ").read_bytes()
    assert b"SIGSTORE_ID_TOKEN" not in environment
    assert b"GIT_" not in environment.replace(b"GIT_CONFIG_NOSYSTEM", b"")
    for path in home.files():
        data = path.read_bytes()
        assert b"PRIVATE KEY" not in data, path
        if path.name != "browser.log" and "objects" not in path.parts:
            assert b"eyJhbGciOi" not in data, path  # {"alg": the beginning of every token
    for request in ("ping", "status", "log"):
        reply = client.ask(str(home.socket), request)
        assert reply is not None
        assert b"eyJhbGciOi" not in b"".join(reply.values())


def test_a_token_that_the_client_has_is_used_without_a_question(home: Home) -> None:
    home.gitsign("agent", "start")
    home.git("config", "gitsign.tokenProvider", "interactive")
    home.commit("one", SIGSTORE_ID_TOKEN=home.stack.token())
    assert home.sign_ins == []
    assert home.status()["held"][0]["signatures"] == 1


def test_login_hands_the_sign_in_to_the_agent(home: Home) -> None:
    home.person_signs_in()
    facts = json.loads(home.gitsign("login", "--json"))
    assert facts["identity"] == "alice@example.com"
    assert facts["remembered"] is False
    assert facts["agent_until"].endswith("Z")
    home.commit("one")
    assert len(home.sign_ins) == 1
    assert "alice@example.com" in home.gitsign("whoami")
