"""Attack: somebody, or a disk, takes entries away from a stack's log or changes them while it is down.

That log must sign nothing more, or one size of it would have two roots; the others go on, and ``fsck`` finds all.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.localstack import integrity
from gitsign_py.localstack.directory import DATABASE
from gitsign_py.localstack.stack import Stack
from tests.support.openedstack import ask, log_an_entry

ENTRIES = 6
OLD = "DELETE FROM leaves WHERE tree_id = {tree} AND position = 1"
EDGE = {
    "last entry gone": "DELETE FROM leaves WHERE tree_id = {tree} AND position = 5",
    "last entry changed": "UPDATE leaves SET data = x'7b7d' WHERE tree_id = {tree} AND position = 5",
    "hash changed": "UPDATE nodes SET hash = zeroblob(32) WHERE tree_id = {tree} AND level = 2",
    "hash gone": "DELETE FROM nodes WHERE tree_id = {tree} AND level = 1 AND position = 2",
    "other root": "UPDATE heads SET root = zeroblob(32) WHERE tree_id = {tree}",
    "all gone": "DELETE FROM leaves WHERE tree_id = {tree}",
}


@contextmanager
def opened(directory: Path) -> Iterator[Stack]:
    stack = Stack(directory, 0)
    try:
        yield stack
    finally:
        stack.close()


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with opened(tmp_path / "stack") as stack:
        assert [log_an_entry(stack, number).status for number in range(ENTRIES)] == [201] * ENTRIES
    return tmp_path / "stack"


def spoil(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / DATABASE)) as db:
        tree = db.execute("SELECT tree_id FROM keys WHERE role = 'rekor2'").fetchone()[0]
        db.execute(statement.format(tree=tree))
        db.commit()


def faults(directory: Path) -> list[str]:
    with closing(sqlite3.connect(directory / DATABASE)) as db:
        return [fault for _, tree in integrity.logs(db) for fault in integrity.log_faults(db, tree)]


@pytest.mark.parametrize("damage", EDGE)
def test_a_log_that_is_not_what_it_signed_signs_nothing(filled: Path, damage: str) -> None:
    spoil(filled, EDGE[damage])
    assert faults(filled)
    with opened(filled) as stack:
        for answer in (log_an_entry(stack, ENTRIES), ask(stack, "/api/v2/checkpoint")):
            assert answer.status == 503
            assert "rekor2 (log 1)" in json.loads(answer.body)["message"]
        health: dict[str, Any] = json.loads(ask(stack, "/healthz").body)
        assert health["status"] == "degraded"
        assert ask(stack, "/api/v1/log").status == 200
        assert ask(stack, "/ct/v1/get-sth").status == 200


def test_a_sound_log_goes_on(filled: Path) -> None:
    assert faults(filled) == []
    with opened(filled) as stack:
        assert log_an_entry(stack, ENTRIES).status == 201
        assert json.loads(ask(stack, "/healthz").body) == {"status": "ok"}


def test_an_entry_far_from_the_edge_is_found_by_the_whole_check(filled: Path) -> None:
    spoil(filled, OLD)
    assert faults(filled) == ["entry 1 is gone"]


def test_a_start_reads_no_more_of_a_longer_log(tmp_path: Path) -> None:
    """The number of statements at the right edge grows with the logarithm alone."""
    counted: list[int] = []
    with opened(tmp_path / "stack") as stack:
        for number in range(64):
            log_an_entry(stack, number)
            if number in {7, 63}:
                with stack.context.state.reading() as db:
                    seen: list[str] = []
                    db.set_trace_callback(seen.append)
                    assert integrity.damaged_logs(db) == {}
                    db.set_trace_callback(None)
                counted.append(len(seen))
    assert counted[1] - counted[0] <= 4


def test_a_database_of_the_first_version_gets_its_heads(filled: Path) -> None:
    with closing(sqlite3.connect(filled / DATABASE)) as db:
        before = db.execute("SELECT * FROM heads ORDER BY tree_id").fetchall()
        db.executescript("DROP TABLE heads; DROP TABLE marks; PRAGMA user_version = 1")
    with opened(filled), closing(sqlite3.connect(filled / DATABASE)) as db:
        assert db.execute("SELECT * FROM heads ORDER BY tree_id").fetchall() == before
