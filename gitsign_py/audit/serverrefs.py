"""A server's refs as its hooks must see them: under all of their names, and in the namespace that is pushed to."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from gitsign_py.audit.plan import Target, read_refs
from gitsign_py.audit.updates import RefUpdate
from gitsign_py.core.frozen import replace
from gitsign_py.host.repository import GitRepository


def in_push(
    repository: GitRepository, updates: Sequence[RefUpdate], namespace: str
) -> tuple[tuple[RefUpdate, ...], tuple[Target, ...]]:
    """What a push changes, each ref under all of its names, and the refs that are there before it.

    git tells pre-receive and update the pushed name, and writes to what a symbolic ref of that name leads to; in a
    ``namespace`` (the value of GIT_NAMESPACE) it tells the name without it (gitnamespaces(7)).
    """
    prefix = _prefix(namespace)
    existing = read_refs(repository, (prefix,) if prefix else ())
    there, links = {target.ref for target in existing}, _links(repository)
    new = {prefix + update.ref for update in updates if not update.brings_nothing} - there
    links |= _links_to_nowhere(repository, new)
    names = _names(links)
    found: list[RefUpdate] = []
    for update in updates:
        name = prefix + update.ref
        end = links.get(name, name)
        found += [replace(update, ref=ref.removeprefix(prefix)) for ref in (name, end, *names[end])]
    return tuple(dict.fromkeys(found)), tuple(replace(one, ref=one.ref.removeprefix(prefix)) for one in existing)


def in_transaction(
    repository: GitRepository, updates: Iterable[RefUpdate]
) -> tuple[tuple[RefUpdate, ...], tuple[Target, ...]]:
    """The same for a reference transaction, of which git tells full names, and where symbolic refs lead to."""
    names = _names(_links(repository))
    found = [replace(update, ref=ref) for update in updates for ref in (update.ref, *names[update.ref])]
    return tuple(dict.fromkeys(found)), read_refs(repository)


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
