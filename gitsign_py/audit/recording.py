"""From what was read, verified and judged to the record that an audit gives of it."""

from collections.abc import Mapping

from gitsign_py.audit.record import Record
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.policy.facts import UNSIGNED, UNSIGNED_TAG, Decision, SignatureFacts

_new = tuple.__new__  # what Record(...) calls in the end


def signature_of(item: Scanned, facts: Mapping[str, SignatureFacts]) -> SignatureFacts:
    """What is known of an object's signature; ``facts`` has, by id, what verification gave."""
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


def unsigned_record(item: Scanned, decision: Decision, ref: str) -> Record:
    """As ``record_of`` for an unsigned commit, which in many a history is nearly all of them."""
    oid, kind, _, _, author, committer, committed, subject, _, _, _ = item
    told = decision.verdict, decision.reason, decision.message
    # Nothing is known of format, identity, issuer, time, time_source and log_index, and there are no steps.
    unsigned = "", "", "", "", "", None, decision.rule, decision.principal, ()
    place = "tag" if kind == "tag" else "commit", ref
    return _new(Record, (oid, *told, *unsigned, *place, subject, author, committer, committed))


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
    )
