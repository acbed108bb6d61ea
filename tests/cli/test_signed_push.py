"""``git push --signed``: the program signs a push certificate, and the receiving git has it checked by the program."""

from pathlib import Path

import pytest

from tests.support.gitrepo import ScratchRepo
from tests.support.home import EMAIL, Home

HOOK = """#!/bin/sh
git cat-file blob "$GIT_PUSH_CERT" > certificate
echo "$GIT_PUSH_CERT_STATUS $GIT_PUSH_CERT_SIGNER $GIT_PUSH_CERT_NONCE_STATUS" > seen
"""


@pytest.fixture
def server(tmp_path: Path, home: Home) -> Path:
    """A bare repository that asks for nonces and keeps what it was told."""
    bare = ScratchRepo.init(tmp_path / "server.git", "--bare")
    bare.git("config", "receive.certNonceSeed", "seed")
    bare.git("config", "gpg.x509.program", str(home.program))
    hook = bare.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK)
    hook.chmod(0o755)
    return bare.path


@pytest.mark.parametrize("agent", ["off", "on"])
def test_a_signed_push(home: Home, server: Path, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    if agent == "on":
        home.gitsign("agent", "start")
    home.commit("one")
    home.git("push", "-q", "--signed", str(server), "main")
    assert (server / "seen").read_text().split() == ["G", EMAIL, "OK"]
    assert f"pusher {EMAIL.partition('@')[0].title()} <{EMAIL}>" in (server / "certificate").read_text()


def test_a_pusher_who_is_somebody_else_is_asked_about(home: Home, server: Path) -> None:
    home.commit("one")
    somebody = {"GIT_COMMITTER_EMAIL": "other@example.com", "SIGSTORE_ID_TOKEN": home.stack.token(email=EMAIL)}
    done = home.run("git", "push", "--signed", str(server), "main", **somebody)
    assert done.returncode != 0
    assert "the committer is other@example.com" in done.stderr
    assert "[consent-needed]" in done.stderr
    assert not (server / "seen").exists()


def test_online_mode_names_objects_and_says_so(home: Home, server: Path) -> None:
    home.git("config", "gitsign.rekorMode", "online")
    home.commit("one")
    done = home.run("git", "push", "--signed", str(server), "main")
    assert done.returncode != 0
    assert "set gitsign.rekorMode to offline, which signs anything [online-mode-payload]" in done.stderr
