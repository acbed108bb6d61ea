"""Commits as ``git rev-list --header`` shows them, turned back into the bytes that git stores.

So each commit is inflated once, where ``rev-list | cat-file`` does it twice. But git shows messages for people:
indented, without white space at the ends of lines or empty lines around them, up to the first NUL (git's pretty.c).
Commits that git itself wrote lose nothing by that. For the rest the hash tells.
"""

from collections.abc import Callable, Iterator

from gitsign_py.errors import UncheckedError
from gitsign_py.sizes import MAX_COMMIT_BYTES

OPTIONS = ("--header", "--encoding=none")
"""For ``git rev-list``: header and message, without conversion."""
_READ = 1 << 16  # what a pipe holds


def read_commits(read: Callable[[int], bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Yield id, ``commit`` and restored bytes of each ``ID LF HEADER LF LF MESSAGE NUL``.

    ``read`` gives at most so many bytes, none at the end. Of a commit that is shown with more than 8 MiB the
    end is left out. Raises UncheckedError ``git-failed`` when git ends inside a commit.
    """
    parts: list[bytes] = []  # of the commit that no read has ended yet
    size = 0
    while more := read(_READ):
        texts = more.split(b"\0")
        if size < MAX_COMMIT_BYTES:
            parts.append(texts[0])
            size += len(texts[0])
        if len(texts) == 1:
            continue
        texts[0] = b"".join(parts)
        parts = [texts.pop()]
        size = len(parts[0])
        for text in texts:
            oid, _, commit = text.partition(b"\n")
            # That the header may have such spaces too (in a tag that was merged) is left to the hash.
            yield oid.decode("ascii", "replace"), "commit", commit.replace(b"\n    ", b"\n")
    if size:
        raise UncheckedError("git-failed", "git ended inside a commit")
