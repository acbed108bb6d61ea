"""The text of the search field as a question: an index, a commit, a digest, an entry's name, or a person's name."""

import hashlib
import re
from collections.abc import Callable

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import GitsignError, UsageError
from gitsign_py.monitor.search import Query, parse_digest

MAX_QUERY = 300
_INDEX = re.compile(r"[0-9]{1,18}\Z")
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_LEAF = re.compile(r"(?:[0-9a-f]{16})?[0-9a-f]{64}\Z")
_DIGEST = re.compile(r"(?:sha(?:256|384|512):)?[0-9a-f]{64,128}\Z")
Replay = Callable[[str], tuple[str, ...]]
"""The digests that a commit's entry may be over, by the commit's id. Raises GitsignError."""


@frozen
class Asked:
    """``words`` say how the text was taken; ``index`` and ``leaf`` (hash in hex, Rekor's UUID) name an entry."""

    text: str
    words: tuple[str, ...]
    query: Query
    index: int | None = None
    leaf: str = ""


def read_question(given: str, replay: Replay | None) -> Asked:
    """Take a text as everything that it may be. Raises UsageError ``log-question-invalid``, ``log-hash-invalid``."""
    asked = given.strip()
    if not 0 < len(asked) <= MAX_QUERY:
        raise UsageError("log-question-invalid", f"a search takes a text of 1 to {MAX_QUERY} characters")
    if _INDEX.match(asked):
        return Asked(asked, ("an index",), Query(), int(asked))
    low = asked.lower()
    digests: list[str] = []
    words: list[str] = []
    if _COMMIT.match(low):
        found, how = _of_commit(low, replay)
        digests += found
        words.append(how)
    if _DIGEST.match(low):
        digests.append(parse_digest(low))
        words.append("a digest")
    leaf = low if _LEAF.match(low) else ""
    if digests or leaf:
        return Asked(asked, (*words, *(("an entry's name",) if leaf else ())), Query(tuple(digests)), leaf=leaf)
    is_email = "@" in asked and "://" not in asked
    kind = "an e-mail address" if is_email else "a URI or user name"
    return Asked(asked, (kind,), Query(identity=asked, email=asked if is_email else ""))


def _of_commit(oid: str, replay: Replay | None) -> tuple[tuple[str, ...], str]:
    """In online mode an entry is over the commit's id; in offline mode over attributes that the repository holds."""
    online = f"sha256:{hashlib.sha256(oid.encode()).hexdigest()}"
    if replay is None:
        return (online,), "a commit signed in online mode (no repository is here to find others by)"
    try:
        return replay(oid), "a commit"
    except GitsignError:
        return (online,), "a commit that the repository does not have, signed in online mode"
