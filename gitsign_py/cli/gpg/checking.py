"""Check a signature for git: the verdict as status lines, a text for the person, gpg's exit status.

Trust is what the person said about signers: TRUST_FULLY for one that is allowed (by gitsign.policy, the policy in the
history or gitsign.allowedSigner), TRUST_NEVER and exit status 1 for anybody else, TRUST_UNDEFINED where nothing was
said.
"""

from collections.abc import Mapping

from gitsign_py.agent.client import should_start
from gitsign_py.cli import wiring
from gitsign_py.cli.judgement import signature_for_gpgsm, verifier
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.core.git import gpgstatus
from gitsign_py.core.git.gitobject import split_object
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, GitsignError, UncheckedError, VerificationError
from gitsign_py.signing.objectname import object_name
from gitsign_py.sizes import MAX_COMMIT_BYTES
from gitsign_py.verification.allowed import is_allowed, parse_allowed_signer
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.signature import open_signature
from gitsign_py.verification.steps import Report
from gitsign_py.verification.verdict import verdict_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.verification.smime import SmimeSignature

Fields = Mapping[str, bytes]
_NOT_KNOWN = (
    "WARNING: this signer is not known to be allowed: neither gitsign.allowedSigner nor gitsign.policy says who may "
    "sign here; git config --add gitsign.allowedSigner 'IDENTITY ISSUER'"
)
"""gpg warns in this manner about a key of which nobody said whose it is."""


def check_for_git(payload: bytes, signature: bytes) -> Fields:
    """Check with the settings of this process. Never raises GitsignError: every failure is a verdict for git.

    ``stay`` says for how many seconds this process may go on as a helper (``agentside/verifyhelper.py``).
    """
    try:
        settings = wiring.load_settings()
    except GitsignError as error:
        return refusal(error, signature, Report())
    return {**check(settings, payload, signature), "stay": b"%d" % seconds_to_stay(settings)}


def seconds_to_stay(settings: wiring.Settings) -> int:
    """How long this process may wait for the next signature; 0 where gitsign.agent keeps helpers out, and in CI."""
    program = settings.config.program
    return program.verify_helper if should_start(program.agent, settings.environment) else 0


def check(settings: wiring.Settings, payload: bytes, signature: bytes, *, root: TrustedRoot | None = None) -> Fields:
    """Check armored ``signature`` over ``payload``. Gives ``status_lines``, ``text`` and ``exit_status``.

    ``root`` is a trust root that was read already: the agent keeps it, and starts no processes of its own (it may raise
    DeclinedError, for the client to do the work).
    """
    report = Report()
    try:
        with wiring.repository(settings) as repository:
            chosen = verifier(settings, repository, root=root)
            _check_form(payload)
            if smime := signature_for_gpgsm(signature, chosen.trusted_root):
                return _by_gpgsm(settings, smime, payload, signature, chosen.trusted_root, in_agent=root is not None)
            verified = chosen.verify(payload, signature, object_id=_object_id(payload, signature), report=report)
    except GitsignError as error:
        return refusal(error, signature, report)
    try:
        trust, why = _trust(settings, verified, payload, signature, in_agent=root is not None)
    except (FormatError, VerificationError) as error:  # of the policy, or of what it reads: the signature is good
        return refusal(UncheckedError.beside(error), signature, report)
    except GitsignError as error:
        return refusal(error, signature, report)
    lines = gpgstatus.good(verified.fingerprint, verified.named, verified.time, trust)
    text = (
        f"gitsign-py: Good signature by {verified.named}, vouched for by {verified.issuer}, "
        f"{verified.time:%Y-%m-%d %H:%M:%S} UTC, {verified.logged_at}"
    )
    for line in (why, *_said_by_repository(settings, verified)):
        text += f"\ngitsign-py: {line}" if line else ""
    return {
        "status_lines": lines,
        "text": text.encode("utf-8", "replace"),
        "exit_status": b"1" if trust == "NEVER" else b"0",
    }


def _by_gpgsm(
    settings: wiring.Settings,
    smime: "SmimeSignature",
    payload: bytes,
    signature: bytes,
    root: TrustedRoot,
    *,
    in_agent: bool,
) -> Fields:
    """The verdict on an S/MIME signature. The agent has the environment of another time, and starts no programs."""
    if in_agent:
        from gitsign_py.agent.conversation import DeclinedError  # noqa: PLC0415 - sockets and threads, which it has

        raise DeclinedError
    from gitsign_py.cli.gpg.smime import check_smime_for_git  # noqa: PLC0415 - for those alone

    return check_smime_for_git(settings, smime, payload, signature, root)


def _check_form(payload: bytes) -> None:
    """Refuse a commit or tag that readers could take for different ones, as ``verify`` does (step 0).

    git asks for signatures over other things too (push certificates), which are no objects. Raises FormatError, and
    UncheckedError ``object-too-large`` for what no command reads.
    """
    for kind, first in (("commit", b"tree "), ("tag", b"object ")):
        if payload.startswith(first):
            if len(payload) > MAX_COMMIT_BYTES:
                raise UncheckedError("object-too-large", f"the {kind} has more than {MAX_COMMIT_BYTES} bytes")
            split_object(kind, payload)


def _object_id(payload: bytes, signature: bytes) -> str | None:
    """The object's id, for online-mode signatures; git gives the bytes without saying which object they are of."""
    try:
        return object_name(payload, signature)
    except GitsignError:
        return None


def _trust(
    settings: wiring.Settings, verified: VerifiedSignature, payload: bytes, signature: bytes, *, in_agent: bool
) -> tuple[gpgstatus.Trust, str]:
    """How far the signer is trusted, and a line that says why when it is not at all."""
    if settings.config.signers.has_policy:
        from gitsign_py.cli.gpg.policy import decide  # noqa: PLC0415 - only who has a policy pays for it
        from gitsign_py.policy.verified import facts_of  # noqa: PLC0415 - as above

        digest = verified.trusted_root_digest
        return decide(settings, facts_of(verified), payload, signature, trust_digest=digest, in_agent=in_agent)
    lines = settings.config.signers.allowed_signers
    if not lines:
        return "UNDEFINED", _NOT_KNOWN
    signers = [parse_allowed_signer(line) for line in lines]
    if is_allowed(verified.identity, verified.issuer, verified.san_type, signers):
        return "FULLY", ""
    return "NEVER", (
        f"{verified.named} of {verified.issuer} is not an allowed signer "
        "(git config --get-all gitsign.allowedSigner) [signer-not-allowed]"
    )


def _said_by_repository(settings: wiring.Settings, verified: VerifiedSignature) -> tuple[str, ...]:
    """The sources of the verdict that the repository's own configuration named; most have nothing of it."""
    if not any(source.of_repository for source in settings.config.sources.values()):
        return ()
    from gitsign_py.cli.ownconfig import said_for_git  # noqa: PLC0415 - see above

    return said_for_git(settings, verified.trusted_root_digest)


def refusal(error: GitsignError, signature: bytes, report: Report) -> Fields:
    """The verdict for a failure: ERRSIG when the signature could not be checked, BADSIG when it is wrong."""
    fingerprint, identity = _claimed(signature, report)
    status = exit_status(error)
    if verdict_of(error) == "bad":
        lines = gpgstatus.bad(fingerprint, identity)
        text = f"gitsign-py: BAD signature: {line_of(error)}"
    else:
        lines = gpgstatus.unchecked(fingerprint, None)
        text = f"gitsign-py: Can't check signature: {line_of(error)}"
    return {
        "status_lines": lines,
        "text": text.encode("utf-8", "replace"),
        "exit_status": str(status or 1).encode("ascii"),
    }


def _claimed(signature: bytes, report: Report) -> tuple[str, str]:
    """Fingerprint of the certificate in the signature; the identity only when the certificate passed its steps."""
    try:
        certificate = open_signature(signature).certificate
    except VerificationError:
        return "", ""
    identity = next(
        (str(step.facts["identity"]) for step in report.steps if step.number == "2.4" and step.outcome == "passed"), ""
    )
    return certificate.fingerprint, identity
