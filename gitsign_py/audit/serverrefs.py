"""A server's refs as its hooks must see them: under all of their names, each in the namespace that it lies in.

Rules go by the names in a namespace (gitnamespaces(7)), however the push came there: with GIT_NAMESPACE, by the full
name, or by a symbolic ref. One namespace has nothing of another, and refs/namespaces/ has nothing itself.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from gitsign_py.audit.plan import Target, read_refs
from gitsign_py.audit.updates import SYMBOLIC, VOUCHING, RefUpdate
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.host.git.naming import list_refs
from gitsign_py.host.git.objects import GitRepository

_MAX_LINKS = 5  # symbolic refs that lead to one another, as far as git follows them (refs.c)
_NAMESPACE = re.compile(r"(?:refs/namespaces/[^/]+/)+(?=refs/)")


@frozen
class Push:
    """The changes of a push in one namespace, and the refs there that were judged before. Names are those there."""

    updates: tuple[RefUpdate, ...]
    existing: tuple[Target, ...]
    namespace: str = ""


def in_push(repository: GitRepository, updates: Sequence[RefUpdate], namespace: str) -> tuple[Push, ...]:
    """The changes of a push, each ref under all of its names.

    git tells pre-receive and update the pushed name, and writes to what a symbolic ref of that name leads to; in a
    ``namespace`` (the value of GIT_NAMESPACE) it tells the name without it (gitnamespaces(7)).
    """
    prefix = _prefix(namespace)
    pushed = _as_deleted(repository, [replace(update, ref=prefix + update.ref) for update in updates])
    links = _links(repository)
    new = {update.ref for update in pushed if not update.brings_nothing and not update.old.strip("0")}
    ends = links | _links_to_nowhere(repository, new - links.keys())
    names = _names(ends)
    named = {one: (one, ends.get(one, one), *names[ends.get(one, one)]) for one in {update.ref for update in pushed}}
    return _by_namespace(repository, pushed, named, links)


def _as_deleted(repository: GitRepository, updates: Sequence[RefUpdate]) -> Sequence[RefUpdate]:
    """The updates, with what a ref has that goes away.

    Whoever deletes a ref may say that it has nothing: git takes it for one that is damaged (receive-pack.c, update).
    """
    names = {one.ref for one in updates if not one.new.strip("0") and not one.old.strip("0")}
    there = {line.name: line.oid for line in list_refs(repository, *names)} if names else {}
    return [replace(one, old=there[one.ref]) if one.ref in names & there.keys() else one for one in updates]


def in_transaction(repository: GitRepository, updates: Iterable[RefUpdate]) -> tuple[Push, ...]:
    """The same for a reference transaction, of which git tells full names, and where symbolic refs lead to."""
    links = _links(repository)
    names, changed = _names(links), _with_values(repository, tuple(updates))
    return _by_namespace(repository, changed, {one.ref: (one.ref, *names[one.ref]) for one in changed}, links)


def _with_values(repository: GitRepository, updates: Sequence[RefUpdate]) -> Sequence[RefUpdate]:
    """The updates with the values that git leaves out (githooks(5), reference-transaction).

    The old one is all zeros where whoever changes the ref does not ask for it; a symbolic ref is told by the name that
    it leads to, and has what that one has. The refs still stand as they were.
    """
    if all(one.old.strip("0") and not _is_symbolic(one.old) and not _is_symbolic(one.new) for one in updates):
        return updates
    out = repository.run(["for-each-ref", "--format=%(objectname) %(refname)"]).decode("utf-8", "surrogateescape")
    before = {name: oid for oid, name in (line.split(" ", 1) for line in out.split("\n") if line)}
    after = before | {one.ref: one.new for one in updates}
    return [
        replace(one, old=_value(one.old, before) or before.get(one.ref, one.old), new=_value(one.new, after) or one.new)
        for one in updates
    ]


def _value(told: str, values: Mapping[str, str]) -> str:
    """The id that git has told, or that of the ref that it has named; empty for none."""
    for _ in range(_MAX_LINKS):
        if not _is_symbolic(told):
            return told if told.strip("0") else ""
        told = values.get(told.removeprefix(SYMBOLIC), "")
    return ""


def _is_symbolic(value: str) -> bool:
    return value.startswith(SYMBOLIC)


def _by_namespace(
    repository: GitRepository,
    updates: Iterable[RefUpdate],
    named: Mapping[str, Sequence[str]],
    links: Mapping[str, str],
) -> tuple[Push, ...]:
    """``named`` are all names of each ref that changes, ``links`` the symbolic refs."""
    found: dict[str, dict[RefUpdate, None]] = defaultdict(dict)
    for update in updates:
        for full in named[update.ref]:
            place, name = _split(full)
            if name.startswith("refs/"):
                found[place][replace(update, ref=name)] = None
    return tuple(Push(tuple(each), _existing(repository, place, links), place) for place, each in found.items())


def _existing(repository: GitRepository, place: str, links: Mapping[str, str]) -> tuple[Target, ...]:
    """Branches and tags there. A symbolic ref is as good as what it leads to, of which the policy is asked as well."""
    refs = read_refs(repository, tuple(place + folder for folder in VOUCHING))
    ends = {one: _split(links[one])[1] for one in links}
    return tuple(replace(one, ref=one.ref.removeprefix(place), end=ends.get(one.ref, "")) for one in refs)


def _split(full: str) -> tuple[str, str]:
    """A name's namespace prefix, and the name inside it."""
    match = _NAMESPACE.match(full)
    return (match[0], full[match.end() :]) if match else ("", full)


def _links(repository: GitRepository) -> dict[str, str]:
    """Symbolic refs below refs/ by name, each with the ref that it leads to in the end; none that leads nowhere."""
    out = repository.run(["for-each-ref", "--format=%(symref) %(refname)"]).decode("utf-8", "surrogateescape")
    pairs = (line.split(" ") for line in out.split("\n") if line and not line.startswith(" "))
    return {name: target for target, name in pairs}


def _names(links: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """The symbolic refs that lead to a ref, by its name."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, target in links.items():
        names[target].append(name)
    return names


def _links_to_nowhere(repository: GitRepository, new: Iterable[str]) -> dict[str, str]:
    """Of names that no ref has, those that lead to a ref which is not there either: for-each-ref is silent of them."""
    names = list(new)
    if names and _keeps_refs_in_files(repository):  # a push may have thousands, and git is asked for each by itself
        names = [name for name in names if os.path.lexists(repository.common_directory / name)]
    outs = (repository.run(["symbolic-ref", "-q", name], accept=(0, 1)) for name in names)
    ends = (out.decode("utf-8", "surrogateescape").rstrip("\n") for out in outs)
    return {name: end for name, end in zip(names, ends, strict=True) if end}


def _keeps_refs_in_files(repository: GitRepository) -> bool:
    """Whether a symbolic ref is a file of its name (gitrepository-layout(5)), as in no reftable."""
    kind = repository.run(["config", "--get", "extensions.refStorage"], accept=(0, 1)).strip()
    return kind in (b"", b"files") and "GIT_REFERENCE_BACKEND" not in repository.environment


def _prefix(namespace: str) -> str:
    """As expand_namespace in git's environment.c: each part of the value is a namespace in the one before it."""
    return "".join(f"refs/namespaces/{part}/" for part in namespace.split("/") if part)
