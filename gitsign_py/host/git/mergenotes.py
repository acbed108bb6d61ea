"""The head that a forge's commit was made of, in git notes (``refs/notes/gitsign-merges``).

A note is a line ``gitsign-merge-head: ID`` for each head. It is a hint where to look: whoever reads it merges again and
judges the head. Each commit of the notes has the heads that it names for further parents, so whoever fetches the notes
has the heads too, and they stay when the forge drops its refs.
"""

import re
from collections.abc import Mapping

from gitsign_py.host.git.committer import committer
from gitsign_py.host.git.notes import Notes, data_of
from gitsign_py.host.git.objects import GitRepository

REF = "refs/notes/gitsign-merges"
_LINE = re.compile(rb"^gitsign-merge-head: ([0-9a-f]{40}|[0-9a-f]{64})$", re.M)
_MAX_NOTE = 64 << 10
_MAX_HEADS = 8
_AT_ONCE = 64


class MergeNotes:
    """The notes of a repository."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._notes = Notes(repository, REF)

    def heads(self, oid: str) -> tuple[str, ...]:
        """The heads that a commit's note names; none where there is no note, or one that is no text."""
        return _heads(self._notes.get(oid))

    def add(self, heads: Mapping[str, str]) -> int:
        """Note the head of each commit; gives the number of notes that are new."""
        new = [(oid, head) for oid, head in heads.items() if head not in self.heads(oid)]
        if not new:
            return 0
        line = committer(self._repository)
        tip = self._repository.run(["rev-parse", "-q", "--verify", REF], accept=(0, 1)).strip()
        stream = bytearray(b"feature done\n")
        for at in range(0, len(new), _AT_ONCE):
            part = new[at : at + _AT_ONCE]
            stream += f"commit {REF}\n".encode() + b"committer " + line + b"\n" + data_of(b"Note merged heads\n")
            stream += b"from " + tip + b"\n" if tip and not at else b""
            stream += b"".join(b"merge " + head.encode() + b"\n" for head in dict.fromkeys(head for _, head in part))
            notes = ((oid.encode(), self._note(oid, head)) for oid, head in part)
            stream += b"".join(b"N inline " + oid + b"\n" + data_of(note) for oid, note in notes)
        self._repository.write(["fast-import", "--quiet"], stdin=bytes(stream + b"done\n"))
        self._notes = Notes(self._repository, REF)
        return len(new)

    def _note(self, oid: str, head: str) -> bytes:
        named = dict.fromkeys((head, *self.heads(oid)))
        return b"".join(b"gitsign-merge-head: " + one.encode() + b"\n" for one in list(named)[:_MAX_HEADS])


def _heads(note: bytes) -> tuple[str, ...]:
    found = _LINE.findall(note) if len(note) <= _MAX_NOTE else []
    return tuple(oid.decode("ascii") for oid in found[:_MAX_HEADS])
