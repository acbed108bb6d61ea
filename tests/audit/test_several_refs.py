"""Several refs in one audit: whose rules a commit answers for, which branch it counts for, one walk for all."""

import json
import time
from pathlib import Path

import pytest

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan, read_refs
from gitsign_py.audit.rollup import Rollup
from gitsign_py.policy.parse import parse_policy
from tests.support.audited import POLICY, Audited, Make
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.history import History
from tests.support.inprocess import run_here


def test_rules_differ_between_refs(make: Make, signer: BulkSigner) -> None:
    """A commit answers for every ref that it is on."""
    history = History(signer=signer.sign)
    one = history.commit(signed="alice", files={"a": "1"})
    two = history.commit(one, by="bob", signed="bob", files={"a": "2"})
    three = history.commit(two, by="bob", signed="bob", files={"a": "3"})
    audited = make(history, two)
    history.write(audited.repo.path / ".git", {"refs/heads/topic": three, "refs/notes/x": history.commit()})
    strict = POLICY.replace("EXEMPT", "0" * 40).replace(
        '[[rules]]\nname = "everyone"',
        '[[rules]]\nname = "main"\nrefs = ["refs/heads/main"]\nallow = ["alice"]\n[[rules]]\nname = "everyone"',
    )
    policy = parse_policy(("unjudged = ['refs/notes/*']\n" + strict).encode(), "p")
    with audited.repository() as repository:
        plan = AuditPlan(read_refs(repository), policy=policy)
        records = {record.oid: record for record in audit_history(repository, plan, audited.resources())}
    assert {oid: record.rule for oid, record in records.items()} == {one: "everyone", two: "main", three: "everyone"}
    assert records[two].verdict == "unauthorised"


def test_rules_of_refs_that_share_no_tip(make: Make, signer: BulkSigner) -> None:
    """Also where only first parents are walked: what a strict branch merged is on it, and answers for it."""
    history = History(signer=signer.sign)
    base = history.commit(signed="alice", files={"a": "1"})
    topic = history.commit(base, by="bob", signed="bob", files={"b": "1"})
    merge = history.merge(base, topic, signed="alice")
    later = history.commit(topic, by="bob", signed="bob", files={"c": "1"})
    audited = make(history, merge)
    history.write(audited.repo.path / ".git", {"refs/heads/topic": later})
    strict = POLICY.replace("EXEMPT", "0" * 40).replace(
        '[[rules]]\nname = "everyone"',
        '[[rules]]\nname = "main"\nrefs = ["refs/heads/main"]\nallow = ["alice"]\n[[rules]]\nname = "everyone"',
    )
    for options in ((), ("--first-parent",)):
        with audited.repository() as repository:
            plan = AuditPlan(read_refs(repository), options=options, policy=parse_policy(strict.encode(), "p"))
            records = {record.oid: record for record in audit_history(repository, plan, audited.resources())}
        assert {oid: record.verdict for oid, record in records.items()} == {
            base: "verified",
            topic: "unauthorised",
            merge: "verified",
            later: "verified",
        }


def test_a_refusal_names_a_ref_that_has_the_commit(make: Make, signer: BulkSigner) -> None:
    """Not another one with the same rules."""
    history = History(signer=signer.sign)
    one = history.commit(signed="alice")
    two = history.commit(one, by="bob", signed="bob", files={"a": "2"})
    three = history.commit(two, by="bob", signed="bob", files={"a": "3"})
    audited = make(history, one)
    history.write(audited.repo.path / ".git", {"refs/heads/a": three})
    only_alice = POLICY.replace("EXEMPT", "0" * 40).replace('allow = ["alice", "bob"]', 'allow = ["alice"]')
    with audited.repository() as repository:
        plan = AuditPlan(read_refs(repository)[::-1], policy=parse_policy(only_alice.encode(), "p"))
        records = {record.oid: record for record in audit_history(repository, plan, audited.resources())}
    assert {oid: record.ref for oid, record in records.items()} == {one: "refs/heads/main"} | dict.fromkeys(
        (two, three), "refs/heads/a"
    )
    assert records[three].message == "bob may not sign refs/heads/a"


def several(make: Make, signer: BulkSigner) -> tuple[Audited, str, dict[str, str]]:
    """Two branches with a common past, one behind the other, and one of its own; the introduction, and tips by ref."""
    history = History(signer=signer.sign)
    policy = POLICY.replace("EXEMPT", "0" * 40)
    intro = history.commit(signed="alice", files={".gitsign/policy.toml": policy})
    shared = history.commit(intro, signed="alice", files={"a": "1"})
    mine = history.commit(shared, signed="alice", files={"b": "1"})
    other = history.commit(history.commit(shared, by="bob", signed="bob", files={"c": "1"}), by="bob")
    merged = history.merge(mine, other, signed="alice")
    tips = {"refs/heads/main": mine, "refs/heads/a-side": other, "refs/heads/next": merged, "refs/heads/twin": mine}
    audited = make(history, mine)
    history.write(audited.repo.path / ".git", tips)
    return audited, intro, tips


@pytest.mark.parametrize("mode", ["any", "one group", "groups", "history"])
def test_each_commit_counts_for_the_first_branch_that_has_it(make: Make, signer: BulkSigner, mode: str) -> None:
    audited, intro, _ = several(make, signer)
    changes: dict[str, object] = {}
    if mode in ("one group", "groups"):
        changes["policy"] = POLICY.replace("EXEMPT", "0" * 40)
    if mode == "groups":
        rule = '[[rules]]\nname = "n"\nrefs = ["refs/heads/next"]\nallow = ["alice", "bob"]\n[[rules]]'
        changes["policy"] = str(changes["policy"]).replace("[[rules]]", rule, 1)
    if mode == "history":
        changes = {"in_history": True, "introduction": intro}
    rollup = Rollup()
    rollup.add([*audited.audit("main", "a-side", "next", "twin", **changes).values()])  # type: ignore[arg-type]
    named = mode != "any"  # without a policy a good signature is accepted as good, and verified nowhere
    exempt = int(mode == "history")  # the introduction itself
    assert rollup.as_object()["branches"] == {
        "refs/heads/main": figures(3, accepted=3, verified=(3 - exempt) * named, judged=3 - exempt),
        "refs/heads/a-side": figures(2, accepted=1, verified=1 * named, judged=2),
        "refs/heads/next": figures(1, accepted=1, verified=1 * named, judged=1),
    }


def figures(commits: int, **three: int) -> dict[str, int]:
    return {"commits": commits, **three, "unchecked": 0}


def test_first_parent_counts_what_it_walks(make: Make, signer: BulkSigner) -> None:
    audited, _, tips = several(make, signer)
    records = audited.audit("next", "a-side", options=("--first-parent",))
    assert {records[tips[ref]].ref for ref in ("refs/heads/main", "refs/heads/next")} == {"refs/heads/next"}
    assert records[tips["refs/heads/a-side"]].ref == "refs/heads/a-side"


RELEASES = POLICY.replace("EXEMPT", "0" * 40).replace(
    "[[rules]]", '[[rules]]\nname = "releases"\nrefs = ["refs/tags/v*"]\nallow = ["bob"]\n[[rules]]', 1
)


def test_a_rule_for_tags_is_about_tags(make: Make, signer: BulkSigner) -> None:
    """Who may sign releases need not have signed what is released; what no branch has is the tag's own business."""
    history = History(signer=signer.sign)
    one = history.commit(signed="alice", files={"a": "1"})
    loose = history.commit(one, signed="alice", files={"a": "2"})
    audited = make(history, one)
    tags = {
        "v1": history.tag("v1", one, by="bob", signed="bob"),
        "v2": history.tag("v2", one, by="alice", signed="alice"),
        "v3": history.tag("v3", loose, by="bob", signed="bob"),
        "x1": history.tag("x1", history.commit(one, signed="alice", files={"a": "3"}), signed="alice"),
    }
    history.write(audited.repo.path / ".git", {f"refs/tags/{name}": oid for name, oid in tags.items()})
    records = audited.audit("main", policy=RELEASES, tags=True)
    assert {name: records[oid].reason for name, oid in tags.items()} == {
        "v1": "verified",
        "v2": "rule-refuses",
        "v3": "verified",
        "x1": "verified",
    }
    assert records[history.order[-1]].reason == "verified", "a tag under the rules of branches is no other case"
    assert records[one].verdict == "verified"
    assert (records[loose].reason, records[loose].ref) == ("rule-refuses", "refs/tags/v3")
    history.write(audited.repo.path / ".git", {"refs/tags/v4": one})
    assert audited.audit("main", "v4", policy=RELEASES)[one].reason == "rule-refuses", (
        "a name alone vouches for nothing"
    )


def test_a_policy_in_the_history_leaves_no_branch_alone_by_itself(make: Make, signer: BulkSigner) -> None:
    """Who audits a branch does not let it say that it is not to be judged."""
    history = History(signer=signer.sign)
    policy = POLICY.replace("EXEMPT", "0" * 40)
    intro = history.commit(signed="alice", files={".gitsign/policy.toml": policy})
    text = policy.replace("version = 1", 'version = 1\nunjudged = ["refs/heads/**"]').replace("alice", "mallory")
    evil = history.commit(intro, by="mallory", signed="mallory", files={".gitsign/policy.toml": text})
    audited = make(history, evil)
    closing = parse_policy(text.encode(), "p")
    with audited.repository() as repository:
        plan = AuditPlan(read_refs(repository), policy=closing, introduction=intro, in_history=True)
        records = {one.oid: one for one in audit_history(repository, plan, audited.resources())}
    assert records[evil].reason == "signer-unknown"


def test_ten_thousand_refs(make: Make, signer: BulkSigner) -> None:
    """One walk for all of them, whether the policy is fixed or in the history, not one for each."""
    history = History(signer=signer.sign)
    policy = POLICY.replace("EXEMPT", "0" * 40)
    intro = history.commit(signed="alice", files={".gitsign/policy.toml": policy})
    tip = history.commit(intro, signed="alice")
    audited = make(history, tip)
    lines = "".join(f"{oid} refs/heads/b{n}-{oid[:4]}\n" for n in range(5000) for oid in (intro, tip))
    (audited.repo.path / ".git/packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + lines)
    with audited.repository() as repository:
        targets = read_refs(repository)
        assert len(targets) == 10_001
        for plan in (
            AuditPlan(targets, policy=parse_policy(RELEASES.encode(), "p")),
            AuditPlan(targets, introduction=intro, in_history=True),
        ):
            began = time.monotonic()
            records = list(audit_history(repository, plan, audited.resources()))
            assert {record.verdict for record in records} <= {"verified", "exempt"}
            assert time.monotonic() - began < 30, "a walk for each ref takes minutes"


def test_the_heading_says_which_refs_name_what_was_judged(make: Make, tmp_path: Path) -> None:
    """An id, and what --ref judges, is on no ref: the heading does not say that the ref names it."""
    history = History()
    one = history.commit()
    two = history.commit(one)
    change = history.commit(two)
    tag = history.tag("v1", one)
    twice = history.add("tag", f"object {tag}\ntype tag\ntag v2\ntagger A <a@x> 1 +0000\n\nv2\n".encode())
    audited = make(history, two)
    history.write(audited.repo.path / ".git", {"refs/tags/v1": tag, "refs/tags/v2": twice, "refs/heads/topic": change})

    def named(*arguments: str) -> dict[str, str]:
        own = environment(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
        said = run_here(audited.repo.path, own, "audit", "--offline", "--format", "json", *arguments)
        refs: dict[str, str] = json.loads(said.out)["heading"]["refs"]
        return refs

    main = "refs/heads/main"
    assert named() == {main: two}
    assert named("--all", "--tags") == {
        main: two, "refs/heads/topic": change, "refs/tags/v1": tag, "refs/tags/v2": twice,
    }  # fmt: skip
    assert named("v2") == {"refs/tags/v2": one}
    assert named("--ref", main, "main..topic") == {f"as on {main}": change}
    assert named(one) == {f"as on {main}": one}
    audited.repo.git("checkout", "-q", "--detach", change)
    assert named() == {"HEAD": change}
    assert named(one) == {"as on HEAD": one}
