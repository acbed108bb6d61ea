"""Reads beside writes, counted: connections of their own, keys that are read once, a search that reads no entry."""

import gc
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from gitsign_py.core.tlog import merkle
from gitsign_py.localstack import schema
from gitsign_py.localstack.directory import DATABASE
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.merklestore import Leaf, Tree
from gitsign_py.localstack.rekor.rekorproposal import name_term
from gitsign_py.localstack.rekor.rekorsearch import search, store_terms
from gitsign_py.localstack.state import State

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EMAIL = "alice@example.com"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(State(tmp_path / "s")) as opened:
        yield opened


def append(tree: Tree, number: int) -> Leaf:
    return tree.append(b"%d" % number, identity=b"%d" % number, extra=b"", time_ms=number).leaf


def test_a_read_does_not_wait_for_a_write_and_sees_what_is_committed(state: State) -> None:
    tree, seen = Tree(state, 7), []
    append(tree, 0)
    with state.transaction():
        append(tree, 1)
        reader = threading.Thread(target=lambda: seen.append(tree.size()))
        reader.start()
        reader.join(20)
        seen.append(tree.size())
    assert [*seen, tree.size()] == [1, 2, 2]


def test_a_view_stays_what_it_was_until_its_own_thread_writes(state: State) -> None:
    tree = Tree(state, 7)
    with state.reading():
        assert tree.size() == 0
        writer = threading.Thread(target=append, args=(tree, 0))
        writer.start()
        writer.join(20)
        assert tree.size() == 0
        append(tree, 1)
        assert tree.size() == 2


def test_a_state_that_is_let_go_of_closes_its_connections(tmp_path: Path) -> None:
    state = State(tmp_path / "s")
    with state.reading() as reader, state.transaction() as writer:
        assert reader is not writer
    del state
    gc.collect()
    for db in (reader, writer):
        with pytest.raises(sqlite3.ProgrammingError):
            db.execute("SELECT 1")


def test_a_reader_cannot_write_and_one_that_failed_is_not_used_again(state: State) -> None:
    with pytest.raises(sqlite3.OperationalError), state.reading() as db:
        db.execute("DELETE FROM leaves")
    with state.reading() as db:
        assert db.execute("SELECT count(*) FROM leaves").fetchone() == (0,)
    state.close()
    with pytest.raises(sqlite3.OperationalError, match="closed"), state.reading():
        pass


def test_many_readers_at_once_see_the_same(state: State) -> None:
    tree, barrier, seen = Tree(state, 7), threading.Barrier(20), []
    append(tree, 0)

    def read() -> None:
        with state.reading():
            barrier.wait(20)
            seen.append(tree.size())

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == [1] * 20


def statements(state: State, action: object) -> list[str]:
    """What is asked of the database while ``action`` runs."""
    found: list[str] = []
    with state.reading() as db:
        db.set_trace_callback(found.append)
        action()  # type: ignore[operator]
        db.set_trace_callback(None)
    return found


def test_keys_are_read_once_until_another_process_changes_them(tmp_path: Path, state: State) -> None:
    ring = Keyring(state)
    ring.add("x", "ed25519", NOW)
    first = ring.all("x")
    assert len(statements(state, lambda: ring.all("x"))) == 1  # is it still the same registry
    with closing(State(tmp_path / "s")) as other:
        elsewhere = Keyring(other)
        elsewhere.close(elsewhere.current("x"), NOW)
        added = elsewhere.add("x", "ed25519", NOW)
    assert [key.public for key in ring.all("x")] == [first[0].public, added.public]
    assert ring.all("x")[0].ends == NOW
    assert len(statements(state, lambda: ring.all("x"))) == 1


def test_clients_are_told_of_a_key_before_it_is_used_and_never_of_an_older_registry(
    tmp_path: Path, state: State
) -> None:
    ring, told = Keyring(state), []
    ring.add("x", "ed25519", NOW)
    ring.publish(lambda: told.append(len(ring.all("x"))))
    with state.reading():
        ring.all("x")
        with closing(State(tmp_path / "s")) as other:
            Keyring(other).add("x", "ed25519", NOW)
        thread = threading.Thread(target=lambda: ring.all("x"))
        thread.start()
        thread.join(20)
        assert len(ring.all("x")) == 1  # this view is of before
    assert told == [1, 2]


def filled(state: State, count: int) -> Tree:
    key = Keyring(state).add("rekor1", "ed25519", NOW, tree_id=count)
    tree = Tree(state, key.tree_id)
    with state.transaction():
        for number in range(count):
            store_terms(state, append(tree, number), frozenset({name_term(EMAIL), f"sha256:{number:064x}"}))
    return tree


def steps(state: State, action: Callable[[], object]) -> int:
    """Steps of SQLite's machine that ``action`` takes."""
    taken: list[int] = []
    with state.reading() as db:
        db.set_progress_handler(lambda: taken.append(1), 1)
        action()
        db.set_progress_handler(None, 1)
    return len(taken)


LOOKUPS: dict[str, Callable[[Tree], object]] = {
    "an identity": lambda tree: tree.find(b"7"),
    "a leaf hash": lambda tree: tree.find_hash(merkle.leaf_hash(b"7")),
    "no leaf hash": lambda tree: tree.find_hash(bytes(32)),
    "a position": lambda tree: tree.leaf(7),
    "the size": lambda tree: tree.size(),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_look_up_takes_as_many_steps_in_a_log_of_any_size(state: State, name: str) -> None:
    """Each new entry of Rekor v1 looks for its leaf hash, and a CT log's proof does."""
    small, large = filled(state, 20), filled(state, 300)
    taken = [steps(state, partial(LOOKUPS[name], tree)) for tree in (small, large)]
    assert taken[1] <= taken[0] + 10


def test_a_search_reads_no_entry_and_costs_as_much_as_it_finds(state: State) -> None:
    small, large = filled(state, 50), filled(state, 100)
    asked = statements(state, lambda: search(state, {"email": EMAIL}, {large.tree_id: "00"}))
    assert len(asked) == 1
    assert "leaves" not in asked[0]
    first, second = (
        steps(state, partial(search, state, {"email": EMAIL}, {tree.tree_id: "00"})) for tree in (small, large)
    )
    assert second < 2 * first
    assert (second - first) / 50 <= 8


def test_a_search_gives_uuids_in_the_order_of_shards_and_entries(state: State) -> None:
    small, large = filled(state, 3), filled(state, 4)
    prefixes = {large.tree_id: "aa", small.tree_id: "bb"}
    expected = [f"aa{leaf.leaf_hash.hex()}" for leaf in large.leaves(0, 4)]
    expected += [f"bb{leaf.leaf_hash.hex()}" for leaf in small.leaves(0, 3)]
    assert search(state, {"email": EMAIL}, prefixes) == ('["' + '","'.join(expected) + '"]').encode()
    both = {"email": EMAIL, "hash": f"{1:064x}"}
    assert search(state, both | {"operator": "and"}, prefixes) == f'["{expected[1]}","{expected[5]}"]'.encode()
    assert search(state, {"email": "nobody@example.com"}, prefixes) == b"[]"


OLD = """
DROP TABLE leaves; DROP TABLE search;
CREATE TABLE leaves (
  tree_id INTEGER NOT NULL, position INTEGER NOT NULL, leaf_hash BLOB NOT NULL, identity BLOB NOT NULL,
  data BLOB NOT NULL, extra BLOB NOT NULL, time_ms INTEGER NOT NULL, PRIMARY KEY (tree_id, position)) WITHOUT ROWID;
CREATE UNIQUE INDEX leaves_by_identity ON leaves (tree_id, identity);
CREATE INDEX leaves_by_hash ON leaves (leaf_hash);
CREATE TABLE search (term TEXT NOT NULL, tree_id INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (term, tree_id, position)) WITHOUT ROWID;
INSERT INTO leaves SELECT * FROM kept_leaves; INSERT INTO search SELECT term, tree_id, position FROM kept_search;
DROP TABLE kept_leaves; DROP TABLE kept_search; PRAGMA user_version = 2;
"""


def test_a_database_of_the_version_before_keeps_entries_and_search(tmp_path: Path, state: State) -> None:
    tree = filled(state, 5)
    found, leaves = search(state, {"email": EMAIL}, {tree.tree_id: "00"}), tree.leaves(0, 5)
    state.close()
    with closing(sqlite3.connect(tmp_path / "s" / DATABASE)) as db:
        for table in ("leaves", "search"):
            db.execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        db.executescript(OLD)
    with closing(State(tmp_path / "s")) as again:
        kept = Tree(again, tree.tree_id)
        assert (search(again, {"email": EMAIL}, {tree.tree_id: "00"}), kept.leaves(0, 5)) == (found, leaves)
        append(kept, 5)
        with again.reading() as db:
            assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
            tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not {name for name in tables if name.startswith("old")}


def test_an_entry_takes_little_more_room_than_its_bytes(tmp_path: Path, state: State) -> None:
    tree = Tree(state, 7)
    with state.transaction():
        for number in range(300):
            tree.append(b"%01400d" % number, identity=b"%032d" % number, extra=bytes(72), time_ms=number)
    state.close()
    assert (tmp_path / "s" / DATABASE).stat().st_size < 300 * 1.9 * 1400
