"""``gitsign-py doctor`` in a server's repository: what a push would meet there, one fault at a time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.gitrepo import environment
from tests.support.inprocess import run_here
from tests.support.pushserver import POLICY, Server, in_history

OURS = ("pre-receive", "policy", "trust root")
SIGNED = POLICY.replace('allow = ["alice"]', 'allow = ["alice"]\nrequire-signed-push = true')


def examine(server: Server, *without: str, **more: str) -> dict[str, dict[str, str]]:
    variables = {
        name: value for name, value in environment(**server.environment, **more).items() if name not in without
    }
    done = run_here(server.bare.path, variables, "doctor", "--offline", "--json")
    assert done.out, done.err
    return {finding["name"]: finding for finding in json.loads(done.out)["findings"]}


def test_all_is_well(server: Server) -> None:
    found = examine(server)
    assert {name: found[name]["outcome"] for name in OURS} == dict.fromkeys(OURS, "ok")
    assert not {"log", "signed pushes", "receive.denyDeletes"} & set(found) - {"log"}


def test_a_server_signs_nothing_and_that_is_no_fault(server: Server) -> None:
    """Its account has no address to commit with, and needs none."""
    server.bare.git("config", "user.useConfigOnly", "true")  # or git makes one up from the name of the machine
    found = examine(server, *(f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")))
    names = ("signing", "program", "committer")
    assert {name: found[name]["outcome"] for name in names} == dict.fromkeys(names, "skip")
    assert not [name for name, one in found.items() if one["outcome"] == "fail"]


def test_a_repository_that_git_wants_named_is_said(server: Server) -> None:
    explicit = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.bareRepository", "GIT_CONFIG_VALUE_0": "explicit"}
    unnamed = examine(server, **explicit)
    assert (unnamed["repository"]["outcome"], "--git-dir" in unnamed["repository"]["advice"]) == ("fail", True)
    named = examine(server, GIT_DIR=str(server.bare.path), **explicit)
    assert ("repository" in named, named["policy"]["outcome"]) == (False, "ok")


def gone(server: Server, name: str) -> None:
    (server.folder / name).unlink()


def in_a_branch(server: Server) -> None:
    one = server.history.commit(signed="alice", files={".gitsign/policy.toml": POLICY})
    server.history.write(server.bare.path, {"refs/heads/main": one})
    server.config("gitsign.policy", "refs/heads/main:.gitsign/policy.toml")


def wants_signed_pushes(server: Server) -> None:
    (server.folder / "policy.toml").write_text(SIGNED)


def in_history_wants_signed_pushes(server: Server) -> None:
    server.history.write(server.bare.path, {"refs/heads/main": in_history(server, SIGNED)})
    server.config("receive.certNonceSeed", "seed")
    (server.bare.path / "hooks/pre-receive").unlink()
    server.install("update")


FAULTS: dict[str, tuple[Callable[[Server], None], str, str, str]] = {
    "no policy": (lambda server: gone(server, "policy.toml"), "policy", "fail", "policy"),
    "no trust root": (lambda server: gone(server, "trusted_root.json"), "trust root", "fail", "trusted_root.json"),
    "no program": (lambda server: gone(server, "gitsign-py"), "pre-receive", "fail", "every push is refused"),
    "not executable": (
        lambda server: (server.bare.path / "hooks/pre-receive").chmod(0o644),
        "pre-receive",
        "fail",
        "git passes over it",
    ),
    "no place for the log": (
        lambda server: server.config("gitsign.logPath", str(server.folder / "none" / "log")),
        "log",
        "fail",
        "cannot be written",
    ),
    "a policy in a branch": (in_a_branch, "receive.denyDeletes", "warn", "keeps the policy's own"),
    "moves back": (in_a_branch, "receive.denyNonFastForwards", "warn", "older policy"),
    "no nonces": (wants_signed_pushes, "signed pushes", "fail", "certNonceSeed"),
    "another hook": (in_history_wants_signed_pushes, "signed pushes", "fail", "pre-receive alone"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_with_what_to_do(server: Server, name: str) -> None:
    spoil, finding, outcome, words = FAULTS[name]
    spoil(server)
    found = examine(server)[finding]
    assert (found["outcome"], words in found["message"]) == (outcome, True), found
    assert found["advice"]


def test_a_repository_without_our_hooks_is_none_of_its_business(server: Server, tmp_path: Path) -> None:
    gone(server, "policy.toml")
    (server.bare.path / "hooks/pre-receive").unlink()
    assert not set(OURS) & set(examine(server))
