"""The chain of statements about a ref, from its tip back to where it begins, and the lapses in it.

Each statement says where the ref was before, and names the statement about that. An update that the hooks did not see
has no statement: the next one then begins at another revision than the last one ended at ("Continuity").
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.source.provenance import Provenance

MAX_LINKS = 100_000
Kind = Literal["unattested", "back", "unseen", "gone", "control", "late", "endless"]


@frozen
class Link:
    """A provenance out of a bundle that was verified, and the digest (SHA-256, hex) of that bundle."""

    provenance: Provenance
    digest: str


@frozen
class Lapse:
    """A gap: ``revision`` is the one that lacks something, or the first after what is missing."""

    kind: Kind
    revision: str
    message: str


@frozen
class Chain:
    """The links from the newest to the oldest, and the lapses that were met on the way, in that order."""

    links: tuple[Link, ...]
    lapses: tuple[Lapse, ...]


LinksAt = Callable[[str], Sequence[Link]]
"""The verified statements about a commit, for the ref and repository in question; the newest first."""


def follow(tip: str, links_at: LinksAt, newest: Callable[[], Link | None], begins: datetime | None = None) -> Chain:
    """Follow the chain back from ``tip``, the commit that the ref names.

    ``newest`` finds the newest statement about the ref: it may be about another commit. ``begins``: the chain must
    reach back to this time at least.
    """
    links: list[Link] = []
    link, lapses = _begin(next(iter(links_at(tip)), None), newest(), tip)
    while link is not None:
        links.append(link)
        if len(links) > MAX_LINKS:
            lapses.append(Lapse("endless", link.provenance.revision, f"more than {MAX_LINKS} statements"))
            break
        earlier, found = _earlier(link, links_at)
        lapses += found
        link = earlier
    if links and begins is not None and links[-1].provenance.time > begins:
        first = links[-1].provenance
        words = f"statements begin at {first.revision}, {format_rfc3339(first.time)}, after {format_rfc3339(begins)}"
        lapses.append(Lapse("late", first.revision, words))
    return Chain(tuple(links), tuple(lapses))


def _begin(here: Link | None, newest: Link | None, tip: str) -> tuple[Link | None, list[Lapse]]:
    """The newest statement, and the lapse where it is not the one about ``tip``: an older revision had its statement
    when the ref came there first, and has none of the way back.
    """
    if here is None:
        return newest, [Lapse("unattested", tip, f"no statement about {tip}: no hook saw how the ref came there")]
    if newest is None or newest.provenance.revision == tip or newest.provenance.time < here.provenance.time:
        return here, []
    words = (
        f"the ref came to {newest.provenance.revision} after {tip}, and names {tip} again: it was moved back where no "
        "hook saw it, or is older here than the statements"
    )
    return newest, [Lapse("back", tip, words)]


def _earlier(link: Link, links_at: LinksAt) -> tuple[Link | None, Iterator[Lapse]]:
    here, previous = link.provenance, link.provenance.previous
    if previous is None:
        return None, iter(())
    found = next((one for one in links_at(previous.revision) if one.digest == previous.digest), None)
    return found, _lapses(link, found, here.old)


def _lapses(link: Link, earlier: Link | None, old: str) -> Iterator[Lapse]:
    here = link.provenance
    assert here.previous is not None  # noqa: S101 - of a link with one before it
    if earlier is None:
        words = f"the statement about {here.previous.revision}, which {here.revision} follows, is not there"
        yield Lapse("gone", here.revision, words)
        return
    if old != earlier.provenance.new:
        place = "at another place that nobody saw" if not old else "away" if not old.strip("0") else f"at {old}"
        words = f"the ref was at {earlier.provenance.new}, and {place} when it came to {here.revision}"
        yield Lapse("unseen", here.revision, words)
    for name in sorted(earlier.provenance.controls.keys() - here.controls.keys()):
        yield Lapse("control", here.revision, f"{name} held before {here.revision} and does not hold there")
