"""Commits that a forge makes of a pull request's: the squash of a whole head, and the rebase of each commit.

No person's own signature can be on them, and all of what they change was signed by somebody before. They count when a
listed key of the forge signed them, or nobody did and the policy lets unsigned merges of the forge count; when their
tree is exactly what git makes again of their parent and the head of a pull request; when the policy accepts the commits
of that head on this ref; and when the one who stands behind the copy may bring each path that it changes.
"""

from gitsign_py.policy.facts import Decision, Verdict
from gitsign_py.policy.heads import Copy, HeadVerdict
from gitsign_py.policy.merges import (
    UNPROVEN,
    author_of,
    first_problem,
    moved_problem,
    pusher_problem,
    unknown_author,
)
from gitsign_py.policy.model import POLICY_FOLDER, Forge, Policy, Principal
from gitsign_py.policy.rules import Case, decisions, touched_policy
from gitsign_py.policy.signers import find_signers

_Problem = tuple[str, str]  # reason and message
_UNAUTHORISED: Verdict = "unauthorised"
_MISSING: _Problem = (
    "forge-head-missing",
    "no head of a pull request that is here gives this very tree when it is merged into the parent again",
)


def may_be_copy(policy: Policy, parents: int) -> bool:
    """Tell whether an unsigned commit with so many parents may be a forge's copy."""
    return parents == 1 and any(forge.copies and forge.reproducible for forge in policy.forges)


def judge_forge_copy(case: Case) -> Decision | None:
    """Give ``forge-squash`` or ``forge-rebase``, the reason why a forge's copy does not count, or None for another."""
    if len(case.commit.parents) != 1 or case.commit.kind == "tag":
        return None
    refusal: Decision | None = None
    for forge in case.policy.forges:
        if forge.copies and (claim := _claim(case, forge)):
            decision = _judge(case, forge)
            if decision.accepted:
                return decision
            # A person's name in the committer line makes no commit the forge's, unless a head fits it.
            if claim == "forge" or decision.reason != _MISSING[0]:
                refusal = refusal or decision
    return refusal


def _claim(case: Case, forge: Forge) -> str:
    """By what the commit may be the forge's: its key or address, or the name of a person, as of who clicked."""
    committer = case.commit.committer_email
    if case.signature.status == "good":
        signers = find_signers(case.policy, case.signature)
        return "forge" if [(one.kind, one.name) for one in signers] == [("forge", forge.name)] else ""
    if case.signature.status not in UNPROVEN or not forge.reproducible:
        return ""
    if committer == forge.committer:
        return "forge"
    known = any(committer in one.emails for one in case.policy.principals.values())
    return "person" if known and case.signature.status == "unsigned" else ""


def _judge(case: Case, forge: Forge) -> Decision:
    rule = f"forges.{forge.name}"
    (reason, message), kind = _MISSING, _UNAUTHORISED
    for copy in case.around.copies(case.commit, squash=forge.squash, rebase=forge.rebase):
        verdict = case.around.judge_copy(case.commit, copy)
        person, (reason, message) = _behind(case, copy, verdict)
        if person is not None:
            reason, message = _person_problem(case, forge, copy, verdict, person)
            if not reason:
                return _accepted(rule, copy, person)
        unread = verdict.decision is not None and verdict.decision.verdict == "unchecked"
        kind = "unchecked" if unread or reason == "pusher-unknown" else _UNAUTHORISED
    return Decision(kind, reason, message, rule)


def _accepted(rule: str, copy: Copy, person: Principal) -> Decision:
    made: Verdict = "forge-squash" if copy.kind == "squash" else "forge-rebase"
    reason, words = ("squash-remade", "squash") if copy.kind == "squash" else ("rebase-remade", "rebase")
    return Decision(made, reason, f"{words} of {copy.head}, with nothing of its own", rule, person.name, copy.head)


def _behind(case: Case, copy: Copy, verdict: HeadVerdict) -> tuple[Principal | None, _Problem]:
    """The signers behind a copy: of a squash its author, who signed a part of the head; of a rebase who signed it."""
    if verdict.refused:
        why = verdict.decision.message if verdict.decision else "nothing is known of it"
        told = f"the policy does not accept {verdict.refused[:12]} of the head {copy.head[:12]}: {why}"
        return None, ("head-not-accepted", told)
    if copy.kind == "rebase" and len(verdict.signers) == 1:
        [name] = verdict.signers
        told = f"{name} signed {copy.head[:12]}, and the policy here does not name them any more"
        return case.policy.principals.get(name), ("merge-author-unknown", told)
    author = author_of(case)
    if author is None:
        return None, unknown_author(case)
    if copy.kind == "squash" and author.name not in verdict.signers:
        told = f"{author.name} is the author and signed no commit of the head {copy.head[:12]}"
        return None, ("head-of-another", told)
    return author, ("", "")


def _person_problem(case: Case, forge: Forge, copy: Copy, verdict: HeadVerdict, person: Principal) -> _Problem:
    reason, message = _policy_problem(case, copy, person)
    if not reason:
        brought = decisions(case.around.changed, case)
        reason, message = first_problem(case, person, brought, times=verdict.times)
    if not reason:
        reason, message = moved_problem(case, person, copy, times=verdict.times, verdict=verdict)
    if not reason and case.signature.status != "good":
        reason, message = pusher_problem(case, forge)
    return reason, message


def _policy_problem(case: Case, copy: Copy, person: Principal) -> _Problem:
    """An administrator's change of the policy may be squashed, as long as it stays what the head has."""
    touched = touched_policy(case)
    if not touched:
        return "", ""
    if person.name not in case.policy.administrators:
        return "policy-change", f"{person.name} may not change {touched}"
    own = (POLICY_FOLDER, *((case.policy.place,) if case.policy.place else ()))
    if not all(case.around.keeps(case.commit, copy, place) for place in own):
        return "merge-changes-policy", f"a forge may not make a new {touched} of two"
    return "", ""
