"""``stack backup`` and ``stack restore``: the database by SQLite's backup API, and the keys that it names.

A backup is of one moment, even of a stack that runs, and is checked whole before it is called one. It forks by nature:
the log went on after it. A restored stack therefore begins new logs with new keys, and the old ones take no more.
"""

import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from gitsign_py.errors import ConfigError
from gitsign_py.host.privatefile import open_private, put_in_place, sync_directory, write_whole
from gitsign_py.localstack import fsck
from gitsign_py.localstack.directory import DATABASE, INFO
from gitsign_py.localstack.keyring import FOLDER
from gitsign_py.localstack.rotate import rotate

_ARCHIVE = (".tar", ".tar.gz", ".tgz")
_MEMBER = re.compile(rf"(?:{re.escape(DATABASE)}|{re.escape(INFO)}|{FOLDER}/[A-Za-z0-9][A-Za-z0-9.-]*\.pem)\Z")
_LOGS = ("ctlog", "rekor", "rekor2")


def backup(directory: Path, target: Path) -> fsck.Findings:
    """Copy the stack of ``directory`` to a new directory, or to a tar file when ``target`` is named as one.

    Raises ConfigError ``stack-backup-...`` or, for the stack itself, ``stack-database-...``.
    """
    archive = target.name.endswith(_ARCHIVE)
    with _new(target, directory=not archive) as draft:
        _copy(directory, draft)
        findings = _require_sound(draft)
        if archive:
            packed = draft.with_suffix(".packed")
            _pack(draft, packed, compressed=not target.name.endswith(".tar"))
            put_in_place(packed, target)
        else:
            draft.rename(target)
        sync_directory(target.parent)
    return findings


def restore(source: Path, directory: Path) -> fsck.Findings:
    """Make the stack of ``directory``, which must be new or empty, from a backup, and begin new logs in it.

    Raises ConfigError ``stack-backup-...``.
    """
    with _new(directory, directory=True) as draft:
        if source.is_dir():
            _copy(source, draft)
        else:
            _unpack(source, draft)
        findings = _require_sound(draft)
        url = _url(draft)
        for log in _LOGS:
            rotate(draft, url, log)
        (draft / INFO).unlink(missing_ok=True)  # it says where the other one serves
        draft.rename(directory)
        sync_directory(directory.parent)
    return findings


@contextmanager
def _new(target: Path, *, directory: bool) -> Iterator[Path]:
    """A private directory beside ``target`` that may take its place; it is gone afterwards if it did not."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not (directory and target.is_dir() and not any(target.iterdir())):
            raise ConfigError("stack-backup-exists", f"{target} is there already", hint="give a new name")
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            draft.with_suffix(".packed").unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError("stack-backup-failed", f"cannot write {target}: {error}") from error


def _copy(directory: Path, draft: Path) -> None:
    """The database as it is at one moment, and then the key files that it names: those never change."""
    with fsck.database(directory) as db, closing(sqlite3.connect(draft / DATABASE)) as copy:
        db.backup(copy)
        files = [str(row[0]) for row in copy.execute("SELECT file FROM keys")]
    (draft / DATABASE).chmod(0o600)
    _sync(draft / DATABASE)
    (draft / FOLDER).mkdir(mode=0o700)
    for name in [*files, INFO]:
        if not _MEMBER.match(name):
            raise ConfigError("stack-backup-unsound", f"the database names a key file {name!r}")
        if (directory / name).exists():
            write_whole(draft / name, (directory / name).read_bytes(), synced=True)


def _sync(path: Path) -> None:
    descriptor = open_private(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_sound(draft: Path) -> fsck.Findings:
    findings = fsck.check(draft)
    if findings.faults:
        more = f" (and {len(findings.faults) - 1} more)" if len(findings.faults) > 1 else ""
        raise ConfigError(
            "stack-backup-unsound",
            f"the copy is not sound: {findings.faults[0]}{more}",
            hint="look at all of it with: gitsign-py stack fsck",
        )
    return findings


def _pack(draft: Path, target: Path, *, compressed: bool) -> None:
    with os.fdopen(open_private(target, os.O_RDWR | os.O_CREAT | os.O_EXCL), "w+b") as file:
        with tarfile.open(fileobj=file, mode="w:gz" if compressed else "w") as tar:
            for path in sorted(draft.rglob("*")):
                name = path.relative_to(draft).as_posix()
                if _MEMBER.match(name):
                    tar.add(path, name, recursive=False)
        file.flush()
        os.fsync(file.fileno())


def _unpack(source: Path, draft: Path) -> None:
    """Write the members that a backup has, and nothing else that an archive may name."""
    (draft / FOLDER).mkdir(mode=0o700)
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() and _MEMBER.match(member.name) else None
                if content is None:
                    raise ConfigError("stack-backup-unsound", f"{source} holds {member.name!r}, which no backup has")
                _write(draft / member.name, content)
    except (tarfile.TarError, EOFError) as error:
        raise ConfigError("stack-backup-unsound", f"{source} is not a backup: {error}") from error


def _write(path: Path, content: IO[bytes]) -> None:
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())


def _url(draft: Path) -> str:
    """Where the stack served; ``stack up`` writes it anew."""
    try:
        return str(json.loads((draft / INFO).read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return "http://127.0.0.1"
