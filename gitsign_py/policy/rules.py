"""A case that is judged, and which rule decides it."""

from collections.abc import Iterable

from gitsign_py.core.frozen import frozen
from gitsign_py.policy.facts import CommitFacts, SignatureFacts
from gitsign_py.policy.model import Policy, Rule
from gitsign_py.policy.surroundings import Surroundings


@frozen
class Case:
    """Everything that a decision rests on: a commit, its signature and its surroundings, judged on ``ref``."""

    policy: Policy
    commit: CommitFacts
    signature: SignatureFacts
    ref: str
    around: Surroundings


def deciding_rule(rules: Iterable[Rule], path: str) -> Rule | None:
    """The first of ``rules`` that covers a path. The empty path (nothing changed) is covered by rules for all paths."""
    return next((rule for rule in rules if (rule.covers_path(path) if path else not rule.paths)), None)
