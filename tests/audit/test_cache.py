"""The cache is believed by nobody but its owner, and only under the same circumstances."""

import os
import sqlite3
from pathlib import Path

import pytest

from gitsign_py.audit.cache import FactsCache, UnsafeCacheError, context_of
from tests.audit.conftest import Audited

OID = "a" * 40
ONE, TWO = context_of("1", "root"), context_of("2", "root")


def filled(folder: Path) -> Path:
    with FactsCache(folder, ONE) as cache:
        cache.put([(OID, "good"), ("b" * 40, "bad")])
    return folder


def test_keeps(tmp_path: Path) -> None:
    with FactsCache(filled(tmp_path / "c"), ONE) as cache:
        assert cache.get(OID) == "good"
        assert cache.get("c" * 40) is None


def test_another_context_knows_nothing(tmp_path: Path) -> None:
    with FactsCache(filled(tmp_path / "c"), TWO) as cache:
        assert cache.get(OID) is None


def test_parts_do_not_run_together() -> None:
    assert context_of("ab", "c") != context_of("a", "bc")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE facts SET content = 'good'",
        "UPDATE facts SET mac = zeroblob(32)",
        "UPDATE facts SET content = x'00'",
    ],
)
def test_tampered_entries_are_not_there(tmp_path: Path, change: str) -> None:
    folder = filled(tmp_path / "c")
    database = sqlite3.connect(folder / "audit.sqlite")
    database.execute(change)
    database.commit()
    database.close()
    with FactsCache(folder, ONE) as cache:
        assert cache.get("b" * 40) is None


def test_entries_of_another_object_are_not_there(tmp_path: Path) -> None:
    folder = filled(tmp_path / "c")
    database = sqlite3.connect(folder / "audit.sqlite")
    (one, *first), (two, *second) = database.execute("SELECT name, content, mac FROM facts").fetchall()
    for name, content in ((one, second), (two, first)):
        database.execute("UPDATE facts SET content = ?, mac = ? WHERE name = ?", (*content, name))
    database.commit()
    database.close()
    with FactsCache(folder, ONE) as cache:
        assert cache.get(OID) is None
        assert cache.get("b" * 40) is None


def test_files_are_private(tmp_path: Path) -> None:
    folder = filled(tmp_path / "c")
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir() if path.is_file()} == {
        "audit.key": "0o600",
        "audit.sqlite": "0o600",
    }


@pytest.mark.parametrize("name", ["audit.key", "audit.sqlite", "."])
def test_others_could_have_written(tmp_path: Path, name: str) -> None:
    folder = filled(tmp_path / "c")
    (folder / name).chmod(0o666 if name != "." else 0o777)
    with pytest.raises(UnsafeCacheError):
        FactsCache(folder, ONE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["audit.key", "audit.sqlite"])
def test_somebody_else_owns_it(tmp_path: Path, name: str) -> None:
    folder = filled(tmp_path / "c")
    os.chown(folder / name, 12345, 12345)
    with pytest.raises(UnsafeCacheError):
        FactsCache(folder, ONE)


@pytest.mark.parametrize("name", ["audit.key", "audit.sqlite"])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    folder = filled(tmp_path / "c")
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeCacheError):
        FactsCache(folder, ONE)


def test_short_key_and_broken_database(tmp_path: Path) -> None:
    folder = filled(tmp_path / "c")
    (folder / "audit.key").write_bytes(b"short")
    with pytest.raises(UnsafeCacheError, match="not a key"):
        FactsCache(folder, ONE)
    other = filled(tmp_path / "d")
    (other / "audit.sqlite").write_bytes(b"x" * 4096)
    with pytest.raises(UnsafeCacheError):
        FactsCache(other, ONE)


def test_audit_uses_and_fills_it(every: Audited, tmp_path: Path) -> None:
    """The second run starts no verifier, and says the same; what could change is not kept."""
    with FactsCache(tmp_path / "c", ONE) as cache:
        first = every.audit("main", "bad", resources=every.resources(cache=cache))
        assert cache.get(every.named["verified"]) is not None
        assert cache.get(every.named["bad"]) is not None
        assert cache.get(every.named["unchecked"]) is None
        resources = every.resources(cache=cache)
        resources.settings = type(resources.settings)(None, resources.settings.now)
        second = every.audit("main", "bad", resources=resources)
    assert {oid: record.verdict for oid, record in first.items()} == {
        oid: record.verdict for oid, record in second.items()
    }
    assert first[every.named["verified"]] == second[every.named["verified"]]
