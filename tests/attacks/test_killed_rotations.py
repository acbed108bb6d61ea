"""Attack: ``stack rotate`` is killed at any moment, as by a tired administrator or a machine that runs out of memory.

The client files must never name a key that the database does not have, no private key may stay that no row names, and a
server signs with the new key only after the client files name it.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.localstack import clientfiles, rotate
from gitsign_py.localstack.directory import DATABASE
from gitsign_py.localstack.service import Request
from gitsign_py.localstack.stack import Stack
from gitsign_py.localstack.state import State


class Killed(BaseException):
    """The process ends here; nothing after it happens."""


def killed(*_: object, **__: object) -> Any:
    raise Killed


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The directory of a stack that does not run."""
    Stack(tmp_path / "stack", 0).close()
    return tmp_path / "stack"


def known(directory: Path) -> tuple[set[str], int]:
    """Key files that rows name, and the number of Rekor v1 keys among them."""
    with closing(sqlite3.connect(directory / DATABASE)) as db:
        rows = db.execute("SELECT file, role FROM keys").fetchall()
    return {file for file, _ in rows}, sum(role == "rekor1" for _, role in rows)


def kept(directory: Path) -> set[str]:
    return {f"keys/{path.name}" for path in (directory / "keys").iterdir()}


def published(directory: Path) -> int:
    """Rekor v1 logs in the trusted root."""
    root = parse_trusted_root((directory / "trusted_root.json").read_bytes())
    return sum(log.base_url.startswith("http://127.0.0.1") for log in root.tlogs)


def rotate_until(directory: Path, monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> None:
    """Rotate Rekor's key; the process dies when ``where.name`` is called, with all that is not committed."""
    with monkeypatch.context() as patch:
        patch.setattr(where, name, killed)
        with pytest.raises(Killed):
            rotate.rotate(directory, "http://127.0.0.1:9", "rekor")


def test_client_files_are_never_ahead_of_the_database(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process sees the row by the time the first file is written."""
    write = clientfiles.write

    def check(state: State, services: Any) -> dict[str, str]:
        assert known(stopped)[1] == 2
        return write(state, services)

    monkeypatch.setattr(clientfiles, "write", check)
    rotate.rotate(stopped, "http://127.0.0.1:9", "rekor")
    assert published(stopped) == known(stopped)[1] == 2


def test_a_start_removes_keys_that_no_row_names(stopped: Path) -> None:
    draft, orphan = stopped / "keys" / ".rekor1-1.pem.77.new", stopped / "keys" / "rekor1-0123456789ab.pem"
    for path in (draft, orphan):
        path.write_bytes(b"")
    Stack(stopped, 0).close()
    assert kept(stopped) == known(stopped)[0]


def test_a_rotation_removes_keys_of_one_that_was_killed(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, number = known(stopped)
    write = State.write_file

    def write_and_die(self: State, name: str, data: bytes, mode: int = 0o600) -> Path:
        write(self, name, data, mode)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(State, "write_file", write_and_die)
        with pytest.raises(Killed):
            rotate.rotate(stopped, "http://127.0.0.1:9", "rekor")
    assert known(stopped) == (files, number)
    assert len(kept(stopped) - files) == 1
    rotate.rotate(stopped, "http://127.0.0.1:9", "rekor")
    assert kept(stopped) == known(stopped)[0]


def test_a_server_names_a_new_key_before_it_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rotation is killed after its commit: the running server writes the files in its place."""
    stack = Stack(tmp_path / "stack", 0)
    try:
        rotate_until(tmp_path / "stack", monkeypatch, clientfiles, "write")
        assert (published(tmp_path / "stack"), known(tmp_path / "stack")[1]) == (1, 2)
        service = next(service for service in stack.services if service.name == "rekor1")
        route = next(route for route in service.routes if route.path == "/api/v1/log")
        assert route.handler(Request()).status == 200
        assert published(tmp_path / "stack") == 2
    finally:
        stack.close()


def test_key_files_are_synced_before_their_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key's file, and the directory that holds its name, reach the disk before the row is inserted."""
    synced: set[int] = set()
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    stack = Stack(tmp_path / "stack", 0)
    stack.close()
    places = [*(tmp_path / "stack" / "keys").iterdir(), tmp_path / "stack" / "keys", tmp_path / "stack"]
    assert [path.name for path in places if path.stat().st_ino not in synced] == []
