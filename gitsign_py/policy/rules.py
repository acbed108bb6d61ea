"""A case that is judged, and which rules decide it."""

from collections.abc import Callable, Iterable, Iterator

from gitsign_py.core.frozen import frozen
from gitsign_py.policy.changes import Changed
from gitsign_py.policy.facts import CommitFacts, SignatureFacts
from gitsign_py.policy.model import POLICY_FOLDER, Policy, Rule
from gitsign_py.policy.paths import PathRules, path_rules
from gitsign_py.policy.surroundings import Surroundings


@frozen
class Case:
    """Everything that a decision rests on: a commit, its signature and its surroundings, judged on ``ref``."""

    policy: Policy
    commit: CommitFacts
    signature: SignatureFacts
    ref: str
    around: Surroundings


def touched_policy(case: Case) -> str:
    """A path that the commit changes below ``.gitsign/``, or the file that the policy was read from; else empty."""
    place = case.policy.place
    touched = case.around.changed_below(case.commit, POLICY_FOLDER)
    if touched or not place:
        return touched
    own = Rule("policy", (), (f"/{place}",), case.policy.administrators, "none", frozenset())
    changed = case.around.changed(case.commit, path_rules((own,)))
    return next((one.path for one in changed if one.deciding.rules), "")


def rules_of(case: Case) -> PathRules:
    """The rules for the case's ref."""
    return path_rules(tuple(case.policy.rules[number] for number in case.policy.rules_for(case.ref)))


def decisions(changed: Callable[[CommitFacts, PathRules], Iterable[Changed]], case: Case) -> Iterator[Changed]:
    """The rules for each path that is changed, one at a time; with an empty path where none is, or none is asked."""
    rules = rules_of(case)
    found = False
    for one in changed(case.commit, rules) if rules.ask_paths else ():
        found = True
        yield one
    if not found:
        yield Changed("", rules.nothing())
