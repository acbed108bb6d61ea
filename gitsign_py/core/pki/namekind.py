"""The kind of name that a text stands for: e-mail address, URI, or a user name as Fulcio's otherName has it.

A certificate says of which kind its name is (RFC 5280 §4.2.1.6), and the CA vouches for that kind alone: who runs a
workflow may choose the name of its branch, so that its URI ends like somebody's address.
"""

import re
from typing import Literal

NameKind = Literal["email", "uri", "other"]
WORDS: dict[str, str] = {"email": "e-mail address", "uri": "URI", "other": "user name"}

# Escapes are passed over, classes of one character are that character, other classes may be anything. A class without
# an end, which RE2 refuses, goes to the end of the text: to look on from each bracket would take the square of it.
_PIECE = r"(?s)\\(.)|\[([^\]\\^])\]|\[\^?\]?(?:[^\]\\]|\\.)*(?:\]|\Z)"  # compiled when a pattern is met: start-up


def kind_said(text: str, *, is_pattern: bool = False) -> NameKind | None:
    """Give the kind of name that an expected value, or a regular expression, is for; None where it does not say.

    ``://`` says URI, and so does a colon in what would be an address's local part (RFC 5322 §3.2.3 has none there); in
    a pattern, which may begin after the scheme, a slash. An ``@`` says address, but for the user names of Fulcio
    (``user!domain``, certificate-specification).
    """
    spelled = re.sub(_PIECE, r"\1\2", text) if is_pattern else text
    if "/" in spelled if is_pattern else ("://" in spelled or ("@" in spelled and ":" in spelled.partition("@")[0])):
        return "uri"
    return "email" if "@" in spelled and "!" not in spelled else None


def described(name: str, kind: str) -> str:
    """Give a certificate's name for people to read: with its kind where the spelling is that of another kind."""
    said = kind_said(name)
    return f"{WORDS[kind]} {name}" if kind in WORDS and said not in (None, kind) else name
