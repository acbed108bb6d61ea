"""From what was read, verified and judged to the record that an audit gives of it."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat

from gitsign_py.audit.record import Record
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.policy.facts import UNSIGNED, UNSIGNED_TAG, Decision, SignatureFacts

_new_record = partial(tuple.__new__, Record)  # what Record(...) calls in the end


def signature_of(item: Scanned, facts: Mapping[str, SignatureFacts]) -> SignatureFacts:
    """The facts known of an object's signature; ``facts`` has, by id, what verification gave."""
    if item.malformed[0]:
        status = "unchecked" if item.kind == "missing" else "malformed"
        return SignatureFacts(status, reason=item.malformed[0], message=item.malformed[1])  # type: ignore[arg-type]
    if not item.form:
        return UNSIGNED_TAG if item.kind == "tag" else UNSIGNED
    if item.form == "other-hash":
        message = "signature is for the other hash algorithm alone, which git does not check here"
        return SignatureFacts("unchecked", "unknown", reason="signature-other-hash", message=message)
    return facts.get(item.oid) or SignatureFacts(
        "unchecked", "unknown", reason="format-unknown", message="signature is of a format that is not supported"
    )


def unread(item: Scanned) -> Record:
    """The record of a commit that could not be read, or that is malformed: no policy is asked about it."""
    return Record(item.oid, "unchecked" if item.kind == "missing" else "malformed", *item.malformed)


class UnsignedRun:
    """Unsigned commits in a row that were decided alike, which in many a history is nearly all there are.

    Iterating gives the record of each, as ``record_of`` would; ``first`` is the first of them. Made by columns: in
    between, no Python runs for the single commit.
    """

    __slots__ = ("decision", "items", "ref")

    def __init__(self, items: Sequence[Scanned], decision: Decision, ref: str) -> None:
        self.items, self.decision, self.ref = items, decision, ref

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Record]:
        oids, _, _, _, authors, committers, times, subjects, _, _, _ = zip(*self.items, strict=True)
        told = self.decision.verdict, self.decision.reason, self.decision.message
        # Nothing is known of format, identity, issuer, san_type, time, time_source, log_index, and there are no steps;
        # neither evidence nor a claim.
        unsigned = "", "", "", "", "", "", None, self.decision.rule, self.decision.principal, ()
        same = map(repeat, (*told, *unsigned, "commit", self.ref))
        return map(_new_record, zip(oids, *same, subjects, authors, committers, times, repeat(""), repeat("")))

    @property
    def first(self) -> Record:
        """The first record."""
        return next(iter(UnsignedRun(self.items[:1], self.decision, self.ref)))


Batch = Sequence[Record] | UnsignedRun
"""Records that an audit gives at once."""


def record_of(item: Scanned, facts: SignatureFacts, decision: Decision, ref: str) -> Record:
    """The record of a commit or tag that was judged for ``ref``."""
    proven = facts.time
    return Record(
        item.oid,
        decision.verdict,
        decision.reason,
        decision.message,
        facts.form or item.form,
        facts.identity or facts.key,
        facts.issuer,
        facts.san_type,
        format_rfc3339(proven[1]) if proven else "",
        proven[0] if proven else "",
        facts.log_index,
        decision.rule,
        decision.principal,
        facts.steps,
        "tag" if item.kind == "tag" else "commit",
        ref,
        item.subject,
        item.author,
        item.committer,
        item.committed,
        decision.evidence,
        facts.claimed,
    )
