"""Facts of signatures that were verified before, kept between runs.

An entry counts only under the very same verifier version, trust root and settings (the ``context``), and only when
its MAC, over context, object id and content, is right under a key that this user alone can read. So what another
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
from types import TracebackType
from typing import Self

from gitsign_py.host.privatefile import is_foreign, is_open_to_others, open_private

_KEY_BYTES = 32
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS facts (name BLOB PRIMARY KEY, content TEXT NOT NULL, mac BLOB NOT NULL) WITHOUT ROWID"
)
_COMMIT_EVERY = 4096


def context_of(*parts: str) -> bytes:
    """The digest (32 bytes) of everything that an entry depends on besides the object."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part.encode())
    return digest.digest()


class UnsafeCacheError(Exception):
    """The cache's files could be someone else's; the text says which and why."""


class FactsCache:
    """A cache in ``folder`` for one context. Close it, or use it as a context manager.

    Raises UnsafeCacheError when folder, key or database belong to somebody else or can be read or written by others,
    and when they cannot be used at all (full disk, no permission): the caller then goes on without a cache.
    """

    def __init__(self, folder: Path, context: bytes) -> None:
        self._context = context
        self._waiting = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _check_private(folder, is_folder=True)
            self._key = _load_key(folder / "audit.key")
            self._database = _open(folder / "audit.sqlite")
        except (OSError, sqlite3.Error) as error:
            raise UnsafeCacheError(f"{folder}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits."""
        try:
            self._database.commit()
        except sqlite3.Error:
            pass  # a full disk loses saved work, not truth
        finally:
            self._database.close()

    def get(self, oid: str) -> str | None:
        """The content kept for an object, or None; what does not authenticate is not there."""
        name = self._name(oid)
        try:
            row = self._database.execute("SELECT content, mac FROM facts WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error:
            return None
        if row is None or not isinstance(row[0], str) or not isinstance(row[1], bytes):
            return None
        return row[0] if hmac.compare_digest(row[1], self._mac(name, row[0])) else None

    def put(self, entries: Iterable[tuple[str, str]]) -> None:
        """Keep contents by object id. A database that cannot be written is left as it is."""
        rows = [(name := self._name(oid), content, self._mac(name, content)) for oid, content in entries]
        try:
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)
            self._waiting += len(rows)
            if self._waiting >= _COMMIT_EVERY:
                self._database.commit()
                self._waiting = 0
        except sqlite3.Error:
            return

    def _name(self, oid: str) -> bytes:
        return hashlib.sha256(self._context + bytes.fromhex(oid)).digest()

    def _mac(self, name: bytes, content: str) -> bytes:
        return hmac.digest(self._key, name + content.encode(), "sha256")


def _open(path: Path) -> sqlite3.Connection:
    os.close(open_private(path, os.O_CREAT | os.O_RDWR))
    _check_private(path)
    database = sqlite3.connect(path, timeout=2)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")  # a lost entry is computed again, a torn one fails its MAC
        database.execute(_SCHEMA)
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
