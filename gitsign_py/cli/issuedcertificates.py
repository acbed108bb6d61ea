"""Certificates that CT logs show for the people of an inventory, each with its use: ``identities --log``."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gitsign_py.audit.inventory import Inventory, IssuedCertificate, Use
from gitsign_py.cli import wiring
from gitsign_py.cli.logs import places, source_of
from gitsign_py.core.printing import printable
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.monitor.findings import format_rfc3339_of
from gitsign_py.monitor.issued import IssuedTo, Uses, issued_to, uses
from gitsign_py.monitor.replicasource import open_replicas
from gitsign_py.monitor.sources import LogSource, RawEntry


def add_issued(inventory: Inventory, options: argparse.Namespace, settings: wiring.Settings) -> None:
    """Add what the logs of the options have for everybody who is proven, and for those who are named.

    Raises what logs and replicas raise: one that does not answer says nothing about anybody.
    """
    root = wiring.trusted_root(settings, file=options.trusted_root, offline=options.offline)
    names = inventory.names() | frozenset(options.identity)
    here = inventory.used()
    unread: dict[tuple[str, int], str] = {}

    def note(source: LogSource, entry: RawEntry) -> None:
        unread[source.url, entry.index] = f"entry {entry.log_index} of {source.url} may be about one of them"

    with _sources(options, settings, root) as sources:
        entries = uses(names, sources, note)
        for one in issued_to(names, sources, note):
            use = _use(one, here, entries)
            index = entries.first.get(one.tbs)
            dates = (format_rfc3339_of(one.window[0]), format_rfc3339_of(one.window[1]))
            certificate = IssuedCertificate(one.tbs, one.serial, *dates, one.log, one.place, use, index)
            inventory.issue(one.identity, one.issuer, one.kind, certificate)
    for words in unread.values():
        print(printable(f"gitsign-py: {words} and cannot be read (gitsign-py log get)"), file=sys.stderr)


def _use(one: IssuedTo, here: frozenset[str], entries: Uses) -> Use:
    if one.tbs in here:
        return "here"
    if one.tbs in entries.first:
        return "elsewhere"
    return "unused" if entries.whole else "unknown"


@contextmanager
def _sources(
    options: argparse.Namespace, settings: wiring.Settings, root: TrustedRoot
) -> Iterator[tuple[LogSource, ...]]:
    replicas: tuple[LogSource, ...] = open_replicas(options.log_from, root) if options.log_from else ()
    if not options.log:
        yield replicas
        return
    with wiring.session(settings) as session:
        asked = (source_of(place, session, root) for place in places(options.log, settings, root))
        yield (*replicas, *asked)
