"""A commit to pin as the introduction: the oldest one that everything without a good signature is at or before."""

import tempfile
from collections.abc import Sequence
from typing import IO

from gitsign_py.core.frozen import frozen
from gitsign_py.host.git.walk import Git, list_ids


@frozen
class Introduction:
    """The commit to pin, and how many of the commits that were walked an audit would still judge."""

    commit: str
    judged: int


def find_introduction(
    git: Git, tips: Sequence[str], exclude: Sequence[str], poor: Sequence[str]
) -> Introduction | None:
    """Find it for ``poor``, the commits without a good signature, the newest first.

    None where only a tip has all of them at or before it: to pin a tip would exempt the whole history. The newest of
    them need not do, since a branch that was merged later may have brought others.
    """
    left_out = [f"^{oid}" for oid in exclude]
    with tempfile.TemporaryFile() as errors:
        found = _newest(git, tips, poor, errors) or _on_the_line(git, tips, left_out, poor, errors)
        if not found:
            return None
        judged = sum(1 for _ in list_ids(git, [*tips, f"^{found}", *left_out], (), errors))
    return Introduction(found, judged)


def _newest(git: Git, tips: Sequence[str], poor: Sequence[str], errors: IO[bytes]) -> str:
    return poor[0] if poor[0] not in tips and _is_behind(git, poor[0], poor, errors) else ""


def _on_the_line(git: Git, tips: Sequence[str], left_out: Sequence[str], poor: Sequence[str], errors: IO[bytes]) -> str:
    """The oldest one on the first-parent line of the first tip, halved again and again; empty where there is none."""
    line = [oid for oid in list_ids(git, [tips[0], *left_out], ["--first-parent"], errors) if oid not in tips]
    covers, beyond = 0, len(line) + 1  # so many, from the newest on, have all of them at or before them
    while beyond - covers > 1:
        middle = (covers + beyond) // 2
        covers, beyond = (middle, beyond) if _is_behind(git, line[middle - 1], poor, errors) else (covers, middle)
    return line[covers - 1] if covers else ""


def _is_behind(git: Git, commit: str, poor: Sequence[str], errors: IO[bytes]) -> bool:
    return not any(True for _ in list_ids(git, [*poor, f"^{commit}"], (), errors))
