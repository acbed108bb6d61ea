"""Everybody and every key that ever signed: proven by a good signature, or only claimed by one that is not good.

Memory grows with the number of signers and certificates, never with that of commits.
"""

from collections.abc import Iterator
from typing import Any, Literal

from gitsign_py.audit.causes import named_by
from gitsign_py.audit.record import Record
from gitsign_py.core.frozen import field, frozen, slotted

_MAX_REFS = 50
_GOOD = ("verified", "good")


@frozen
class SeenCertificate:
    """One certificate of a signer; ``log_index`` is that of the last signature with it that was proven.

    ``tbs`` is the SHA-256 of its TBS without SCTs, by which a CT log's precertificate is the same.
    """

    fingerprint: str
    serial: str
    not_before: str
    not_after: str
    log_index: int | None = None
    tbs: str = ""

    def as_object(self) -> dict[str, Any]:
        """The certificate as JSON."""
        value: dict[str, Any] = {"fingerprint": self.fingerprint, "serial": self.serial}
        return value | {"not_before": self.not_before, "not_after": self.not_after, "log_index": self.log_index}


Use = Literal["here", "elsewhere", "unused", "unknown"]


@frozen
class IssuedCertificate:
    """A certificate that a CT log shows. ``use``: ``here`` in this history, ``elsewhere`` by an entry of the signature
    log (``log_index``), ``unused`` where that log was read whole, ``unknown`` where it was not.
    """

    tbs: str
    serial: str
    not_before: str
    not_after: str
    ct_log: str
    ct_index: int
    use: Use
    log_index: int | None = None

    def as_object(self) -> dict[str, Any]:
        """The certificate as JSON."""
        names = ("serial", "not_before", "not_after", "ct_log", "ct_index", "use", "log_index")
        return {name: getattr(self, name) for name in names}


@slotted
class Signer:
    """One identity or key: ``first`` and ``last`` are proven times, else what the commits say themselves."""

    identity: str
    issuer: str
    kind: str
    proven: bool
    commits: int = 0
    first: str = ""
    last: str = ""
    refs: dict[str, int] = field(default_factory=dict)
    certificates: dict[str, SeenCertificate] = field(default_factory=dict)
    issued: list[IssuedCertificate] = field(default_factory=list)

    def add(self, record: Record, time: str, certificate: SeenCertificate | None) -> None:
        """Count one signature."""
        self.commits += 1
        if time:
            self.first = min(self.first or time, time)
            self.last = max(self.last, time)
        ref = record.ref if record.ref in self.refs or len(self.refs) < _MAX_REFS else "(others)"
        self.refs[ref] = self.refs.get(ref, 0) + 1
        if certificate is not None:
            self.certificates[certificate.fingerprint] = certificate

    def as_object(self, *, certificates: bool, issued: bool = False) -> dict[str, Any]:
        """The signer as JSON (docs/schemas/identities.json)."""
        value: dict[str, Any] = {"identity": self.identity, "issuer": self.issuer, "kind": self.kind}
        value |= {"proven": self.proven, "signatures": self.commits, "first": self.first, "last": self.last}
        value |= {"refs": dict(sorted(self.refs.items()))}
        if certificates:
            value["certificates"] = [one.as_object() for one in self.certificates.values()]
        if issued:
            value["issued"] = [one.as_object() for one in self.issued]
        return value


class Inventory:
    """Collects them."""

    def __init__(self) -> None:
        self._signers: dict[tuple[str, str, str, bool], Signer] = {}

    def add(self, record: Record, time: str, certificate: SeenCertificate | None = None) -> None:
        """Count a commit or tag that is signed; ``time`` is RFC 3339, ``certificate`` what the signature holds."""
        if not record.format:
            return
        proven = record.verdict in _GOOD
        kind = record.san_type or record.format
        key = (named_by(record), record.issuer, kind, proven)
        signer = self._signers.setdefault(key, Signer(*key))
        signer.add(record, time, certificate)

    def names(self) -> frozenset[str]:
        """The identities that good signatures prove."""
        return frozenset(one.identity for one in self._signers.values() if one.proven and one.issuer)

    def used(self) -> frozenset[str]:
        """The TBS digests of the certificates of good signatures; others may hold a copy of anybody's certificate."""
        return frozenset(seen.tbs for one in self._signers.values() if one.proven for seen in one.certificates.values())

    def issue(self, identity: str, issuer: str, kind: str, certificate: IssuedCertificate) -> None:
        """Add a certificate that a CT log shows, also for an identity that never signed here."""
        proven = (identity, issuer, kind, True)
        key = proven if proven in self._signers else (identity, issuer, kind, False)
        self._signers.setdefault(key, Signer(*key)).issued.append(certificate)

    def signers(self) -> Iterator[Signer]:
        """Proven ones first, the most frequent first."""
        yield from sorted(self._signers.values(), key=lambda one: (not one.proven, -one.commits, one.identity))
