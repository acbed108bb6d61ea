"""Two monitors' views of one log: the trees that another monitor kept must be beginnings of ours, or ours of theirs."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.otherdatabase import other_database
from gitsign_py.monitor.compare import Grown, head_finding
from gitsign_py.monitor.findings import Finding
from gitsign_py.monitor.follow import Followed, prove_growth
from gitsign_py.monitor.heads import Head, open_head
from gitsign_py.monitor.sources import LogSource
from gitsign_py.monitor.state import Store

_MOST_TREES = 1000


def check_other(path: Path, source: LogSource, store: Store, root: TrustedRoot, *, now: int) -> Followed:
    """Hold the heads in another monitor's state against those kept here of a log; what is found is kept.

    Nothing in that state is believed but what the log itself signed. Raises ConfigError ``monitor-other-unusable``.
    """
    kept = {one.tree: one for one in store.trees() if (one.kind, one.url) == (source.kind, source.url)}
    alarms: list[Finding] = []
    try:
        for signed in _heads(path, source.kind):
            theirs = open_head(source.kind, signed, root)
            if theirs.tree in kept:
                ours = open_head(source.kind, kept[theirs.tree].signed, root)
                alarms += _compared(ours, theirs, source, now)
    except GitsignError as error:
        return Followed(f"{source.url} as {path} saw it", failures=(error,))
    if alarms:
        with store.transaction():
            store.add(alarms)
    return Followed(source.url, tuple(alarms))


def _compared(ours: Head, theirs: Head, source: LogSource, now: int) -> Iterator[Finding]:
    small, large = sorted((ours, theirs), key=lambda head: head.size)
    before = (small.size, small.root)
    if small.size == large.size:
        if small.root != large.root:
            yield head_finding("log-forked", before, large, now)
    elif small.size:
        found = prove_growth(source, before, large)
        if not isinstance(found, Grown):
            yield head_finding(found, before, large, now)


def _heads(path: Path, kind: str) -> list[bytes]:
    """The last signed heads of a kind of log in a state, unverified."""
    try:
        if not path.is_file():
            raise _unusable(path, "it is no file")
        with other_database(path, ("trees",)) as database:
            rows = database.execute("SELECT signed FROM trees WHERE kind = ? LIMIT ?", (kind, _MOST_TREES)).fetchall()
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, str(error)) from error
    if not all(isinstance(signed, bytes) for (signed,) in rows):
        raise _unusable(path, "a head in it is no signed text")
    return [signed for (signed,) in rows]


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        "monitor-other-unusable",
        f"the other monitor's state {path} cannot be read: {why}",
        hint="give the file that the other monitor's --state names, or a copy of it",
    )
