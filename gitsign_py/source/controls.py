"""The controls of SLSA's Source track that a server's hooks enforce, and the level that follows from them.

SLSA v1.2, Source track, "Requirements": a level is never stated by itself. It follows from controls that held for this
very update of the ref, by the hooks' own judgement; what nobody judged did not hold. For each control the statement
says since when it held without a gap ("Continuity").
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from gitsign_py.core.frozen import frozen
from gitsign_py.policy.facts import ACCEPTED, Verdict
from gitsign_py.policy.model import Policy, Rule

PROVENANCE = "PROVENANCE_AVAILABLE"
"""The update has a statement like this one; since: every update of the ref had one."""
CONTINUITY = "CONTINUITY_ENFORCED"
"""The ref moved forward or is new, and the hook refuses what moves it back or takes it away ("History")."""
TAGS = "TAG_HYGIENE"
"""The hook refuses what moves or deletes a tag ("Configure the SCS to control access and enforce history")."""
POLICY = "POLICY_ENFORCED"
"""The policy accepts every commit and tag that came in, on this ref ("Continuous technical controls"); of a tag that
nobody signed there is nothing to judge."""
SIGNATURES = "SIGNATURES_VERIFIED"
"""The same, and each was signed by somebody who may: none exempt, none made by a forge."""
REVIEW = "REVIEW_ENFORCED"
"""Two people agreed to each commit that came in: who signed it, and who approved it ("Two-party review")."""
CONTROLS = (PROVENANCE, CONTINUITY, TAGS, POLICY, SIGNATURES, REVIEW)
NEEDED: Mapping[int, tuple[str, ...]] = {
    1: (),
    2: (PROVENANCE, CONTINUITY, TAGS),
    3: (PROVENANCE, CONTINUITY, TAGS, POLICY),
    4: (PROVENANCE, CONTINUITY, TAGS, POLICY, REVIEW),
}
"""The controls that a level needs, by its number."""
LEVELS = tuple(NEEDED)
_PREFIX = "SLSA_SOURCE_LEVEL_"
TWO_PARTY = "SLSA_SOURCE_TWO_PARTY_REVIEWED"
"""The verified property of that name (SLSA v1.2, "Verified Properties")."""


@frozen
class Since:
    """A control held from this revision on, which came in at this time."""

    revision: str
    time: datetime


@frozen
class JudgedChange:
    """One commit or tag that an update brought, as the policy judged it; ``principal`` is who signed."""

    verdict: Verdict
    reason: str = ""
    principal: str = ""
    is_tag: bool = False


@frozen
class Move:
    """One update of a ref. ``was_judged``: the server's hook judged this very update before it came in, and would have
    refused to move the ref back; ``is_forward``: the ref is new, or the new revision descends from the old one.
    """

    ref: str
    was_judged: bool
    is_forward: bool


def held_controls(move: Move, changes: Sequence[JudgedChange] | None, policies: Sequence[Policy]) -> frozenset[str]:
    """The controls that held for one update.

    ``changes`` None: they could not be judged. ``policies`` are all that may have judged one of them.
    """
    held = {PROVENANCE}
    if not move.was_judged:
        return frozenset(held)
    held.add(TAGS)
    if move.is_forward:
        held.add(CONTINUITY)
    signed_tag = not move.ref.startswith("refs/tags/") or any(change.is_tag for change in changes or ())
    if changes is None or not signed_tag or not all(change.verdict in ACCEPTED for change in changes):
        return frozenset(held)
    held.add(POLICY)
    if all(change.verdict == "verified" for change in changes):
        held.add(SIGNATURES)
    if policies and all(_is_reviewed(policy, move.ref, changes) for policy in policies):
        held.add(REVIEW)
    return frozenset(held)


def _is_reviewed(policy: Policy, ref: str, changes: Sequence[JudgedChange]) -> bool:
    return _wants_review(policy, ref) and all(_was_reviewed(policy, ref, change) for change in changes)


def _wants_review(policy: Policy, ref: str) -> bool:
    """Tell whether every rule for the ref wants approvals, so that no path of it leads around them.

    Tags name a revision and bring no change: their commits are reviewed on a branch, whose statement says so.
    """
    rules = _deciding(policy, ref)
    return ref.startswith("refs/heads/") and bool(rules) and all(rule.approvals for rule in rules)


def _deciding(policy: Policy, ref: str) -> Sequence[Rule]:
    """The rules that can decide about something on a ref: none behind the first one for all paths does."""
    rules = [policy.rules[number] for number in policy.rules_for(ref)]
    last = next((number for number, rule in enumerate(rules) if not rule.paths), len(rules))
    return rules[: last + 1]


def _was_reviewed(policy: Policy, ref: str, change: JudgedChange) -> bool:
    """A person's commit passed a rule that wants another person's approval; a robot's needs two of them.

    A merge by a forge that comes out the same when it is made again adds nothing to what was reviewed.
    """
    if change.verdict == "forge-merge":
        return change.reason == "forge-reproduced"
    signer = policy.principals.get(change.principal)
    if change.verdict != "verified" or signer is None:
        return False
    needed = 1 if signer.kind == "person" else 2
    return all(rule.approvals >= needed for rule in _deciding(policy, ref))


def carried_on(held: Iterable[str], here: Since, before: Mapping[str, Since] | None) -> Mapping[str, Since]:
    """Since when each control holds: as the update right before says, else from here on.

    ``before`` are the controls of the statement about the revision that the ref had before; None where there is none.
    """
    earlier = before or {}
    return {name: earlier.get(name, here) for name in sorted(held)}


def level_of(controls: Iterable[str]) -> int:
    """The highest level whose controls are all there. A revision with a statement has level 1 at least."""
    there = frozenset(controls)
    return max(level for level, needed in NEEDED.items() if there.issuperset(needed))


def lacking(controls: Iterable[str], level: int) -> tuple[str, ...]:
    """The controls that a level needs and that are not there."""
    there = frozenset(controls)
    return tuple(name for name in NEEDED[level] if name not in there)


def level_name(level: int) -> str:
    """The level as VSAs spell it (SLSA v1.2, "SlsaResult")."""
    return f"{_PREFIX}{level}"


def level_in(results: Iterable[str]) -> int:
    """The level among the results of a VSA; 0 where there is none, or more than one, which none may have."""
    found = [result for result in results if result.startswith(_PREFIX)]
    named = {level_name(level): level for level in LEVELS}
    return named.get(found[0], 0) if len(found) == 1 else 0
