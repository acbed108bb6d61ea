"""A log's present against its past: an honest log only grows, and proves it. Pure."""

from collections.abc import Sequence
from typing import Literal

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.compactrange import CompactRange, follow_consistency
from gitsign_py.errors import VerificationError
from gitsign_py.monitor.findings import Fact, Finding
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.sources import RawEntry

DELAYS = {"rekor1": 600, "rekor2": 600, "ct": 24 * 3600, "static-ct": 24 * 3600}
"""Seconds between the time that an entry states and its place in the tree: for CT the usual maximum merge delay."""
CLOCKS = 600
"""Seconds by which the log's clock and ours may differ."""
Fault = Literal["log-root-wrong", "log-forked", "log-proof-wrong"]


@frozen
class Grown:
    """A growth that the log proved: ``part`` is the earlier tree."""

    part: CompactRange


def judge_growth(before: tuple[int, bytes], head: Head, proof: Sequence[bytes]) -> Grown | Fault:
    """Follow a consistency proof from a kept (size, root), 0 < size < head.size; says which of the two roots it misses.

    A proof that leads to the new root and not to the old one is another history; one that leads to the old root alone
    shows that the log signed a root which is not its tree's.
    """
    size, root = before
    try:
        found = follow_consistency(size, head.size, proof, root)
    except VerificationError:
        return "log-proof-wrong"
    old, new = found.old.root() == root, found.new_root == head.root
    if old and new:
        return Grown(found.old)
    if new:
        return "log-forked"
    return "log-root-wrong" if old else "log-proof-wrong"


def judge_whole(before: tuple[int, bytes], head: Head, proof: Sequence[bytes]) -> Fault:
    """The same for a size that is a power of two and failed: its proof holds nothing of the old tree.

    ``proof`` is the one of a tree with one leaf more, whose first subtree is the old tree.
    """
    size, root = before
    try:
        found = follow_consistency(size + 1, head.size, proof, b"")
    except VerificationError:
        return "log-proof-wrong"
    if found.old.hashes[0] == root:
        return "log-root-wrong"
    return "log-forked" if found.new_root == head.root else "log-proof-wrong"


def telling_size(size: int) -> int:
    """A size below that is no power of two, so that the proof from it holds the whole tree; 0 where there is none."""
    found = size - 1 if (size - 1) & (size - 2) else size - 2
    return found if found > 2 else 0


def judge_same(kept_root: bytes, head: Head, proof: Sequence[bytes]) -> Fault:
    """Two roots of one size: the log's tree has the other one, or is still the one kept and the root was made up.

    ``proof`` is from ``telling_size``. Raises VerificationError for one of another length.
    """
    asked = telling_size(head.size)
    if asked and follow_consistency(asked, head.size, proof, b"").new_root == kept_root:
        return "log-root-wrong"
    return "log-forked"


_WORDS = {
    "log-forked": "it signed two histories: its tree of {size} entries is no continuation of the one kept at {kept}",
    "log-root-wrong": "it signed a root for {size} entries that its own proof from {kept} entries does not lead to",
    "log-proof-wrong": "its consistency proof from {kept} to {size} entries fits neither of the roots that it signed",
    "log-shrank": "it signed a tree of {size} entries that is no part of the tree of {kept} that it signed before",
    "checkpoint-stale": "it shows its older tree of {size} entries, after one of {kept}",
}


def head_finding(kind: str, before: tuple[int, bytes], head: Head, now: int) -> Finding:
    """Say what is wrong with a head, with both roots: they are the proof."""
    facts: dict[str, Fact] = {
        "kept_size": before[0],
        "kept_root": before[1].hex(),
        "size": head.size,
        "root": head.root.hex(),
        "url": head.log.base_url,
    }
    words = _WORDS[kind].format(size=head.size, kept=before[0])
    return Finding(kind, head.tree, f"{before[0]}:{head.size}:{head.root.hex()}", words, now, facts)


@frozen
class Floor:
    """Times (POSIX) below which no later entry's can be: the log's last tree without it, the latest time stated yet."""

    absent_until: int
    latest: int


def backdated(entries: Sequence[RawEntry], head: Head, kind: str, floor: Floor, *, now: int) -> tuple[Finding, ...]:
    """Entries that state a time at which the log had shown a tree without them, before their elders, or to come."""
    found: list[Finding] = []
    latest = floor.latest
    for entry in entries:
        if entry.time > now + CLOCKS:
            words = f"entry {entry.index} states a time {entry.time - now} s after it was read"
            found.append(_misdated("entry-postdated", entry, head, words, {"read_at": now}))
            continue  # honest entries after it are no older for that
        least = max(floor.absent_until, latest) - DELAYS[kind]
        if entry.time and entry.time < least:
            why = "the log showed a tree without it" if floor.absent_until >= latest else "an elder states a later time"
            words = f"entry {entry.index} states a time {least - entry.time} s before it could be there: {why}"
            found.append(_misdated("entry-backdated", entry, head, words, {"not_before": least, "read_at": now}))
        latest = max(latest, entry.time)
    return tuple(found)


def _misdated(kind: str, entry: RawEntry, head: Head, words: str, facts: dict[str, int]) -> Finding:
    subject = f"{entry.index}:{entry.leaf_hash.hex()}"
    told: dict[str, Fact] = {"index": entry.index, "stated": entry.time, **facts}
    return Finding(kind, head.tree, subject, words, facts["read_at"], told)


def latest_of(entries: Sequence[RawEntry], latest: int, *, now: int) -> int:
    """The latest time stated up to now: a time in the future would make every later entry look too early."""
    return max(latest, *(entry.time for entry in entries if entry.time <= now + CLOCKS), 0)
