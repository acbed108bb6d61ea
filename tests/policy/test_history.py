"""Policies that lie in the history: who may change them, what counts, and the known traps of the model."""

from datetime import UTC, datetime, timedelta

import pytest

from gitsign_py.errors import PolicyError
from gitsign_py.policy.facts import Decision
from gitsign_py.policy.history import JudgedBefore, PolicyHistory, closing_policy
from gitsign_py.policy.model import POLICY_PATH
from tests.support.history import ISSUER, START, UNSIGNED, History, signed_by

MAIN = "refs/heads/main"


def policy(*people: str, administrators: str = "alice", more: str = "") -> str:
    """A policy that lets ``people`` sign everything; ``name until date`` closes a window."""
    lines = ["version = 1", f'administrators = ["{administrators}"]']
    names = [person.split()[0] for person in people]
    for person in people:
        name, *rest = person.split()
        lines += [
            f"[people.{name}]",
            f'identities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]',
            *rest,
        ]
    return "\n".join([*lines, "[[rules]]", 'name = "all"', f"allow = {names}", more, ""])


def judge(
    history: History, introduction: str, *, older: frozenset[str] = frozenset(), tip: str = ""
) -> dict[str, Decision]:
    """Judge every commit that is not older than the introduction, parents first."""
    closing = closing_policy(history, tip) if tip else None
    judging = PolicyHistory(history, history, introduction, JudgedBefore(older), closing)
    judging.start()
    before = history.ancestors(introduction) - {introduction}
    return {
        oid: judging.judge(history.commit_facts(oid), history.facts[oid], (MAIN,))
        for oid in history.order
        if oid not in before
    }


def begun(*people: str) -> tuple[History, str]:
    history = History()
    root = history.commit(files={"a": "1", "b": "1"})
    return history, history.commit(root, signed="alice", files={POLICY_PATH: policy(*people)})


def test_introduction_and_what_follows() -> None:
    history, intro = begun("alice", "bob")
    next_one = history.commit(intro, by="bob", signed="bob", files={"a": "2"})
    stranger = history.commit(next_one, by="mallory", signed="mallory", files={"a": "3"})
    decisions = judge(history, intro)
    assert (decisions[intro].verdict, decisions[intro].reason) == ("exempt", "introduction")
    assert decisions[next_one].verdict == "verified"
    assert decisions[stranger].reason == "signer-unknown"
    assert set(decisions) == {intro, next_one, stranger}


def test_introduction_without_a_policy() -> None:
    history = History()
    root = history.commit(files={"a": "1"})
    with pytest.raises(PolicyError, match="there is no"):
        PolicyHistory(history, history, root).start()


def test_commit_that_adds_its_own_signer() -> None:
    """Trap: the policy in the commit itself says yes; and the commits that build on it gain nothing."""
    history, intro = begun("alice")
    own = history.commit(intro, by="mallory", signed="mallory", files={POLICY_PATH: policy("alice", "mallory")})
    later = history.commit(own, by="mallory", signed="mallory", files={"a": "2"})
    honest = history.commit(later, signed="alice", files={"a": "3"})
    after = history.commit(honest, by="mallory", signed="mallory", files={"a": "4"})
    decisions = judge(history, intro)
    assert [decisions[one].reason for one in (own, later)] == ["signer-unknown", "signer-unknown"]
    # An administrator who signs on top has the new policy in the tree: from there on it counts.
    assert [decisions[one].verdict for one in (honest, after)] == ["verified", "verified"]


def test_developer_on_top_of_a_smuggled_policy_does_not_bless_it() -> None:
    history, intro = begun("alice", "bob")
    own = history.commit(intro, by="mallory", signed="mallory", files={POLICY_PATH: policy("alice", "bob", "mallory")})
    developer = history.commit(own, by="bob", signed="bob", files={"a": "2"})
    later = history.commit(developer, by="mallory", signed="mallory", files={"a": "3"})
    decisions = judge(history, intro)
    assert decisions[developer].reason == "policy-change"
    assert decisions[later].reason == "signer-unknown"


def test_administrator_adds_and_removes_people() -> None:
    history, intro = begun("alice")
    added = history.commit(intro, signed="alice", files={POLICY_PATH: policy("alice", "bob")})
    bobs = history.commit(added, by="bob", signed="bob", files={"a": "2"})
    removed = history.commit(bobs, signed="alice", files={POLICY_PATH: policy("alice")})
    late = history.commit(removed, by="bob", signed="bob", files={"a": "3"})
    decisions = judge(history, intro)
    assert [decisions[one].verdict for one in (added, bobs, removed)] == ["verified"] * 3
    assert decisions[late].reason == "signer-unknown"


def test_developer_may_not_change_the_policy() -> None:
    history, intro = begun("alice", "bob")
    loosened = history.commit(
        intro, by="bob", signed="bob", files={POLICY_PATH: policy("alice", "bob", administrators="bob")}
    )
    assert judge(history, intro)[loosened].reason == "policy-change"


@pytest.mark.parametrize(("text", "reason"), [(None, "policy-deleted"), ("version = 2", "policy-broken")])
def test_deleted_or_broken_policy(text: str | None, reason: str) -> None:
    """Trap: without the policy everything would be allowed. Refused even for an administrator, and without effect."""
    history, intro = begun("alice", "bob")
    gone = history.commit(intro, signed="alice", files={POLICY_PATH: text})
    after = history.commit(gone, by="mallory", signed="mallory", files={"a": "2"})
    restored = history.commit(gone, signed="alice", files={POLICY_PATH: policy("alice")})
    by_bob = history.commit(intro, by="bob", signed="bob", files={POLICY_PATH: text})
    decisions = judge(history, intro)
    assert decisions[gone].reason == reason
    assert decisions[after].reason == "signer-unknown"
    assert decisions[restored].verdict == "verified"
    assert decisions[by_bob].reason == "policy-change"


def test_policy_folder_turned_into_a_file() -> None:
    history, intro = begun("alice")
    gone = history.commit(intro, signed="alice", files={POLICY_PATH: None, ".gitsign": "no folder"})
    assert judge(history, intro)[gone].reason == "policy-deleted"


def test_merge_needs_both_parents_policies() -> None:
    """In all of them: somebody whom one side does not know may not merge it."""
    history, intro = begun("alice")
    side = history.commit(intro, signed="alice", files={"a": "2"})
    main = history.commit(intro, signed="alice", files={POLICY_PATH: policy("alice", "bob")})
    by_bob = history.merge(main, side, by="bob", signed="bob")
    by_alice = history.merge(main, side, signed="alice")
    decisions = judge(history, intro)
    assert decisions[by_bob].reason == "signer-unknown"
    assert decisions[by_alice].verdict == "verified"


def test_merge_takes_the_changed_policy_without_being_administrator() -> None:
    history, intro = begun("alice", "bob")
    side = history.commit(intro, by="bob", signed="bob", files={"a": "2"})
    main = history.commit(intro, signed="alice", files={POLICY_PATH: policy("alice", "bob", "carol")})
    merge = history.merge(side, main, by="bob", signed="bob")
    assert judge(history, intro)[merge].verdict == "verified"


def test_merge_that_smuggles_a_policy() -> None:
    """Trap: the merge has a policy that neither side had."""
    history, intro = begun("alice", "bob")
    side = history.commit(intro, by="bob", signed="bob", files={"a": "2"})
    main = history.commit(intro, signed="alice", files={"b": "2"})
    merge = history.merge(main, side, by="bob", signed="bob", files={POLICY_PATH: policy("bob", administrators="bob")})
    assert judge(history, intro)[merge].reason == "policy-change"


def test_merge_that_rolls_the_policy_back() -> None:
    """Trap: the old policy comes in as the other side's version."""
    history, intro = begun("alice", "bob", "mallory")
    side = history.commit(intro, by="bob", signed="bob", files={"a": "2"})
    main = history.commit(intro, signed="alice", files={POLICY_PATH: policy("alice", "bob")})
    merge = history.merge(main, side, by="bob", signed="bob", files={POLICY_PATH: policy("alice", "bob", "mallory")})
    assert judge(history, intro)[merge].reason == "policy-change"


def test_merge_that_smuggles_content() -> None:
    """Trap: a protected file changes in the merge itself, or goes back to an old version."""
    rule = '[[rules]]\nname = "rest"\nallow = ["alice", "bob"]'
    history = History()
    text = policy("alice", "bob").replace("allow = ['alice', 'bob']", 'paths = ["/secret"]\nallow = ["alice"]') + rule
    intro = history.commit(signed="alice", files={POLICY_PATH: text, "secret": "1", "a": "1"})
    side = history.commit(intro, by="bob", signed="bob", files={"a": "2"})
    main = history.commit(intro, signed="alice", files={"secret": "2"})
    honest = history.merge(main, side, by="bob", signed="bob")
    smuggled = history.merge(main, side, by="bob", signed="bob", files={"secret": "3"})
    rolled_back = history.merge(side, main, by="bob", signed="bob", files={"secret": "1"})
    decisions = judge(history, intro)
    assert decisions[honest].verdict == "verified"
    assert (decisions[smuggled].reason, decisions[smuggled].rule) == ("rule-refuses", "all")
    assert decisions[rolled_back].reason == "rule-refuses"


def test_side_branch_older_than_the_introduction() -> None:
    """Trap: it brings a policy of its own, which nobody vouched for."""
    history = History()
    root = history.commit(files={"a": "1"})
    intro = history.commit(root, signed="alice", files={POLICY_PATH: policy("alice")})
    side = history.commit(
        root, by="mallory", signed="mallory", files={POLICY_PATH: policy("mallory", administrators="mallory")}
    )
    later = history.commit(side, by="mallory", signed="mallory", files={"a": "2"})
    merge = history.merge(intro, later, by="mallory", signed="mallory")
    honest_merge = history.merge(intro, later, signed="alice", files={POLICY_PATH: policy("alice")})
    after = history.commit(merge, by="mallory", signed="mallory", files={"a": "3"})
    decisions = judge(history, intro, older=frozenset({root}))
    assert {decisions[one].reason for one in (side, later, merge, honest_merge, after)} == {"older-than-introduction"}


def test_new_root_after_the_introduction() -> None:
    history, intro = begun("alice")
    root = history.commit(signed="alice", files={POLICY_PATH: policy("alice")})
    assert judge(history, intro)[root].reason == "older-than-introduction"


def test_old_branch_signed_by_a_person_who_left() -> None:
    """Trap: the policy in the parents still lets them; the newest policy's window does not."""
    history, intro = begun("alice", "bob")
    early = history.commit(intro, by="bob", signed="bob", files={"a": "2"})
    closed = policy("alice", "bob until=2024-06-30")
    left = history.commit(early, signed="alice", files={POLICY_PATH: closed})
    late = datetime(2024, 9, 1, tzinfo=UTC)
    backdated = history.commit(intro, by="bob", signed="bob", at=datetime(2024, 1, 1, tzinfo=UTC), proven=late)
    decisions = judge(history, intro, tip=left)
    assert decisions[early].verdict == "verified"
    assert decisions[backdated].reason == "signed-too-late"
    assert judge(history, intro)[backdated].verdict == "verified"  # what the model alone would say


def test_exemption_in_the_parents_policy() -> None:
    history, intro = begun("alice")
    bad = history.commit(intro, by="bob", files={"a": "2"})
    assert judge(history, intro)[bad].verdict == "unsigned"
    again, first = begun("alice")
    unsigned = again.commit(first, by="bob", files={"a": "2"})
    text = policy("alice", more=f'[[exemptions]]\ncommits = ["{unsigned}"]\nreason = "release night"')
    other = again.commit(first, signed="alice", files={POLICY_PATH: text})
    decisions = judge(again, first)
    assert decisions[unsigned].verdict == "unsigned"  # its own parents do not know of it
    assert decisions[other].verdict == "verified"


def test_policies_at_gives_what_is_in_force() -> None:
    history, intro = begun("alice")
    own = history.commit(intro, by="mallory", signed="mallory", files={POLICY_PATH: policy("alice", "mallory")})
    judging = PolicyHistory(history, history, intro)
    judging.judge(history.commit_facts(own), history.facts[own], (MAIN,))
    assert set(judging.policies_at(own)[0].principals) == {"alice"}
    assert not judging.is_accepted(own)


def test_tags_follow_the_policy_at_what_they_name() -> None:
    """The first policy for what is older, none for what lies beside, whatever stands in its tree."""
    history, intro = begun("alice", "bob")
    root = history.order[0]
    side = history.commit(root, signed="mallory", files={POLICY_PATH: policy("mallory", administrators="mallory")})
    left = history.commit(intro, signed="alice", files={POLICY_PATH: policy("alice", "bob until=2024-01-01")})
    judging = PolicyHistory(history, history, intro, JudgedBefore(frozenset({root})), closing_policy(history, left))
    for oid in (side, left):
        judging.judge(history.commit_facts(oid), history.facts[oid], (MAIN,))

    def reason(target: str, signer: str, at: datetime = START) -> str:
        tag = history.tag("v1", target or intro, by=signer)
        facts = signed_by(signer, at)
        return judging.judge_tag(history.commit_facts(tag), target, facts, ("refs/tags/v1",)).reason

    assert [reason(target, "alice") for target in (root, intro, left)] == ["verified"] * 3
    assert reason(root, "mallory") == "signer-unknown"
    assert reason(side, "mallory") == "policy-missing"
    assert reason("", "alice") == "policy-missing"
    assert reason(intro, "bob") == "verified"
    assert reason(intro, "bob", START + timedelta(days=9)) == "signed-too-late"


def test_octopus_with_an_extra_file() -> None:
    rule = '[[rules]]\nname = "rest"\nallow = ["alice", "bob"]'
    history = History()
    text = policy("alice", "bob").replace("allow = ['alice', 'bob']", 'paths = ["/secret"]\nallow = ["alice"]') + rule
    intro = history.commit(signed="alice", files={POLICY_PATH: text, "secret": "1"})
    sides = [history.commit(intro, by="bob", signed="bob", files={name: "1"}) for name in "xyz"]
    clean = dict.fromkeys("xyz", "1")
    honest = history.commit(*sides, by="bob", signed="bob", files=clean)
    smuggled = history.commit(*sides, by="bob", signed="bob", files={**clean, "secret": "9"})
    decisions = judge(history, intro)
    assert decisions[honest].verdict == "verified"
    assert decisions[smuggled].reason == "rule-refuses"


def test_unsigned_facts_are_what_they_are() -> None:
    assert UNSIGNED.status == "unsigned"
    assert signed_by("alice").time is not None
