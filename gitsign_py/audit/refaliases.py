"""Refs of two names that are one file: where a file system ignores case, or the form of characters (macOS, Windows).

git keeps a ref in a file of its name (gitrepository-layout(5)), so there a push to refs/heads/MAIN moves or hides
refs/heads/main, while rules go by names. A reftable keeps names apart.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from gitsign_py.audit.plan import AuditPlan
from gitsign_py.audit.serverrefs import Push
from gitsign_py.audit.updates import RefUpdate
from gitsign_py.errors import PolicyError
from gitsign_py.host.git.config import to_bool
from gitsign_py.host.git.naming import list_refs
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.model import Policy
from gitsign_py.policy.names import folded
from gitsign_py.policy.patterns import glob_matches

_KEYS = ("core.ignorecase", "core.precomposeunicode", "extensions.refstorage")
_OURS = ("refs/heads/", "refs/tags/", "refs/attestations/", "refs/namespaces/", "refs/notes/")
"""Folders that the hooks know by their names."""
_SHOWN = 20


def folds_names(repository: GitRepository) -> bool:
    """Tell whether two names of refs may be one file: git noted it when it made the repository, or it shows now."""
    values = _settings(repository)
    if values.pop("extensions.refstorage", "files") != "files" or "GIT_REFERENCE_BACKEND" in repository.environment:
        return False
    folder = repository.common_directory
    with suppress(OSError):
        if (folder / "refs").samefile(folder / "REFS"):
            return True
    return any(_is_true(value) for value in values.values())


def _settings(repository: GitRepository) -> dict[str, str]:
    """The values that are set; a key without ``=`` is true."""
    if repository.direct is not None:
        found = {key: repository.direct.config.get(key) for key in _KEYS}
        return {key: value for key, value in found.items() if value}
    asked = ["config", "-z", "--get-regexp", "^({})$".format("|".join(_KEYS).replace(".", r"\."))]
    rows = repository.run(asked, accept=(0, 1)).decode("utf-8", "surrogateescape").split("\0")[:-1]
    return {key: value if equals else "true" for key, equals, value in (row.partition("\n") for row in rows)}


def _is_true(value: str) -> bool:
    try:
        return to_bool(value)
    except ValueError:
        return True  # git would not go on with it


def folded_ref(name: str) -> str:
    """A ref's name, or a glob for such names, as a file system may read it."""
    return "/".join("".join(folded(part)) for part in name.split("/"))


def refused_aliases(
    repository: GitRepository, pushes: Sequence[Push], policies: Iterable[Policy], kept: Sequence[str]
) -> Mapping[RefUpdate, PolicyError]:
    """The changes of refs that this server's files take for others, or that a rule names by other letters.

    ``kept`` are globs of refs that the server keeps (gitsign.sourceRef). Their reason is ``ref-alias``.
    """
    if not folds_names(repository):
        return {}
    globs = tuple(dict.fromkeys((*(glob for policy in policies for glob in _globs(policy)), *kept)))
    there = _spellings([*_OURS, *(line.name for line in list_refs(repository))])
    found = {}
    for push in pushes:
        for update in push.updates:
            other = _other_spelling(there, push.namespace + update.ref) or _named_otherwise(globs, update.ref)
            if other:
                found[update] = _refusal(push.namespace + update.ref, other)
            _add(there, push.namespace + update.ref)
    return found


def alias_notices(repository: GitRepository, plan: AuditPlan) -> tuple[str, ...]:
    """The same in an audit, in sentences."""
    if not folds_names(repository):
        return ()
    there = _spellings(line.name for line in list_refs(repository))
    globs = () if plan.policy is None else tuple(_globs(plan.policy))
    several = (sorted(names) for names in there.values() if len(names) > 1)
    found = [f"{' and '.join(names[:4])} are one file here, so that one hides the other" for names in several]
    for ref in dict.fromkeys(target.ref for target in plan.targets):
        if glob := _named_otherwise(globs, ref):
            found.append(f"{ref} is judged by its own name; the policy's {glob} differs by case or form")
    return tuple(found[:_SHOWN])


def _globs(policy: Policy) -> Iterator[str]:
    yield from policy.unjudged
    for rule in policy.rules:
        yield from rule.refs


def _spellings(names: Iterable[str]) -> dict[str, set[str]]:
    """The names by what they fold to, and those of the folders above them."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        _add(found, name)
    return found


def _add(spellings: dict[str, set[str]], name: str) -> None:
    for part in _upwards(name.rstrip("/")):
        known = spellings[folded_ref(part)]
        if part in known:
            return
        known.add(part)


def _upwards(name: str) -> Iterator[str]:
    while "/" in name:
        yield name
        name = name.rpartition("/")[0]


def _other_spelling(there: Mapping[str, set[str]], ref: str) -> str:
    """A ref that is the same file, a folder by a name that it does not have, or git's lock of a ref; empty for none."""
    same = there.get(folded_ref(ref), set()) - {ref}
    if same:
        return min(same)
    for part in _upwards(ref):
        if folded_ref(part).endswith(".lock"):
            return f"{part[: -len('.lock')]}.lock"
        names = there.get(folded_ref(part), set())
        if names and part not in names:
            return min(names)
    return ""


def _named_otherwise(globs: Iterable[str], ref: str) -> str:
    """A glob that fits the ref only when letters are taken for others."""
    name = folded_ref(ref)
    fitting = (glob for glob in globs if glob_matches(folded_ref(glob), name) and not glob_matches(glob, ref))
    return next(fitting, "")


def _refusal(ref: str, other: str) -> PolicyError:
    return PolicyError(
        "ref-alias",
        f"{ref} differs from {other} only by case or by the form of its characters, which this server's files ignore",
        hint=f"push to {other} by its own letters, or to a name that differs in more",
    )
