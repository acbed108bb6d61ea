"""The cache is believed by nobody but its owner, and only under the same circumstances."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from gitsign_py.audit.cache import Basis, FactsCache, UnsafeCacheError
from gitsign_py.audit.codedigest import PACKAGE, code_digest, digest_of, library_versions
from tests.support.audited import Audited

OID = "a" * 40
ONE = Basis("signatures", "root")


def filled(folder: Path) -> Path:
    with FactsCache(folder, ONE) as cache:
        cache.put([(OID, "good"), ("b" * 40, "bad")])
    return folder


def test_keeps(tmp_path: Path) -> None:
    with FactsCache(filled(tmp_path / "c"), ONE) as cache:
        assert cache.get(OID) == "good"
        assert cache.get("c" * 40) is None


def test_another_thread_may_close_it(tmp_path: Path) -> None:
    """Nobody chooses the thread in which the collector finds what was let go."""
    cache = FactsCache(tmp_path / "c", ONE)
    cache.put([(OID, "good")])
    with ThreadPoolExecutor(1) as other:
        other.submit(cache.close).result()
    with FactsCache(tmp_path / "c", ONE) as again:
        assert again.get(OID) == "good"


@pytest.mark.parametrize(
    "other",
    [
        Basis("acceptances", "root"),
        Basis("signatures", "other root"),
        Basis("signatures", "root", require_sct=False),
        Basis("signatures", "root", require_timestamp=True),
        Basis("signatures", "root", history=("a" * 40,)),
    ],
)
def test_another_basis_knows_nothing(tmp_path: Path, other: Basis) -> None:
    with FactsCache(filled(tmp_path / "c"), other) as cache:
        assert cache.get(OID) is None
    with FactsCache(tmp_path / "c", ONE) as cache:
        assert cache.get(OID) == "good"


def test_parts_of_the_basis_do_not_run_together(tmp_path: Path) -> None:
    with FactsCache(tmp_path / "c", Basis("acceptances", "root", history=("ab", "c"))) as cache:
        cache.put([(OID, "accepted")])
    with FactsCache(tmp_path / "c", Basis("acceptances", "root", history=("a", "bc"))) as cache:
        assert cache.get(OID) is None


def test_other_code_knows_nothing_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled(tmp_path / "c")
    monkeypatch.setattr("gitsign_py.audit.cache.code_digest", lambda: b"\x07" * 32)
    with FactsCache(folder, ONE) as cache:
        assert cache.get(OID) is None
    with closing(sqlite3.connect(folder / "audit.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM facts").fetchone() == (0,)


def test_code_that_cannot_be_read_has_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.audit.cache.code_digest", lambda: digest_of(tmp_path, ()))
    with pytest.raises(UnsafeCacheError, match="no source of the verifier"):
        FactsCache(tmp_path / "c", ONE)


def test_the_digest_names_the_libraries() -> None:
    """Those that are loaded: the versions are found without loading them."""
    from cryptography import __version__  # noqa: PLC0415

    versions = library_versions()
    assert any(f'"{__version__}"' in version for version in versions)
    assert any(version.startswith("OpenSSL") for version in versions)
    one, other = digest_of(PACKAGE, versions), digest_of(PACKAGE, (*versions[:-1], "OpenSSL 9"))
    assert (one, one != other) == (code_digest(), True)


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
