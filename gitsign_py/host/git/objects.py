"""A repository as the real git sees it: revisions resolved by git itself, objects as stored bytes.

git names things (worktrees, bare repositories, alternates, GIT_DIR, reflogs, short and ambiguous names are its own
business); the bytes that it gives for an id are hashed here again, so neither a replace ref, a graft nor a damaged
pack passes for the object.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.gitobject import HashAlgorithm, is_object_id, prove_object_id
from gitsign_py.errors import GitsignError, UncheckedError, UsageError
from gitsign_py.host.git.catfile import GitCatFile, GitDied
from gitsign_py.host.git.cuts import Cuts, find_cuts, listed_commits, missing_alternate, write_grafts
from gitsign_py.host.git.program import (
    QUIET,
    TIMEOUT,
    complaint,
    first_words,
    not_fetched,
    run_git,
    with_settings,
)
from gitsign_py.ports import ObjectKind, RawObject
from gitsign_py.sizes import MAX_COMMIT_BYTES, MAX_OBJECT_BYTES

if TYPE_CHECKING:
    from gitsign_py.host.git.directnames import Direct

_TAG_PLACES = ("refs/", "refs/tags/", "refs/remotes/")
_PLACES = ("refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")
"""Where git looks for a ref by its short name, in this order."""


@frozen
class Revision:
    """A commit or tag that a command line names. ``name`` is the word given, or the id for one out of a range."""

    name: str
    oid: str
    kind: ObjectKind


class GitRepository(Closeable):
    """The repository that git finds from ``directory`` (default: the working directory); port ``ObjectSource``.

    ``environment`` is the process environment, GIT_DIR and others included. git starts when something is asked;
    close it, or use it as a context manager.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._directory = directory
        self._environment = dict(os.environ if environment is None else environment)
        self._timeout = timeout
        self._objects = GitCatFile(environment=self._environment, directory=directory, timeout=timeout)
        self._facts: tuple[str, ...] = ()
        self._cuts: Cuts | None = None
        self._grafts: Path | None = None

    def close(self) -> None:
        """End the git process behind this object."""
        self._objects.close()
        if self._grafts is not None:
            self._grafts.unlink(missing_ok=True)
            self._cuts = self._grafts = None

    def resolve(self, words: Sequence[str]) -> tuple[Revision, ...]:
        """Find the commits and tags that ``words`` name, in their order, exactly as ``git rev-parse`` does.

        An annotated tag's name gives the tag, a lightweight one the commit. A range (``A..B``, ``A...B``, ``A^!``)
        gives its commits, newest first, as ``git rev-list`` does; it may be empty. With a word like ``^A`` all words
        together are one range. Nothing that starts with ``-`` reaches git as an option.

        Raises UsageError ``revision-unknown``, ``revision-ambiguous``, ``revision-kind`` (a tree or a blob),
        ``repository-missing``; ConfigError ``git-missing``; UncheckedError ``git-timeout``, ``git-failed``.
        """
        if any(word.startswith("^") for word in words):
            return tuple(self._walk(self._parse(words)))
        return tuple(revision for word in words for revision in self._resolve_word(word))

    def read(self, oid: str) -> RawObject:
        """Read the object with the full id ``oid``, its bytes proven by their hash.

        Raises UncheckedError ``object-missing``, ``object-too-large``, ``git-timeout``, ``git-failed``; FormatError
        ``object-id-mismatch``.
        """
        if not is_object_id(oid):
            raise UncheckedError("object-missing", f"{oid[:80]} is not a full object id", facts={"object": oid[:80]})
        answer = self._ask(oid)
        if isinstance(answer, str):
            raise self._missing(oid)
        kind, _, data = answer
        most = MAX_COMMIT_BYTES if kind in ("commit", "tag") else MAX_OBJECT_BYTES
        if data is None or len(data) > most:
            raise UncheckedError(
                "object-too-large", f"the object {oid} has more than {most} bytes", facts={"object": oid}
            )
        prove_object_id(oid, kind, data)
        return RawObject(cast(ObjectKind, kind), oid, data)

    def _missing(self, oid: str) -> UncheckedError:
        if self.is_partial:
            return not_fetched(f"the object {oid}")
        return UncheckedError("object-missing", f"the object {oid} is not in the repository", facts={"object": oid})

    @property
    def direct(self) -> "Direct | None":
        """The reader of the repository where there is no git program (``host.git.dulwichrepo``); here git does."""
        return None

    def warnings(self) -> tuple[str, ...]:
        """The warnings of git since the last call, for instance that a name is both a branch and a tag."""
        return self._objects.warnings()

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment that git is given, before our own rules are put on top."""
        return self._environment

    @property
    def directory(self) -> Path | None:
        """The directory in which git runs; None is the working directory."""
        return self._directory

    @property
    def algorithm(self) -> HashAlgorithm:
        """The hash algorithm of the repository's ids."""
        return cast(HashAlgorithm, self._describe()[0])

    @property
    def git_directory(self) -> Path:
        """The absolute path of the ``.git`` directory (of the worktree's own, in a linked worktree)."""
        return Path(self._describe()[1])

    @property
    def common_directory(self) -> Path:
        """The absolute path of the ``.git`` directory that all linked worktrees share."""
        return Path(self._describe()[2])

    @property
    def top(self) -> Path:
        """The folder that git runs its programs and hooks in: the worktree's top, or a repository without one.

        Outside of any repository it is the directory itself, in which a file can be looked at all the same.
        """
        try:
            top = self.run(["rev-parse", "--show-toplevel"], accept=(0, 128))
            return Path(os.fsdecode(top).rstrip("\n")) if top else self.git_directory
        except GitsignError:
            return self.directory or Path()

    @property
    def is_bare(self) -> bool:
        """Whether there is no working tree."""
        return self._describe()[3] == "true"

    @property
    def is_partial(self) -> bool:
        """Whether objects were left out that a remote has promised."""
        settings = r"^remote\..*\.(promisor|partialclonefilter)$"
        return bool(self.run(["config", "--get-regexp", settings], accept=(0, 1)))

    @property
    def is_shallow(self) -> bool:
        """Whether there is a list of shallow commits, which says that the history ends at them. It is not believed."""
        return bool(self._listed_as_shallow())

    @property
    def cuts(self) -> Cuts:
        """Where the history is cut off indeed. Raises UncheckedError, FormatError for commits that cannot be read."""
        if self._cuts is None:
            self._cuts = find_cuts(self._listed_as_shallow(), self._commit_bytes)
        return self._cuts

    @property
    def grafts(self) -> str:
        """A file that lets git walk as far as there are commits; empty where nothing is cut off."""
        if self.cuts and self._grafts is None:
            self._grafts = write_grafts(self.cuts)
        return str(self._grafts or "")

    @property
    def lacks_objects(self) -> str:
        """Why objects may be missing here, in words; empty where none should be."""
        if self.is_shallow:
            return "a shallow clone"
        if self.is_partial:
            return "a partial clone"
        gone = missing_alternate(self.common_directory / "objects")
        return f"without its alternate {gone}" if gone else ""

    def _listed_as_shallow(self) -> tuple[str, ...]:
        own = self.common_directory / "shallow"
        told = self._environment.get("GIT_SHALLOW_FILE", "")  # receive-pack's, of the push that comes in
        return listed_commits((own, (self._directory or Path()) / told) if told else (own,))

    def _commit_bytes(self, oid: str) -> bytes | None:
        answer = self._ask(oid)
        if isinstance(answer, str):
            return None
        kind, _, data = answer
        if data is None or kind != "commit":
            return None
        prove_object_id(oid, "commit", data)
        return data

    def missing_ref(self, word: str) -> str:
        """A full ref name in ``word`` (a revision, a range, REV:PATH) that no ref has; empty where there is none.

        git takes ``refs/heads/main`` for refs/tags/refs/heads/main as well, where no ref has the very name
        (gitrevisions(7)), and anybody who may push a tag can make that one.
        """
        wanted = [name for name in _ref_names(word) if name.startswith("refs/")]
        there = self._refs_called(wanted)
        return next((name for name in wanted if name not in there), "")

    def check_unambiguous(self, word: str) -> None:
        """Raise UsageError ``revision-ambiguous`` where a name in ``word`` may be several refs.

        git takes a tag before a branch, and a tag called origin/main before the remote's branch (gitrevisions(7)).
        """
        for name in _ref_names(word):
            places = [] if name.startswith("refs/") else [place.format(name) for place in _PLACES]
            several = [ref for ref in self._refs_called(places) if ref in places]
            if len(several) > 1:
                raise UsageError(
                    "revision-ambiguous", f"{name} may be {' or '.join(several)}", hint="write one of them"
                )

    def _refs_called(self, names: Sequence[str]) -> list[str]:
        if not names:
            return []
        out = self.run(["for-each-ref", "--format=%(refname)", *names])
        return out.decode("utf-8", "surrogateescape").split("\n")

    def tag_ref(self, word: str, oid: str) -> str:
        """Give the full name of the ref by which ``word`` names the tag ``oid``; empty when it names it by its id.

        What may follow the ref is left out (``v1^{tag}``, ``v1@{1}``). The order is that of gitrevisions(7). A symbolic
        ref counts by its own name, and so does a file beside the refs, which git takes for one.
        """
        name = re.split(r"[\^~:]|@\{", word)[0]
        if not name or name == "@" or re.fullmatch(r"[A-Z_]*HEAD", name):
            return ""
        wanted = [name] if name.startswith("refs/") else [f"{place}{name}" for place in _TAG_PLACES]
        out = self.run(["for-each-ref", "--format=%(refname)", *wanted])
        there = out.decode("utf-8", "surrogateescape").split("\n")
        if found := next((ref for ref in wanted if ref in there), ""):
            return found
        return "" if oid.startswith(name.lower()) else f"refs/tags/{name}"

    def run(self, arguments: Sequence[str], *, stdin: bytes = b"", accept: Sequence[int] = (0,)) -> bytes:
        """Run another git command in this repository and return its stdout; see :func:`run_git` for the errors.

        None of the repository's own hooks and programs runs, whether it reads or writes.
        """
        return run_git(
            [*QUIET, *arguments],
            environment=self._environment,
            directory=self._directory,
            stdin=stdin,
            timeout=self._timeout,
            accept=accept,
        )

    def write(self, arguments: Sequence[str], *, stdin: bytes = b"") -> bytes:
        """Run a command that moves refs. Newer gits run hooks that the configuration names (``hook.NAME.command``)
        beside those of a folder; they are switched off by their names.
        """
        named = self.run(["config", "--name-only", "-z", "--get-regexp", r"^hook\..*\.command$"], accept=(0, 1))
        keys = [os.fsdecode(key).removesuffix(".command") for key in named.split(b"\0") if key]
        off = [(f"{key}.enabled", "false") for key in dict.fromkeys(keys)]
        return run_git(
            [*QUIET, *arguments],
            environment=with_settings(self._environment, off),
            directory=self._directory,
            stdin=stdin,
            timeout=self._timeout,
        )

    def _describe(self) -> tuple[str, ...]:
        if not self._facts:
            options = ("--show-object-format", "--git-dir", "--git-common-dir")
            asked = ["rev-parse", "--path-format=absolute", *options, "--is-bare-repository"]
            self._facts = tuple(os.fsdecode(self.run(asked)).rstrip("\n").split("\n"))
        return self._facts

    def _ask(self, name: str) -> tuple[str, str, bytes | None] | str:
        try:
            return self._objects.ask(name, max_bytes=MAX_OBJECT_BYTES)
        except GitDied as death:
            raise complaint(death.stderr, death.status) from death

    def _resolve_word(self, word: str) -> Iterator[Revision]:
        found = self._look_up(word)
        if found is not None:
            yield found
            return
        parsed = self._parse([word])
        if any(line.startswith("^") for line in parsed):
            yield from self._walk(parsed)
            return
        for oid in parsed:  # A^@: the parents, each for itself
            yield self._require(oid, oid)

    def _look_up(self, word: str) -> Revision | None:
        """Ask for one object by any name; None for a range and for what git does not know."""
        if not word or "\n" in word or self.missing_ref(word):
            raise _unknown(word, "")
        try:
            answer = self._objects.ask(word, max_bytes=0)
        except GitDied as death:
            trouble = complaint(death.stderr, death.status)
            raise trouble if trouble.reason != "git-failed" else _unknown(word, first_words(death.stderr)) from death
        if answer == "ambiguous":
            raise UsageError("revision-ambiguous", f"the short id {word} fits several objects", hint="give more of it")
        if isinstance(answer, str):
            return None
        return signable(word, answer[1], answer[0])

    def _require(self, word: str, oid: str) -> Revision:
        found = self._look_up(oid)
        if found is None:
            raise _unknown(word, "")
        return found

    def _parse(self, words: Sequence[str]) -> list[str]:
        """Have ``git rev-parse`` take ranges apart: ids, and ids after ``^`` for what is left out."""
        lines: list[str] = []
        for word in words:
            if not word or "\n" in word or word.startswith("-") or self.missing_ref(word):
                raise _unknown(word, "")
            self.check_unambiguous(word)
            try:
                out = self.run(["rev-parse", "--revs-only", "--end-of-options", word])
            except GitsignError as error:
                if error.reason != "git-failed":
                    raise
                raise _unknown(word, error.message.removeprefix("git failed: ")) from error
            found = out.decode("ascii", "replace").split()
            if not found:
                raise _unknown(word, "")
            lines.extend(found)
        return lines

    def _walk(self, lines: Sequence[str]) -> Iterator[Revision]:
        """List a range's commits, all of them or none. git gets nothing but ids, on stdin."""
        out = self.run(["rev-list", "--stdin"], stdin="".join(f"{line}\n" for line in lines).encode("ascii"))
        for oid in out.decode("ascii").split():
            yield Revision(oid, oid, "commit")


def _ref_names(word: str) -> list[str]:
    """The possible names of refs in a revision, a range or REV:PATH."""
    parts = re.split(r"\.{2,3}", word.partition(":")[0])
    names = (re.split(r"[~^:]|@\{", part.lstrip("^"))[0] for part in parts)
    return [name for name in names if name and name != "@" and not re.fullmatch(r"[A-Z_]*HEAD", name)]


def signable(word: str, oid: str, kind: str) -> Revision:
    """The revision of that word. Raises UsageError ``revision-kind``."""
    if kind not in ("commit", "tag"):
        raise UsageError(
            "revision-kind",
            f"{word} is a {kind}, not a commit or a tag",
            hint="only commits and annotated tags hold signatures",
            facts={"object": oid, "kind": kind},
        )
    return Revision(word, oid, cast(ObjectKind, kind))


def _unknown(word: str, words: str) -> UsageError:
    detail = f": {words}" if words else ""
    return UsageError("revision-unknown", f"git knows no revision {word!r}{detail}", facts={"revision": word})
