"""Log entries in git notes (``refs/notes/gitsign``): the history then verifies for everyone, with no network.

A note is a line ``gitsign-log-entry: BASE64`` for each entry (protobuf, with its body). Notes are nobody's word: the
entries in them are verified like any other. Other lines of a note are left as they are.
"""

from collections.abc import Iterator, Mapping, Sequence

from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.errors import FormatError, GitsignError
from gitsign_py.host.git.committer import committer
from gitsign_py.host.git.naming import object_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.trees import Entry, parse_tree, read_tree_data

REF = "refs/notes/gitsign"
_PREFIX = b"gitsign-log-entry: "
_MAX_NOTE = 1 << 20
_MAX_TREES = 64 << 20  # bytes of the trees that are read; a million of notes has 40 MiB of them


class Notes:
    """The notes below a ref, found one by one: the trees may name more of them than anybody can list.

    What cannot be read is no note: who can push to the ref decides what stands there.
    """

    def __init__(self, repository: GitRepository, ref: str) -> None:
        self._repository = repository
        self._trees: dict[str, Mapping[bytes, Entry]] = {}
        self._left = _MAX_TREES
        try:
            self._root = object_at(repository, f"{ref}:")
        except GitsignError:
            self._root = ""

    def get(self, oid: str) -> bytes:
        """The note of an object, all of them together if folders divide the id in several ways, as git takes them."""
        notes = (self._text(entry.oid) for entry in self._entries(oid) if entry.is_file)
        return b"\n".join(filter(None, notes))

    def _entries(self, oid: str) -> Iterator[Entry]:
        """git-notes(1), NOTES MERGE and fan-out: folders have two digits, the file the rest of the id."""
        tree, rest = self._root, oid.encode("ascii")
        while tree and rest:
            entries = self._listed(tree)
            if rest in entries:
                yield entries[rest]
            folder = entries.get(rest[:2])
            tree, rest = folder.oid if folder and folder.is_tree else "", rest[2:]

    def _listed(self, tree: str) -> Mapping[bytes, Entry]:
        found = self._trees.get(tree)
        if found is None:
            try:
                data = read_tree_data(self._repository, tree)
                self._left -= len(data)
                found = parse_tree(data, len(tree) // 2) if self._left >= 0 else {}
            except GitsignError:
                found = {}
            self._trees[tree] = found
        return found

    def _text(self, blob: str) -> bytes:
        try:
            data = self._repository.read(blob).data
        except GitsignError:
            return b""
        return data if len(data) <= _MAX_NOTE else b""


class EntryNotes:
    """The log entries in the notes of a repository."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._notes = Notes(repository, REF)

    def get(self, oid: str) -> tuple[bytes, ...]:
        """The entries in an object's note; lines that are no entry, and notes that are no file, are passed over."""
        return _entries(self._notes.get(oid))

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
        self._notes = Notes(self._repository, REF)
        return len(changed)

    def _committer(self) -> bytes:
        return b"committer " + committer(self._repository) + b"\n"

    def _note(self, oid: str, entries: Sequence[bytes]) -> bytes:
        old = self._notes.get(oid)
        have = set(_entries(old))
        lines = [_PREFIX + b64_encode(entry).encode() + b"\n" for entry in entries if entry not in have]
        return old + (b"\n" if old and not old.endswith(b"\n") else b"") + b"".join(lines)


def _entries(note: bytes) -> tuple[bytes, ...]:
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
