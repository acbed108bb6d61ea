"""Walks a history and reads its commits, a batch at a time: the quick way first, and what that gets wrong once more."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import IO

from gitsign_py.audit.scan import MISMATCH, Scanned, scan
from gitsign_py.host.git.storedbytes import TOO_LARGE
from gitsign_py.host.git.walk import Git, Rereader, walk, walk_shown
from gitsign_py.sizes import MAX_COMMIT_BYTES

BATCH = 256
BATCH_BYTES = 4 << 20
_TOO_LARGE = ("object-too-large", f"object has more than {MAX_COMMIT_BYTES} bytes, so nobody read it")
_Read = tuple[str, str, bytes | None]
_STREAMED = {"--first-parent"}  # of rev-list's options that are used here, what lets it write while it walks


def read_one(oid: str, kind: str, data: bytes | None, *, two_hashes: bool = False) -> Scanned:
    """Read an object by its stored bytes; None stands for one that was not read (see ``Stored``)."""
    if kind == TOO_LARGE or len(data or b"") > MAX_COMMIT_BYTES:  # rev-list shows a little more than is kept of one
        return Scanned(oid, "missing", malformed=_TOO_LARGE)
    if data is None:
        return Scanned(oid, "missing", malformed=("object-missing", "object is not in this repository"))
    return scan(oid, kind, data, two_hashes=two_hashes)


def read_commits(
    git: Git, revisions: Sequence[str], options: Sequence[str], errors: IO[bytes]
) -> Generator[list[Scanned], None, None]:
    """Yield what ``git rev-list OPTIONS`` names for ``revisions`` (ids, ``^ID``), read from the stored bytes.

    Raises UncheckedError ``git-failed``, ``history-incomplete``.
    """
    streamed = _STREAMED.issuperset(options) and not any(revision.startswith("^") for revision in revisions)
    commits = (walk_shown if streamed else walk)(git, revisions, options, errors)
    with closing(commits), Rereader(git, errors) as rereader:
        for batch in _batches(commits):
            items = [read_one(oid, kind, data, two_hashes=git.two_hashes) for oid, kind, data in batch]
            doubtful = [number for number, item in enumerate(items) if item.malformed is MISMATCH]
            if doubtful:
                _read_again(rereader, batch, items, doubtful, two_hashes=git.two_hashes)
            batch.clear()  # what is needed of large commits is in the items
            yield items


def _batches(commits: Iterable[_Read]) -> Iterator[list[_Read]]:
    """So many at once, fewer where they are large: a push may bring commits of megabytes by the thousand."""
    batch: list[_Read] = []
    size = 0
    for one in commits:
        batch.append(one)
        size += len(one[2] or b"")
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_again(
    rereader: Rereader,
    batch: Sequence[_Read],
    items: list[Scanned],
    doubtful: Sequence[int],
    *,
    two_hashes: bool,
) -> None:
    """Put in ``items`` what is stored, where ``batch`` has something else than that."""
    left = []
    for number in doubtful:
        oid, kind, data = batch[number]
        # merges made on forges' pages end without a newline
        items[number] = scan(oid, kind, (data or b"")[:-1], two_hashes=two_hashes)
        if items[number].malformed is MISMATCH:
            left.append(number)
    for number, stored in zip(left, rereader.read([items[number].oid for number in left]), strict=True):
        items[number] = read_one(*stored, two_hashes=two_hashes)
