"""Reads of a commit what an audit needs, at the pace of ``git cat-file``: a million commits pass through here.

One regular expression takes a whole unsigned header of the common form. Everything else, and everything signed, goes
through the strict reader of ``core.gitobject``, which says what is malformed.
"""

import hashlib
import re
from typing import NamedTuple

from gitsign_py.core.git.gitobject import SignedObject, signature_format, split_object
from gitsign_py.core.git.gittext import split_person
from gitsign_py.errors import FormatError

# Possessive where nothing could match by giving back: the expression is a third of a scan's time.
_ID = rb"[0-9a-f]{40}+(?:[0-9a-f]{24}+)?"
_EMAIL = rb"[^\n<>\0]*+<([^\n<>\0]*+)> "
_ZONE = rb" [+-][0-9]{4}\n"
_PLAIN = re.compile(
    rb"tree ("
    + _ID
    + rb")\n((?:parent "
    + _ID
    + rb"\n)*)author "
    + _EMAIL
    + rb"[0-9]{1,12}+"
    + _ZONE
    + rb"committer "
    + _EMAIL
    + rb"([0-9]{1,12}+)"
    + _ZONE
    + rb"\n([^\n]++)(?=\n\n|\n?\Z)"  # a first paragraph of one line
)


# Copied for each object: to make a new one, OpenSSL looks the algorithm up by name, which takes longer than the hash.
_sha1, _sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
_WELL_FORMED = ("", "")
MISMATCH = ("object-id-mismatch", "stored bytes are not those of the id")


class Scanned(NamedTuple):
    """A commit or tag as read. ``form`` is empty when it is unsigned; ``malformed`` is empty when it is well-formed.

    ``split`` is what the strict reader gave of a signed one.
    """

    oid: str
    kind: str
    tree_id: bytes = b""
    parent_lines: bytes = b""
    author: str = ""
    committer: str = ""
    committed: int | None = None
    subject: str = ""
    form: str = ""
    malformed: tuple[str, str] = _WELL_FORMED
    split: SignedObject | None = None

    @property
    def tree(self) -> str:
        """The id of the tree; only a policy asks for it."""
        return self.tree_id.decode()

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of the parents; for a tag, of the commit that it names."""
        return tuple(self.parent_lines.decode().replace("parent ", "").split())

    @property
    def tag_name(self) -> str:
        """The name that a signed tag gives itself, spelled as the names of refs are."""
        return self.split.name.decode("utf-8", "surrogateescape") if self.split else ""

    def count_parents(self) -> int:
        """The number of a commit's parents."""
        return self.parent_lines.count(b"\n")

    def leading_to(self, commit: str) -> "Scanned":
        """The same tag with the commit that it leads to in the end, by other tags perhaps; none for the empty text."""
        return self._replace(parent_lines=commit.encode())


_new = tuple.__new__  # what Scanned(...) calls in the end; its own wrapper costs as much as the hash


def scan(oid: str, kind: str, data: bytes, *, two_hashes: bool = False) -> Scanned:
    """Read the stored ``data`` of the commit or tag ``oid``; raises nothing."""
    # Hash again: git checks no hash when it reads, and what is judged must be what the id names.
    name = (_sha1 if len(oid) == 40 else _sha256).copy()
    name.update(b"%b %d\0%b" % (kind.encode(), len(data), data))
    if name.hexdigest() != oid:
        return Scanned(oid, kind, malformed=MISMATCH)
    plain = _PLAIN.match(data) if kind == "commit" else None
    if plain is None:
        return _scan_strictly(oid, kind, data, two_hashes=two_hashes)
    tree, parents, author, committer, seconds, subject = plain.groups()
    who = author.decode("utf-8", "replace")
    return _new(
        Scanned,
        (
            oid,
            kind,
            tree,
            parents,
            who,
            who if committer == author else committer.decode("utf-8", "replace"),
            int(seconds),
            " ".join(subject[:800].decode("utf-8", "replace").split())[:200],
            "",
            _WELL_FORMED,
            None,
        ),
    )


def _scan_strictly(oid: str, kind: str, data: bytes, *, two_hashes: bool) -> Scanned:
    try:
        found = split_object(kind, data, "sha256" if len(oid) == 64 else "sha1", two_hashes=two_hashes)
    except FormatError as error:
        return Scanned(oid, kind, malformed=(error.reason, error.message))
    author, committer = (found.tagger, found.tagger) if kind == "tag" else (found.author, found.committer)
    # A tag's target stands where a commit has its parents.
    parents = found.parents if kind == "commit" else (found.target,) if found.target_kind == "commit" else ()
    person, form = split_person(committer), _form(found)
    return Scanned(
        oid,
        kind,
        found.tree.encode(),
        "".join(f"{parent}\n" for parent in parents).encode(),
        split_person(author).email.decode("utf-8", "replace"),
        person.email.decode("utf-8", "replace"),
        person.time,
        found.subject[:200],
        form,
        split=found if form else None,
    )


def _form(found: SignedObject) -> str:
    if found.signature is None:
        # Signed for the other hash algorithm alone: git would not verify it, so it proves nothing here.
        return "" if found.other_signature is None else "other-hash"
    form = signature_format(found.signature)
    return "sigstore" if form == "x509" else form
