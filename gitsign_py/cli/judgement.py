"""One revision judged: read the object, cut out the signature, verify, and keep what passed and what failed.

The front that git calls has the payload and the signature already; ``verify`` has a revision. Both end in the same
verifier, and both need to tell PGP and SSH signatures from ours.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitsign_py.cli import wiring
from gitsign_py.cli.entryfinder import entry_finder
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.git.gitobject import SignedObject, signature_format
from gitsign_py.core.git.tagname import check_tag_name
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError, UncheckedError, VerificationError
from gitsign_py.host.git.objects import GitRepository, Revision
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.verification.identity import ExpectedIdentity
from gitsign_py.verification.result import LoggedEntry, ProvenTime, VerifiedSignature
from gitsign_py.verification.signature import FindEntries, Sources, may_be_smime
from gitsign_py.verification.steps import Report, Step
from gitsign_py.verification.verdict import verdict_of
from gitsign_py.verification.verifier import Verifier

TYPE_CHECKING = False  # S/MIME, 3 ms for those who have it
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitsign_py.core.pki.certificate import Certificate
    from gitsign_py.core.tlog.logentry import LogEntry
    from gitsign_py.verification.smime import SmimeSignature, VerifiedSmime

Accept = Callable[[GitRepository, SignedObject, "VerifiedSignature | VerifiedSmime"], None]
"""Asked about a good signature; raises GitsignError for a signer who may not sign this."""
_WORDS = {"bad": "not-verified"}  # the verdict's name in JSON (docs/schemas/verify.json)


def verifier(
    settings: wiring.Settings,
    objects: GitRepository,
    *,
    root: TrustedRoot | None = None,
    file: str | None = None,
    offline: bool = False,
    require_sct: bool = True,
    replica: Path | None = None,
) -> Verifier:
    """Make the verifier of this process: trust root ``root``, else that of ``file``, else that of the settings.

    One that comes from a TUF repository is renewed where it lacks an authority.

    Log entries come from git notes of ``objects``, then from a ``replica`` or that of the settings, then from the log.
    Raises what loading a trust root raises.
    """
    root = root if root is not None else wiring.trusted_root(settings, file=file, offline=offline)
    find = None if offline else _naming_log(settings, entry_finder(settings))
    if (folder := replica or wiring.log_replica(settings)) is not None:
        find = wiring.replica_finder(folder, root, find, required=replica is not None)
    return Verifier(
        root,
        wiring.now(),
        wiring.requirements(settings, require_sct=require_sct),
        Sources(find, wiring.noted_entries(objects)),
        wiring.renewal(settings, root, file=file, offline=offline),
    )


def _naming_log(settings: wiring.Settings, find: FindEntries) -> FindEntries:
    """Say once, before it is asked, which log the repository's own configuration names."""
    if not settings.config.source("rekor_url").of_repository:
        return find
    from gitsign_py.cli.ownconfig import said_of_log, tell  # noqa: PLC0415 - for who has such a repository

    said = [*said_of_log(settings)]

    def named(digest: bytes, certificate: "Certificate") -> "Sequence[LogEntry]":
        tell(said)
        said.clear()
        return find(digest, certificate)

    return named


@frozen
class Judgement:
    """The answer: ``verified``, or ``smime`` of a signature that gpgsm judged, or ``error``; and the steps."""

    revision: Revision
    verified: VerifiedSignature | None
    error: GitsignError | None
    steps: tuple[Step, ...]
    sources: tuple[str, ...] = ()
    subject: str = ""
    smime: "VerifiedSmime | None" = None

    def to_json(self) -> dict[str, Any]:
        """The object that docs/schemas/verify.json describes."""
        verified = self.verified
        result: dict[str, Any] = {
            "revision": self.revision.name,
            "oid": self.revision.oid,
            "kind": self.revision.kind,
            "verdict": verdict(self.error),
            "steps": [step_object(step) for step in self.steps],
        }
        if self.error is not None:
            result |= refusal_object(self.error)
        if self.smime is not None:
            result |= {"smime": smime_object(self.smime)}
        return result | sources_object(self.sources) | (signature_object(verified) if verified is not None else {})


def verdict(error: GitsignError | None) -> str:
    """``verified``, ``not-verified`` or ``unchecked``."""
    found = verdict_of(error)
    return _WORDS.get(found, found)


def refusal_object(error: GitsignError) -> dict[str, Any]:
    """The refusal and its reason, as JSON."""
    return {
        "verdict": verdict(error),
        "reason": error.reason,
        "message": error.message,
        "hint": error.hint,
        "step": getattr(error, "step", ""),
        "facts": dict(error.facts),
    }


def sources_object(sources: tuple[str, ...]) -> dict[str, Any]:
    """The sources of the verdict that the repository itself named, as JSON; nothing where there is none."""
    return {"sources": list(sources)} if sources else {}


def time_object(proven: ProvenTime) -> dict[str, Any]:
    """One proven time as JSON."""
    return {"time": format_rfc3339(proven.time), "source": proven.source, "authority": proven.authority}


def log_object(entry: LoggedEntry) -> dict[str, Any]:
    """One verified log entry as JSON."""
    return {
        "index": entry.log_index,
        "id": entry.log_id,
        "url": entry.base_url,
        "version": entry.version,
        "embedded": entry.embedded,
    }


def step_object(step: Step) -> dict[str, Any]:
    """One step as JSON."""
    value: dict[str, Any] = {"number": step.number, "title": step.title, "outcome": step.outcome}
    if step.reason:
        value["reason"] = step.reason
    if step.message:
        value["message"] = step.message
    return value | {"facts": dict(step.facts)}


def signature_object(verified: VerifiedSignature) -> dict[str, Any]:
    """The proven facts, as JSON."""
    return {
        "identity": verified.identity,
        "san_type": verified.san_type,
        "issuer": verified.issuer,
        "identity_checked": verified.identity_checked,
        "claims": dict(verified.claims),
        "certificate": verified.fingerprint,
        "time": format_rfc3339(verified.time),
        "times": [time_object(proven) for proven in verified.times],
        "log": log_object(verified.log) if verified.log is not None else None,
        "trusted_root": verified.trusted_root_digest,
    }


def smime_object(verified: "VerifiedSmime") -> dict[str, Any]:
    """What gpgsm found good, as JSON."""
    signature = verified.signature
    return {
        "subject": signature.subject,
        "issuer": signature.issuer,
        "certificate": signature.fingerprint,
        "times": [time_object(proven) for proven in verified.times],
    }


def judge(
    revision: Revision,
    repository: GitRepository,
    verifier: Verifier,
    expected: ExpectedIdentity | None,
    sources: tuple[str, ...] = (),
    *,
    accept: Accept | None = None,
) -> Judgement:
    """Read and verify one commit or tag. A failure ends up in the judgement, not in an exception.

    ``sources`` says what all this rests on and the repository's own configuration said, a line each. ``accept`` is
    asked about a good signature whose signer no ``expected`` names.
    """
    report = Report()
    subject = ""
    try:
        signed = split_stored(repository, repository.read(revision.oid))
        subject = _subject(signed)
        if smime := signature_for_gpgsm(signed.signature, verifier.trusted_root):
            found = _by_gpgsm(smime, signed, repository, verifier)
            check_named(signed, revision, repository)
            _check_not_expected(smime, expected)
            if accept is not None:
                accept(repository, signed, found)
            return Judgement(revision, None, None, (), sources, subject, found)
        verified = verify_object(signed, revision.oid, verifier, expected, report)
        if signed.other_signature is not None:
            from gitsign_py.cli.secondsignature import check_second  # noqa: PLC0415 - for repositories of two hashes

            check_second(signed, revision.oid, repository, verifier, verified)
        check_named(signed, revision, repository)
        if accept is not None:
            accept(repository, signed, verified)
            verified = replace(verified, identity_checked=True)
            _note_accepted(report, verified)
    except GitsignError as error:
        return Judgement(revision, None, error, tuple(report.steps), sources, subject)
    return Judgement(revision, verified, None, tuple(report.steps), sources, subject)


def signature_for_gpgsm(armored: bytes | None, root: TrustedRoot) -> "SmimeSignature | None":
    """What ``read_smime`` gives, which is loaded for a signature that holds no identifier of Sigstore."""
    if armored is None or not may_be_smime(armored):
        return None
    from gitsign_py.verification.smime import read_smime  # noqa: PLC0415 - see above

    return read_smime(armored, root)


def _by_gpgsm(
    smime: "SmimeSignature", signed: SignedObject, repository: GitRepository, verifier: Verifier
) -> "VerifiedSmime":
    from gitsign_py.audit.smime import check_smime  # noqa: PLC0415 - for such signatures alone

    armored, root = signed.signature or b"", verifier.trusted_root
    return check_smime(smime, armored, signed.payload, environment=repository.environment, root=root)


def _check_not_expected(smime: "SmimeSignature", expected: ExpectedIdentity | None) -> None:
    """No issuer of Sigstore's kind vouched for the names in such a certificate: nobody is expected by one."""
    if expected is not None:
        raise VerificationError(
            "identity-mismatch",
            f"signed by {smime.named} with an S/MIME certificate, expected {expected.identity.text}",
            facts={"expected": expected.identity.text, "got": smime.named},
        )


def _note_accepted(report: Report, verified: VerifiedSignature) -> None:
    """Step 6.1 was left to what says who may sign, and that has answered."""
    facts = {"identity": verified.identity, "issuer": verified.issuer}
    report.steps[:] = [
        Step("6.1", "passed", facts) if (step.number, step.outcome) == ("6.1", "skipped") else step
        for step in report.steps
    ]


def _subject(signed: SignedObject) -> str:
    """The first line of the message, with the name before it where a tag has one."""
    line = signed.message.lstrip(b"\n").split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    name = signed.name.decode("utf-8", "replace")
    return f"tag {name}: {line}" if signed.kind == "tag" else line


def check_named(signed: SignedObject, revision: Revision, repository: GitRepository) -> None:
    """Hold a tag to the ref by which it was named. Raises VerificationError ``tag-name-mismatch``."""
    if revision.kind == "tag" and (ref := repository.tag_ref(revision.name, revision.oid)):
        check_tag_name(signed.name.decode("utf-8", "surrogateescape"), ref)


def verify_object(
    signed: SignedObject, oid: str, verifier: Verifier, expected: ExpectedIdentity | None, report: Report
) -> VerifiedSignature:
    """Verify an object that was split. Raises VerificationError, and UncheckedError for a form of another program."""
    if signed.signature is None and signed.other_signature is not None:
        raise UncheckedError(
            "signature-other-hash",
            f"{signed.kind} {oid} has a signature for the other hash algorithm alone, which git does not check here",
            hint="verify it where it was signed, in a repository of that algorithm",
        )
    if signed.signature is None:
        raise VerificationError("unsigned", f"{signed.kind} {oid} has no signature")
    if signature_format(signed.signature) != "x509":
        raise UncheckedError(
            "signature-format-unsupported",
            f"{signed.kind} {oid} is signed in another format ({signature_format(signed.signature)})",
            hint="git verify-commit and git verify-tag check OpenPGP and SSH signatures, gitsign-py audit judges all",
        )
    return verifier.verify(signed.payload, signed.signature, object_id=oid, expected=expected, report=report)
