"""The chain of statements: each follows the one before it, or the gap is named."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gitsign_py.core.frozen import replace
from gitsign_py.source.continuity import Chain, Link, follow
from gitsign_py.source.controls import REVIEW
from gitsign_py.source.provenance import Previous
from tests.support.bundles import AT
from tests.support.sourcestatements import oid, provenance


def link(number: int, previous: int | None = None, **changes: Any) -> Link:
    before = None if previous is None else Previous(oid(previous), f"{previous:064x}")
    made = provenance(number, previous=before, **changes)
    return Link(made, f"{number:064x}")


def followed(*links: Link, tip: int, **options: Any) -> Chain:
    def at(revision: str) -> Sequence[Link]:
        return [one for one in links if one.provenance.revision == revision]

    return follow(oid(tip), at, lambda: links[-1] if links else None, **options)


def kinds(chain: Chain) -> list[tuple[str, str]]:
    return [(one.kind, one.revision) for one in chain.lapses]


def test_a_whole_chain() -> None:
    chain = followed(link(1, old="0" * 40), link(2, 1), link(3, 2), tip=3)
    assert [one.provenance.revision for one in chain.links] == [oid(3), oid(2), oid(1)]
    assert chain.lapses == ()


def test_an_update_that_nobody_saw() -> None:
    assert kinds(followed(link(1), link(3, 1), tip=3)) == [("unseen", oid(3))]
    assert kinds(followed(link(1), link(3, 1, old=""), tip=3)) == [("unseen", oid(3))]
    gone = followed(link(1), link(3, 1, old="0" * 40), tip=3)
    assert kinds(gone) == [("unseen", oid(3))]
    assert "away" in gone.lapses[0].message


def test_a_tip_without_a_statement_and_the_chain_below_it() -> None:
    chain = followed(link(1), link(2, 1), tip=4)
    assert kinds(chain) == [("unattested", oid(4))]
    assert len(chain.links) == 2
    assert kinds(followed(tip=4)) == [("unattested", oid(4))]


def test_a_ref_that_was_moved_back_to_what_has_a_statement() -> None:
    chain = followed(link(1), link(2, 1), link(3, 2), tip=1)
    assert kinds(chain) == [("back", oid(1))]
    assert oid(3) in chain.lapses[0].message
    assert len(chain.links) == 3, "what is above it is looked at too"


def test_a_statement_that_is_not_the_one_that_is_named() -> None:
    other = replace(link(1), digest="f" * 64)
    assert kinds(followed(other, link(2, 1), tip=2)) == [("gone", oid(2))]


def test_a_control_that_no_longer_holds() -> None:
    chain = followed(link(1, level=4), link(2, 1), tip=2)
    assert kinds(chain) == [("control", oid(2))]
    assert REVIEW in chain.lapses[0].message


def test_a_chain_that_begins_too_late() -> None:
    links = link(1), link(2, 1)
    assert followed(*links, tip=2, begins=AT).lapses == ()
    assert kinds(followed(*links, tip=2, begins=AT - timedelta(days=1))) == [("late", oid(1))]
