"""The record of an audit about one commit or tag."""

from typing import Any, NamedTuple

from gitsign_py.policy.facts import ACCEPTED, Verdict


class Record(NamedTuple):
    """One verdict. A named tuple, since a million of them are made: five times cheaper than a frozen dataclass.

    ``time`` is the earliest proven time (RFC 3339, UTC) and ``time_source`` who proves it (``log``, ``timestamp``,
    ``witness``); both are empty when nothing is proven. ``committed`` is what the commit says itself, seconds since
    1970. ``steps`` are the numbers of the verification steps that passed. ``san_type`` is the kind of name that
    ``identity`` is (``email``, ``uri``, ``other``), empty for a key. ``ref`` is the tag's own, or the first that has
    it. ``evidence`` is the commit of which a forge made a squash or rebase. ``claimed`` is the name or key that a
    signature gives which is not good: nothing proves it.
    """

    oid: str
    verdict: Verdict
    reason: str = ""
    message: str = ""
    format: str = ""
    identity: str = ""
    issuer: str = ""
    san_type: str = ""
    time: str = ""
    time_source: str = ""
    log_index: int | None = None
    rule: str = ""
    principal: str = ""
    steps: tuple[str, ...] = ()
    kind: str = "commit"
    ref: str = ""
    subject: str = ""
    author: str = ""
    committer: str = ""
    committed: int | None = None
    evidence: str = ""
    claimed: str = ""

    @property
    def accepted(self) -> bool:
        """Tell whether the commit may stay."""
        return self.verdict in ACCEPTED

    @property
    def signer(self) -> str:
        """The signer, for a table: the identity, or a key's fingerprint."""
        return self.identity


def as_object(record: Record) -> dict[str, Any]:
    """The JSON object of a record (docs/schemas/audit-record.json)."""
    return {"type": record.kind, **record._asdict(), "steps": list(record.steps)}
