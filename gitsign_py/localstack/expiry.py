"""The parts of a stack that expire, and when: certificates of its authorities and the root of its TUF repository.

Reads the directory alone, running or not, and loads nothing of a server.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.errors import FormatError
from gitsign_py.localstack.directory import DATABASE

STAGES = (timedelta(days=7), timedelta(days=30), timedelta(days=365))
"""A week, a month, a year before something expires is said."""
_ROLES = {
    "fulcio-root": ("the CA's root certificate", "ca"),
    "fulcio-intermediate": ("the CA's intermediate certificate", "ca"),
    "tsa-root": ("the timestamp authority's root certificate", "tsa-root"),
    "tsa": ("the timestamp authority's certificate", "tsa"),
}


@dataclass(frozen=True, slots=True)
class Expiring:
    """One thing, its end, and the argument of ``stack rotate`` that replaces it."""

    name: str
    ends: datetime
    rotation: str

    def warning(self, now: datetime) -> str:
        """The warning about it now; empty while it has more than a year."""
        left = self.ends - now
        stage = next((stage for stage in STAGES if left <= stage), None)
        if stage is None:
            return ""
        when = "has expired" if left <= timedelta(0) else f"expires in {_span(left)}"
        return f"{self.name} {when} ({self.ends:%Y-%m-%d}); renew it with: gitsign-py stack rotate {self.rotation}"


def _span(left: timedelta) -> str:
    return f"{left.days} days" if left.days > 1 else f"{int(left.total_seconds() // 3600)} hours"


def warnings(directory: Path, now: datetime) -> tuple[str, ...]:
    """The parts that expire within a year, soonest first; nothing where there is no readable stack."""
    try:
        found = sorted((*_certificates(directory), *_tuf_root(directory)), key=lambda one: one.ends)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, sqlite3.Error, FormatError):
        return ()
    return tuple(text for one in found if (text := one.warning(now)))


def _certificates(directory: Path) -> Iterator[Expiring]:
    path = directory / DATABASE
    if not path.is_file():
        return
    from gitsign_py.core.pki.certificate import parse_certificate  # noqa: PLC0415 - cryptography, where a stack is alone

    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)) as db:
        rows = db.execute(
            "SELECT role, certificate FROM keys WHERE ends IS NULL AND length(certificate) > 0"
        ).fetchall()
    for role, der in rows:
        if role in _ROLES:
            name, rotation = _ROLES[role]
            yield Expiring(name, parse_certificate(bytes(der)).not_after, rotation)


def _tuf_root(directory: Path) -> Iterator[Expiring]:
    path = directory / "root.json"
    if path.is_file():
        expires = json.loads(path.read_bytes())["signed"]["expires"]
        yield Expiring("the root of the TUF repository", parse_rfc3339(expires), "tuf-root")
