"""The principals that a policy names: people, workflows and groups, read from their tables."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import oids
from gitsign_py.policy.model import Identity, Key, Principal, PrincipalKind, Window
from gitsign_py.policy.patterns import Matcher
from gitsign_py.policy.reader import Table
from gitsign_py.policy.subjects import KEYS, read_name, read_pattern

MAX_GROUPS = 1024
MAX_GROUP_NAMES = 100_000
"""Of all groups in all: one that is in many others counts in each of them."""
CLAIMS = frozenset(oids.FULCIO_CLAIMS.values()) | frozenset(oids.FULCIO_GITHUB_CLAIMS.values())


@frozen
class Principals:
    """Principals by name, and what each group name stands for (already expanded)."""

    by_name: Mapping[str, Principal]
    groups: Mapping[str, frozenset[str]]

    def expand(self, table: Table, key: str, *, required: bool) -> frozenset[str]:
        """Read an array of names and give the principals that they stand for."""
        found: set[str] = set()
        for name in table.texts(key, required=required):
            if name in self.by_name:
                found.add(name)
            elif name in self.groups:
                found |= self.groups[name]
            else:
                table.wrong(key, f"{name} is neither a person, a workflow, a robot nor a group")
        return frozenset(found)


def read_principals(root: Table, keys: Mapping[str, Key]) -> Principals:
    """Read ``[people.*]``, ``[workflows.*]``, ``[robots.*]`` and ``[groups]``."""
    principals: dict[str, Principal] = {}
    for name, table in root.named("people"):
        principals[name] = _person(name, table, keys)
    for kind, key in (("workflow", "workflows"), ("robot", "robots")):
        for name, table in root.named(key):
            if name in principals:
                table.problems.add(table.path, f"is the name of a {principals[name].kind} as well")
            principals[name] = _workload(name, table, cast(PrincipalKind, kind))
    return Principals(MappingProxyType(principals), _groups(root.table("groups"), principals))


def _person(name: str, table: Table, keys: Mapping[str, Key]) -> Principal:
    identities = tuple(_identity(item) for item in table.items("identities"))
    listed = table.texts("keys")
    for key in listed:
        if key not in keys:
            table.wrong("keys", f"{key} is not in [keys]")
    if not identities and not listed:
        table.wrong("identities", "are missing: a person needs an identity or a key")
    own = {one.subject.text for one in identities if one.kind == "email" and one.subject and not one.subject.is_pattern}
    emails, logins = frozenset({*own, *table.texts("emails")}), frozenset(table.texts("logins"))
    person = Principal(name, "person", identities, listed, emails, _window(table), logins)
    table.finish()
    return person


def _workload(name: str, table: Table, kind: PrincipalKind) -> Principal:
    emails, window = frozenset(table.texts("emails")), _window(table)
    return Principal(name, kind, (_identity(table),), (), emails, window)


def _identity(table: Table) -> Identity:
    """A name or pattern, claims or patterns, and always one exact issuer: a name says nothing without it."""
    named = any(f"{key}{end}" in table.values for key in KEYS for end in ("", "-pattern"))
    kind, subject = read_name(table)
    claims = (
        *_claims(table.table("claims"), as_pattern=False),
        *_claims(table.table("claim-patterns"), as_pattern=True),
    )
    if len({claim for claim, _ in claims}) != len(claims):
        table.wrong("claim-patterns", "names a claim that claims fixes already")
    if subject is None and not claims and not named:
        table.wrong("subject", "is missing: give subject, uri or username, one of them with -pattern, or claims")
    identity = Identity(table.text("issuer"), subject, claims, kind)
    table.finish()
    return identity


def _claims(table: Table, *, as_pattern: bool) -> tuple[tuple[str, Matcher], ...]:
    claims = []
    for name in table.values:
        text = table.text(name)
        matcher = read_pattern(table, name, text) if as_pattern else Matcher(text)
        if name not in CLAIMS and not oids.is_later_claim(name):
            table.wrong(name, f"is not a Fulcio claim; known: {', '.join(sorted(CLAIMS))}, and later ones by number")
        elif matcher is not None:
            claims.append((name, matcher))
    return tuple(claims)


def _window(table: Table) -> Window:
    window = Window(table.moment("from", end_of_day=False), table.moment("until", end_of_day=True))
    if window.start and window.end and window.end < window.start:
        table.wrong("until", "is before from")
    return window


def _groups(table: Table, principals: Mapping[str, Principal]) -> Mapping[str, frozenset[str]]:
    members = {name: table.texts(name, required=True) for name in table.values}
    if len(members) > MAX_GROUPS:
        table.problems.add(table.path, f"has more than {MAX_GROUPS} groups")
        return MappingProxyType({})
    found: dict[str, frozenset[str]] = {}
    left = MAX_GROUP_NAMES
    for name in members:
        if name in principals:
            table.wrong(name, "is the name of a person or workflow as well")
        found[name] = _flatten(name, members, left)
        left -= len(found[name])
        if left <= 0:
            table.problems.add(table.path, f"stands for more than {MAX_GROUP_NAMES} names, each counted in each group")
            return MappingProxyType({})
        _check_members(table, name, members, found[name], principals)
    return MappingProxyType({name: names & principals.keys() for name, names in found.items()})


def _check_members(
    table: Table,
    name: str,
    members: Mapping[str, tuple[str, ...]],
    below: frozenset[str],
    principals: Mapping[str, Principal],
) -> None:
    for member in members[name]:
        if member not in principals and member not in members:
            table.wrong(name, f"{member} is neither a person, a workflow, a robot nor a group")
    if name in below:
        table.wrong(name, "contains itself")


def _flatten(name: str, members: Mapping[str, tuple[str, ...]], most: int) -> frozenset[str]:
    """All names below a group, groups included, each entered once; no more than ``most``."""
    found: set[str] = set()
    entered: set[str] = set()
    groups = [name]
    while groups and len(found) < most:
        group = groups.pop()
        if group not in entered:
            entered.add(group)
            found.update(members[group])
            groups += [member for member in members[group] if member in members]
    return frozenset(found)
