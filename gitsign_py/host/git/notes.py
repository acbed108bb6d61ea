"""Log entries in git notes (``refs/notes/gitsign``): the history then verifies for everyone, with no network.

A note is a line ``gitsign-log-entry: BASE64`` for each entry (protobuf, with its body). Notes are nobody's word: the
entries in them are verified like any other. Other lines of a note are left as they are.
"""

from collections.abc import Iterator, Mapping, Sequence

from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.core.git.gitobject import is_object_id
from gitsign_py.errors import FormatError, GitsignError
from gitsign_py.host.git.naming import commit_of, object_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.trees import each_entry, read_tree_data

REF = "refs/notes/gitsign"
_PREFIX = b"gitsign-log-entry: "
_MAX_NOTE = 1 << 20


class EntryNotes:
    """The notes of a repository, listed once."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._notes = list_notes(repository, REF)

    def get(self, oid: str) -> tuple[bytes, ...]:
        """The entries in an object's note; lines that are no entry, and notes that are no file, are passed over."""
        blob = self._notes.get(oid)
        try:
            return () if blob is None else _entries(self._repository.read(blob).data)
        except GitsignError:
            return ()

    def add(self, entries: Mapping[str, Sequence[bytes]]) -> int:
        """Add entries by object id, all in one commit on the notes ref; gives the number of notes that changed."""
        changed = {oid: found for oid, found in entries.items() if set(found) - set(self.get(oid))}
        if not changed:
            return 0
        stream = bytearray(b"feature done\n")
        stream += f"commit {REF}\n".encode() + self._committer() + data_of(b"Add log entries\n")
        tip = self._repository.run(["rev-parse", "-q", "--verify", REF], accept=(0, 1)).strip()
        if tip:
            stream += b"from " + tip + b"\n"
        for oid, found in changed.items():
            stream += b"N inline " + oid.encode() + b"\n" + data_of(self._note(oid, found))
        self._repository.write(["fast-import", "--quiet"], stdin=bytes(stream + b"done\n"))
        self._notes = list_notes(self._repository, REF)
        return len(changed)

    def _committer(self) -> bytes:
        return b"committer " + self._repository.run(["var", "GIT_COMMITTER_IDENT"]).strip() + b"\n"

    def _note(self, oid: str, entries: Sequence[bytes]) -> bytes:
        old = self._repository.read(self._notes[oid]).data if oid in self._notes else b""
        have = set(_entries(old))
        lines = [_PREFIX + b64_encode(entry).encode() + b"\n" for entry in entries if entry not in have]
        return old + (b"\n" if old and not old.endswith(b"\n") else b"") + b"".join(lines)


def list_notes(repository: GitRepository, ref: str) -> dict[str, str]:
    """Note blob by annotated object; no notes at all is git's exit status 128 or an empty answer."""
    if repository.direct is not None:
        return dict(_listed(repository, ref))
    out = repository.run(["notes", f"--ref={ref}", "list"], accept=(0, 1, 128))
    pairs = (line.split() for line in out.decode("ascii", "replace").split("\n") if line)
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _listed(repository: GitRepository, ref: str) -> Iterator[tuple[str, str]]:
    """Annotated object and note blob: the names of the folders and of the file in them are the id (git-notes(1))."""
    if not commit_of(repository, ref):
        return
    todo = [("", object_at(repository, f"{ref}:"))]
    while todo:
        prefix, tree = todo.pop()
        for name, entry in each_entry(read_tree_data(repository, tree), 20):
            oid = prefix + name.decode("ascii", "replace")
            if entry.is_tree and len(oid) < 40:
                todo.append((oid, entry.oid))
            elif entry.is_file and is_object_id(oid):
                yield oid, entry.oid


def _entries(note: bytes) -> tuple[bytes, ...]:
    if len(note) > _MAX_NOTE:
        return ()
    found = []
    for line in note.split(b"\n"):
        if line.startswith(_PREFIX):
            try:
                found.append(b64_decode(line[len(_PREFIX) :]))
            except FormatError:
                continue
    return tuple(found)


def data_of(content: bytes) -> bytes:
    """git-fast-import(1), ``data``: an exact byte count."""
    return b"data %d\n" % len(content) + content + b"\n"
