"""Merges that a forge makes on a click: nobody's own signature can be on them.

They count when the forge's own key, listed in the policy, signed them; or when they add nothing of their own (merging
the parents again gives the very same tree), what they merge is accepted by itself, and the person whom the merge
names as its author is one who may sign what the merge brings to this ref.
"""

from collections.abc import Iterable

from gitsign_py.policy.facts import Decision
from gitsign_py.policy.model import POLICY_FOLDER, Forge
from gitsign_py.policy.rules import Case, deciding_rule
from gitsign_py.policy.signers import find_signers

PARENTS = 2  # that a forge's merge has
_UNPROVEN = ("unsigned", "unchecked")  # a bad or malformed signature is never explained away


def judge_forge_merge(case: Case) -> Decision | None:
    """Give ``forge-merge``, the reason why a forge's merge does not count, or None for what is no forge's merge."""
    if len(case.commit.parents) != PARENTS:
        return None
    for forge in case.policy.forges:
        if forge.committer == case.commit.committer_email:
            return _judge(case, forge)
    return None


def _judge(case: Case, forge: Forge) -> Decision | None:
    rule = f"forges.{forge.name}"
    if case.signature.status == "good":
        signers = find_signers(case.policy, case.signature)
        if [(signer.kind, signer.name) for signer in signers] != [("forge", forge.name)]:
            return None  # somebody signed it after all: judged like any commit
        if touched := _policy_problem(case):
            return Decision("unauthorised", "merge-changes-policy", touched, rule)
        return Decision("forge-merge", "forge-key", f"merge signed with a key of {forge.name}", rule)
    if case.signature.status not in _UNPROVEN or not forge.reproducible:
        return None
    reason, message = _why_not(case)
    if reason:
        return Decision("unauthorised", reason, message, rule)
    return Decision("forge-merge", "forge-reproduced", "merge adds nothing of its own", rule)


def _why_not(case: Case) -> tuple[str, str]:
    if not case.around.is_reproducible(case.commit):
        return "merge-not-reproducible", "merging the parents again does not give this commit's tree"
    if touched := _policy_problem(case):
        return "merge-changes-policy", touched
    refused = [parent for parent in case.commit.parents[1:] if not case.around.is_accepted(parent)]
    if refused:
        return "merged-not-accepted", f"what is merged, {refused[0][:12]}, is not accepted itself"
    return _author_problem(case, case.around.brought(case.commit))


def _policy_problem(case: Case) -> str:
    """A merge that gives the policy a value that neither side had (two edits, merged) is nobody's decision."""
    touched = next(iter(case.around.changed_below(case.commit, POLICY_FOLDER)), "")
    return touched and f"a forge's merge may not change {touched} by itself"


def _author_problem(case: Case, paths: Iterable[str]) -> tuple[str, str]:
    policy, email, ref = case.policy, case.commit.author_email, case.ref
    author = next((one for one in policy.principals.values() if email in one.emails), None)
    if author is None:
        return "merge-author-unknown", f"merge's author {email or 'nobody'} is not named in the policy"
    rules = [policy.rules[number] for number in policy.rules_for(ref)]
    for path in tuple(paths) or ("",):
        rule = deciding_rule(rules, path)
        if rule is None or author.name not in rule.allow:
            return "merge-author-refused", f"{author.name} may not bring {path or 'a merge'} to {ref}"
    return "", ""
