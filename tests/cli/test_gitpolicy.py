"""git's own commands follow gitsign.policy: which trust, and why not."""

import json
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gitsign_py.agent import client
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.policy.model import POLICY_PATH
from tests.support import warm
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import START, History
from tests.support.pushserver import POLICY


@pytest.fixture
def repo(tmp_path: Path) -> tuple[ScratchRepo, History]:
    signer = BulkSigner(tmp_path / "authority")
    (tmp_path / "root.json").write_bytes(signer.trusted_root_json)
    (tmp_path / "policy.toml").write_text(POLICY)
    program = tmp_path / "gitsign-py"
    program.write_text(f'#!/bin/sh\nXDG_RUNTIME_DIR={tmp_path}/run exec {warm.program(tmp_path / "warm")} "$@"\n')
    program.chmod(0o755)
    made = ScratchRepo.init(tmp_path / "repo")
    for key, value in (
        ("gpg.x509.program", str(program)),
        ("gitsign.trustedRoot", str(tmp_path / "root.json")),
        ("gitsign.policy", str(tmp_path / "policy.toml")),
        ("gitsign.agent", "off"),
    ):
        made.git("config", key, value)
    return made, History(signer=signer.sign)


def verify(repo: ScratchRepo, oid: str) -> "subprocess.CompletedProcess[bytes]":
    return repo.run("verify-commit", "--raw", oid)


def test_trust_by_policy(repo: tuple[ScratchRepo, History]) -> None:
    made, history = repo
    good = history.commit(signed="alice", files={"a": "1"})
    refused = history.commit(good, by="bob", signed="bob", files={"a": "2"})
    other = history.commit(good, by="bob", signed="alice", files={"a": "3"})
    history.write(made.path / ".git", {"refs/heads/main": good})
    done = verify(made, good)
    assert done.returncode == 0, done.stderr
    assert b"TRUST_FULLY" in done.stderr
    for oid, reason in ((refused, b"[rule-refuses]"), (other, b"[committer-mismatch]")):
        done = verify(made, oid)
        assert done.returncode == 1
        assert b"TRUST_NEVER" in done.stderr
        assert reason in made.run("verify-commit", oid).stderr
    made.git("symbolic-ref", "HEAD", "refs/heads/topic")
    assert verify(made, refused).returncode == 0, "on another branch another rule decides"


def test_policy_that_cannot_be_read_is_no_trust(repo: tuple[ScratchRepo, History]) -> None:
    made, history = repo
    one = history.commit(signed="alice", files={"a": "1"})
    history.write(made.path / ".git", {"refs/heads/main": one})
    made.git("config", "gitsign.policy", "main:gone.toml")
    done = verify(made, one)
    assert done.returncode != 0
    assert b"TRUST_FULLY" not in done.stderr


def test_tag_by_the_ref_of_its_name(repo: tuple[ScratchRepo, History]) -> None:
    made, history = repo
    one = history.commit(signed="alice", files={"a": "1"})
    good, bad = history.tag("v1", one, signed="alice"), history.tag("v2", one, by="bob", signed="bob")
    history.write(made.path / ".git", {"refs/heads/main": one, "refs/tags/v1": good, "refs/tags/v2": bad})
    assert made.run("verify-tag", "v1").returncode == 0
    done = made.run("verify-tag", "v2")
    assert done.returncode == 1
    assert b"[rule-refuses]" in done.stderr


# --- the policy in the history ---------------------------------------------------------------------------------------

EVERYONE = POLICY[: POLICY.index("[[rules]]")] + '[[rules]]\nname = "all"\nallow = ["alice", "bob"]\n'
ALICE_ONLY = EVERYONE.replace('allow = ["alice", "bob"]', 'allow = ["alice"]')


@dataclass
class Governed:
    """A repository whose policy lies in its history; ``named`` are signed commits and whether they are accepted."""

    repo: ScratchRepo
    history: History
    folder: Path
    named: dict[str, tuple[str, bool]]

    def git(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return self.repo.run(*arguments, stdin=b"", XDG_CACHE_HOME=str(self.folder / "cache"))

    def trusts(self, name: str) -> bool:
        """What git says of a commit, by all of its ways to say it."""
        done = self.git("verify-commit", "--raw", self.named[name][0])
        trust = {b"TRUST_FULLY": True, b"TRUST_NEVER": False}
        found = [value for word, value in trust.items() if word in done.stderr]
        assert found == [done.returncode == 0], (name, done.stderr)
        return found[0]

    def says(self, name: str) -> str:
        return self.git("verify-commit", self.named[name][0]).stderr.decode()


@pytest.fixture
def governed(repo: tuple[ScratchRepo, History], tmp_path: Path) -> Governed:
    made, history = repo
    named: dict[str, tuple[str, bool]] = {}
    root = history.commit(by="carol", signed="carol", files={"a": "0"})
    named["older"] = root, True
    intro = tip = history.commit(root, signed="alice", files={POLICY_PATH: ALICE_ONLY})
    named["introduction"] = intro, True
    named["too early"] = history.commit(intro, by="bob", signed="bob", files={"b": "1"}), False
    tip = history.commit(tip, signed="alice", files={POLICY_PATH: EVERYONE})
    named["policy change"] = tip, True
    named["bob may"] = history.commit(tip, by="bob", signed="bob", files={"b": "1"}), True
    own = EVERYONE.replace("bob", "mallory")
    named["adds itself"] = history.commit(tip, by="mallory", signed="mallory", files={POLICY_PATH: own}), False
    named["after that"] = history.commit(named["adds itself"][0], by="mallory", signed="mallory"), False
    named["stays"] = history.commit(named["after that"][0], by="bob", signed="bob", files={"b": "1"}), False
    restored = history.commit(named["stays"][0], by="bob", signed="bob", files={POLICY_PATH: EVERYONE})
    named["good after bad"] = restored, True
    named["side"] = history.commit(root, signed="alice", files={POLICY_PATH: own}), False
    named["on the side"] = history.commit(named["side"][0], by="mallory", signed="mallory"), False
    named["merge of the side"] = (
        history.merge(tip, named["side"][0], signed="alice", files={POLICY_PATH: EVERYONE}),
        False,
    )
    named["merge"] = history.merge(named["bob may"][0], named["good after bad"][0], signed="alice"), True
    unsigned = history.commit(tip, by="bob", files={"c": "1"})
    named["after unsigned"] = history.commit(unsigned, by="bob", signed="bob"), True
    named["deletes"] = history.commit(tip, signed="alice", files={POLICY_PATH: None}), False
    refs = {f"refs/heads/{number}": oid for number, (oid, _) in enumerate(named.values())}
    history.write(made.path / ".git", {"refs/heads/main": tip, **refs})
    made.git("config", "--unset", "gitsign.policy")
    made.git("config", "gitsign.policyMode", "history")
    made.git("config", "gitsign.introduction", intro)
    return Governed(made, history, tmp_path, named)


@pytest.mark.unmeasured
@pytest.mark.parametrize("order", [1, -1])
def test_history_decides(governed: Governed, order: int) -> None:
    """From the newest or from the oldest, with nothing remembered or all of it: the same, and what an audit says."""
    expected = {name: accepted for name, (_, accepted) in governed.named.items()}
    for _ in range(2):
        assert {name: governed.trusts(name) for name in list(expected)[::order]} == expected
    done = subprocess.run(
        [str(governed.folder / "gitsign-py"), "audit", "--offline", "--all", "--format", "ndjson"],
        cwd=governed.repo.path,
        env=environment(XDG_CACHE_HOME=str(governed.folder / "other")),
        capture_output=True,
        text=True,
        check=False,
    )
    records = {one["oid"]: one for one in map(json.loads, done.stdout.splitlines()[:-1])}
    accepting = ("verified", "exempt")
    assert {name: records[oid]["verdict"] in accepting for name, (oid, _) in governed.named.items()} == expected


def test_history_says_why(governed: Governed) -> None:
    for name, reason in (
        ("adds itself", "signer-unknown"),
        ("side", "older-than-introduction"),
        ("merge of the side", "older-than-introduction"),
        ("deletes", "policy-deleted"),
        ("too early", "rule-refuses"),
    ):
        assert f"(policy in the history) [{reason}]" in governed.says(name)


def test_log_and_merge_follow_the_history(governed: Governed) -> None:
    log = governed.git("log", "--all", "--format=%H %G?%GT").stdout.decode()
    trust = dict(line.split(" ") for line in log.splitlines())
    for oid, accepted in governed.named.values():
        assert trust[oid] == ("Gfully" if accepted else "Unever"), oid
    governed.repo.git("checkout", "-q", "main")
    done = governed.git("merge", "-q", "--ff-only", "--verify-signatures", governed.named["adds itself"][0])
    assert done.returncode != 0
    assert b"signature" in done.stderr
    done = governed.git("merge", "-q", "--ff-only", "--verify-signatures", governed.named["bob may"][0])
    assert done.returncode == 0, done.stderr


def test_history_without_a_cache(governed: Governed) -> None:
    """A cache that others could write is not believed: everything is judged each time, and comes out the same."""
    (governed.folder / "cache/gitsign-py/audit").mkdir(parents=True, mode=0o777)
    (governed.folder / "cache/gitsign-py/audit").chmod(0o777)
    for name in ("bob may", "adds itself", "good after bad"):
        assert governed.trusts(name) == governed.named[name][1]
    assert "going on without the cache" in governed.says("bob may")


def test_remembered_verdicts_are_of_this_introduction(governed: Governed) -> None:
    assert governed.trusts("bob may")
    governed.repo.git("config", "gitsign.introduction", governed.named["merge of the side"][0])
    done = governed.git("verify-commit", governed.named["bob may"][0])
    assert b"[older-than-introduction]" in done.stderr


def test_history_without_its_introduction_is_no_trust(governed: Governed) -> None:
    for settings, reason in (
        (("gitsign.introduction", "1" * 40), "introduction-missing"),
        (("--unset", "gitsign.introduction"), "introduction-missing"),
    ):
        governed.repo.git("config", *settings)
        done = governed.git("verify-commit", "--raw", governed.named["bob may"][0])
        assert done.returncode != 0
        assert b"TRUST_FULLY" not in done.stderr
        assert reason in governed.says("bob may")


def test_tags_follow_the_policy_at_what_they_name(governed: Governed) -> None:
    history, made = governed.history, governed.repo
    target, side, older = (governed.named[name][0] for name in ("bob may", "on the side", "older"))
    tags = {
        "by-bob": (history.tag("by-bob", target, by="bob", signed="bob"), True),
        "by-mallory": (history.tag("by-mallory", target, by="mallory", signed="mallory"), False),
        "own-policy": (history.tag("own-policy", side, by="mallory", signed="mallory"), False),
        "old": (history.tag("old", older, signed="alice"), True),
        "old-by-bob": (history.tag("old-by-bob", older, by="bob", signed="bob"), False),
    }
    history.write(made.path / ".git", {f"refs/tags/{name}": oid for name, (oid, _) in tags.items()})
    for _ in range(2):
        for name, (_, accepted) in tags.items():
            done = governed.git("verify-tag", name)
            assert (done.returncode == 0) == accepted, (name, done.stderr)


def test_who_left_signs_nothing_new_for_git_either(governed: Governed) -> None:
    """Neither a commit on an old branch nor a tag of an old commit, where the policy still names them."""
    history = governed.history
    base = governed.named["bob may"][0]
    until = EVERYONE.replace("[people.bob]", "[people.bob]\nuntil = 2024-01-01")
    left = history.commit(base, signed="alice", files={POLICY_PATH: until})
    late = history.commit(base, by="bob", signed="bob", files={"b": "9"}, proven=START + timedelta(days=9))
    history.clock = START + timedelta(days=9)
    tag = history.tag("late", base, by="bob", signed="bob")
    history.write(governed.repo.path / ".git", {"refs/heads/main": left, "refs/tags/late": tag, "refs/heads/x": late})
    governed.named["late"] = late, False
    assert not governed.trusts("late")
    assert "signed-too-late" in governed.says("late")
    assert b"signed-too-late" in governed.git("verify-tag", "late").stderr


def test_fixed_policy_has_an_introduction_too(repo: tuple[ScratchRepo, History]) -> None:
    made, history = repo
    old = history.commit(by="carol", signed="carol", files={"a": "1"})
    intro = history.commit(old, by="carol", signed="carol", files={"a": "2"})
    new = history.commit(intro, by="carol", signed="carol", files={"a": "3"})
    history.write(made.path / ".git", {"refs/heads/main": new})
    policy = Path(made.git("config", "gitsign.policy"))
    policy.write_text(POLICY.replace("version = 1", f'version = 1\nintroduction = "{intro}"'))
    assert [verify(made, oid).returncode for oid in (old, intro, new)] == [0, 0, 1]
    made.git("config", "gitsign.introduction", new)
    assert verify(made, new).returncode == 1, "that one is for the mode history"


def test_the_agent_says_the_same(governed: Governed, tmp_path: Path) -> None:
    """The agent judges a history by itself, but a long one of which it knows nothing it leaves to git's."""
    far = governed.named["bob may"][0]
    for number in range(260):
        far = governed.history.commit(far, by="bob", signed="bob", files={"b": str(number)})
    governed.history.write(governed.repo.path / ".git", {"refs/heads/far": far})
    governed.named["far"] = far, True
    program = str(governed.folder / "gitsign-py")
    env = environment(XDG_CACHE_HOME=str(governed.folder / "agent-cache"), XDG_RUNTIME_DIR=str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    governed.repo.git("config", "gitsign.agent", "on")
    subprocess.run([program, "agent", "start"], env=env, cwd=governed.repo.path, check=True, capture_output=True)
    try:
        asked = partial(ask_agent, governed, env)
        assert asked("far") == {"status": b"declined", "differs": b""}
        assert governed.repo.run("verify-commit", far, stdin=b"", **env).returncode == 0
        for name in ("far", "good after bad", "adds itself", "bob may", "good after bad"):
            reply = asked(name)
            assert reply is not None, name
            assert (b"TRUST_FULLY" in reply["status_lines"]) == governed.named[name][1], name
    finally:
        subprocess.run([program, "agent", "stop"], env=env, cwd=governed.repo.path, check=True, capture_output=True)


def ask_agent(governed: Governed, env: dict[str, str], name: str) -> dict[str, bytes] | None:
    """What the agent answers about a commit."""
    signed = split_commit(governed.history.objects[governed.named[name][0]].data)
    fields = client.context(env, str(governed.repo.path))
    request = {**fields, "payload": signed.payload, "signature": signed.signature or b""}
    return client.try_verify(client.socket_path(env), request)
