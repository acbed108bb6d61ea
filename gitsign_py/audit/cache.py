"""Facts of signatures that were verified before, kept between runs.

An entry counts only under the very same code (``codedigest.py``), trust root and requirements, for acceptances also
the same history, and only when its MAC, over all these, object id and content, is right under a key that this user
alone can read. So what the code took for right or wrong before it was changed is found out anew, and what another
user writes there, or copies from another entry, is recomputed and never believed. Deleting it costs time only.
Verdicts are made anew from the facts in each run, so a changed policy is followed at once.
"""

import hashlib
import hmac
import os
import secrets
import sqlite3
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from gitsign_py.audit.codedigest import code_digest
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import frozen
from gitsign_py.host.privatefile import is_foreign, is_open_to_others, open_private

_KEY_BYTES = 32
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS facts (name BLOB PRIMARY KEY, content TEXT NOT NULL, mac BLOB NOT NULL) WITHOUT ROWID"
)
_COMMIT_EVERY = 4096


@frozen
class Basis:
    """The things that facts rest on beside the object and the code; the cache makes its key of it.

    ``trusted_root`` and ``witnesses`` (the witness policy; empty: none) are digests. ``history`` is what acceptances
    rest on besides: introduction, policies, ref.
    """

    kind: Literal["signatures", "acceptances"]
    trusted_root: str
    require_sct: bool = True
    require_timestamp: bool = False
    witnesses: str = ""
    history: tuple[str, ...] = ()

    @classmethod
    def of_signatures(cls, settings: VerifySettings) -> "Basis":
        """The basis of signature facts in a run with these settings."""
        digest = settings.trusted_root.digest if settings.trusted_root else ""
        witnesses = settings.witnesses.digest if settings.witnesses else ""
        return cls("signatures", digest, settings.require_sct, settings.require_timestamp, witnesses)


def _key_of(code: bytes, basis: Basis) -> bytes:
    """The digest (32 bytes) of everything that an entry depends on besides the object."""
    required = (str(basis.require_sct), str(basis.require_timestamp), basis.witnesses)
    parts = (basis.kind, basis.trusted_root, *required, *basis.history)
    digest = hashlib.sha256(code)
    for part in parts:
        encoded = part.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()


class UnsafeCacheError(Exception):
    """The cache's files could be someone else's; the text says which and why."""


class FactsCache(Closeable):
    """A cache in ``folder`` of facts that rest on ``basis``. Close it, or use it as a context manager.

    Raises UnsafeCacheError when folder, key or database belong to somebody else or can be read or written by others,
    and when they cannot be used at all (full disk, no permission, code that cannot be read): the caller then goes on
    without a cache.
    """

    def __init__(self, folder: Path, basis: Basis) -> None:
        self._waiting = 0
        try:
            code = code_digest()
            self._context = _key_of(code, basis)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _check_private(folder, is_folder=True)
            self._key = _load_key(folder / "audit.key")
            self._database = _open(folder / "audit.sqlite", code)
        except (OSError, sqlite3.Error) as error:
            raise UnsafeCacheError(f"{folder}: {error}") from error

    def close(self) -> None:
        """Write what waits."""
        try:
            self._database.commit()
        except sqlite3.Error:
            pass  # a full disk loses saved work, not truth
        finally:
            self._database.close()

    def get(self, oid: str, rests_on: bytes = b"") -> str | None:
        """The content kept for an object, or None; what does not authenticate is not there.

        ``rests_on`` is a digest of what this content depends on besides the basis.
        """
        name = self._name(oid, rests_on)
        try:
            row = self._database.execute("SELECT content, mac FROM facts WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error:
            return None
        if row is None or not isinstance(row[0], str) or not isinstance(row[1], bytes):
            return None
        return row[0] if hmac.compare_digest(row[1], self._mac(name, row[0])) else None

    def put(self, entries: Iterable[tuple[str, str]], rests_on: bytes = b"") -> None:
        """Keep contents by object id. A database that cannot be written is left as it is."""
        rows = [(name := self._name(oid, rests_on), content, self._mac(name, content)) for oid, content in entries]
        try:
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)
            self._waiting += len(rows)
            if self._waiting >= _COMMIT_EVERY:
                self._database.commit()
                self._waiting = 0
        except sqlite3.Error:
            return

    def _name(self, oid: str, rests_on: bytes) -> bytes:
        """The length keeps what an id begins with from passing for the end of a digest."""
        return hashlib.sha256(self._context + bytes([len(rests_on)]) + rests_on + bytes.fromhex(oid)).digest()

    def _mac(self, name: bytes, content: str) -> bytes:
        return hmac.digest(self._key, name + content.encode(), "sha256")


def _open(path: Path, code: bytes) -> sqlite3.Connection:
    """Open the database, without what other code left in it: nothing will ask for that again."""
    os.close(open_private(path, os.O_CREAT | os.O_RDWR))
    _check_private(path)
    # Used by one thread at a time; the one that closes it may be the one in which it was let go.
    database = sqlite3.connect(path, timeout=2, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")  # a lost entry is computed again, a torn one fails its MAC
        database.execute(_SCHEMA)
        version = int.from_bytes(code[:4], "big") >> 1  # what SQLite holds for us is a positive number of 32 bits
        if database.execute("PRAGMA user_version").fetchone() != (version,):
            database.execute("DELETE FROM facts")
            database.execute(f"PRAGMA user_version = {version}")
            database.commit()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _load_key(path: Path) -> bytes:
    """Read the key, or make one that appears whole or not at all, whoever else makes one at the same time."""
    if not path.exists():
        fresh = path.with_name(f".{secrets.token_hex(8)}.key")
        with os.fdopen(open_private(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    with os.fdopen(open_private(path, os.O_RDONLY), "rb") as file:
        _check_private(file.fileno())
        key = file.read(_KEY_BYTES + 1)
    if len(key) != _KEY_BYTES:
        raise UnsafeCacheError(f"{path} is not a key: delete it")
    return key


def _check_private(target: Path | int, *, is_folder: bool = False) -> None:
    found = os.lstat(target) if isinstance(target, Path) else os.fstat(target)
    kind_fits = stat.S_ISDIR(found.st_mode) if is_folder else stat.S_ISREG(found.st_mode)
    if not kind_fits or is_foreign(found) or is_open_to_others(found, 0o077):
        raise UnsafeCacheError(f"{target if isinstance(target, Path) else 'audit.key'} is not this user's alone")
