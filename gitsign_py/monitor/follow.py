"""Follow a log: take its heads, prove each from the one kept, read what is new, and keep both with what was found."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.compactrange import CompactRange, check_start
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.errors import ConfigError, FormatError, GitsignError, ServiceError, VerificationError
from gitsign_py.monitor.compare import (
    Fault,
    Floor,
    Grown,
    backdated,
    head_finding,
    judge_growth,
    judge_same,
    judge_whole,
    latest_of,
    telling_size,
)
from gitsign_py.monitor.decode import unreadable
from gitsign_py.monitor.findings import Fact, Finding, Inspected, unreadable_finding
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.sources import GROUP_BYTES, Batch, LogSource, RawEntry, weight
from gitsign_py.monitor.state import Kept, Store
from gitsign_py.monitor.witnesses import COSIGNED, unwitnessed

GROUP = 4096
MOST_MISPLACED = 100
"""Entries that one run names: a log can serve a million others than its own, and the first ones convict it."""
Inspect = Callable[[Head, Batch], Inspected]


@frozen
class Options:
    """``start`` at the first sight of a log: None begins at its end. ``inspect`` looks at the entries of a batch.

    ``stopped_after``: seconds without growth that are an alarm, 0 for never. ``witnesses``: what must have
    cosigned the heads of signature logs. ``group``: entries that one transaction covers, a batch more or less; a kill
    costs reading them again. ``ends`` says that reading is to end after a group.
    """

    inspect: Inspect
    now: Callable[[], int]
    start: int | None = None
    stopped_after: int = 0
    witnesses: WitnessPolicy | None = None
    group: int = GROUP
    ends: Callable[[], bool] = lambda: False


@frozen
class Followed:
    """The outcome of one run over a log: alarms of this run (known ones too), entries read, and why it could not be
    checked.
    """

    url: str
    alarms: tuple[Finding, ...] = ()
    read: int = 0
    failures: tuple[GitsignError, ...] = ()


def follow(source: LogSource, store: Store, options: Options) -> Followed:
    """Bring everything that is kept of a log up to date. Alarms are kept; a server that fails is told in the result."""
    try:
        heads = source.heads()
    except (ServiceError, FormatError) as error:  # a login page or a proxy's words are no head that somebody signed
        return Followed(source.url, failures=(error,))
    except VerificationError as error:
        return Followed(source.url, _kept_alarms(store, (_bad_head(source, error, options.now()),)))
    alarms = [*_gone(source, store, heads, options.now()), *_unwitnessed(source, heads, options)]
    _kept_alarms(store, alarms)
    read = 0
    failures: list[GitsignError] = []
    for head in heads:
        follower = _Follower(source, store, options, head)
        try:
            follower.run()
        except ServiceError as error:
            failures.append(error)
        except ConfigError as error:
            if error.reason != "replica-unusable":  # of one log; the others are followed
                raise
            failures.append(error)
        alarms += follower.alarms
        read += follower.count
    return Followed(source.url, tuple(alarms), read, tuple(failures))


def _kept_alarms(store: Store, alarms: Sequence[Finding]) -> tuple[Finding, ...]:
    if alarms:
        with store.transaction():
            store.add(alarms)
    return tuple(alarms)


def _bad_head(source: LogSource, error: GitsignError, now: int) -> Finding:
    words = f"its head cannot be believed: {error.message}"
    return Finding("log-signature-bad", source.url, error.reason, words, now, {**error.facts, "cause": error.reason})


def _gone(source: LogSource, store: Store, heads: Sequence[Head], now: int) -> Iterator[Finding]:
    shown = {head.tree for head in heads}
    for kept in store.trees():
        if (kept.kind, kept.url) == (source.kind, source.url) and kept.tree not in shown:
            words = (
                f"{source.url} shows {', '.join(sorted(shown))} and no longer the tree of {kept.size} that it signed"
            )
            yield Finding("log-tree-gone", kept.tree, str(kept.size), words, now, {"size": kept.size})


def _unwitnessed(source: LogSource, heads: Sequence[Head], options: Options) -> Iterator[Finding]:
    """The heads that the witness policy refuses. Trees that grow no more are not cosigned anew: the last one counts."""
    if options.witnesses is None or source.kind not in COSIGNED:
        return
    for head in heads[-1:]:
        if (alarm := unwitnessed(head, options.witnesses, now=options.now())) is not None:
            yield alarm


def prove_growth(source: LogSource, before: tuple[int, bytes], head: Head) -> Grown | Fault:
    """Ask the log to prove that a (size, root), 0 < size < head.size, is the beginning of a head's tree.

    Raises ServiceError when it gives no proof.
    """
    size, _ = before
    found = judge_growth(before, head, source.consistency(head, size, head.size))
    if not isinstance(found, Grown) and size & (size - 1) == 0 and 1 < size < head.size - 1:
        return judge_whole(before, head, source.consistency(head, size + 1, head.size))
    return found


class _Follower:
    """One tree in one run."""

    def __init__(self, source: LogSource, store: Store, options: Options, head: Head) -> None:
        self._source, self._store, self._options, self._head = source, store, options, head
        self.alarms: list[Finding] = []
        self.count = 0

    def run(self) -> None:
        """Keep the head when it follows from the one kept, then read."""
        kept = self._store.tree(self._head.tree)
        kept = self._begun() if kept is None else self._grown(kept)
        if kept is not None and kept.part is not None and (kept.read < kept.size or kept.part != kept.checked):
            self._read(kept, kept.part)

    # -- the head ---------------------------------------------------------------------------------------------------

    def _begun(self) -> Kept | None:
        try:
            return self._begin()
        except VerificationError:
            self._alarm(
                head_finding("log-proof-wrong", (self._options.start or 0, b""), self._head, self._options.now())
            )
            return None

    def _begin(self) -> Kept:
        """The first sight of a tree. A start that is a power of two moves back by one: see ``check_start``."""
        head, start, now = self._head, self._options.start, self._options.now()
        part: CompactRange | None = None
        if start is None or start >= head.size > 0:
            start = head.size
        elif start & (start - 1) == 0:
            start = max(0, start - 1) if start > 2 else 0
        if start == 0:
            part = CompactRange()
        elif start < head.size:
            part = check_start(start, head.size, self._source.consistency(head, start, head.size), head.root)
        kept = Kept(
            *(head.tree, self._source.kind, self._source.url, head.signed, head.size, head.root),
            *(now, start, part, part),
        )
        with self._store.transaction():
            self._store.keep(kept)
            self._store.note_head(kept, now)
        return kept

    def _grown(self, kept: Kept) -> Kept | None:
        """The kept tree under the new head; None when the new one contradicts it."""
        head, now = self._head, self._options.now()
        if head.size < kept.size:
            self._alarm(head_finding(self._smaller(kept), (kept.size, kept.root), head, now))
            return None
        if head.size == kept.size:
            if head.root != kept.root:
                self._alarm(head_finding(self._another(kept), (kept.size, kept.root), head, now))
                return None
            self._check_stopped(kept, now)
            return kept
        part = self._proven(kept) if kept.size else CompactRange()
        if part is None:
            return None
        grown = replace(kept, signed=head.signed, size=head.size, root=head.root, grown_at=now)
        if kept.part is None:  # reading began at the kept head, whose subtrees the proof has shown
            grown = replace(grown, part=part, checked=part)
        with self._store.transaction():
            self._store.keep(grown)
            self._store.note_head(grown, now)
        return grown

    def _proven(self, kept: Kept) -> CompactRange | None:
        head, before = self._head, (kept.size, kept.root)
        found = prove_growth(self._source, before, head)
        if isinstance(found, Grown):
            return found.part
        self._alarm(head_finding(found, before, head, self._options.now()))
        return None

    def _another(self, kept: Kept) -> str:
        """The name of another root for the size that is kept."""
        asked = telling_size(self._head.size)
        try:
            proof = self._source.consistency(self._head, asked, self._head.size) if asked else ()
            return judge_same(kept.root, self._head, proof)
        except (ServiceError, VerificationError):
            return "log-forked"

    def _smaller(self, kept: Kept) -> str:
        """Whether the smaller tree is one that the log showed before, or one that its own proof leads to."""
        head = self._head
        if head.size == 0 or self._store.root_at(head.tree, head.size) == head.root:
            return "checkpoint-stale"
        try:
            proof = self._source.consistency(head, head.size, kept.size)
            merkle.verify_consistency(head.size, kept.size, proof, head.root, kept.root)
        except (ServiceError, VerificationError):
            return "log-shrank"
        return "checkpoint-stale"

    def _check_stopped(self, kept: Kept, now: int) -> None:
        limit = self._options.stopped_after
        if limit and now - kept.grown_at > limit:
            words = f"it has had {kept.size} entries for {now - kept.grown_at} s; {limit} s were allowed"
            self._alarm(Finding("log-stopped", kept.tree, str(kept.size), words, now, {"size": kept.size}))

    # -- the entries ------------------------------------------------------------------------------------------------

    def _read(self, kept: Kept, part: CompactRange) -> None:
        """Read up to the head; each group of entries is kept together with what was found in it."""
        group: list[RawEntry] = []
        held = 0
        try:
            for batch in self._source.entries(self._head, kept.read, kept.size):
                group += batch
                held += weight(batch)
                if len(group) >= self._options.group or held >= GROUP_BYTES:
                    kept, part = self._advance(kept, part, tuple(group))
                    group, held = [], 0
                    if self._options.ends() and kept.read < kept.size:
                        return
        except (VerificationError, FormatError) as error:
            if group:
                kept, part = self._advance(kept, part, tuple(group))
            self._refused(kept, error)
            return
        if group:
            kept, part = self._advance(kept, part, tuple(group))
        if part.root() == kept.root:
            with self._store.transaction():
                self._store.keep(replace(kept, checked=part))
        else:
            self._diagnose(kept)

    def _advance(self, kept: Kept, part: CompactRange, group: Batch) -> tuple[Kept, CompactRange]:
        now = self._options.now()
        floor = Floor(self._store.absent_until(kept.tree, group[0].index), kept.latest)
        late = backdated(group, self._head, kept.kind, floor, now=now)
        self.alarms += late
        blind = [unreadable_finding(kept.tree, entry, why, now) for entry in group if (why := unreadable(entry))]
        found = self._options.inspect(self._head, group)
        self.alarms += [one for one in found.findings if one.severity == "alarm"]
        part = part.appended(entry.leaf_hash for entry in group)
        latest = latest_of(group, kept.latest, now=now)
        kept = replace(kept, read=part.size, part=part, latest=latest)
        with self._store.transaction():
            self._store.keep(kept)
            self._store.add([*late, *blind, *found.findings])
            self._store.wait(found.waiting, now)
            self._store.explain(found.explains)
        self.count += len(group)
        return kept, part

    def _refused(self, kept: Kept, error: GitsignError) -> None:
        kind = error.reason if error.reason == "entry-withheld" else "log-root-wrong"
        subject = f"{kept.size}:{kept.read}"
        self._alarm(Finding(kind, kept.tree, subject, error.message, self._options.now(), dict(error.facts)))

    def _diagnose(self, kept: Kept) -> None:
        """The entries do not hash to the signed root: find the entries that the log's own tree does not have there.

        The next run reads them again, from the last point where the root was right.
        """
        checked = kept.checked or CompactRange()
        with self._store.transaction():  # first: a log that does not answer now is to be read again all the same
            self._store.keep(replace(kept, read=checked.size, part=checked))
        found: list[Finding] = []
        with suppress(VerificationError, FormatError):  # it gave other entries a moment ago
            batches = self._source.entries(self._head, checked.size, kept.size)
            wrong = (self._misplaced(entry) for batch in batches for entry in batch)
            found += islice((one for one in wrong if one is not None), MOST_MISPLACED)
        if not found:
            found = [head_finding("log-root-wrong", (checked.size, checked.root()), self._head, self._options.now())]
        self.alarms += _kept_alarms(self._store, found)

    def _misplaced(self, entry: RawEntry) -> Finding | None:
        leaf = entry.leaf_hash
        try:
            place = self._source.place_of(self._head, entry.index, leaf)
        except ServiceError:
            place = None
        if place == entry.index:
            return None
        kind = "entry-rewritten" if place is None else "entry-reordered"
        where = "has no such entry there" if place is None else f"has it at {place}"
        words = f"it serves at {entry.index} an entry that hashes to {leaf.hex()}, and its tree {where}"
        facts: dict[str, Fact] = {"index": entry.index, "leaf_hash": leaf.hex(), "place": place}
        return Finding(kind, self._head.tree, f"{entry.index}:{leaf.hex()}", words, self._options.now(), facts)

    def _alarm(self, finding: Finding) -> None:
        self.alarms.append(finding)
        _kept_alarms(self._store, (finding,))
