"""Approvals: what others than its author say of a commit, and whether that is as much as a rule wants.

A statement is about one change of one ref: from a commit's first parent to the commit's tree, with the other parents of
a merge. On another ref, other parents or another tree it says nothing. Each person of the policy counts once, by
whichever identity they signed.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from unicodedata import normalize

from gitsign_py.core.frozen import frozen
from gitsign_py.policy.facts import CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.model import Policy, Principal, Rule
from gitsign_py.policy.signers import check_window, find_signers, refused

MAX_AT_ONCE = 64
"""Commits that one person approves together, by one command."""
PREDICATE = "https://gittuf.dev/reference-authorization/v0.2"
"""gittuf's: ``targetRef`` goes from ``fromID`` to the tree ``targetID``, which is the subject (``gitTree``)."""
WITHDRAWAL = "https://gitsign-py.invalid/approval-withdrawal/v0.1"
"""The same fields: the signer takes back what they said of this change until then."""


@frozen
class Approval:
    """A statement about a commit whose signature is good: for ``ref``, made or taken back.

    ``statement`` names what was said and the key that signed it; copies of one statement, with other proofs of time,
    have the same.
    """

    ref: str
    is_withdrawn: bool
    signature: SignatureFacts
    statement: str


class ApprovalSource(Protocol):
    """Finds verified statements."""

    def approvals(self, commit: CommitFacts) -> Sequence[Approval]:
        """Statements about the change that this very commit makes; what does not verify is left out."""
        ...


def change_of(commit: CommitFacts) -> tuple[str, ...]:
    """``fromID`` (zeros where there is no parent), ``targetID``, and the other parents of a merge.

    The first parent and the tree alone are those of many merges: one with the branch as it is takes back what it has.
    """
    first, *others = commit.parents or ("0" * len(commit.oid),)
    return (first, commit.tree, *others)


def predicate_about(commit: CommitFacts, ref: str) -> dict[str, Any]:
    """The fields of a statement about a commit: gittuf's, and ``mergedIDs`` of a merge."""
    old, new, *others = change_of(commit)
    said: dict[str, Any] = {"targetRef": ref, "fromID": old, "targetID": new}
    return said | ({"mergedIDs": others} if others else {})


def approvers_of(
    policy: Policy, ref: str, approvals: Iterable[Approval], closing: Policy | None = None
) -> frozenset[str]:
    """The people whose last word on the change is an approval; by ``closing``, a newer policy, some have left.

    A statement was said at the first time that a copy of it proves: others can have the same signature logged or
    timestamped again, after it was taken back.
    """
    last: dict[str, Approval] = {}
    said: set[str] = set()
    for approval in sorted(approvals, key=_order):
        if approval.statement in said:
            continue
        said.add(approval.statement)
        signer = _signer(policy, approval.signature, closing) if approval.ref == ref else None
        if signer is not None:
            last[signer.name] = approval
    people = (name for name, approval in last.items() if not approval.is_withdrawn)
    return frozenset(name for name in people if policy.principals[name].kind == "person")


def _signer(policy: Policy, signature: SignatureFacts, closing: Policy | None) -> Principal | None:
    """The one whom the policy knows, where the time lies in all of their windows."""
    signers = find_signers(policy, signature)
    if len(signers) != 1:
        return None
    newer = find_signers(closing, signature) if closing is not None else []
    is_late = any(check_window(one, signature) for one in (*signers, *newer))
    return None if is_late else signers[0]


def _order(approval: Approval) -> tuple[float, bool]:
    """By the proven time; of one moment the withdrawal counts."""
    proven = approval.signature.time
    return (proven[1].timestamp() if proven else 0.0, approval.is_withdrawn)


def _folded(email: str) -> str:
    """An address as mail finds it: these lines are nobody's proof, and another spelling makes nobody another person."""
    return normalize("NFKC", email).casefold().strip()


def check_approvals(
    policy: Policy, commit: CommitFacts, rule: Rule, signer: Principal, approvers: frozenset[str]
) -> Decision | None:
    """Refuse what fewer people than the rule wants have approved; neither signer, author nor committer is another."""
    wanted = max(rule.approvals, rule.robot_approvals if signer.kind == "robot" else 0)
    lines = {_folded(commit.author_email), _folded(commit.committer_email)}
    own = {one.name for one in policy.principals.values() if lines & set(map(_folded, one.emails))}
    found = (approvers & rule.approvers) - own - {signer.name}
    if len(found) >= wanted:
        return None
    told = ", ".join(sorted(found)) or "nobody"
    message = f"rule {rule.name} wants {wanted} approvals by others than its author, approved by {told}"
    return refused("approvals-missing", message, signer.name, rule.name)
