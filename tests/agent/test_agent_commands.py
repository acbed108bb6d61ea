"""The agent behind the other commands: attestations, who would sign, a setting that keeps it out, an update."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitsign_py.agent import client
from gitsign_py.agent.lifecycle import START_SECONDS, ensure_running
from gitsign_py.agent.protocol import pack_fields
from gitsign_py.errors import ServiceError
from tests.support.fakepython import stand_in_for_python
from tests.support.home import Home
from tests.support.processes import ending
from tests.support.stack import ROOT
from tests.support.waiting import wait_until


@pytest.fixture
def home(home: Home) -> Home:
    (home.directory / "review.json").write_text('{"result": "approved"}')
    return home


def attest(home: Home, *options: str, **more: str) -> str:
    words = ("--type", "https://example.com/review/v1", "-f", str(home.directory / "review.json"))
    return home.gitsign("attest", *words, *options, **more)


def verified(home: Home) -> str:
    who = ("--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", home.stack.url)
    return home.gitsign("attest", "--verify", *who)


def kinds(home: Home) -> list[str]:
    return [one["kind"] for one in json.loads(home.gitsign("agent", "log", "--json"))]


def test_one_sign_in_serves_commits_and_attestations(home: Home) -> None:
    home.person_signs_in()
    home.commit("one")
    attest(home)
    assert len(home.sign_ins) == 1
    assert kinds(home) == ["commit", "attestation"]
    assert "verified: https://example.com/review/v1, by alice@example.com" in verified(home)


def test_an_attestation_starts_the_agent_for_the_local_issuer_as_a_commit_does(home: Home) -> None:
    home.commit("one", CI="true")
    assert not home.socket.exists()
    attest(home)
    home.commit("two")
    assert kinds(home) == ["attestation", "commit"]


def test_an_attestation_starts_the_agent_where_a_person_signs_in(home: Home) -> None:
    home.person_signs_in()
    home.git("commit", "-q", "--allow-empty", "-m", "unsigned")
    attest(home)
    home.commit("two")
    assert len(home.sign_ins) == 1
    assert kinds(home) == ["attestation", "commit"]


def test_a_trust_root_of_the_command_line_is_not_the_agents(home: Home) -> None:
    home.commit("one")
    home.gitsign("agent", "start")
    attest(home, "--trusted-root", str(home.stack.trusted_root))
    assert kinds(home) == ["commit"]
    assert "verified" in verified(home)


def test_the_agent_attests_what_the_statement_is_about_and_nothing_else(home: Home) -> None:
    oid = home.commit("one")
    home.gitsign("agent", "start")
    fields = client.context(home.variables, str(home.repository)) | {
        "statement": b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"gitCommit":"%s"}}],'
        b'"predicateType":"https://example.com/p","predicate":{}}' % (b"0" * 40),
        "name": b"Alice", "email": b"alice@example.com", "digest": b"gitCommit", "oid": oid.encode(),
    }  # fmt: skip
    reply = client.converse(str(home.socket), fields | {"request": b"attest"})
    assert reply is not None
    assert (reply["status"], reply["reason"]) == (b"error", b"attestation-unverifiable")
    for broken in ({"oid": b"zz"}, {"digest": b"\xff"}):
        reply = client.converse(str(home.socket), fields | broken | {"request": b"attest"})
        assert reply is not None
        assert reply["status"] == b"error"


def test_a_forwarded_agent_attests_nothing_and_the_client_does(home: Home) -> None:
    home.commit("one")
    home.gitsign("agent", "start")
    attest(home, GITSIGN_CREDENTIAL_CACHE=str(home.socket.with_name("forward.sock")))
    assert kinds(home) == ["commit"]
    assert "verified" in verified(home)


def test_off_means_not_even_one_that_runs(home: Home) -> None:
    home.gitsign("agent", "start")
    home.git("config", "gitsign.agent", "off")
    home.commit("one")
    attest(home)
    assert kinds(home) == []
    assert home.run("git", "verify-commit", "HEAD").returncode == 0
    home.git("config", "gitsign.agent", "auto")
    home.commit("two")
    assert kinds(home) == ["commit"]


def whoami(home: Home, **more: str) -> tuple[str, str]:
    answer = json.loads(home.gitsign("whoami", "--json", **more))
    return answer["identity"], answer["source"]


def test_whoami_names_who_would_sign_here(home: Home) -> None:
    assert whoami(home) == ("alice@example.com", "the issuer on this machine")
    assert whoami(home, GIT_COMMITTER_EMAIL="carol@example.com")[0] == "carol@example.com"
    home.person_signs_in()
    assert home.run(home.program, "whoami").returncode == 1
    home.commit("one")
    home.commit("two", GIT_COMMITTER_EMAIL="bob@example.com", SIGSTORE_ID_TOKEN=home.stack.token("bob@example.com"))
    assert whoami(home) == ("alice@example.com", "signing agent")
    assert whoami(home, GIT_COMMITTER_EMAIL="bob@example.com") == ("bob@example.com", "signing agent")
    done = home.run(home.program, "whoami", GITSIGN_OIDC_ISSUER="https://issuer.example")
    assert done.returncode == 1, "what is held for another issuer signs nothing here"
    home.git("config", "gitsign.agent", "off")
    assert home.run(home.program, "whoami").returncode == 1


def test_whoami_waits_for_nobodys_sign_in(home: Home) -> None:
    home.person_signs_in()
    home.git("config", "--global", "gitsign.urlOpener", "true")
    with ending(subprocess.Popen(
        ["git", "commit", "-q", "--allow-empty", "-S", "-m", "one"],
        cwd=home.repository, env=home.variables, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )) as waiting:  # fmt: skip
        wait_until(lambda: client.ask(str(home.socket), "ping"))
        started = time.monotonic()
        assert home.run(home.program, "whoami").returncode == 1
        assert time.monotonic() - started < 20
        os.killpg(waiting.pid, signal.SIGTERM)  # git and the client that it started


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("exit 7", "it ended with status 7, no word"),
        ("kill -9 $$", "it ended with status -9, no word"),
        ("echo the disk is full", "the disk is full"),
        ("exec sleep 60", "it was not ready within 0.5 s"),
    ],
)
def test_an_agent_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, words: str
) -> None:
    stand_in_for_python(tmp_path, monkeypatch, what)
    with pytest.raises(ServiceError) as caught:
        ensure_running(str(tmp_path / "agent.sock"), os.environ, 0.5 if "sleep" in what else START_SECONDS)
    assert caught.value.message == f"the signing agent did not start: {words}"


@pytest.mark.parametrize("removed", [False, True])
def test_an_agent_ends_when_its_program_is_replaced_or_removed(home: Home, tmp_path: Path, removed: bool) -> None:
    """What it has not loaded yet would come from another version."""
    library = tmp_path / "lib"
    shutil.copytree(ROOT / "gitsign_py", library / "gitsign_py", ignore=shutil.ignore_patterns("__pycache__"))
    variables = {**home.variables, "PYTHONPATH": str(library)}
    command = [sys.executable, "-P", "-m", "gitsign_py", "agent", "start"]
    subprocess.run(command, env=variables, cwd="/", check=True, capture_output=True)
    assert client.ask(str(home.socket), "ping") is not None
    package = library / "gitsign_py" / "__init__.py"
    if removed:
        shutil.rmtree(library)
    else:
        fresh = package.with_suffix(".new")
        shutil.copy(package, fresh)
        fresh.replace(package)
    wait_until(lambda: not home.socket.exists())


def test_a_client_of_tomorrow_is_told_that_its_request_is_unknown(home: Home) -> None:
    home.gitsign("agent", "start")
    fields = {"request": b"notarize", "new": b"1", "environment": pack_fields({})}
    reply = client.converse(str(home.socket), fields)
    assert reply is not None
    assert reply["reason"] == b"agent-request-unknown"


def test_a_relative_socket_is_where_the_caller_is(home: Home) -> None:
    home.git("config", "gitsign.agent", "on")
    home.commit("one", GITSIGN_CREDENTIAL_CACHE="agent.sock")
    assert (home.repository / "agent.sock").is_socket()
    assert "commit" in home.gitsign("agent", "log", GITSIGN_CREDENTIAL_CACHE="agent.sock")
    assert "commit" in home.gitsign("agent", "log", "--socket", "agent.sock")
    home.gitsign("agent", "stop", GITSIGN_CREDENTIAL_CACHE="agent.sock")


def _link(suffix: str) -> Callable[[Path], None]:
    return lambda directory: (directory / f"agent.sock.{suffix}").symlink_to("/proc/none")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_link("start"), "cannot write the agent's file"),
        (_link("log"), "cannot write the agent's file"),
        (_link("lock"), "cannot write the agent's file"),
        (lambda directory: (directory / "agent.sock").mkdir(), "belongs to another program"),
        (lambda directory: directory.chmod(0o777), "other users can write"),
        (lambda directory: (directory / "agent.sock").symlink_to("/proc/none"), "belongs to another program"),
    ],
    ids=["start", "log", "lock", "directory", "open", "link"],
)
def test_a_place_that_an_agent_cannot_have_is_named_and_signing_goes_on(
    home: Home, spoil: Callable[[Path], None], words: str
) -> None:
    home.person_signs_in()
    directory = home.directory / "spoilt"
    directory.mkdir(mode=0o700)
    spoil(directory)
    there = {"GITSIGN_CREDENTIAL_CACHE": str(directory / "agent.sock")}
    done = home.run(home.program, "agent", "start", **there)
    assert done.returncode in (2, 3)
    assert words in done.stderr
    home.commit("one", **there)
    assert home.signers()[0][0] == "U"


def test_a_path_that_no_socket_can_have(home: Home) -> None:
    home.person_signs_in()
    directory = home.directory / ("x" * 60) / ("y" * 60)
    directory.mkdir(parents=True, mode=0o700)
    done = home.run(home.program, "agent", "start", XDG_RUNTIME_DIR=str(directory))
    assert "is too long for a Unix socket" in done.stderr
    home.commit("one", XDG_RUNTIME_DIR=str(directory))
    assert home.signers()[0][0] == "U"


def test_an_issuer_that_is_no_url_is_named_as_it_was_given(home: Home) -> None:
    done = home.run(home.program, "login", "--issuer", "nonsense")
    assert done.returncode == 2
    assert "the URL of --issuer is not an http or https URL" in done.stderr


def test_the_log_and_the_status_are_for_people(home: Home) -> None:
    home.commit("one")
    [line] = home.gitsign("agent", "log").splitlines()
    assert re.match(r"[0-9-]{10}T[0-9:]{8}Z commit as alice@example\.com, log index [0-9]+, from /", line)
    assert ", 1 signature, " in home.gitsign("agent", "status")
