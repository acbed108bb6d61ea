"""Reads of a commit what an audit needs, at the pace of ``git cat-file``: a million commits pass through here.

One regular expression takes a whole unsigned header of the common form. Everything else, and everything signed, goes
through the strict reader of ``core.gitobject``, which says what is malformed.
"""

import hashlib
import re
from functools import partial
from typing import NamedTuple

from gitsign_py.core.gitobject import SignedObject, signature_format, split_object
from gitsign_py.core.gittext import split_person
from gitsign_py.errors import FormatError

_ID = rb"(?:[0-9a-f]{40}|[0-9a-f]{64})"
_PERSON = rb"[^\n<>\0]*<([^\n<>\0]*)> ([0-9]{1,12}) [+-][0-9]{4}\n"
_PLAIN = re.compile(
    rb"tree ("
    + _ID
    + rb")\n((?:parent "
    + _ID
    + rb"\n)*)author "
    + _PERSON
    + rb"committer "
    + _PERSON
    + rb"(?:encoding [A-Za-z0-9_.-]+\n)?\n([^\n]*)"
)


_sha1 = partial(hashlib.sha1, usedforsecurity=False)


class Scanned(NamedTuple):
    """A commit or tag as read. ``form`` is empty when it is unsigned; ``malformed`` is empty when it is well-formed."""

    oid: str
    kind: str
    tree: str = ""
    parents: tuple[str, ...] = ()
    author: str = ""
    committer: str = ""
    committed: int | None = None
    subject: str = ""
    form: str = ""
    malformed: tuple[str, str] = ("", "")


def scan(oid: str, kind: str, data: bytes) -> Scanned:
    """Read the stored ``data`` of the commit or tag ``oid``; raises nothing."""
    # Hash again: git checks no hash when it reads, and what is judged must be what the id names.
    name = _sha1 if len(oid) == 40 else hashlib.sha256
    if name(b"%s %d\0%s" % (kind.encode(), len(data), data)).hexdigest() != oid:
        return Scanned(oid, kind, malformed=("object-id-mismatch", "stored bytes are not those of the id"))
    plain = _PLAIN.match(data) if kind == "commit" else None
    if plain is None:
        return _scan_strictly(oid, kind, data)
    tree, parents, author, _, committer, seconds, subject = plain.groups()
    return Scanned(
        oid,
        kind,
        tree.decode(),
        tuple(parents.decode().replace("parent ", "").split()) if parents else (),
        author.decode("utf-8", "replace"),
        committer.decode("utf-8", "replace"),
        int(seconds),
        subject[:200].decode("utf-8", "replace"),
    )


def _scan_strictly(oid: str, kind: str, data: bytes) -> Scanned:
    try:
        found = split_object(kind, data, "sha256" if len(oid) == 64 else "sha1")
    except FormatError as error:
        return Scanned(oid, kind, malformed=(error.reason, error.message))
    author, committer = (found.tagger, found.tagger) if kind == "tag" else (found.author, found.committer)
    person = split_person(committer)
    return Scanned(
        oid,
        kind,
        found.tree,
        # What a tag names stands where a commit has its parents.
        found.parents if kind == "commit" else (found.target,) if found.target_kind == "commit" else (),
        split_person(author).email.decode("utf-8", "replace"),
        person.email.decode("utf-8", "replace"),
        person.time,
        found.subject[:200],
        _form(found),
    )


def _form(found: SignedObject) -> str:
    if found.signature is None:
        # Signed for the other hash algorithm alone: git would not verify it, so it proves nothing here.
        return "" if found.other_signature is None else "other-hash"
    form = signature_format(found.signature)
    return "sigstore" if form == "x509" else form
