"""Source VSAs: the level of a revision for consumers, in the format of SLSA's verification summaries (v1).

slsa.dev/spec/v1.2: "Verification Summary Attestation" has the fields and the steps of a consumer, "Source: Verifying
source" what a consumer compares. Here the level is worked out again from the controls of the provenance that the
summary rests on: a summary that says more than they do is refused.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from gitsign_py.core.dsse import Statement, Subject
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import VerificationError
from gitsign_py.source.controls import (
    NEEDED,
    REVIEW,
    TWO_PARTY,
    lacking,
    level_in,
    level_name,
    level_of,
)
from gitsign_py.source.provenance import Provenance, policy_descriptor, statement

PREDICATE = "https://slsa.dev/verification_summary/v1"
SLSA_VERSION = "1.2"


@frozen
class Wanted:
    """The consumer's expectations. ``since``: the controls of the level must have held since then, or longer."""

    repository: str
    ref: str
    revision: str
    level: int
    since: datetime | None = None


@frozen
class Summary:
    """What a VSA says, after its bundle was verified and its fields were compared: the level, and on what it rests.

    ``inputs`` are digests (SHA-256, hex) of the bundles that it names as its input.
    """

    level: int
    results: tuple[str, ...]
    inputs: frozenset[str]


def verifier_id(identity: str, san_type: str, issuer: str) -> str:
    """The id of whoever signs with this identity, as a URI: consumers accept one for each signer, this one."""
    if san_type == "uri":
        return identity
    return f"mailto:{quote(identity, safe='@+')}" if san_type == "email" else f"{issuer}#{quote(identity, safe='')}"


def summary_statement(provenance: Provenance, digest: str, verifier: str, now: datetime) -> bytes:
    """The VSA that follows from a provenance, whose bundle has this ``digest``; as JSON."""
    properties = [TWO_PARTY] if REVIEW in provenance.controls else []
    predicate = {
        "verifier": {"id": verifier},
        "timeVerified": format_rfc3339(now),
        "resourceUri": provenance.repository,
        "policy": policy_descriptor(provenance),
        "inputAttestations": [{"digest": {"sha256": digest}}],
        "verificationResult": "PASSED",
        "verifiedLevels": [level_name(level_of(provenance.controls)), *properties],
        "slsaVersion": SLSA_VERSION,
    }
    return statement(provenance, PREDICATE, predicate)


def check_summary(found: Statement, wanted: Wanted, verifier: str) -> Summary:
    """Compare a VSA with what the consumer wants, in the order of "How to verify".

    Raises VerificationError ``source-predicate``, ``source-subject``, ``source-verifier``, ``source-repository``,
    ``source-ref``, ``source-not-passed`` or ``source-level``.
    """
    given: Mapping[str, Any] = found.predicate or {}
    _compare("source-predicate", "statement is no verification summary", PREDICATE, found.predicate_type)
    subject = _subject(found, wanted)
    _compare("source-verifier", "verifier is not who signed", verifier, _inside(given, "verifier", "id"))
    _compare("source-repository", "summary is about another repository", wanted.repository, given.get("resourceUri"))
    refs = subject.annotations.get("sourceRefs")
    if not isinstance(refs, list) or wanted.ref not in refs:
        raise _unlike("source-ref", "summary is about another ref", wanted.ref, refs)
    _compare("source-not-passed", "verification did not pass", "PASSED", given.get("verificationResult"))
    results = given.get("verifiedLevels")
    texts = tuple(one for one in results if isinstance(one, str)) if isinstance(results, list) else ()
    level = level_in(texts)
    if level < wanted.level:
        words, hint = "revision is below the level", "gitsign-py source audit REF --json lists the controls that held"
        raise _unlike("source-level", words, level_name(wanted.level), level_name(level), hint)
    return Summary(level, texts, _inputs(given))


def check_provenance(provenance: Provenance, summary: Summary, wanted: Wanted) -> None:
    """Compare the provenance that a VSA rests on with it, and with what is wanted.

    Raises VerificationError ``source-subject``, ``source-repository``, ``source-ref``, ``source-level`` or
    ``source-since``.
    """
    _compare("source-subject", "provenance is about another revision", wanted.revision, provenance.revision)
    _compare("source-repository", "provenance is about another repository", wanted.repository, provenance.repository)
    _compare("source-ref", "provenance is about another ref", wanted.ref, provenance.ref)
    if missing := lacking(provenance.controls, summary.level):
        raise VerificationError(
            "source-level",
            f"summary says {level_name(summary.level)}, and its provenance lacks {', '.join(missing)}",
            facts={"expected": level_name(summary.level), "got": level_name(level_of(provenance.controls))},
        )
    late = [name for name in NEEDED[wanted.level] if wanted.since and provenance.controls[name].time > wanted.since]
    if late:
        began = max(provenance.controls[name].time for name in late)
        raise _unlike(
            "source-since",
            f"{', '.join(late)} did not hold all the time",
            format_rfc3339(wanted.since or began),
            format_rfc3339(began),
        )


def _subject(found: Statement, wanted: Wanted) -> Subject:
    """The subject that is the revision; a statement about several says nothing about the ref of one of them."""
    if len(found.subjects) != 1 or found.subjects[0].digests.get("gitCommit") != wanted.revision:
        got = ", ".join(one.digests.get("gitCommit", "no commit") for one in found.subjects[:3])
        raise _unlike("source-subject", "statement is about another revision", wanted.revision, got)
    return found.subjects[0]


def _inputs(given: Mapping[str, Any]) -> frozenset[str]:
    named = given.get("inputAttestations")
    found = [_inside(one, "digest", "sha256") for one in named] if isinstance(named, list) else []
    return frozenset(digest for digest in found if isinstance(digest, str))


def _inside(given: Any, *names: str) -> Any:
    for name in names:
        given = given.get(name) if isinstance(given, dict) else None
    return given


def _compare(reason: str, what: str, expected: str, got: Any) -> None:
    if got != expected:
        raise _unlike(reason, what, expected, got)


def _unlike(reason: str, what: str, expected: str, got: Any, hint: str = "") -> VerificationError:
    shown = str(got)[:200]
    words = f"{what}: expected {expected}, got {shown}"
    return VerificationError(reason, words, hint=hint, facts={"expected": expected, "got": shown})
