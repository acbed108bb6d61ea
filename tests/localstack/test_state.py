"""The directory of a stack: its modes, its transactions, its refusals; the key registry over a restart."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.core.tlog import merkle
from gitsign_py.errors import ConfigError
from gitsign_py.localstack import keyfiles
from gitsign_py.localstack.directory import DATABASE
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.merklestore import Tree
from gitsign_py.localstack.state import State

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(State(tmp_path / "s")) as opened:
        yield opened


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directory_and_secrets_are_private(tmp_path: Path) -> None:
    with closing(State(tmp_path / "new" / "stack")) as state:
        key = Keyring(state).ensure("x", "ecdsa-p256", NOW)
    assert mode(state.directory) == 0o700
    assert mode(state.directory / DATABASE) == 0o600
    assert mode(state.directory / key.file) == 0o600
    assert mode((state.directory / key.file).parent) == 0o700


def test_loose_directory_is_closed(tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir(mode=0o755)
    with closing(State(tmp_path / "stack")) as state:
        assert mode(state.directory) == 0o700


def test_directory_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty") as caught:
        State(tmp_path)
    assert caught.value.reason == "stack-directory-not-empty"
    assert [path.name for path in tmp_path.iterdir()] == ["README"]


def test_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        State(tmp_path / "file")
    assert caught.value.reason == "stack-directory-unusable"


def test_database_of_another_version_is_refused(tmp_path: Path) -> None:
    State(tmp_path / "s").close()
    with closing(sqlite3.connect(tmp_path / "s" / DATABASE)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError) as caught:
        State(tmp_path / "s")
    assert caught.value.reason == "stack-database-version"


def test_damaged_database_is_an_error(tmp_path: Path) -> None:
    State(tmp_path / "s").close()
    (tmp_path / "s" / DATABASE).write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(ConfigError) as caught:
        State(tmp_path / "s")
    assert caught.value.reason == "stack-database-unusable"


def test_failed_transaction_leaves_nothing(state: State) -> None:
    tree = Tree(state, 7)
    tree.append(b"kept", identity=b"1", extra=b"", time_ms=1)

    def append_two() -> None:
        with state.transaction():
            tree.append(b"lost", identity=b"2", extra=b"", time_ms=1)
            tree.append(b"the same identity", identity=b"1", extra=b"", time_ms=1)

    with pytest.raises(sqlite3.IntegrityError):
        append_two()
    assert tree.size() == 1
    assert tree.root(1) == merkle.leaf_hash(b"kept")


def test_keys_come_back_after_a_restart(tmp_path: Path, state: State) -> None:
    first = Keyring(state).add("role", "ed25519", NOW, certificate=lambda _: b"der", tree_id=5)
    state.close()
    with closing(State(tmp_path / "s")) as opened:
        again = Keyring(opened).current("role")
    assert (again.public, again.certificate, again.tree_id) == (first.public, b"der", 5)
    assert again.starts == NOW.replace(microsecond=0)


def test_closed_key_stays_and_is_not_current(state: State) -> None:
    ring = Keyring(state)
    first = ring.ensure("role", "ecdsa-p256", NOW)
    assert ring.ensure("role", "ecdsa-p256", NOW) == first
    ring.close(first, NOW)
    with pytest.raises(ConfigError) as caught:
        ring.current("role")
    assert caught.value.reason == "stack-key-missing"
    second = ring.ensure("role", "ecdsa-p256", NOW)
    assert [key.public for key in ring.all("role")] == [first.public, second.public]
    assert ring.all("role")[0].validity.covers(NOW.replace(microsecond=0))


def test_a_role_that_has_a_key_of_another_kind_gets_a_new_one(state: State) -> None:
    ring = Keyring(state)
    ring.ensure("role", "ecdsa-p256", NOW)
    assert ring.ensure("role", "rsa-2048", NOW) == ring.current("role") == ring.ensure("role", "rsa-2048", NOW)
    assert [key.kind for key in ring.all("role")] == ["ecdsa-p256", "rsa-2048"]


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048"])
def test_signatures_verify_with_the_hash_of_the_key(state: State, kind: str) -> None:
    key = Keyring(state).add("role", kind, NOW)
    key.public.verify(key.sign(b"data"), b"data", "sha384" if kind == "ecdsa-p384" else "sha256")
    assert key.kind.removesuffix("-2048") == key.public.kind


@pytest.mark.parametrize("content", [None, b"not PEM"])
def test_lost_or_damaged_key_file_is_an_error(state: State, content: bytes | None) -> None:
    file = state.directory / Keyring(state).add("role", "ecdsa-p256", NOW).file
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    keyfiles.read_key.cache_clear()
    with pytest.raises(ConfigError) as caught:
        Keyring(state).current("role")
    assert caught.value.reason == "stack-key-unreadable"


def naive(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1 as it is written."""
    if len(leaves) < 2:
        return merkle.leaf_hash(leaves[0]) if leaves else merkle.empty_root()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(naive(leaves[:split]), naive(leaves[split:]))


def append_and_fail(tree: Tree) -> None:
    with tree.state.transaction():
        tree.append(b"lost", identity=b"lost", extra=b"", time_ms=1)
        raise ZeroDivisionError


def test_tree_grows_right_after_another_process_and_after_a_transaction_that_failed(
    tmp_path: Path, state: State
) -> None:
    """A writer keeps the right edge of its last entry; it is no longer the edge then."""
    data: list[bytes] = []
    with closing(State(tmp_path / "s")) as other:
        for number in range(40):
            tree = Tree(other if number % 7 in {2, 3} else state, 3)
            if number % 5 == 0:
                with pytest.raises(ZeroDivisionError):
                    append_and_fail(tree)
            data.append(b"%d" % number)
            placed = tree.append(data[-1], identity=data[-1], extra=b"", time_ms=1)
            assert (placed.size, placed.root) == (number + 1, naive(data))
            merkle.verify_inclusion(placed.leaf.leaf_hash, number, placed.size, placed.path, placed.root)


def test_an_entry_takes_as_many_statements_in_a_log_of_any_size(state: State) -> None:
    tree, counts = Tree(state, 3), set()
    for number in range(70):
        asked: list[str] = []
        with state.transaction() as db:
            db.set_trace_callback(asked.append)
            tree.append(b"%d" % number, identity=b"%d" % number, extra=b"", time_ms=1)
            db.set_trace_callback(None)
        counts.add(len([sql for sql in asked if "INTO nodes" not in sql]))  # one for each hash that is complete now
    assert counts == {3}  # the head that was, the entry, the head that is


def test_tree_agrees_with_the_plain_recursive_definition(state: State) -> None:
    """Roots and proofs of every size up to 20, against RFC 6962 §2.1 written out naively."""
    tree = Tree(state, 3)
    data = [bytes([number]) * number for number in range(20)]
    for number, leaf in enumerate(data):
        assert tree.size() == number
        placed = tree.append(leaf, identity=bytes([number]), extra=b"", time_ms=number)
        assert placed == tree.place(placed.leaf, number + 1)
    for size in range(1, 21):
        assert tree.root(size) == naive(data[:size])
        for position in range(size):
            proof = tree.prove_inclusion(position, size)
            merkle.verify_inclusion(merkle.leaf_hash(data[position]), position, size, proof, tree.root(size))
        for first in range(1, size + 1):
            proof = tree.prove_consistency(first, size)
            merkle.verify_consistency(first, size, proof, tree.root(first), tree.root(size))
