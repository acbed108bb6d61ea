"""Controls and levels: what held follows from what was judged, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from gitsign_py.policy.parse import parse_policy
from gitsign_py.source.controls import (
    CONTINUITY,
    CONTROLS,
    NEEDED,
    POLICY,
    PROVENANCE,
    REVIEW,
    SIGNATURES,
    TAGS,
    JudgedChange,
    Move,
    Since,
    carried_on,
    held_controls,
    lacking,
    level_in,
    level_of,
)
from tests.support.history import ISSUER, START

MAIN = "refs/heads/main"
ALICE = JudgedChange("verified", "verified", "alice")


def policy(*, approvals: int = 1, more: str = "") -> Any:
    people = "".join(
        f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]\n'
        for name in ("alice", "bob", "carol")
    )
    robot = f'[robots.bot]\nissuer = "{ISSUER}"\nuri = "https://ci.example.com/bot"\nemails = ["bot@example.com"]\n'
    wanted = f'approvals = {approvals}\napprovers = ["bob", "carol"]\n' if approvals else ""
    rule = f'[[rules]]\nname = "all"\nallow = ["alice", "bot"]\n{wanted}'
    return parse_policy(f'version = 1\nadministrators = ["alice"]\n{people}{robot}{more}{rule}'.encode(), "policy")


def held(
    *changes: JudgedChange, ref: str = MAIN, judged: bool = True, forward: bool = True, by: Any = None
) -> set[str]:
    policies = (policy(),) if by is None else by
    return set(held_controls(Move(ref, judged, forward), changes, policies))


def test_everything_holds() -> None:
    assert held(ALICE, ALICE) == set(CONTROLS)
    assert level_of(CONTROLS) == 4


def test_without_the_hooks_mark_nothing_else_holds() -> None:
    assert held(ALICE, judged=False) == {PROVENANCE}
    assert level_of({PROVENANCE}) == 1


def test_a_branch_that_went_back_keeps_no_history() -> None:
    assert held(ALICE, forward=False) == set(CONTROLS) - {CONTINUITY}
    assert level_of(held(ALICE, forward=False)) == 1


def test_what_could_not_be_judged_did_not_hold() -> None:
    assert held_controls(Move(MAIN, was_judged=True, is_forward=True), None, (policy(),)) == {
        PROVENANCE,
        CONTINUITY,
        TAGS,
    }


@pytest.mark.parametrize("verdict", ["good", "exempt", "forge-merge", "forge-squash", "forge-rebase"])
def test_accepted_without_a_signature_of_somebody_who_may(verdict: Any) -> None:
    assert held(ALICE, JudgedChange(verdict, "forge-key")) == {PROVENANCE, CONTINUITY, TAGS, POLICY}


@pytest.mark.parametrize("verdict", ["unauthorised", "identity-mismatch", "bad", "unsigned", "malformed", "unchecked"])
def test_one_refused_commit_is_enough(verdict: Any) -> None:
    assert level_of(held(ALICE, JudgedChange(verdict), ALICE)) == 2


def test_a_merge_that_adds_nothing_needs_no_review_of_its_own() -> None:
    found = held(ALICE, JudgedChange("forge-merge", "forge-reproduced"))
    assert (SIGNATURES in found, REVIEW in found) == (False, True)


def test_a_robot_and_one_person_are_no_two_people() -> None:
    robot = JudgedChange("verified", "verified", "bot")
    assert REVIEW not in held(robot)
    assert REVIEW in held(robot, by=(policy(approvals=2),))
    assert REVIEW not in held(JudgedChange("verified", "verified", "unknown"))


def test_review_is_wanted_by_every_rule_of_every_policy() -> None:
    docs = '[[rules]]\nname = "docs"\npaths = ["/docs/**"]\nallow = ["alice"]\n'
    elsewhere = '[[rules]]\nname = "topics"\nrefs = ["refs/heads/topic/**"]\nallow = ["alice"]\n'
    assert REVIEW not in held(ALICE, by=(policy(more=docs),))
    assert REVIEW in held(ALICE, by=(policy(more=elsewhere),))
    assert REVIEW not in held(ALICE, by=(policy(), policy(approvals=0)))
    assert REVIEW not in held(ALICE, by=())


def test_a_rule_that_decides_nothing_on_the_ref_wants_no_review() -> None:
    """A policy begins with the rules of a branch, and ends with one for the rest: docs/policy.md."""
    behind = (
        '[[rules]]\nname = "all"\nrefs = ["refs/heads/main"]\nallow = ["alice"]\napprovals = 1\napprovers = ["bob"]\n'
    )
    assert REVIEW in held(ALICE, by=(policy(approvals=0, more=behind.replace('"all"', '"main"')),))
    some = behind.replace('"all"', '"src"').replace("allow", 'paths = ["/src/**"]\nallow')
    assert REVIEW not in held(ALICE, by=(policy(approvals=0, more=some),))
    assert REVIEW in held(ALICE, by=(policy(more=some),))


def test_a_tag_must_be_signed_and_is_not_reviewed() -> None:
    tag = JudgedChange("verified", "verified", "alice", is_tag=True)
    assert held(tag, ref="refs/tags/v1") == set(CONTROLS) - {REVIEW}
    assert held(ALICE, ref="refs/tags/v1") == {PROVENANCE, CONTINUITY, TAGS}


def test_since_goes_on_without_a_gap_and_begins_anew_after_one() -> None:
    first, here = Since("a" * 40, START), Since("b" * 40, START + timedelta(days=1))
    assert carried_on({POLICY, TAGS}, here, {TAGS: first, REVIEW: first}) == {POLICY: here, TAGS: first}
    assert carried_on({TAGS}, here, None) == {TAGS: here}


def test_each_level_needs_all_below_it() -> None:
    for level, needed in NEEDED.items():
        assert level_of(needed) == level
        assert lacking((), level) == needed
        for one in needed:
            assert level_of(set(NEEDED[4]) - {one}) < level
            assert lacking(set(NEEDED[4]) - {one}, level) == (one,)


@pytest.mark.parametrize(
    ("results", "level"),
    [
        (["SLSA_SOURCE_LEVEL_3"], 3),
        (["ORG_SOURCE_TESTED", "SLSA_SOURCE_LEVEL_1"], 1),
        (["SLSA_SOURCE_LEVEL_5"], 0),
        (["SLSA_SOURCE_LEVEL_UNEVALUATED"], 0),
        (["SLSA_SOURCE_LEVEL_3", "SLSA_SOURCE_LEVEL_3"], 0),
        ([], 0),
    ],
)
def test_the_level_among_results(results: list[str], level: int) -> None:
    assert level_in(results) == level
