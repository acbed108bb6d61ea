"""The words of git objects for people: author, committer and tagger lines, and the subject of a message.

Nothing here decides about a signature; bytes that cannot be read give an empty or replaced text, never an error.
"""

import re

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern

# Encodings that a subject is read in: a codec name out of an object must not choose among all that Python has.
_TEXT_ENCODING = pattern(
    r"(?:utf-?8|us-ascii|latin-?1|iso-?8859-?\d{1,2}|windows-125\d|cp\d{3,4}|koi8-[ru]|euc-(?:jp|kr)|shift_jis"
    r"|iso-2022-jp|gbk|gb2312|gb18030|big5)\Z",
    re.IGNORECASE | re.ASCII,
)
_SUBJECT_BYTES = 4096
_WHEN = pattern(rb"\s*([0-9]{1,19})\s+([+-][0-9]+)\s*\Z")


@frozen
class Person:
    """A person line, split: name, e-mail, seconds since 1970 and zone as ``+0200`` (None and empty when unreadable)."""

    name: bytes
    email: bytes
    time: int | None
    zone: bytes


def split_person(value: bytes) -> Person:
    """Split the value of an author, committer or tagger header as git does (ident.c, ``split_ident_line``).

    The e-mail stands between the first ``<`` and the next ``>``, the time after the last ``>``. Without an e-mail the
    whole line is the name.
    """
    name, opening, rest = value.partition(b"<")
    email, closing, _ = rest.partition(b">")
    if not opening or not closing:
        return Person(value.strip(), b"", None, b"")
    when = _WHEN.match(value.rpartition(b">")[2])
    return Person(name.strip(), email.strip(), int(when[1]) if when else None, when[2] if when else b"")


def subject_line(message: bytes, encoding: str) -> str:
    """Give the first paragraph of ``message`` on one line (at most its first 4 KiB), decoded from ``encoding``."""
    paragraph = message.lstrip(b"\n")[:_SUBJECT_BYTES].split(b"\n\n", 1)[0]
    return " ".join(decoded(paragraph, encoding).split())


def decoded(text: bytes, encoding: str) -> str:
    """Decode what a commit holds by its ``encoding`` header, as UTF-8 where that names no encoding of text."""
    try:
        return text.decode(encoding if _TEXT_ENCODING.match(encoding) else "utf-8", "replace")
    except LookupError:  # iso-8859-99 and the like
        return text.decode("utf-8", "replace")


def committer_of(payload: bytes) -> tuple[str, str]:
    """Name and e-mail address of a payload's committer, tagger or pusher; two empty texts for anything else.

    A pusher stands in what ``git push --signed`` signs (git's send-pack.c, ``generate_push_cert``).
    """
    for line in payload.partition(b"\n\n")[0].split(b"\n"):
        name, _, value = line.partition(b" ")
        if name in (b"committer", b"tagger", b"pusher"):
            person = split_person(value)
            return person.name.decode("utf-8", "replace"), person.email.decode("utf-8", "replace")
    return "", ""
