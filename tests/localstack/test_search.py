"""The search index of Rekor v1 by itself: order, whole hashes, and rows that Python never sees."""

import hashlib
import json

import pytest

from gitsign_py.localstack.merklestore import Leaf
from gitsign_py.localstack.rekor.rekorproposal import name_term
from gitsign_py.localstack.rekor.rekorsearch import search, store_terms
from gitsign_py.localstack.state import State

EMAIL, HITS, TREES = "alice@example.com", 700, {1 << 62: "4" * 16, 7: "0" * 16}
OTHER = hashlib.sha256(b"both").hexdigest()


def leaf(tree_id: int, position: int) -> Leaf:
    """A leaf whose hash has bytes that no text has: NUL, halves of characters."""
    hashed = hashlib.sha256(b"%d %d" % (tree_id, position)).digest()
    return Leaf(tree_id, position, b"\x00\xff\x80" + hashed[:27] + b"\xc3\x00", b"", b"", 0)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """Two trees with entries of one address, written from the last to the first; every seventh has a digest too."""
    state = State(tmp_path_factory.mktemp("search") / "s")
    with state.transaction():
        for tree_id in TREES:
            for position in reversed(range(HITS)):
                terms = {name_term(EMAIL)} | ({f"sha256:{OTHER}"} if position % 7 == 0 else set())
                store_terms(state, leaf(tree_id, position), frozenset(terms))
    return state


def uuids(*, step: int = 1) -> list[str]:
    return [
        prefix + leaf(tree_id, position).leaf_hash.hex()
        for tree_id, prefix in TREES.items()
        for position in range(0, HITS, step)
    ]


@pytest.mark.parametrize(
    ("query", "step"),
    [
        ({"email": EMAIL}, 1),
        ({"hash": OTHER}, 7),
        ({"email": EMAIL, "hash": OTHER}, 1),
        ({"email": EMAIL, "hash": OTHER, "operator": "and"}, 7),
    ],
)
def test_all_entries_are_found_in_the_order_of_the_log(state: State, query: dict[str, str], step: int) -> None:
    assert json.loads(search(state, query, TREES)) == uuids(step=step)


def test_an_address_of_nobody_is_in_no_entry(state: State) -> None:
    assert search(state, {"email": "nobody@example.com"}, TREES) == b"[]"


@pytest.mark.parametrize("query", [{"email": EMAIL}, {"email": EMAIL, "hash": OTHER, "operator": "and"}])
def test_each_tree_is_one_row_however_many_entries_are_found(state: State, query: dict[str, str]) -> None:
    """A row for each entry is what a search by address with 25,000 of them takes longest for."""
    rows: list[object] = []

    def seen(_: object, row: object) -> object:
        rows.append(row)
        return row

    with state.reading() as db:
        db.row_factory = seen
        try:
            search(state, query, TREES)
        finally:
            db.row_factory = None
    assert len(rows) == len(TREES)
