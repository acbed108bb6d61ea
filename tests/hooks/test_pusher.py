"""Who pushes a merge that nobody signed: a signed push, the server's name for them, or nobody knows."""

import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from gitsign_py.cli.commands.hooks import shim
from gitsign_py.cli.pusher import PushedBy, push_problem
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.parse import parse_policy
from gitsign_py.verification import parse_trusted_root
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, signed_by
from tests.support.home import EMAIL, Home
from tests.support.pushserver import POLICY, Server

FORGE = "noreply@forge.example"
FORGES = f'\n[forges.forge]\ncommitter = "{FORGE}"\nreproducible = true\nauthor-pushes = true\n'
MERGE = "unsigned merge"
ASK = "ask an administrator of the policy (alice)"
REQUIRED = 'allow = ["alice"]\nrequire-signed-push = true'


@pytest.fixture
def merged(server: Server) -> Server:
    """A server that has two sides, and in the clone their merge, which says that alice made it."""
    policy = POLICY.replace("[people.alice]", '[people.alice]\nlogins = ["alice-at-work"]') + FORGES
    (server.folder / "policy.toml").write_text(policy)
    history = server.history
    base = history.commit(signed="alice", files={"a": "1"})
    ours = history.commit(base, signed="alice", files={"b": "1"})
    theirs = history.commit(base, signed="alice", files={"c": "1"})
    assert server.push(f"{ours}:refs/heads/main", f"{theirs}:refs/heads/side")[0] == 0
    history.merge(ours, theirs, by=FORGE, author="alice")
    return server


def push(server: Server, **variables: str) -> tuple[int, str]:
    server.environment.update(variables)
    return server.push(f"{server.history.order[-1]}:refs/heads/main")


def test_a_variable_counts_where_the_owner_names_it(merged: Server) -> None:
    status, said = push(merged, REMOTE_USER="alice-at-work")
    assert status != 0
    assert "[pusher-unknown]" in said, "a pusher with a shell chooses the environment"
    assert "have the author of the merge push it, signed: git push --signed" in " ".join(said.split())
    merged.config("gitsign.pusher", "REMOTE_USER")
    status, said = push(merged, REMOTE_USER="bob")
    assert status != 0
    assert "[pusher-not-author]" in said
    status, said = push(merged, REMOTE_USER="alice-at-work")
    assert status == 0, said


def test_the_account_that_runs_the_hook(merged: Server) -> None:
    merged.config("gitsign.pusher", "system")
    assert "[pusher-not-author]" in push(merged, USER="alice-at-work", LOGNAME="alice-at-work")[1]
    account = pwd.getpwuid(os.getuid()).pw_name
    policy = merged.folder / "policy.toml"
    policy.write_text(policy.read_text().replace("alice-at-work", account))
    status, said = push(merged)
    assert status == 0, said


def test_an_audit_afterwards_does_not_know(merged: Server) -> None:
    merged.config("gitsign.pusher", "REMOTE_USER")
    assert push(merged, REMOTE_USER="alice-at-work")[0] == 0
    for more, status in (((), 3), (("--pushes-judged",), 0)):
        done = subprocess.run(
            [merged.folder / "gitsign-py", "audit", "--offline", *more],
            cwd=merged.bare.path,
            env=environment(**merged.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert ("nobody says who pushed" in done.stdout) == (status == 3)


@pytest.mark.parametrize(
    ("signer", "hint"),
    [
        (
            "bob",
            "the rule lets alice push there: have one of them push it, or ask an administrator of the policy (alice)",
        ),
        ("mallory", "ask an administrator of the policy (alice)"),
    ],
)
def test_a_refused_signed_push_says_who_may_and_whom_to_ask(signer: str, hint: str) -> None:
    policy = parse_policy(POLICY.replace('allow = ["alice"]', REQUIRED, 1).encode(), "policy.toml")
    problem = push_problem(policy, "refs/heads/main", PushedBy(Pusher(signature=signed_by(signer))))
    assert problem is not None
    assert ("(rule main)" in problem.message, problem.hint) == (True, hint)


# --- signed pushes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def plain(home: Home, tmp_path: Path) -> ScratchRepo:
    """A plain server that asks for nonces, and in the clone a merge of two signed sides."""
    bare = ScratchRepo.init(tmp_path / "server.git", "--bare")
    policy = POLICY.replace(ISSUER, home.stack.url) + FORGES
    (tmp_path / "policy.toml").write_text(policy)
    for key, value in (
        ("receive.certNonceSeed", "seed"),
        ("gitsign.policy", str(tmp_path / "policy.toml")),
        ("gitsign.trustedRoot", str(home.stack.trusted_root)),
    ):
        bare.git("config", key, value)
    hook = bare.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(shim("pre-receive", str(home.program)))
    hook.chmod(0o755)
    home.git("config", "gitsign.agent", "off")
    home.commit("one")
    home.git("branch", "side")
    home.commit("two")
    home.git("checkout", "-q", "side")
    home.commit("three")
    home.git("checkout", "-q", "main")
    home.git("merge", "-q", "--no-ff", "--no-gpg-sign", "-m", MERGE, "side", GIT_COMMITTER_EMAIL=FORGE)
    return bare


@pytest.mark.parametrize(("email", "reason"), [(EMAIL, ""), ("bob@example.com", "[pusher-not-author]")])
def test_a_signed_push(home: Home, plain: ScratchRepo, email: str, reason: str) -> None:
    done = home.run("git", "push", str(plain.path), "main", "side")
    assert "[pusher-unknown]" in done.stderr
    token = {"SIGSTORE_ID_TOKEN": home.stack.token(email=email), "GIT_COMMITTER_EMAIL": email}
    done = home.run("git", "push", "--signed", str(plain.path), "main", "side", **token)
    assert (done.returncode == 0) == (not reason), done.stderr
    assert reason in done.stderr


def test_a_ref_that_takes_signed_pushes_alone(home: Home, plain: ScratchRepo, tmp_path: Path) -> None:
    """The real git on both sides: a plain push is refused with what to do, a signed one passes and is in the log."""
    policy = tmp_path / "policy.toml"
    wanted = 'refs = ["refs/heads/main", "refs/tags/**"]\n'
    policy.write_text(policy.read_text().replace(wanted, f"{wanted}require-signed-push = true\n"))
    plain.git("config", "gitsign.logPath", str(tmp_path / "log"))
    plain.git("config", "receive.denyDeleteCurrent", "ignore")
    home.git("reset", "-q", "--hard", "side")
    token = {"SIGSTORE_ID_TOKEN": home.stack.token(email=EMAIL)}
    done = home.run("git", "push", str(plain.path), "main", **token)
    assert done.returncode != 0
    said = " ".join(done.stderr.replace("remote:", " ").split())
    assert (
        "refs/heads/main takes signed pushes alone (rule main): git hands over no push certificate; git push --signed"
        in said
    )
    for refspec in ("main", ":main", "main"):
        done = home.run("git", "push", "--signed", str(plain.path), refspec, **token)
        assert done.returncode == 0, done.stderr
    assert home.run("git", "push", str(plain.path), ":main", **token).returncode != 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    root = parse_trusted_root(home.stack.trusted_root.read_bytes()).digest
    assert lines[2]["trusted_root"] == root, "of a signed deletion too, which brings nothing else to judge"
    assert [(one["accepted"], one["change"], one.get("signed_push_by", one.get("reason"))) for one in lines] == [
        (False, "created", "push-unsigned"),
        (True, "created", EMAIL),
        (True, "deleted", EMAIL),
        (True, "created", EMAIL),
        (False, "deleted", "push-unsigned"),
    ]
