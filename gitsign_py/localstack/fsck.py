"""``stack fsck``: is everything in a stack's directory sound: the database, each log whole, each key with its file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gitsign_py.errors import ConfigError
from gitsign_py.localstack import integrity, schema
from gitsign_py.localstack.directory import DATABASE, require_room
from gitsign_py.localstack.keyfiles import parse_key
from gitsign_py.localstack.keyring import FOLDER, file_name

_BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Findings:
    """How much there was to check, and what is wrong with it, a line for each fault."""

    logs: int
    entries: int
    keys: int
    faults: tuple[str, ...]


@contextmanager
def database(directory: Path) -> Iterator[sqlite3.Connection]:
    """The database of a stack that is there, running or not. Raises ConfigError ``stack-database-...``."""
    path = directory / DATABASE
    try:
        if not path.is_file():
            raise ConfigError("stack-database-unusable", f"no local Sigstore was ever started in {directory}")
        require_room(directory)
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as db:
            _require_version(db)
            yield db
    except sqlite3.Error as error:
        raise ConfigError("stack-database-unusable", f"cannot read {path}: {error}") from error


def _require_version(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != schema.VERSION:
        raise ConfigError(
            "stack-database-version",
            f"the stack's database has version {version}, this program checks {schema.VERSION}",
            hint="start the stack once with this program",
        )


def check(directory: Path) -> Findings:
    """Check all of it, in one view of the database. Raises ConfigError when that cannot be opened."""
    faults: list[str] = []
    with database(directory) as db:
        db.execute("BEGIN")
        try:
            for fault in _faults(directory, db):
                faults.append(fault)
            logs, entries, keys = _contents(db)
            db.execute("COMMIT")
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:  # a page that SQLite cannot go on from
            return Findings(0, 0, 0, (*faults, f"{DATABASE}: {error}"))
    return Findings(logs, entries, keys, tuple(faults))


def _contents(db: sqlite3.Connection) -> tuple[int, int, int]:
    """How many logs, entries and keys there are."""
    logs = integrity.logs(db)
    entries = sum(integrity.head(db, tree_id)[0] for _, tree_id in logs)
    return len(logs), entries, db.execute("SELECT count(*) FROM keys").fetchone()[0]


def _faults(directory: Path, db: sqlite3.Connection) -> Iterator[str]:
    yield from (f"{DATABASE}: {row[0]}" for row in db.execute("PRAGMA integrity_check(20)") if row[0] != "ok")
    for name, tree_id in integrity.logs(db):
        yield from (f"{name}: {fault}" for fault in integrity.log_faults(db, tree_id))
    yield from _key_faults(directory, db)


def _key_faults(directory: Path, db: sqlite3.Connection) -> Iterator[str]:
    rows = db.execute("SELECT file, role, certificate FROM keys ORDER BY number").fetchall()
    for file, role, certificate in rows:
        fault = _key_fault(directory / file, role, certificate or b"")
        if fault:
            yield f"{file}: {fault}"
    named = {file for file, *_ in rows}
    for path in sorted((directory / FOLDER).glob("*")):
        if f"{FOLDER}/{path.name}" not in named:
            yield f"{FOLDER}/{path.name}: no row names this key; the next start deletes it"


def _key_fault(path: Path, role: str, certificate: bytes) -> str:
    try:
        private = parse_key(path.read_bytes())
        certified = x509.load_der_x509_certificate(certificate).public_key() if certificate else private.public_key()
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        return f"cannot be read: {error}"
    if path.name != Path(file_name(role, private.public_key())).name:
        return "is not the key that its name says"
    return "" if certified == private.public_key() else "is not the key that its certificate is for"
