"""Why commits are not accepted, by cause: how many, who made them, what they name, and what a person can do.

Memory grows with the number of different causes and, up to a bound, of different people, never with that of commits.
"""

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gitsign_py.audit.advice import advice_of
from gitsign_py.audit.record import Record
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.frozen import field, slotted

EXPLAIN = "gitsign-py policy explain"
_MAX_NAMES = 1_000
_OTHERS = "(others)"
SHOWN = 20
"""So many people and keys of a cause are told one by one."""


@slotted
class Cause:
    """One reason why commits are not accepted; ``example`` is the id of the first that came, ``message`` its words.

    ``ref`` is where that one was judged, ``explain`` the command that judges by the same policy: on another ref, or by
    another policy, the verdict would be another one.
    ``vouched`` has the form of signature and the issuer for each name in ``what``; no issuer where there are several.
    """

    verdict: str
    reason: str
    message: str
    example: str
    commits: int = 0
    who: Counter[str] = field(default_factory=Counter)
    what: Counter[str] = field(default_factory=Counter)
    vouched: dict[str, tuple[str, str]] = field(default_factory=dict)
    ref: str = ""
    explain: str = EXPLAIN

    @property
    def words(self) -> str:
        """The cause in plain words, the same for all of its commits."""
        return advice_of(self.verdict, self.reason).words or self.message

    @property
    def todo(self) -> str:
        """The advice: a command, where there is one."""
        named = next((name for name, _ in self.what.most_common() if name != _OTHERS), "")
        form, issuer = self.vouched.get(named, ("", ""))
        place = f"{f'--ref {shlex.quote(self.ref)} ' if self.ref else ''}{self.example[:12]}"
        return advice_of(self.verdict, self.reason, form).todo_for(
            named, self.example[:12], issuer, place, self.explain
        )

    def as_object(self) -> dict[str, Any]:
        """The cause as JSON."""
        value = {"verdict": self.verdict, "reason": self.reason, "words": self.words, "todo": self.todo}
        return value | {
            "commits": self.commits,
            "example": self.example,
            "who": [{"name": name, "commits": count} for name, count in self.who.most_common(SHOWN)],
            "what": [{"name": name, "commits": count} for name, count in self.what.most_common(SHOWN)],
        }


class Causes:
    """Collects them; ``explain`` is the command that explains a verdict of the same run."""

    def __init__(self, explain: str = EXPLAIN) -> None:
        self._explain = explain
        self._found: dict[tuple[str, str], Cause] = {}

    def add(self, first: Record, members: Sequence[Record | Scanned]) -> None:
        """Count commits that are not accepted for the same reason as ``first``, the first of them."""
        cause = self._found.get((first.verdict, first.reason))
        if cause is None:
            told = first.verdict, first.reason, first.message, first.oid
            cause = Cause(*told, ref=first.ref, explain=self._explain)
            self._found[first.verdict, first.reason] = cause
        cause.commits += len(members)
        for name, count in Counter([member.committer for member in members]).items():
            _count(cause.who, name, count)
        if what := named_by(first):
            _count(cause.what, what, len(members))
            _note(cause, what, first)

    def __bool__(self) -> bool:
        return bool(self._found)

    def sorted(self) -> list[Cause]:
        """All causes, the most frequent first; before them what is forged, which one screen must not miss."""
        return sorted(self._found.values(), key=lambda cause: (cause.verdict != "bad", -cause.commits))

    def as_objects(self) -> list[dict[str, Any]]:
        """All of them as JSON."""
        return [cause.as_object() for cause in self.sorted()]


def named_by(record: Record) -> str:
    """The key or identity that it is about: the signer's, or what a signature claims that is not good."""
    return record.identity or record.claimed


def _note(cause: Cause, what: str, record: Record) -> None:
    """Remember who vouches for a name; what two issuers say the same name to are two signers."""
    if what in cause.what:
        form, issuer = cause.vouched.setdefault(what, (record.format, record.issuer))
        if issuer != record.issuer:
            cause.vouched[what] = (form, "")


def _count(names: "Counter[str]", name: str, count: int) -> None:
    names[name if name in names or len(names) < _MAX_NAMES else _OTHERS] += count
