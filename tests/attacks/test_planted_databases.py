"""A replica's index and another monitor's state are databases that others made, and our own state can be damaged.

The attack: SQLite runs what a file holds. A view in a table's place counts for ever, a computed column takes all
memory, a trigger runs when something is written; columns hold values of any type; a named pipe stands beside the file.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gitsign_py.errors import ConfigError
from gitsign_py.host import otherdatabase
from gitsign_py.host.otherdatabase import other_database
from gitsign_py.monitor.findings import Finding, Inspected
from gitsign_py.monitor.follow import Options, follow
from gitsign_py.monitor.replica import Replica
from gitsign_py.monitor.replicaindex import Index
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.splitview import check_other
from gitsign_py.monitor.state import Store
from tests.support.memorylog import SignedSource, signed_source

OPTIONS = Options(lambda head, batch: Inspected(), lambda: 77, 0)
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT"
SPOILT = {
    "an endless view": f"DROP TABLE terms; CREATE VIEW terms AS {ENDLESS} 'a' AS term, n AS place FROM c",
    "a view without rows": f"DROP TABLE terms; CREATE VIEW terms AS {ENDLESS} 'b' AS term, n AS place FROM c",
    "a computed column": "DROP TABLE facts; CREATE TABLE facts (name TEXT, value AS (hex(zeroblob(1 << 29))))",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
    "a virtual table": "DROP TABLE terms; CREATE VIRTUAL TABLE terms USING fts5(term, place)",
    "no table": "DROP TABLE terms",
    "a place that is a text": "UPDATE terms SET place = 'x' WHERE place = 1",
    "a place before the first": "UPDATE terms SET place = -1 WHERE place = 1",
    "entries that are missing": "DELETE FROM entries",
    "a time that is a text": "UPDATE entries SET time = 'noon'",
    "a time before all times": "UPDATE entries SET time = -9223372036854775808",
    "a promise that is a text": "UPDATE entries SET promise = 'x'",
    "an entry that is a number": "INSERT INTO large SELECT place, 5 FROM entries",
    "a name that is no text": "INSERT OR REPLACE INTO people VALUES (x'00ff', x'00ff', 1, 1, 1)",
    "a kind that is no text": "UPDATE facts SET value = x'ff' WHERE name = 'kind'",
    "text that is no UTF-8": "UPDATE facts SET value = CAST(x'ff' AS TEXT) WHERE name = 'kind'",
}


def made(folder: Path) -> tuple[SignedSource, Replica]:
    log, copy = signed_source(*(b"%d" % number for number in range(5))), Replica(folder / "copy")
    copy.update(log, log.heads()[0])
    with closing(sqlite3.connect(copy.folder / "index.sqlite")) as database, database:
        database.execute("INSERT INTO terms SELECT 'a', place FROM entries")
    return log, copy


def spoil(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(";".join(statements))


def use(log: SignedSource, copy: Replica) -> None:
    """Everything that is read of a replica."""
    source = ReplicaSource(copy, log.root)
    (head,) = source.heads()
    list(source.find("a"))
    list(source.entries(head, 0, head.size))
    source.people(10)
    source.place_of_index(3)


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_index_is_refused(tmp_path: Path, name: str) -> None:
    log, copy = made(tmp_path)
    use(log, copy)
    spoil(copy.folder / "index.sqlite", SPOILT[name])
    with pytest.raises(ConfigError) as caught:
        use(log, copy)
    assert caught.value.reason == "replica-unusable"


def test_damage_in_the_middle_of_an_index_is_refused(tmp_path: Path) -> None:
    log, copy = made(tmp_path)
    path = copy.folder / "index.sqlite"
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data)):
        data[at] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        use(log, copy)
    assert caught.value.reason == "replica-unusable"


def test_nothing_is_written_where_a_trigger_would_run(tmp_path: Path) -> None:
    log, copy = made(tmp_path)
    spoil(copy.folder / "index.sqlite", SPOILT["a trigger"])
    log.log.append(b"5")
    with pytest.raises(ConfigError) as caught:
        copy.update(log, log.heads()[0])
    assert caught.value.reason == "replica-unusable"


def test_rows_without_end_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that name each other read as more rows than there is time for; a join stands for them here."""
    monkeypatch.setattr(otherdatabase, "MOST_STEPS", 1_000_000)
    _, copy = made(tmp_path)
    names = ", ".join(f"entries e{number}" for number in range(12))
    with pytest.raises(sqlite3.OperationalError), other_database(copy.folder / "index.sqlite", ()) as database:
        database.execute(f"SELECT sum(e1.time) FROM {names}").fetchall()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("name", ["index.sqlite-wal", "index.sqlite-journal", "index.sqlite-shm"])
def test_a_pipe_beside_the_index_is_refused(tmp_path: Path, name: str) -> None:
    log, copy = made(tmp_path)
    os.mkfifo(copy.folder / name)
    with pytest.raises(ConfigError) as caught:
        use(log, copy)
    assert caught.value.reason == "replica-unusable"


def unusable(why: str) -> ConfigError:
    return ConfigError("replica-unusable", why)


def test_an_index_that_names_another_file_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError):
        Index(tmp_path, unusable).facts()
    assert not (tmp_path / "elsewhere").exists()


# -- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        f"DROP TABLE trees; CREATE VIEW trees AS {ENDLESS} x'00' AS signed, 'none' AS kind FROM c",
        "DROP TABLE trees; CREATE TABLE trees (kind TEXT, signed AS (zeroblob(1 << 29)))",
        "UPDATE trees SET signed = 'text'",
    ],
)
def test_another_monitors_state_that_is_spoilt_is_unchecked(tmp_path: Path, statement: str) -> None:
    log = signed_source(b"a", b"b")
    for name in ("own", "other"):
        with Store(tmp_path / name / "m") as store:
            follow(log, store, OPTIONS)
    spoil(tmp_path / "other" / "m", statement)
    with Store(tmp_path / "own" / "m") as store:
        found = check_other(tmp_path / "other" / "m", log, store, log.root, now=78)
    assert [one.reason for one in found.failures] == ["monitor-other-unusable"]


READERS: dict[str, Callable[[Store, SignedSource], object]] = {
    "UPDATE trees SET size = size - 1": lambda store, log: store.check_heads(log.root),
    "UPDATE trees SET root = zeroblob(32)": lambda store, log: store.check_heads(log.root),
    "UPDATE trees SET signed = x'00'": lambda store, log: store.check_heads(log.root),
    "UPDATE trees SET signed = 5": lambda store, log: store.check_heads(log.root),
    "UPDATE trees SET hashes = x'00'": lambda store, log: store.trees(),
    "UPDATE trees SET size = 'two'": lambda store, log: store.trees(),
    "UPDATE trees SET kind = 'rekor3'": lambda store, log: store.trees(),
    "UPDATE findings SET value = '{}'": lambda store, log: store.findings(),
    "UPDATE findings SET value = '[1'": lambda store, log: store.findings(),
    "UPDATE findings SET value = replace(value, 'log-stopped', 'other')": lambda store, log: store.findings(),
    "UPDATE findings SET value = replace(value, '7', '\"x\"')": lambda store, log: store.untold(),
}


@pytest.mark.parametrize("statement", READERS)
def test_a_damaged_state_says_so_and_accuses_no_log(tmp_path: Path, statement: str) -> None:
    log = signed_source(b"a", b"b", b"c")
    with Store(tmp_path / "own" / "m") as store:
        follow(log, store, OPTIONS)
        with store.transaction():
            store.add([Finding("log-stopped", "tree", "s", "words", 7)])
        store.check_heads(log.root)
    spoil(tmp_path / "own" / "m", statement)
    with Store(tmp_path / "own" / "m") as store, pytest.raises(ConfigError) as caught:
        READERS[statement](store, log)
    assert caught.value.reason == "monitor-state-unusable"
