"""A repository where there is no git program: its files are found as git finds them, its objects read by dulwich.

Anything that cannot be read here exactly as git would is refused, with the reason: SHA-256, reftable, other extensions,
variables that put parts of a repository elsewhere. No program that the repository names is run, since none is run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from gitsign_py.core.git.gitobject import is_object_id
from gitsign_py.errors import UsageError
from gitsign_py.host.git.config import GitConfig
from gitsign_py.host.git.direct import DirectHistory, only_git
from gitsign_py.host.git.directnames import Direct, DirectNames
from gitsign_py.host.git.dulwich import DulwichObjects
from gitsign_py.host.git.dulwichrefs import DulwichRefs, each_behind
from gitsign_py.host.git.objects import GitRepository, Revision, signable
from gitsign_py.host.git.place import Place, find_place
from gitsign_py.host.git.plainconfig import read_plain_config, said_by_repository

# gitrepository-layout(5) and git-config(1): what may stand in extensions.* and changes nothing that is read here.
_STEPS = re.compile(r"[\^~]")
_HARMLESS = {"noop", "noop-v1", "preciousobjects", "worktreeconfig", "relativeworktrees", "partialclone"}


class DulwichRepository(GitRepository):
    """The repository that ``directory`` is in; port ``ObjectSource``. Close it, or use it as a context manager."""

    def __init__(self, directory: Path | None = None, *, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(directory, environment=environment)
        self._opened: DulwichObjects | None = None

    def close(self) -> None:
        """Close the files."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @cached_property
    def _place(self) -> Place:
        place = find_place(self.environment, self.directory or Path.cwd())
        _check_format(self._config)
        return place

    @cached_property
    def _config(self) -> GitConfig:
        return read_plain_config(self.environment, self.directory or Path.cwd())

    @property
    def _source(self) -> DulwichObjects:
        if self._opened is None:
            self._opened = DulwichObjects(self._place.common / "objects")
        return self._opened

    @cached_property
    def direct(self) -> Direct:
        """Walks and names, from the files."""
        history = DirectHistory(self._source.stored, lambda: self.cuts)
        refs = DulwichRefs(self._place.common, self._place.own)
        names = DirectNames(
            refs,
            self,
            lambda oid: each_behind(oid, self._source.stored),
            self._source.starting_with,
            history.parents,
        )
        return Direct(history, names, self._config)

    def run(self, arguments: Sequence[str], **_: object) -> bytes:
        """There is no program to run: ConfigError ``git-needed``."""
        raise only_git(f"git {' '.join(arguments[:2])} is needed")

    def warnings(self) -> tuple[str, ...]:
        """None: what git would warn of is refused here."""
        return ()

    def resolve(self, words: Sequence[str]) -> tuple[Revision, ...]:
        """Find the commits and tags that ``words`` name, as far as that can be exact (``directnames``)."""
        if any(word.startswith("^") for word in words):
            return tuple(self._range([line for word in words for line in self.direct.names.ids_of(word)]))
        return tuple(found for word in words for found in self._of_word(word))

    def _of_word(self, word: str) -> Iterator[Revision]:
        lines = self.direct.names.ids_of(word)
        if len(lines) > 1:
            yield from self._range(lines)
            return
        stored = self._source.stored(lines[0])
        if stored.data is None:
            raise UsageError(
                "revision-unknown", f"there is no revision {word!r} in this repository", facts={"revision": word}
            )
        yield signable(word, lines[0], stored.kind)

    def _range(self, lines: Sequence[str]) -> Iterator[Revision]:
        for oid in self.direct.history.list_ids(lines, (), whole=True):
            yield Revision(oid, oid, "commit")

    def tag_ref(self, word: str, oid: str) -> str:  # noqa: ARG002
        """Give the full name of the ref by which ``word`` names the tag ``oid``; empty when it names it by its id."""
        name = _STEPS.split(word, maxsplit=1)[0]
        return "" if is_object_id(name) else self.direct.names.full_name(name)

    def _refs_called(self, names: Sequence[str]) -> list[str]:
        return self.direct.names.called(*names) if names else []

    @property
    def top(self) -> Path:
        """The worktree's top, or a repository without one."""
        return self._place.own if self.is_bare else self._place.top or self._place.own

    @property
    def is_partial(self) -> bool:
        """Whether objects were left out that a remote has promised."""
        ends = (".promisor", ".partialclonefilter")
        return any(key.startswith("remote.") and key.endswith(ends) for key in self._config.entries)

    @property
    def grafts(self) -> str:
        """None: walks go by ``cuts`` themselves."""
        return ""

    def _describe(self) -> tuple[str, ...]:
        place, bare = self._place, said_by_repository(self._config.entries, "core.bare")
        is_bare = place.top is None if bare is None else bare
        return "sha1", str(place.own), str(place.common), "true" if is_bare else "false"

    def _ask(self, name: str) -> tuple[str, str, bytes | None] | str:
        stored = self._source.stored(name)
        return "missing" if stored.data is None else (stored.kind, name, stored.data)


def _check_format(config: GitConfig) -> None:
    """Refuse what is stored in a way that is not read here (git's setup.c: extensions count from version 1 on)."""
    version = config.get("core.repositoryformatversion", "0")
    if version not in ("0", "1"):
        raise only_git(f"the repository has the format version {version[:20]!r}")
    if any(value.of_repository for value in config.entries.get("core.worktree", ())):
        raise only_git("core.worktree puts the working tree elsewhere, which git alone follows")
    for key, values in config.entries.items():
        if not key.startswith("extensions.") or not any(value.of_repository for value in values):
            continue
        name, value = key.removeprefix("extensions."), values[-1].text or ""
        if name in _HARMLESS or (name, value) in (("objectformat", "sha1"), ("refstorage", "files")):
            continue
        raise only_git(f"the repository has the extension {name} = {value[:40]}, which is not read here")
