"""Walks a history through pipes of git, and reads the bytes of the objects that it finds.

Neither replace refs nor grafts nor a list of shallow commits nor the commit-graph file are believed: each shows other
parents than the commit has.
"""

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from gitsign_py.errors import ConfigError, UncheckedError
from gitsign_py.host.git import revlist
from gitsign_py.host.git.direct import DirectHistory
from gitsign_py.host.git.program import QUIET, complaint, first_words, git_environment, too_slow
from gitsign_py.host.git.storedbytes import TOO_LARGE, Stored
from gitsign_py.sizes import MAX_COMMIT_BYTES

_SILENCE = 600.0
"""Seconds without a byte: git puts the commits of the largest histories in order in less."""
_READ = 1 << 16  # what a pipe holds (pipe(7)): more would be allocated for nothing at each read
# git maps a whole pack into memory otherwise, and these walks read it from end to end once.
_WINDOWS = ("-c", "core.packedGitWindowSize=8m", "-c", "core.packedGitLimit=16m")
_KINDS = {b"commit": "commit", b"tag": "tag"}
_AT_ONCE = 60  # questions that fit the smallest pipe, 4 KiB: git is not reading while it waits for us to read


class Git(NamedTuple):
    """Where git runs: the process environment (GIT_DIR, quarantine and the like), and the directory.

    ``grafts`` is a file that leaves out parents which are not here; without it a walk to one of them fails.
    ``two_hashes`` says that the repository names each object by two hash algorithms (``host.storedobject``).
    ``direct`` reads where there is no git program; with ``whole`` a walk of it fails where the history is cut off.
    """

    environment: Mapping[str, str]
    directory: Path | None
    grafts: str = ""
    two_hashes: bool = False
    direct: DirectHistory | None = None
    whole: bool = False

    def start(self, arguments: Sequence[str], stdin: "int | IO[bytes]", errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start git with a pipe on stdout; raises ConfigError ``git-missing``."""
        try:
            return subprocess.Popen(
                ["git", *QUIET, *_WINDOWS, *arguments],
                cwd=self.directory,
                env=git_environment(self.environment, self.grafts),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except OSError as error:
            raise ConfigError("git-missing", f"the program git cannot be run: {error.strerror}") from error


def walk(
    git: Git, revisions: Sequence[str], options: Sequence[str], errors: IO[bytes]
) -> Generator[Stored, None, None]:
    """Yield every commit that ``git rev-list OPTIONS`` names for ``revisions`` (ids, ``^ID``), with its bytes.

    ``errors`` is an open temporary file for git's complaints. Raises UncheckedError ``git-failed`` when git stops
    before the end, ``history-incomplete`` when it stops at a commit that is not here: a walk that broke off must never
    look like one that is done.
    """
    if git.direct is not None:
        yield from git.direct.read_all(git.direct.list_ids(revisions, options, whole=git.whole))
        return
    with _listing(git, revisions, options, errors) as listing:
        yield from _contents(git, listing, errors)


def walk_shown(
    git: Git, revisions: Sequence[str], options: Sequence[str], errors: IO[bytes]
) -> Generator[tuple[str, str, bytes], None, None]:
    """As ``walk``, by one process instead of two: id, kind, and the bytes that rev-list shows.

    They may not be the stored ones: who takes them compares their hash with the id. Not for walks that git puts in
    order first, since it would keep the bytes of all their commits.
    """
    if git.direct is not None:
        yield from walk(git, revisions, options, errors)  # type: ignore[misc] # no commit that is listed is missing
        return
    with _listing(git, revisions, [*revlist.OPTIONS, *options], errors) as listing:
        assert listing.stdout is not None  # noqa: S101 - for the type checker: it was asked for
        yield from revlist.read_commits(_reader(listing.stdout))
        if listing.wait():
            raise _trouble(errors, listing.returncode)


def list_ids(git: Git, revisions: Sequence[str], options: Sequence[str], errors: IO[bytes]) -> Iterator[str]:
    """Yield only the ids that ``git rev-list OPTIONS`` names. Raises what ``walk`` does."""
    if git.direct is not None:
        yield from git.direct.list_ids(revisions, options, whole=git.whole)
        return
    with _listing(git, revisions, options, errors) as listing:
        assert listing.stdout is not None  # noqa: S101 - for the type checker: it was asked for
        read, begun = _reader(listing.stdout), b""
        while piece := read(_READ):
            *lines, begun = (begun + piece).split(b"\n")
            yield from (line.decode("ascii") for line in lines)
        if listing.wait():
            raise _trouble(errors, listing.returncode)


def read_all(git: Git, oids: Sequence[str], errors: IO[bytes]) -> Iterator[Stored]:
    """Yield the objects of these ids in their order."""
    if git.direct is not None:
        yield from git.direct.read_all(oids)
        return
    with _stdin_of("".join(f"{oid}\n" for oid in oids)) as names:
        yield from _drain(git.start(["cat-file", "--batch", "--buffer"], names, errors), errors)


class Rereader:
    """One ``git cat-file --batch`` that is asked for objects now and then; the first question starts it.

    Use it as a context manager.
    """

    def __init__(self, git: Git, errors: IO[bytes]) -> None:
        self._git, self._errors = git, errors
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: Iterator[Stored] = iter(())

    def read(self, oids: Sequence[str]) -> Iterator[Stored]:
        """Yield the objects of these ids in their order. Raises what ``walk`` does."""
        if self._git.direct is not None:
            yield from self._git.direct.read_all(oids)
            return
        for at in range(0, len(oids), _AT_ONCE):
            asked = oids[at : at + _AT_ONCE]
            self._ask("".join(f"{oid}\n" for oid in asked))
            for _ in asked:
                stored = next(self._answers, None)
                if stored is None:
                    raise self._died()
                yield stored

    def _ask(self, lines: str) -> None:
        process = self._started()
        assert process.stdin is not None  # noqa: S101
        try:
            os.write(process.stdin.fileno(), lines.encode("ascii"))
        except OSError:
            raise self._died() from None

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = self._git.start(["cat-file", "--batch"], subprocess.PIPE, self._errors)
            assert self._process.stdout is not None  # noqa: S101
            self._answers = _parse(_reader(self._process.stdout))
        return self._process

    def _died(self) -> Exception:
        return _trouble(self._errors, self._started().wait())

    def __enter__(self) -> "Rereader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.close()
            _end(self._process)


@contextmanager
def _stdin_of(text: str) -> Iterator[IO[bytes]]:
    """A file to be read as standard input: a pipe that we fill ourselves could fill up while git writes to us."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode("ascii"))
        file.seek(0)
        yield file


@contextmanager
def _listing(
    git: Git, revisions: Sequence[str], options: Sequence[str], errors: IO[bytes]
) -> "Iterator[subprocess.Popen[bytes]]":
    with _stdin_of("".join(f"{revision}\n" for revision in revisions)) as names:
        process = git.start(["rev-list", *options, "--stdin"], names, errors)
        try:
            yield process
        finally:
            _end(process)


def _contents(git: Git, listing: "subprocess.Popen[bytes]", errors: IO[bytes]) -> Iterator[Stored]:
    assert listing.stdout is not None  # noqa: S101 - for the type checker: it was asked for
    reader = git.start(["cat-file", "--batch", "--buffer"], listing.stdout, errors)
    listing.stdout.close()  # git holds it now; ours would keep the pipe open
    yield from _drain(reader, errors)
    if listing.wait():
        raise _trouble(errors, listing.returncode)


def _drain(process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> Iterator[Stored]:
    try:
        assert process.stdout is not None  # noqa: S101
        # Past the buffer in between, which would only copy such large reads once more.
        yield from _parse(_reader(process.stdout))
        if process.wait():
            raise _trouble(errors, process.returncode)
    finally:
        _end(process)


def _reader(stream: IO[bytes]) -> Callable[[int], bytes]:
    """Reads from a pipe of git's, as long as git has something to say. Raises UncheckedError ``git-timeout``.

    A pipe in the place of an object, or a disk that is gone, would hold git, and us with it, for ever.
    """
    number = stream.fileno()
    if sys.platform == "win32" or not hasattr(select, "poll"):  # Windows has nothing to ask a pipe with
        return partial(os.read, number)
    poll = select.poll()
    poll.register(number, select.POLLIN)

    def read(count: int) -> bytes:
        if not poll.poll(_SILENCE * 1000):
            raise too_slow(_SILENCE)
        return os.read(number, count)

    return read


def _parse(read: Callable[[int], bytes]) -> Iterator[Stored]:
    """Parse ``ID SP KIND SP SIZE LF CONTENT LF`` and ``ID SP missing LF`` (git-cat-file(1), batch output).

    ``read`` gives at most so many bytes, none at the end.
    """
    new, kinds = tuple.__new__, _KINDS  # a million objects pass here: no call that can be spared
    buffer, at = b"", 0
    while True:
        end = buffer.find(b"\n", at)
        while end < 0:
            more = read(_READ)
            if not more:
                if at < len(buffer):
                    raise UncheckedError("git-failed", "git ended inside an answer")
                return
            buffer, at = buffer[at:] + more, 0
            end = buffer.find(b"\n", at)
        words = buffer[at:end].split(b" ")
        at = end + 1
        if len(words) != 3:
            yield Stored(words[0].decode("ascii", "replace"), "missing", None)
            continue
        size = int(words[2])
        if size > MAX_COMMIT_BYTES:
            buffer, at = _passed(read, buffer[at:], size + 1), 0
            yield Stored(words[0].decode(), TOO_LARGE, None)
            continue
        if len(buffer) - at <= size:
            buffer, at = _filled(read, buffer[at:], size + 1), 0
        start, at = at, at + size + 1
        kind = kinds.get(words[1]) or words[1].decode()
        yield new(Stored, (words[0].decode(), kind, buffer[start : at - 1]))


def _passed(read: Callable[[int], bytes], begun: bytes, wanted: int) -> bytes:
    """Read past ``wanted`` bytes, of which ``begun`` are the first, and give what comes after them."""
    while len(begun) < wanted:
        wanted -= len(begun)
        begun = read(_READ)
        if not begun:
            raise UncheckedError("git-failed", "git ended inside an object")
    return begun[wanted:]


def _filled(read: Callable[[int], bytes], begun: bytes, wanted: int) -> bytes:
    """Read on until ``wanted`` bytes are there; a pipe gives what it has, 64 KiB at a time."""
    parts, have = [begun], len(begun)
    while have < wanted:
        more = read(max(_READ, wanted - have))
        if not more:
            raise UncheckedError("git-failed", "git ended inside an object")
        parts.append(more)
        have += len(more)
    return b"".join(parts)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _trouble(errors: IO[bytes], status: int) -> Exception:
    errors.seek(0)
    said = errors.read(1 << 16)
    if first_words(said):
        return complaint(said, status)
    return UncheckedError("git-failed", f"git ended with status {status} before the walk was done")
