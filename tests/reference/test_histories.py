"""Random histories: the program accepts nothing that the plain reference refuses.

GITSIGN_TEST_REFERENCE_CASES says how many: 500 in .ci/run (GITSIGN_TEST_THOROUGH), else 150, 10000 for a night.
A case is its number: it fails again by itself with
``-k`` or ``GITSIGN_TEST_REFERENCE_FIRST``.
"""

import os
import random
import shutil
from pathlib import Path

import pytest

from gitsign_py.errors import GitsignError
from gitsign_py.policy.headhistory import HeadJudges
from gitsign_py.policy.history import PolicyHistory
from gitsign_py.policy.model import Policy as ProgramPolicy
from gitsign_py.policy.parse import parse_policy
from tests.reference.plain import Policy, Reference
from tests.reference.randomly import World
from tests.support.court import Court, cut_off, lose
from tests.support.thorough import THOROUGH

pytestmark = pytest.mark.no_cover  # very many calls of what other tests measure
CASES = int(os.environ.get("GITSIGN_TEST_REFERENCE_CASES", "500" if THOROUGH else "150"))
FIRST = int(os.environ.get("GITSIGN_TEST_REFERENCE_FIRST", "0"))
BY_GIT = 25
"""One in so many cases is read by the git program as well, which costs more than the others together."""
REF = "refs/heads/x"


def world(case: int, size: int = 14) -> World:
    return World(random.Random(case)).grow(size)


def world_with_copies(case: int, size: int = 16) -> World:
    return World(random.Random(case), copies=True).grow(size)


def closing(made: World) -> Policy | None:
    """The policy at any commit, in a third of the cases."""
    return made.commits[made.random.choice(made.history.order)].policy if made.random.random() < 0.3 else None


def parsed(policy: Policy | None) -> "ProgramPolicy | None":
    return parse_policy(policy.text.encode(), "closing") if policy else None


def accepted_in_memory(made: World, ref: str, closed: Policy | None, lost: set[str]) -> set[str]:
    """What the rule itself accepts, parents first, of objects in memory; some are gone."""
    history, accepted = made.history, set()
    for oid in lost:
        history.objects.pop(oid)
    judging = PolicyHistory(history, history, made.introduction, closing=parsed(closed))
    if made.copies:
        judging.heads = HeadJudges(made, lambda oid: (history.commit_facts(oid), history.facts[oid]))
    older = Reference(made.commits, made.introduction).before - {made.introduction}
    for oid in history.order:
        if oid in lost or oid in older:
            continue
        try:
            if judging.judge(history.commit_facts(oid), history.facts[oid], (ref,)).accepted:
                accepted.add(oid)
        except GitsignError:
            continue
    return accepted


def test_of_whole_histories_the_same_is_accepted() -> None:
    """Both ways: so the reference is none that refuses everything."""
    count = 0
    for case in range(FIRST, FIRST + CASES):
        made = world(case)
        closed, ref = closing(made), made.random.choice((REF, "refs/heads/main"))
        reference = Reference(made.commits, made.introduction, ref, closed)
        accepted = accepted_in_memory(made, ref, closed, set())
        expected = {oid for oid in made.commits if oid not in reference.before and reference.accepts(oid)}
        assert accepted - {made.introduction} == expected, case
        count += len(expected)
    assert count > CASES


def test_of_histories_with_squashes_and_rebases_the_same_is_accepted() -> None:
    """Of what a forge made of heads, as it should or with something of its own."""
    count = 0
    for case in range(FIRST, FIRST + CASES // 4):
        made = world_with_copies(case)
        closed, ref = closing(made), made.random.choice((REF, "refs/heads/main"))
        reference = Reference(made.commits, made.introduction, ref, closed)
        accepted = accepted_in_memory(made, ref, closed, set())
        expected = {oid for oid in made.commits if oid not in reference.before and reference.accepts(oid)}
        assert accepted - {made.introduction} == expected, case
        count += sum(not made.commits[oid].is_signed for oid in expected)
    assert count > CASES // 40


def test_what_is_missing_makes_nothing_acceptable() -> None:
    for case in range(FIRST, FIRST + CASES):
        made = world(case)
        objects = sorted(set(made.history.objects) - {made.introduction})
        lost = set(made.random.sample(objects, made.random.randint(1, 3)))
        reference = Reference(made.without(lost), made.introduction, REF)
        try:
            accepted = accepted_in_memory(made, REF, None, lost)
        except GitsignError:  # the introduction's own policy
            continue
        assert not {oid for oid in accepted if not reference.accepts(oid)}, case


def lying(made: World, court: Court) -> tuple[Path, dict[str, str], set[str]]:
    """A repository with lists of shallow commits, lost objects, and refs that bring what was cut off; what is lost."""
    refs = {f"refs/heads/b{number}": oid for number, oid in enumerate(made.tips(made.random.randint(1, 3)))}
    path = court.repository(made.history, refs)
    lost: set[str] = set()
    if made.random.random() < 0.6:
        cut_off(path, made.random.sample(made.history.order, made.random.randint(1, 3)))
    if made.random.random() < 0.4:
        lost = set(made.random.sample(made.history.order, 1)) - {made.introduction}
        lose(path, lost)
    return path, refs, lost


def audited(court: Court, made: World, path: Path, refs: dict[str, str], *, git: bool) -> dict[str, bool] | None:
    """Which commits an audit by the policy in the history accepts; None where there is no verdict."""
    try:
        records = court.audit(path, refs, git=git, introduction=made.introduction, in_history=True)
    except GitsignError:
        return None
    return {oid: record.accepted for oid, record in records.items()}


def test_audits_of_repositories_that_lie(tmp_path: Path) -> None:
    """The whole engine, without git in every case, and with it in some: both say the same."""
    court, judged, accepted = Court(tmp_path), 0, 0
    for number in range(CASES):
        case = FIRST + number
        made = world(case)
        path, refs, lost = lying(made, court)
        reference = Reference(made.without(lost), made.introduction, REF)
        found = audited(court, made, path, refs, git=False)
        if number % BY_GIT == 0:
            assert found == audited(court, made, path, refs, git=True), case
        shutil.rmtree(path)
        if found is None:
            continue
        judged, accepted = judged + 1, accepted + sum(found.values())
        wrong = {oid for oid, verdict in found.items() if verdict and not reference.accepts(oid)}
        assert not wrong, (case, wrong)
    assert judged > CASES // 4
    assert accepted > judged
