"""The findings of the monitor: one record for each alarm and hit, under an id that is the same whenever it is found."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import field, frozen, replace
from gitsign_py.core.printing import printable
from gitsign_py.monitor.sources import RawEntry

Severity = Literal["alarm", "hit", "unchecked"]
Fact = str | int | bool | None

KINDS: dict[str, tuple[Severity, str]] = {
    "log-forked": ("alarm", "the log shows a history that is not the one it showed before"),
    "log-shrank": ("alarm", "the log shows a smaller tree that is no part of the one it showed before"),
    "checkpoint-stale": ("alarm", "the log shows an older tree than it showed before"),
    "log-root-wrong": ("alarm", "the log signed a root that its entries and proofs do not lead to"),
    "log-proof-wrong": ("alarm", "the log's consistency proof fits neither tree"),
    "log-tree-gone": ("alarm", "the log no longer shows a tree that it signed"),
    "log-signature-bad": ("alarm", "the log's head is not signed by the key that the trust root lists"),
    "checkpoint-unwitnessed": ("alarm", "the log's head is not cosigned as the witness policy says"),
    "log-stopped": ("alarm", "the log has not grown for longer than was allowed"),
    "entry-rewritten": ("alarm", "the log serves an entry that its own tree does not hold"),
    "entry-reordered": ("alarm", "the log serves an entry at another place than its tree has it"),
    "entry-withheld": ("alarm", "the log signed an entry that it does not give"),
    "entry-backdated": ("alarm", "the log dates an entry before it was there"),
    "entry-postdated": ("alarm", "the log dates an entry after the time at which it was read"),
    "entry-unexplained": ("alarm", "an entry by one of ours is over no commit of the repositories"),
    "entry-not-logged": ("alarm", "a commit's log entry is not in the log"),
    "certificate-unused": ("hit", "a certificate for one of ours has no entry in the signature log"),
    "entry-unread": ("hit", "an entry that may match the watch list cannot be read"),
    "watch-hit": ("hit", "an entry matches the watch list"),
    "entry-unreadable": ("unchecked", "an entry of the log cannot be read"),
}
"""Every kind, whether it means that something is inconsistent, found, or could not be checked, and what it says."""


@frozen
class Finding:
    """``subject`` is what it is about and never changes; ``time`` POSIX seconds when it was found."""

    kind: str
    tree: str
    subject: str
    message: str
    time: int
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """32 hex digits of a digest over kind, tree and subject."""
        text = "\0".join((self.kind, self.tree, self.subject))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def severity(self) -> Severity:
        """``alarm`` for an inconsistency, ``hit`` for what was looked for, ``unchecked`` for what cannot be checked."""
        return KINDS[self.kind][0]

    def to_json(self) -> dict[str, Any]:
        """The object that NDJSON, ``--exec`` and the state have."""
        return {
            "id": self.id,
            "kind": self.kind,
            "severity": self.severity,
            "tree": self.tree,
            "subject": self.subject,
            "message": self.message,
            "time": self.time,
            "facts": dict(self.facts),
        }

    def line(self) -> str:
        """One line for people."""
        when = format_rfc3339_of(self.time)
        return printable(f"{when} {self.severity.upper()} {self.kind} {self.tree}: {self.message} [{self.id}]")


@frozen
class Waiting:
    """A finding that may still be explained: under ``key``, a digest (algorithm:hex) or a TBS digest in hex."""

    finding: Finding
    key: str


@frozen
class Inspected:
    """The outcome of a batch of entries: findings, those that wait for an explanation, and keys that explain others."""

    findings: tuple[Finding, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    explains: tuple[str, ...] = ()


def unreadable_finding(tree: str, entry: RawEntry, why: str, now: int) -> Finding:
    """An entry that cannot be read, by its place and hash: the root over it is checked, and those after it are read."""
    leaf = entry.leaf_hash.hex()
    words = f"entry {entry.log_index} with the leaf hash {leaf} cannot be read: {why}"
    facts: dict[str, Fact] = {"index": entry.index, "log_index": entry.log_index, "leaf_hash": leaf, "why": why}
    return Finding("entry-unreadable", tree, f"{entry.index}:{leaf}", words, now, facts)


def format_rfc3339_of(seconds: int) -> str:
    """POSIX seconds as RFC 3339; a number that no calendar has stays a number."""
    try:
        return format_rfc3339(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def read_finding(value: Mapping[str, Any]) -> Finding:
    """Read what ``to_json`` gave. Raises KeyError, TypeError, ValueError for anything else."""
    found = Finding(*(value[name] for name in ("kind", "tree", "subject", "message", "time", "facts")))
    texts = (found.kind, found.tree, found.subject, found.message)
    if found.kind not in KINDS or not all(isinstance(one, str) for one in texts) or type(found.time) is not int:
        raise ValueError("a finding in it has a value of another type")
    return replace(found, facts=dict(found.facts))
