"""Certificates that a CT log shows for our people, and which of them signed something: the inventory's other half.

A certificate is known by its TBS without SCTs and poison, which the CT log's precertificate shares with the certificate
that an entry or a signature holds.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.errors import GitsignError
from gitsign_py.monitor.decode import SeenSigner, decode
from gitsign_py.monitor.heads import CT_KINDS
from gitsign_py.monitor.lookup import SCAN, scan
from gitsign_py.monitor.replicaindex import UNREAD
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import LogSource, RawEntry
from gitsign_py.monitor.watch import may_hold


@frozen
class IssuedTo:
    """One certificate, at ``place`` of the CT log ``log``. ``window``: notBefore, notAfter (POSIX)."""

    identity: str
    issuer: str
    kind: str
    tbs: str
    serial: str
    window: tuple[int, int]
    log: str
    place: int


@frozen
class Uses:
    """The index of the first entry by each certificate (TBS digest); ``whole`` when every log was read to its start,
    and every entry that may be by one of these could be read.
    """

    first: Mapping[str, int]
    whole: bool


Unread = Callable[[LogSource, RawEntry], object]


def issued_to(names: Collection[str], sources: Sequence[LogSource], unread: Unread) -> Iterator[IssuedTo]:
    """The certificates that the CT logs among the sources hold for these names, each once.

    ``unread`` is told of each entry that may be one and cannot be read.
    """
    told: set[str] = set()
    for source in sources:
        for entry, signer in _of(names, source, unread) if source.kind in CT_KINDS else ():
            tbs = signer.tbs.hex()
            if tbs not in told and (serial := _serial(signer)):
                told.add(tbs)
                names_of = (signer.identity, signer.issuer, signer.san_type)
                yield IssuedTo(*names_of, tbs, serial, signer.window, source.url, entry.index)


def uses(names: Collection[str], sources: Sequence[LogSource], unread: Unread) -> Uses:
    """The use of these names' certificates in the signature logs among the sources. None there is not whole."""
    found: dict[str, int] = {}
    odd: list[RawEntry] = []

    def note(source: LogSource, entry: RawEntry) -> None:
        odd.append(entry)
        unread(source, entry)

    asked = [source for source in sources if source.kind not in CT_KINDS]
    for source in asked:
        for entry, signer in _of(names, source, note):
            found.setdefault(signer.tbs.hex(), entry.log_index)
    return Uses(found, bool(asked) and not odd and all(_is_whole(source) for source in asked))


def _is_whole(source: LogSource) -> bool:
    """Whether ``_of`` sees every entry: a log's earlier trees and what lies before its end are left out."""
    heads = source.heads()
    return isinstance(source, ReplicaSource) or (len(heads) == 1 and heads[0].size <= SCAN)


def _of(names: Collection[str], source: LogSource, unread: Unread) -> Iterator[tuple[RawEntry, SeenSigner]]:
    """The entries for these names: by a replica's index, else by looking through the end of the log."""
    wanted = frozenset(names)
    needles = tuple(name.encode("utf-8", "surrogatepass") for name in sorted(wanted))
    if isinstance(source, ReplicaSource):
        found = (entry for name in (*sorted(wanted), UNREAD) for _, entry in source.find(name))
        entries = (entry for entry in found if may_hold(entry, needles))
    else:
        entries = (entry for _, entry in scan(source, None, None) if may_hold(entry, needles))
    for entry in entries:
        seen = decode(entry)
        mine = [one for one in seen.signers if one.identity in wanted and one.tbs]
        yield from ((entry, one) for one in mine)
        if seen.unread and not mine:
            unread(source, entry)


def _serial(signer: SeenSigner) -> str:
    try:
        return f"{parse_certificate(signer.certificate).serial:x}"
    except GitsignError:
        return ""
