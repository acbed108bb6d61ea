"""Pushes to a ref that takes signed ones alone: every push that is not signed for this very change is refused.

The hook is called as git-receive-pack calls it, by somebody who can choose each of its variables.
"""

import json
import subprocess
import time
from pathlib import Path

import pytest

from gitsign_py.core.trust.root import parse_trusted_root
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.history import START, email_of
from tests.support.pushserver import POLICY, Server, in_history, make_server

MAIN, ZERO = "refs/heads/main", "0" * 40
SIGNED = POLICY.replace('allow = ["alice"]', 'allow = ["alice"]\nrequire-signed-push = true')


@pytest.fixture
def server(tmp_path: Path, signer: BulkSigner) -> Server:
    """A server whose main takes signed pushes alone, and has one commit; the next one is there too."""
    made = make_server(tmp_path, signer)
    (tmp_path / "policy.toml").write_text(SIGNED)
    one = made.history.commit(signed="alice", files={"a": "1"})
    made.history.commit(one, signed="alice", files={"a": "2"})
    made.history.write(made.bare.path, {MAIN: one})
    made.config("gitsign.logPath", str(tmp_path / "log"))
    return made


def certificate(
    server: Server, *updates: str, by: str = "alice", nonce: str = "", change: tuple[str, str] = ("", "")
) -> str:
    """A push certificate, stored as git stores it; gives its id. ``change`` comes after the signature."""
    nonce = nonce or f"{int(time.time())}-{'ab' * 20}"
    head = f"certificate version 0.1\npusher A <a@x> 1704067200 +0000\npushee file:///tool.git\nnonce {nonce}\n\n"
    text = (head + "".join(f"{update}\n" for update in updates)).encode()
    assert server.history.signer is not None
    whole = text + server.history.signer(email_of(by), text, START)
    whole = whole.replace(change[0].encode(), change[1].encode(), 1) if change[0] else whole
    return server.bare.run("hash-object", "-w", "--stdin", stdin=whole).stdout.decode().strip()


def push(server: Server, update: str, *, name: str = "pre-receive", **variables: str) -> tuple[int, str]:
    old, new, ref = update.split(" ")
    by_update = name == "update"
    done = subprocess.run(
        [str(server.folder / "gitsign-py"), "hook", name, *((ref, old, new) if by_update else ())],
        cwd=server.bare.path,
        env=environment(**{**server.environment, **variables}, GIT_DIR="."),
        input="" if by_update else f"{update}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def told(oid: str, status: str = "OK") -> dict[str, str]:
    return {"GIT_PUSH_CERT": oid, "GIT_PUSH_CERT_NONCE_STATUS": status, "GIT_PUSH_CERT_STATUS": "G"}


def logged(server: Server) -> list[dict[str, object]]:
    return [json.loads(line) for line in (server.folder / "log").read_text().splitlines()]


def test_a_push_is_signed_for_its_change_by_somebody_who_may(server: Server) -> None:
    one, two = server.history.order
    update = f"{one} {two} {MAIN}"
    status, said = push(server, update, **told(certificate(server, update)))
    assert status == 0, said
    assert logged(server)[-1] | {"at": ""} == {
        "at": "",
        "pusher": logged(server)[-1]["pusher"],
        "signed_push_by": "alice@example.com",
        "signed_push_issuer": "https://accounts.example.com",
        "pushee": "file:///tool.git",
        "trusted_root": parse_trusted_root((server.folder / "trusted_root.json").read_bytes()).digest,
        "event": "push",
        "accepted": True,
        "ref": MAIN,
        "old": one,
        "new": two,
        "change": "updated",
    }
    away = f"{two} {ZERO} {MAIN}"
    assert push(server, away, **told(certificate(server, away)))[0] == 0, "a deletion is a push"
    assert push(server, f"{ZERO} {two} refs/heads/topic")[0] == 0, "another ref takes any push"


def test_what_is_not_signed_for_this_change_is_refused(server: Server) -> None:
    one, two = server.history.order
    update = f"{one} {two} {MAIN}"
    good = certificate(server, update)
    other = [f"{two} {one} {MAIN}", f"{one} {two} refs/heads/topic", f"{ZERO} {two} {MAIN}"]
    yesterday = f"{int(time.time()) - 90_000}-{'ab' * 20}"
    unsigned = (
        server.bare.run("hash-object", "-w", "--stdin", stdin=b"certificate version 0.1\n").stdout.decode().strip()
    )
    attempts = {
        "no certificate": ({}, "push-unsigned"),
        "git says good, and there is none": ({"GIT_PUSH_CERT_STATUS": "G"}, "push-unsigned"),
        "a zero id": (told(ZERO), "push-unsigned"),
        "an object that is not there": (told("1" * 40), "push-unsigned"),
        "a commit": (told(two), "push-unsigned"),
        "no signature": (told(unsigned), "push-unsigned"),
        "a nonce of another push": (told(good, "BAD"), "push-unsigned"),
        "no nonce": (told(good, "MISSING"), "push-unsigned"),
        "a nonce that was not asked for": (told(good, "UNSOLICITED"), "push-unsigned"),
        "an old certificate again": (told(certificate(server, update, nonce=yesterday)), "push-unsigned"),
        "a nonce without a time": (told(certificate(server, update, nonce="mine")), "push-unsigned"),
        "a certificate of other changes": (told(certificate(server, *other)), "push-unsigned"),
        "a change after the signature": (
            told(certificate(server, other[0], change=(other[0], update))),
            "push-unsigned",
        ),
        "a second text before": (
            told(certificate(server, update, change=("certificate", "x\ncertificate"))),
            "push-unsigned",
        ),
        "somebody unknown": (told(certificate(server, update, by="mallory")), "signer-unknown"),
        "bob, who may sign elsewhere": (told(certificate(server, update, by="bob")), "rule-refuses"),
    }
    for name, (variables, reason) in attempts.items():
        status, said = push(server, update, **variables)
        assert status == 1, name
        assert f"[{reason}]" in said, (name, said)
        assert logged(server)[-1]["reason"] == reason, name
    assert server.ref(MAIN) == one


def test_a_deletion_and_a_move_back_need_a_signed_push_too(server: Server) -> None:
    one, two = server.history.order
    server.bare.git("update-ref", MAIN, two)
    for update in (f"{two} {ZERO} {MAIN}", f"{two} {one} {MAIN}"):
        status, said = push(server, update)
        assert (status, "[push-unsigned]" in said) == (1, True)
        assert push(server, update, **told(certificate(server, update, by="bob")))[0] == 1


@pytest.mark.parametrize("name", ["update", "reference-transaction"])
def test_hooks_that_git_tells_no_certificate_fail_closed(server: Server, name: str) -> None:
    one, two = server.history.order
    update = f"{one} {two} {MAIN}"
    if name == "update":
        status, said = push(server, update, name=name)
    else:
        done = subprocess.run(
            [str(server.folder / "gitsign-py"), "hook", name, "prepared"],
            cwd=server.bare.path,
            env=environment(**server.environment, GIT_DIR="."),
            input=f"{update}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        status, said = done.returncode, done.stderr
    assert status == 1
    assert "the hook pre-receive, since git tells no other" in said


def test_with_the_policy_in_the_history_the_protected_branchs_policy_counts(server: Server) -> None:
    """A branch with an older policy is no way around it, nor is a push that takes the demand away."""
    first = in_history(server, SIGNED)
    away = server.history.commit(first, signed="alice", files={".gitsign/policy.toml": POLICY})
    server.history.write(server.bare.path, {MAIN: first})
    update = f"{first} {away} {MAIN}"
    assert "[push-unsigned]" in push(server, update)[1]
    status, said = push(server, update, **told(certificate(server, update)))
    assert status == 0, said
    after = server.history.commit(away, signed="alice", files={"a": "1"})
    server.history.write(server.bare.path, {MAIN: away})
    assert push(server, f"{away} {after} {MAIN}")[0] == 0, "the policy from before the push asks for nothing now"
