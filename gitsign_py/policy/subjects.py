"""The name of a certificate that a policy means: its kind, and the value or pattern for it.

``subject`` is an e-mail address. ``uri`` and ``username`` say that they are not; a subject that has ``://`` in it says
so too. No kind is taken for another: a workflow's URI may end like somebody's address.
"""

import re

from gitsign_py.core.pki.namekind import NameKind, kind_said
from gitsign_py.policy.patterns import Matcher, PatternError, anchored
from gitsign_py.policy.reader import Table

KEYS: dict[str, NameKind] = {"subject": "email", "uri": "uri", "username": "other"}
MAX_PATTERNS = 256
KEY_OF = {kind: key for key, kind in KEYS.items()}
# A scheme and "://" in so many words, perhaps at the start of each alternative: what only ends right is anybody's.
_BEGINS = re.compile(r"\^(?:\((?:\?:)?)*[A-Za-z][A-Za-z0-9+\-]*\??:(?:\\?/){2}")


def read_name(table: Table) -> tuple[NameKind | None, Matcher | None]:
    """Read ``subject``, ``uri`` or ``username``, or one of them with ``-pattern``; neither when none is given."""
    given = {key: table.text(key, default="") for name in KEYS for key in (name, f"{name}-pattern")}
    [*found] = (key for key, text in given.items() if text)
    if not found:
        return None, None
    for other in found[1:]:
        table.wrong(other, f"contradicts {found[0]}: give one of them")
    key, text = found[0], given[found[0]]
    return (_pattern if key.endswith("-pattern") else _exact)(table, key, text)


def read_pattern(table: Table, key: str, pattern: str) -> Matcher | None:
    """Read a pattern that is the value of ``key``. Every pattern of a policy comes here, since all are counted."""
    if not pattern:
        return None
    table.problems.patterns += 1
    if table.problems.patterns > MAX_PATTERNS:  # each may cost some milliseconds
        table.wrong(key, f"is one pattern too many: a policy has at most {MAX_PATTERNS}")
        return None
    try:
        return anchored(pattern)
    except PatternError as error:
        table.wrong(key, str(error))
        return None


def _exact(table: Table, key: str, text: str) -> tuple[NameKind | None, Matcher | None]:
    kind, said = KEYS[key], kind_said(text)
    if key == "subject" and said is None:
        table.wrong(key, "is no e-mail address: write username for a user name, uri for a URI")
    return (said if key == "subject" else kind), Matcher(text)


def _pattern(table: Table, key: str, text: str) -> tuple[NameKind | None, Matcher | None]:
    matcher = read_pattern(table, key, text)
    if matcher is None:
        return None, None
    kind = KEYS[key.removesuffix("-pattern")]
    if key == "subject-pattern" and kind_said(text, is_pattern=True) == "uri":
        kind = "uri"
    if kind == "uri" and not _BEGINS.match(text):
        table.wrong(key, "is for URIs and must begin with the scheme: write ^https://... (an address has no slash)")
    return kind, matcher
