"""Names without a git program: refs, and the revision words that can be read exactly as git reads them.

Those are full and abbreviated ids, refs, HEAD and @, with ``~N``, ``^N`` and ``^{commit}`` after them, and the range
``A..B``. Every other word of gitrevisions(7) is refused by its name. So is a name that several refs have: git takes one
of them with a warning.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from gitsign_py.core.git.gitobject import is_object_id
from gitsign_py.errors import ConfigError, FormatError, UsageError
from gitsign_py.host.git.config import GitConfig
from gitsign_py.host.git.direct import DirectHistory, only_git
from gitsign_py.host.git.storedbytes import Stored
from gitsign_py.policy.trees import find_path
from gitsign_py.ports import ObjectSource

_PLACES = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")  # gitrevisions(7), in this order
_STEP = re.compile(r"\^\{(commit|tag|)\}|([~^])([0-9]*)(?!\{)")
_SHORT = re.compile(r"[0-9a-fA-F]{4,40}\Z")
_MAX_STEPS = 1_000_000  # that a word may ask for


class Refs(Protocol):
    """The refs of a repository."""

    def names(self, *patterns: str) -> tuple[str, ...]:
        """All refs below ``patterns``, in order."""
        ...

    def oid_of(self, name: str) -> str:
        """The id that a full name leads to, or an empty text."""
        ...

    def target_of(self, name: str) -> str:
        """The ref that a symbolic one names, or an empty text."""
        ...

    def is_file(self, name: str) -> bool:
        """Tell whether a file beside the refs has that name."""
        ...


class RefLine(NamedTuple):
    """A ref with what it names, and where that leads when it is a tag (one step, as for-each-ref goes)."""

    name: str
    kind: str
    oid: str
    peeled_kind: str = ""
    peeled: str = ""


class DirectNames:
    """Names of a repository, by its ``refs`` and its objects; ``starting_with`` finds ids by their first digits."""

    def __init__(
        self,
        refs: Refs,
        objects: ObjectSource,
        behind: Callable[[str], Iterator[Stored]],
        starting_with: Callable[[str], tuple[str, ...]],
        parents: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._refs, self._objects = refs, objects
        self._behind, self._starting_with, self._parents = behind, starting_with, parents

    def refs(self, *patterns: str) -> Iterator[RefLine]:
        """All refs below ``patterns`` (none: all). Raises UncheckedError for one whose object is not there."""
        for name in self._refs.names(*patterns):
            if oid := self._refs.oid_of(name):  # else a broken one: git passes over it too
                kind = self._objects.read(oid).kind
                behind = list(islice(self._behind(oid), 1, 2)) if kind == "tag" else []
                yield RefLine(name, kind, oid, *((behind[0].kind, behind[0].oid) if behind else ()))

    def symbolic_ref(self, name: str) -> str:
        """The ref that a symbolic one names; empty for another."""
        return self._refs.target_of(name)

    def ids_of(self, word: str) -> list[str]:
        """As ``git rev-parse``: an id, or for a range those of its ends, what is left out after ``^``.

        Raises UsageError ``revision-unknown``, ``revision-ambiguous``; ConfigError ``git-needed``.
        """
        if "..." in word:
            raise _not_exact(word)
        if ".." in word:
            older, _, newer = word.partition("..")
            return [self.oid_of(newer or "HEAD"), f"^{self.oid_of(older or 'HEAD')}"]
        return [f"^{self.oid_of(word[1:])}"] if word.startswith("^") else [self.oid_of(word)]

    def oid_of(self, word: str) -> str:
        """The id that one word names."""
        base, steps = _taken_apart(word)
        oid = self._named(base, word)
        for step in steps:
            oid = self._stepped(oid, step, word)
        return oid

    def full_name(self, word: str) -> str:
        """The ref that a word names; empty for an id, and for a word with steps after the name."""
        found = self._candidates(word)
        ref = found[0] if len(found) == 1 else ""
        return self._refs.target_of(ref) or (ref if ref.startswith("refs/") else "")

    def commit_of(self, word: str) -> str:
        """The commit that a word leads to; empty where there is none."""
        try:
            last = list(self._behind(self.oid_of(word)))[-1]
        except (UsageError, FormatError):
            return ""
        return last.oid if last.kind == "commit" else ""

    def commit_at(self, ref: str) -> str:
        """The commit that the ref of this very name leads to; empty where there is none."""
        return self.commit_of(self._refs.oid_of(ref)) if self.called(ref) else ""

    def called(self, *names: str) -> list[str]:
        """Those of ``names`` that are refs, each by its full name."""
        return [name for name in self._refs.names(*names) if name in names and self._refs.oid_of(name)]

    def object_at(self, name: str) -> str:
        """The object that ``REV:PATH`` names; empty where there is none."""
        revision, _, path = name.partition(":")
        if not revision or path.startswith(("./", "../", "/")) or path in (".", ".."):
            raise _not_exact(name)
        commit = self.commit_of(revision)
        tree = self._objects.read(commit).data[5:45].decode("ascii", "replace") if commit else ""
        if not path or not is_object_id(tree):
            return tree if is_object_id(tree) else ""
        found = find_path(self._objects, tree, path)
        return found.oid if found else ""

    def _named(self, name: str, word: str) -> str:
        if len(name) == 40 and _SHORT.match(name):  # git takes such a name for an id, whatever refs are called
            return name.lower()
        found = self._candidates(name)
        if len(found) > 1:
            raise _ambiguous(word, " and ".join(found))
        if found:
            return self._refs.oid_of(found[0])
        if re.search(r"-g[0-9a-f]{4,}\Z", name):
            raise _not_exact(word)
        ids = self._starting_with(name.lower()) if _SHORT.match(name) else ()
        if len(ids) > 1:
            raise _ambiguous(word, f"{len(ids)} objects")
        if not ids:
            raise _unknown(word)
        return ids[0]

    def _candidates(self, name: str) -> list[str]:
        """The refs that the name may stand for."""
        if name == "@":
            name = "HEAD"
        if name != "HEAD" and self._refs.is_file(name):
            raise _not_exact(name)
        if name.startswith("refs/"):  # this very ref: git would take refs/tags/refs/heads/main for refs/heads/main
            return self.called(name)
        full = [f"{place}{name}" for place in _PLACES] + [f"refs/remotes/{name}/HEAD"]
        return [ref for ref in full if (ref.startswith("refs/") or ref == "HEAD") and self._refs.oid_of(ref)]

    def _stepped(self, oid: str, step: "re.Match[str]", word: str) -> str:
        kind = step[1]
        if kind == "tag" and self._objects.read(oid).kind != "tag":
            raise _unknown(word)
        if kind == "tag":
            return oid
        last = list(self._behind(oid))[-1]
        if last.data is None or (kind != "" and last.kind != "commit"):
            raise _unknown(word)
        oid = last.oid
        if kind is not None or step[3] == "0":
            return oid
        number = int(step[3] or 1)
        if step[2] == "^":
            return self._parent(oid, number, word)
        for _ in range(number):
            oid = self._parent(oid, 1, word)
        return oid

    def _parent(self, oid: str, number: int, word: str) -> str:
        parents = self._parents(oid)
        if number > len(parents):
            raise _unknown(word)
        return parents[number - 1]


class Direct(NamedTuple):
    """The reader of a repository without a git program."""

    history: DirectHistory
    names: DirectNames
    config: GitConfig


def _taken_apart(word: str) -> "tuple[str, list[re.Match[str]]]":
    """A name and the steps after it."""
    at = min((found for sign in "~^" if (found := word.find(sign)) >= 0), default=len(word))
    name, steps = word[:at], []
    while at < len(word):
        step = _STEP.match(word, at)
        if not step or int(step[3] or 0) > _MAX_STEPS:
            raise _not_exact(word)
        steps.append(step)
        at = step.end()
    if not name or name.startswith("-") or re.search(r"[\s:?*\[\\\0]|@\{", name):
        raise _not_exact(word)
    return name, steps


def _not_exact(word: str) -> ConfigError:
    return only_git(f"the revision {word!r} is a word that git alone reads")


def _unknown(word: str) -> UsageError:
    return UsageError("revision-unknown", f"there is no revision {word!r} in this repository", facts={"revision": word})


def _ambiguous(word: str, what: str) -> UsageError:
    return UsageError("revision-ambiguous", f"{word!r} may be {what}", hint="give a full name, or more of the id")
