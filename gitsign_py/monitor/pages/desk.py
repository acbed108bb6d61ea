"""A request for a page in, the page out: the overview, a search, an entry, the people of a log."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice

from gitsign_py.core.frozen import frozen
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError, UsageError
from gitsign_py.monitor.decode import decode
from gitsign_py.monitor.lookup import get
from gitsign_py.monitor.pages.asked import MAX_QUERY, Asked, Replay, read_question
from gitsign_py.monitor.pages.drawing import growth, when
from gitsign_py.monitor.pages.entryview import entry_page
from gitsign_py.monitor.pages.library import Library, People
from gitsign_py.monitor.pages.markup import Cell, Page, code, counted, facts, link, name_of, page, table, text
from gitsign_py.monitor.rekorsources import Rekor1Source
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.search import Hit, has_index, search, unread_words
from gitsign_py.monitor.sources import LogSource, RawEntry

AT_ONCE = 4
"""Pages that are made at the same time; each may ask logs, and a stack answers its own pages."""
MOST_HITS = 100
SCANNED = 5000
"""Entries that one search looks through where a log has no index."""


@frozen
class Shelf:
    """The logs that pages are about, open for one request."""

    sources: tuple[LogSource, ...]
    root: TrustedRoot


class Desk:
    """Answers requests, a few at a time. ``replay`` finds a commit's digests, None where there is no repository.

    ``front`` is HTML above the logs on the first page.
    """

    def __init__(
        self,
        shelf: Callable[[], AbstractContextManager[Shelf]],
        now: Callable[[], datetime],
        *,
        replay: Replay | None = None,
        front: Callable[[], str] = str,
    ) -> None:
        self._shelf, self._now, self._replay, self._front = shelf, now, replay, front
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._library = Library()

    def answer(self, path: str, query: Mapping[str, str]) -> Page:
        """The page of a path; every error is a page too."""
        if not self._places.acquire(blocking=False):  # who waits would hold a thread, and a stack needs it to answer us
            return page("Busy", "<p>Others are asking. Please try again in a moment.</p>", status=503)
        try:
            with self._shelf() as shelf:
                return self._answer(path, query, shelf)
        except UsageError as error:
            return _problem(error, 400)
        except GitsignError as error:
            return _problem(error, 404 if error.reason == "log-entry-absent" else 502)
        finally:
            self._places.release()

    def _answer(self, path: str, query: Mapping[str, str], shelf: Shelf) -> Page:
        if path == "/log/search":
            return self._search(query.get("q", "")[: MAX_QUERY + 1], shelf)
        if path == "/log/entry":
            found = get(_source(query, shelf), shelf.root, index=_index(query))
            return entry_page(found, shelf.root, self._now())
        if path == "/log/people":
            return self._people(_source(query, shelf))
        return self._overview(shelf)

    # -- the first page ---------------------------------------------------------------------------------------------

    def _overview(self, shelf: Shelf) -> Page:
        logs = "".join(self._log(number, source) for number, source in enumerate(shelf.sources, 1))
        return page("Transparency logs", self._front() + (logs or "<p>There is no log here.</p>"))

    def _log(self, number: int, source: LogSource) -> str:
        name = f"{source.kind} {source.url}"
        frame = f'<section class="log"><h2>{text(name)}</h2>\n'
        try:
            heads = source.heads()
            head = heads[-1]
            drawn = growth(self._library.growth(source, head), "It") if head.size else ""
        except GitsignError as error:
            return f'{frame}<p class="verdict poor">{text(error.message)} [{text(error.reason)}]</p></section>\n'
        rows: list[tuple[str, Cell]] = [
            ("size", counted(head.size)),
            ("earlier trees", ", ".join(counted(one.size) for one in heads[:-1])),
            ("root", code(head.root.hex())),
            ("signed at", "" if head.stated is None else when(head.stated)),
            ("cosigned by", ", ".join(who for who, _ in head.witnesses) or "nobody"),
            ("key", code(head.log.log_id.hex())),
        ]
        newest = sum(one.size for one in heads) - 1
        links = [link("/log/people", "who signs", log=number).html] if head.size else []
        links += [link("/log/entry", "newest entry", log=number, index=newest).html] if head.size else []
        return f"{frame}{facts(head.tree, rows)}{drawn}<p>{', '.join(links)}</p></section>\n"

    # -- the others -------------------------------------------------------------------------------------------------

    def _search(self, given: str, shelf: Shelf) -> Page:
        asked = read_question(given, self._replay)
        rows: list[tuple[Cell, ...]] = []
        notes: list[str] = []
        for number, source in enumerate(shelf.sources, 1):
            try:
                unread: list[RawEntry] = []
                found = list(islice(_found(asked, source, shelf.root, unread.append), MOST_HITS + 1))
            except GitsignError as error:
                notes.append(f"{source.kind} {source.url} could not be searched: {error.message} [{error.reason}]")
                continue
            rows += [_row(number, source, hit) for hit in found[:MOST_HITS]]
            notes += _limits(asked, source, more=len(found) > MOST_HITS)
            notes += [f"{source.kind} {source.url}: {unread_words(unread)}"] if unread else []
        about = f"<p>Searched as {text(' and as '.join(asked.words))}.</p>\n"
        columns = ("index", "log", "time", "kind", "signer", "vouched for by")
        listed = table(counted(len(rows)), columns, rows) if rows else "<p>No entry was found.</p>\n"
        listed += "".join(f'<p class="quiet">{text(note)}</p>\n' for note in notes)
        return page(f"Search for {asked.text}", about + listed, asked=asked.text)

    def _people(self, source: LogSource) -> Page:
        (*_, head) = source.heads()
        found = self._library.people(source, head)
        rows = [
            (
                name_of(one.name),
                name_of(one.issuer),
                one.entries,
                link("/log/search", "search", q=one.name) if len(one.name) <= MAX_QUERY else "",
            )
            for one in found.found
        ]
        columns = ("name", "vouched for by", "entries", "all of them")
        body = table(_extent(found), columns, rows) if rows else "<p>No certificate names anybody.</p>\n"
        words = (
            "<p>Each name stands in the certificate of an entry. The entry's own page says whether that certificate is "
            "good.</p>\n"
        )
        return page(f"Who signs in {head.tree}", words + body)


def _extent(found: People) -> str:
    return (
        f"In the latest {counted(found.looked)}" if found.looked else "In all entries of the replica, the 500 busiest"
    )


def _found(asked: Asked, source: LogSource, root: TrustedRoot, unread: Callable[[RawEntry], object]) -> Iterator[Hit]:
    """The entries of one log; one that it has not is no error here."""
    if asked.index is not None or (asked.leaf and isinstance(source, Rekor1Source | ReplicaSource)):
        try:
            found = get(source, root, index=asked.index, leaf_hash=asked.leaf)
            yield found.head, found.entry, decode(found.entry)
        except GitsignError as error:
            if error.reason != "log-entry-absent":
                raise
    if asked.query.terms():
        yield from search(source, asked.query, root, most=SCANNED, unread=unread)


def _limits(asked: Asked, source: LogSource, *, more: bool) -> Iterator[str]:
    if more:
        yield f"{source.kind} {source.url} has more than {MOST_HITS}; gitsign-py log search gives them all"
    if asked.query.terms() and not has_index(source, asked.query):
        yield f"{source.kind} {source.url} has no index for this: its latest {SCANNED} entries were looked through"


def _row(number: int, source: LogSource, hit: Hit) -> tuple[Cell, ...]:
    _, entry, seen = hit
    who = next((one for one in seen.signers), None)
    name = "" if who is None else who.identity or f"key {who.key}"
    return (
        link("/log/entry", entry.log_index, log=number, index=entry.log_index),
        source.kind,
        when(entry.time),
        seen.kind,
        name_of(name),
        name_of("" if who is None else who.issuer),
    )


def _source(query: Mapping[str, str], shelf: Shelf) -> LogSource:
    number = _number(query.get("log", "1"), "log")
    if not 1 <= number <= len(shelf.sources):
        raise UsageError("log-not-named", f"there is no log {number} here, but 1 to {len(shelf.sources)}")
    return shelf.sources[number - 1]


def _index(query: Mapping[str, str]) -> int:
    return _number(query.get("index", ""), "index")


def _number(given: str, name: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise UsageError("log-question-invalid", f"{name} must be a number")
    return int(given)


def _problem(error: GitsignError, status: int) -> Page:
    hint = f"<p>{text(error.hint)}</p>" if error.hint else ""
    words = f'<p class="verdict poor">{text(error.message)} [{text(error.reason)}]</p>{hint}\n'
    return page("That did not work", words, status=status)
