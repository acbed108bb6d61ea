"""Commits are read as they are stored, whatever way git shows them."""

import hashlib
import io
import random
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from gitsign_py.audit.reading import BATCH, read_commits
from gitsign_py.audit.scan import Scanned, scan
from gitsign_py.errors import UncheckedError
from gitsign_py.host.git import revlist, walk
from gitsign_py.host.git.storedbytes import Stored
from gitsign_py.host.git.walk import Git, Rereader
from tests.support.gitrepo import ScratchRepo, environment

PERSON = b"A U Thor <author@example.com> 1700000000 +0000"
MESSAGES = {
    "as git writes it": b"subject\n\nbody\n    indented\n\n\tand so on\n",
    "no newline": b"Merge pull request #1 from a/b\n\nTitle",
    "empty": b"",
    "only a newline": b"\n",
    "newlines before and behind": b"\n\n  \nsubject\n\n\n",
    "white space at the ends": b"subject \t\n\nbody  \n   \nend\n",
    "crlf": b"subject\r\n\r\nbody\r\n",
    "nul": b"subject\n\nbody\0more\n",
    "nul first": b"\0subject\n",
    "latin": b"caf\xe9 \x1b[31m\n",
    "spaces": b"    four\n     five\n        eight\n",
    "long": b"x" * 200_000 + b"\n" + b"y\n" * 50_000,
    "many lines": b"\n\n" + b" \n" * 70_000,
}
HEADERS = {
    "none": b"",
    "encoding": b"encoding ISO-8859-1\n",
    "signature": b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n     x  \n \n -----END PGP SIGNATURE-----\n",
    "mergetag": b"mergetag object 0123\n type commit\n \n      text  \n \n",
    "white space": b"other   \t \nHG:extra \xff \n",
}


def commit_bytes(tree: str, parent: str, message: bytes, headers: bytes = b"") -> bytes:
    lines = [b"tree " + tree.encode(), *([b"parent " + parent.encode()] if parent else [])]
    return b"\n".join([*lines, b"author " + PERSON, b"committer " + PERSON, headers + b"\n" + message])


@pytest.fixture(params=["sha1", "sha256"])
def repo(tmp_path: Path, request: pytest.FixtureRequest) -> ScratchRepo:
    return ScratchRepo.init(tmp_path / "repo", f"--object-format={request.param}")


def store(repo: ScratchRepo, *messages: tuple[bytes, bytes]) -> dict[str, bytes]:
    """Commits in a line, newest last, by their ids; git checks nothing of them."""
    tree, parent, stored = repo.git("mktree").strip(), "", {}
    for message, headers in messages:
        data = commit_bytes(tree, parent, message, headers)
        parent = repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=data).strip()
        stored[parent] = data
    return stored


@contextmanager
def git_of(repo: ScratchRepo) -> Iterator[tuple[Git, IO[bytes]]]:
    with tempfile.TemporaryFile() as errors:
        yield Git(environment(), repo.path), errors


def read(repo: ScratchRepo, *revisions: str, options: tuple[str, ...] = ()) -> list[Scanned]:
    with git_of(repo) as (git, errors):
        return [item for items in read_commits(git, revisions, options, errors) for item in items]


def test_every_message_and_header_is_read_as_it_is_stored(repo: ScratchRepo) -> None:
    pairs = [(message, headers) for message in MESSAGES.values() for headers in HEADERS.values()]
    stored = store(repo, *pairs)
    expected = [scan(oid, "commit", data) for oid, data in reversed(stored.items())]
    assert read(repo, next(reversed(stored))) == expected
    assert not any(item.malformed[0] == "object-id-mismatch" for item in expected)


def test_random_messages_are_read_as_they_are_stored(repo: ScratchRepo) -> None:
    chooser = random.Random(7)
    messages = ["".join(chooser.choices("ab \n\t\r\0é", k=chooser.randrange(12))).encode() for _ in range(150)]
    stored = store(repo, *((message, b"") for message in messages))
    assert read(repo, next(reversed(stored))) == [scan(o, "commit", data) for o, data in reversed(stored.items())]


def test_what_git_shows_whole_is_not_read_twice(repo: ScratchRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else this would be slower than the two programs that it stands for."""
    whole = [MESSAGES[name] for name in ("as git writes it", "no newline", "latin", "spaces")]
    signature = b"gpgsig -----BEGIN SIGNED MESSAGE-----\n MIIB\n \n -----END SIGNED MESSAGE-----\n"
    headers = (*(HEADERS[name] for name in ("none", "encoding", "white space")), signature)
    stored = store(repo, *((message, header) for message in whole for header in headers))
    asked: list[str] = []
    answer = Rereader.read

    def noted(rereader: Rereader, oids: Sequence[str]) -> Iterator[Stored]:
        asked.extend(oids)
        return answer(rereader, oids)

    monkeypatch.setattr(Rereader, "read", noted)
    read(repo, next(reversed(stored)))
    assert asked == []
    odd = store(repo, (b"subject \n", b""))
    read(repo, *odd)
    assert asked == list(odd)


@pytest.mark.parametrize("options", [(), ("--first-parent",), ("--topo-order", "--reverse"), ("--max-age=1",)])
def test_every_way_of_walking_gives_the_same_commits(repo: ScratchRepo, options: tuple[str, ...]) -> None:
    count = 2 * BATCH + 10
    messages = [(b"change %d%s" % (n, b" \n" if n % 3 else b"\n"), b"") for n in range(count)]
    stored = store(repo, *messages)
    found = read(repo, next(reversed(stored)), options=options)
    assert sorted(item.oid for item in found) == sorted(stored)
    assert not any(item.malformed[0] for item in found)


def test_what_is_excluded_is_left_out(repo: ScratchRepo) -> None:
    oldest, middle, newest = store(repo, (b"a\n", b""), (b"b \n", b""), (b"c\n", b""))
    assert [item.oid for item in read(repo, newest, f"^{oldest}")] == [newest, middle]


def test_a_commit_whose_bytes_were_changed_does_not_pass(repo: ScratchRepo) -> None:
    (oid,) = store(repo, (b"honest\n", b""))
    (other,) = store(repo, (b"other!\n", b""))
    objects = repo.path / ".git" / "objects"
    changed = objects / oid[:2] / oid[2:]
    changed.unlink()
    changed.write_bytes((objects / other[:2] / other[2:]).read_bytes())
    (item,) = read(repo, oid)
    assert item.oid == oid
    assert item.malformed[0] == "object-id-mismatch"


@pytest.mark.parametrize("line", [b"z" * 100, b"", b" "])
def test_a_commit_that_is_too_large_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    monkeypatch.setattr(revlist, "MAX_COMMIT_BYTES", 1 << 20)
    monkeypatch.setattr(walk, "MAX_COMMIT_BYTES", 1 << 20)
    repo = ScratchRepo.init(tmp_path / "repo")
    huge = store(repo, ((line + b"\n") * (3 << 20 if len(line) < 2 else 1 << 15), b""), (b"next\n", b""))
    newest, oldest = read(repo, next(reversed(huge)))
    assert newest.malformed == ("", "")
    assert (oldest.oid, oldest.kind, oldest.malformed[0]) == (next(iter(huge)), "missing", "object-too-large")


def test_many_empty_lines_are_not_taken_for_a_large_commit(repo: ScratchRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git shows each of them with four spaces."""
    monkeypatch.setattr(revlist, "MAX_COMMIT_BYTES", 1 << 18)
    stored = store(repo, (b"subject\n" + b"\n" * (1 << 17) + b"end\n", b""), (b"next\n", b""))
    assert [item.malformed for item in read(repo, next(reversed(stored)))] == [("", ""), ("", "")]


def test_a_walk_that_breaks_off_is_an_error(repo: ScratchRepo) -> None:
    first, second = store(repo, (b"first\n", b""), (b"second\n", b""))
    (repo.path / ".git" / "objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(UncheckedError) as caught:
        read(repo, second)
    assert caught.value.reason == "history-incomplete"
    assert first in caught.value.message


@pytest.mark.parametrize("end", [1, 41, 60, 200])
def test_an_end_inside_a_commit_is_an_error(end: int) -> None:
    data = commit_bytes("1" * 40, "", b"subject\n")
    text = hashlib.sha1(data).hexdigest().encode() + b"\n" + data.replace(b"\nsubject", b"\n    subject")
    with pytest.raises(UncheckedError) as caught:
        list(revlist.read_commits(io.BytesIO(text[:end]).read))
    assert caught.value.reason == "git-failed"
    assert [data for _, _, data in revlist.read_commits(io.BytesIO(text + b"\0").read)] == [data]


def test_every_cut_of_the_pipe_gives_the_same() -> None:
    messages = [b"one\n", b"two\n\nlines\n", b"x" * 300 + b"\n"]
    stored = [commit_bytes("1" * 40, "", message) for message in messages]
    texts = b"".join(b"%040d\n" % n + indented(data) + b"\0" for n, data in enumerate(stored))
    for size in (1, 2, 7, 41, 150, 1000):
        pieces = io.BytesIO(texts)
        assert [data for _, _, data in revlist.read_commits(lambda _, at=pieces, n=size: at.read(n))] == stored  # type: ignore[misc]


def indented(data: bytes) -> bytes:
    header, _, message = data.partition(b"\n\n")
    return header + b"\n\n" + b"".join(b"    " + line for line in message.splitlines(keepends=True))


def test_the_second_reader_says_so_when_git_dies(repo: ScratchRepo) -> None:
    oids = list(store(repo, *((b"%d\n" % n, b"") for n in range(130))))
    with git_of(repo) as (git, errors), Rereader(git, errors) as rereader:
        assert [one.oid for one in rereader.read(oids)] == oids
        assert [one.kind for one in rereader.read(["0" * len(oids[0]), oids[0]])] == ["missing", "commit"]
        process = rereader._started()
        process.kill()
        process.wait()
        with pytest.raises(UncheckedError) as caught:
            list(rereader.read(oids[:2]))
    assert caught.value.reason == "git-failed"


def test_no_process_stays_behind(repo: ScratchRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = Git.start

    def noted(*arguments: Any) -> "subprocess.Popen[bytes]":
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(Git, "start", noted)
    tip = next(reversed(store(repo, *[(b"subject \n\n" + b"x" * 10_000, b"")] * (BATCH + 100))))
    with git_of(repo) as (git, errors), closing(read_commits(git, [tip], (), errors)) as commits:
        next(commits)
        assert [process.poll() for process in started] == [None, None]
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
