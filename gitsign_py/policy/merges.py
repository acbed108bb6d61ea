"""Merges that a forge makes on a click, and that no person can have signed.

They count when the forge's own key, listed in the policy, signed them: the key signs for every user of that forge, so
content of their own must be what the rules let their author bring. Or when they add nothing of their own (merging the
parents again gives the very same tree), what they merge is accepted by itself, and the person whom the merge names as
its author is one who may sign what the merge brings to this ref. That name is unsigned: the policy may want whoever
pushes the merge to be that person.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from gitsign_py.policy.approvals import check_approvals
from gitsign_py.policy.changes import Changed
from gitsign_py.policy.facts import Decision, Pusher, Verdict
from gitsign_py.policy.heads import Copy, HeadVerdict
from gitsign_py.policy.model import Forge, Policy, Principal, Rule
from gitsign_py.policy.paths import PathRules
from gitsign_py.policy.rules import Case, decisions, rules_of, touched_policy
from gitsign_py.policy.signers import check_push_window, check_window, find_signers

PARENTS = 2  # that a forge's merge has
UNPROVEN = ("unsigned", "unchecked")  # a bad or malformed signature is never explained away
_Problem = tuple[str, str]  # reason and message
_Asked = dict[Rule, _Problem]
_NONE: _Problem = ("", "")


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
        reason, message = _own_problem(case)
        if reason:
            return Decision("unauthorised", reason, message, rule)
        return Decision("forge-merge", "forge-key", f"merge signed with a key of {forge.name}", rule)
    if case.signature.status not in UNPROVEN or not forge.reproducible:
        return None
    reason, message = _why_not(case)
    if not reason:
        reason, message = pusher_problem(case, forge)
    if reason:
        verdict: Verdict = "unchecked" if reason == "pusher-unknown" else "unauthorised"
        return Decision(verdict, reason, message, rule)
    return Decision("forge-merge", "forge-reproduced", "merge adds nothing of its own", rule)


def _own_problem(case: Case) -> _Problem:
    """What a merge by the forge's key has of its own must be what its author may bring, approved as a rule wants it."""
    if touched := _policy_problem(case):
        return "merge-changes-policy", touched
    own = _own_content(case)
    first = next(own, None)
    if first is None:
        return _NONE
    author = author_of(case)
    if author is None:
        return unknown_author(case)
    if late := check_window(author, case.signature):
        return late.reason, late.message
    return first_problem(case, author, chain((first,), own), times=_proven(case), is_own=True)


def _own_content(case: Case) -> Iterator[Changed]:
    """The changes that nobody made before: conflicts that were resolved, or anything at all. Where merging again gives
    the same, what git moved along with a file: its maker may not have the right to the place where it is now.
    """
    rules = rules_of(case)
    changed = iter(case.around.changed(case.commit, rules))
    first = next(changed, None)
    if first is None:
        return iter(())
    if case.around.is_reproducible(case.commit):
        return chain.from_iterable(case.around.moved(case.commit, copy, rules) for copy in _sides(case))
    return chain((first,), changed)


def late_author(case: Case) -> Decision | None:
    """Refuse content that a forge's key signed for somebody who has left by now: ``case`` has the newest policy."""
    author = author_of(case)
    late = check_window(author, case.signature) if author is not None and case.signature.status == "good" else None
    return None if late is None or next(_own_content(case), None) is None else late


def asks_pusher(policy: Policy, decision: Decision) -> bool:
    """Tell whether a forge by which this policy accepted something wants the author to push it."""
    return any(forge.author_pushes and decision.rule == f"forges.{forge.name}" for forge in policy.forges)


def late_pusher(case: Case) -> Decision | None:
    """Refuse what nobody signed (a merge, a squash, a rebase) and somebody pushes who has left by now.

    ``case`` has the newest policy; that the pusher is the author was seen by the older one.
    """
    pusher = case.around.pushed_by()
    if case.signature.status == "good" or pusher is None or pusher.judged:
        return None
    late = (check_push_window(person, pusher) for person in _pushers(case, pusher))
    return next(filter(None, late), None)


def _pushers(case: Case, pusher: Pusher) -> Iterable[Principal]:
    author = author_of(case)
    yield from () if author is None else (author,)
    if pusher.signature is not None:
        yield from find_signers(case.policy, pusher.signature)
    yield from (one for one in case.policy.principals.values() if pusher.login and pusher.login in one.logins)


def _why_not(case: Case) -> _Problem:
    if not case.around.is_reproducible(case.commit):
        return "merge-not-reproducible", "merging the parents again does not give this commit's tree"
    if touched := _policy_problem(case):
        return "merge-changes-policy", touched
    refused = [parent for parent in case.commit.parents[1:] if not case.around.is_accepted(parent)]
    if refused:
        return "merged-not-accepted", f"the policy does not accept the merged commit {refused[0][:12]}"
    return _author_problem(case)


def _policy_problem(case: Case) -> str:
    """A merge that gives the policy a value that neither side had (two edits, merged) is nobody's decision."""
    touched = touched_policy(case)
    return touched and f"a forge's merge may not change {touched} by itself"


def author_of(case: Case) -> Principal | None:
    """Whom the policy knows by the address in the author line."""
    email = case.commit.author_email
    return next((one for one in case.policy.principals.values() if email in one.emails), None)


def unknown_author(case: Case) -> _Problem:
    """Say that the policy knows nobody by the author line."""
    return "merge-author-unknown", f"author {case.commit.author_email or 'nobody'} is not named in the policy"


def _author_problem(case: Case) -> _Problem:
    author = author_of(case)
    if author is None:
        return unknown_author(case)
    reason, message = first_problem(case, author, decisions(case.around.brought, case))
    rules = rules_of(case)
    if reason or not rules.ask_paths or next(iter(case.around.changed(case.commit, rules)), None) is None:
        return reason, message
    moved = (moved_problem(case, author, copy, times=frozenset()) for copy in _sides(case))
    return next(filter(any, moved), _NONE)


def _sides(case: Case) -> tuple[Copy, ...]:
    """Who pushes an unsigned merge chooses the order of its parents."""
    return tuple(Copy("merge", parent) for parent in dict.fromkeys(case.commit.parents))


def moved_problem(
    case: Case, author: Principal, copy: Copy, *, times: frozenset[str], verdict: HeadVerdict | None = None
) -> _Problem:
    """Why git may not have moved a change of the ``copy`` to where it is: nobody signed it there.

    So each who signed what is behind the copy must be one who may, and not its author alone.
    """
    rules = rules_of(case)
    makers: frozenset[str] | None = None
    asked: _Asked = {}
    for one in case.around.moved(case.commit, copy, rules) if rules.ask_paths else ():
        if makers is None:
            makers = _makers(verdict or case.around.judge_copy(case.commit, copy), rules)
        if others := [name for name in sorted(makers) if any(name not in rule.allow for rule in one.deciding.rules)]:
            told = f"git moves a change to {one.path}, where {others[0]} may not sign: merge by hand and sign that"
            return "merge-author-refused", told
        problem = _path_problem(case, author, one, times, asked)
        if any(problem):
            return problem
    return _NONE


def _makers(verdict: HeadVerdict, rules: PathRules) -> frozenset[str]:
    """The signers behind a copy; where they are not all known, all who may sign something on the ref."""
    if verdict.all_signed:
        return verdict.signers
    return frozenset[str]().union(*(rule.allow for rule in rules.rules))


def first_problem(
    case: Case,
    author: Principal,
    brought: Iterable[Changed],
    *,
    times: frozenset[str] | None = None,
    is_own: bool = False,
) -> _Problem:
    """Why the author may not bring what a merge brings. With ``times``, rules find those that they ask for in them.

    What ``is_own`` was approved nowhere else.
    """
    asked: _Asked | None = {} if is_own else None
    return next(filter(any, (_path_problem(case, author, one, times, asked) for one in brought)), _NONE)


def _path_problem(
    case: Case, author: Principal, brought: Changed, times: frozenset[str] | None, asked: _Asked | None
) -> _Problem:
    path, deciding = brought
    if not deciding.is_covered or any(author.name not in rule.allow for rule in deciding.rules):
        return "merge-author-refused", f"{author.name} may not bring {path or 'a merge'} to {case.ref}"
    missing = frozenset[str]().union(*(rule.times for rule in deciding.rules)) - (times or frozenset())
    if times is not None and missing:
        return "time-missing", f"rule asks for a time proven by {' and '.join(sorted(missing))} for {path}"
    return _NONE if asked is None else _approvals_problem(case, author, deciding.rules, asked)


def _approvals_problem(case: Case, author: Principal, rules: Iterable[Rule], asked: _Asked) -> _Problem:
    """Ask once for each rule, however many paths it is for."""
    for rule in rules:
        if rule.wants_approvals and rule not in asked:
            asked[rule] = _approval_problem(case, author, rule)
    return next((asked[rule] for rule in rules if any(asked.get(rule, _NONE))), _NONE)


def _approval_problem(case: Case, author: Principal, rule: Rule) -> _Problem:
    found = case.around.approvers(case.policy, case.commit, case.ref)
    refusal = check_approvals(case.policy, case.commit, rule, author, found)
    return (refusal.reason, refusal.message) if refusal else _NONE


def _proven(case: Case) -> frozenset[str]:
    return frozenset(source for source, _ in case.signature.times)


def pusher_problem(case: Case, forge: Forge) -> _Problem:
    """The author's name is unsigned; where the policy wants it, the push says so."""
    if not forge.author_pushes:
        return _NONE
    author, pusher = author_of(case), case.around.pushed_by()
    if author is None or pusher is None:
        return "pusher-unknown", "nobody says who pushed this merge, and the policy wants it to be its author"
    if pusher.judged:
        return _NONE
    if pusher.signature is not None:
        is_author = find_signers(case.policy, pusher.signature) == [author]
    else:
        is_author = pusher.login in author.logins
    if is_author:
        late = check_push_window(author, pusher)
        return (late.reason, late.message) if late else _NONE
    name = pusher.login or "another identity"
    return "pusher-not-author", f"merge names {author.name} as its author, and was pushed by {name}"
