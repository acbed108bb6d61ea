"""Faults that no single key shows: names, identities, keys and rules of a policy that contradict each other."""

from collections import Counter

from gitsign_py.policy.inclusion import Steps, glob_includes
from gitsign_py.policy.model import Policy, Principal, Rule
from gitsign_py.policy.reader import Problems

_TABLES = {"person": "people", "workflow": "workflows", "robot": "robots", "forge": "forges"}


def check_consistency(policy: Policy, problems: Problems) -> None:
    """Note every contradiction in a policy whose single values are in order."""
    _check_people(policy, problems)
    _check_keys(policy, problems)
    _check_rules(policy, problems)
    _check_forges(policy, problems)
    if policy.introduction in policy.exemptions:
        problems.add(("introduction",), "is exempt as well: the introduction is accepted because it is pinned")


def _check_people(policy: Policy, problems: Problems) -> None:
    """An identity or e-mail that two share makes it unclear who signed, and which window counts."""
    seen: dict[object, Principal] = {}
    for principal in policy.principals.values():
        for identity in principal.identities:
            other = seen.setdefault(identity, principal)
            if other is not principal:
                problems.add(_path(principal), f"has the same identity as {other.name}")
        for email in principal.emails:
            other = seen.setdefault(email, principal)
            if other is not principal:
                problems.add((*_path(principal), "emails"), f"{email} belongs to {other.name} as well")
    logins: dict[str, Principal] = {}
    for principal in policy.principals.values():
        for login in principal.logins:
            other = logins.setdefault(login, principal)
            if other is not principal:
                problems.add((*_path(principal), "logins"), f"{login} belongs to {other.name} as well")


def _path(principal: Principal) -> tuple[str, ...]:
    return (_TABLES[principal.kind], principal.name)


def _check_keys(policy: Policy, problems: Problems) -> None:
    owners = Counter(key for principal in policy.principals.values() for key in principal.keys)
    owners.update(key for forge in policy.forges for key in forge.keys)
    for forge in policy.forges:
        for key in forge.keys:
            if key not in policy.keys:
                problems.add(("forges", forge.name, "keys"), f"{key} is not in [keys]")
    known: dict[tuple[str, ...], str] = {}
    for name, entry in policy.keys.items():
        if owners[name] != 1:
            problems.add(("keys", name), "belongs to nobody" if not owners[name] else "belongs to more than one")
        same = (entry.fingerprint, entry.issuer, entry.subject)
        if known.setdefault(same, name) != name:
            problems.add(("keys", name), f"is the same key as {known[same]}")


def _check_forges(policy: Policy, problems: Problems) -> None:
    """A merge is its committer's forge's: of two with one committer the second would never be asked."""
    seen: dict[str, str] = {}
    for forge in policy.forges:
        if seen.setdefault(forge.committer, forge.name) != forge.name:
            problems.add(("forges", forge.name, "committer"), f"is that of {seen[forge.committer]} as well")


def _check_rules(policy: Policy, problems: Problems) -> None:
    """Rules that hide others are looked for as far as the steps go, which is further than anybody writes rules."""
    steps = Steps()
    for number, rule in enumerate(policy.rules):
        for earlier in policy.rules[:number]:
            if earlier.name == rule.name:
                problems.add(("rules", number, "name"), f"{rule.name} is the name of another rule as well")
            if _covers(earlier.refs, rule.refs, steps) and _covers(earlier.paths, rule.paths, steps):
                problems.add(("rules", number), f"can never decide: {earlier.name} before it covers the same and more")
        _check_refs(policy, number, rule, problems, steps)
        _check_approvers(policy, number, rule, problems)
        _check_match(policy, number, rule, problems)


def _covers(wide: tuple[str, ...], narrow: tuple[str, ...], steps: Steps) -> bool:
    """Tell whether the globs ``wide`` take in all of ``narrow``; no glob at all means everything."""
    if not wide or not narrow:
        return not wide
    return all(any(glob_includes(glob, inner, steps) for glob in wide) for inner in narrow)


def _check_refs(policy: Policy, number: int, rule: Rule, problems: Problems, steps: Steps) -> None:
    hidden = [glob for glob in rule.refs if any(glob_includes(left, glob, steps) for left in policy.unjudged)]
    if hidden:
        problems.add(("rules", number, "refs"), f"{hidden[0]} is in unjudged as well: the rule would never be asked")


def _check_approvers(policy: Policy, number: int, rule: Rule, problems: Problems) -> None:
    """More approvals than there are people would refuse everything, for ever."""
    people = sum(policy.principals[name].kind == "person" for name in rule.approvers)
    wanted = max(rule.approvals, rule.robot_approvals)
    if wanted > people:
        problems.add(("rules", number), f"wants {wanted} approvals, and {people} people may give them")


def _check_match(policy: Policy, number: int, rule: Rule, problems: Problems) -> None:
    """A principal without any e-mail could never match a committer or author line."""
    if rule.match == "none":
        return
    for name in sorted(rule.allow):
        if not policy.principals[name].emails:
            problems.add(
                ("rules", number, "allow"),
                f"{name} has no e-mail to match the {rule.match} with: list emails for it, or set match to none",
            )
