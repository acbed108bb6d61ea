"""The answer to git about an S/MIME signature: gpgsm's verdict, and the trust that the person's own words give.

With a policy its verdict counts; where a list of allowed signers is, nobody without a Sigstore certificate is on it;
else the person's own trustlist, by which gpgsm found the CA trusted.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from gitsign_py.audit.smime import check_smime
from gitsign_py.cli import wiring
from gitsign_py.cli.ownconfig import said_for_git
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.core.git import gpgstatus
from gitsign_py.core.printing import printable
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, GitsignError, UncheckedError, VerificationError
from gitsign_py.policy.verified import facts_of_smime
from gitsign_py.verification.smime import SmimeSignature, VerifiedSmime
from gitsign_py.verification.verdict import verdict_of

_NO_TIME = datetime.fromtimestamp(0, UTC)


def check_smime_for_git(
    settings: wiring.Settings, smime: SmimeSignature, payload: bytes, signature: bytes, root: TrustedRoot
) -> Mapping[str, bytes]:
    """Check, and give ``status_lines``, ``text`` and ``exit_status``. Raises nothing that is about the signature."""
    try:
        verified = check_smime(smime, signature, payload, environment=settings.environment, root=root)
        trust, why = _trust(settings, verified, payload, signature)
    except GitsignError as error:
        return _refused(error, smime)
    text = f"gitsign-py: Good S/MIME signature by {printable(smime.named)}, issued by {printable(smime.issuer)}, says "
    text += "gpgsm: it is in no log, " + (_time(verified) or "and no time is proven")
    for line in (why, *said_for_git(settings, root.digest)):
        text += f"\ngitsign-py: {line}" if line else ""
    return {
        "status_lines": gpgstatus.good(smime.fingerprint, smime.named, verified.claimed or _NO_TIME, trust),
        "text": text.encode("utf-8", "replace"),
        "exit_status": b"1" if trust == "NEVER" else b"0",
    }


def _time(verified: VerifiedSmime) -> str:
    return f"a timestamp proves {verified.times[0].time:%Y-%m-%d %H:%M:%S} UTC" if verified.times else ""


def _trust(
    settings: wiring.Settings, verified: VerifiedSmime, payload: bytes, signature: bytes
) -> tuple[gpgstatus.Trust, str]:
    if settings.config.signers.has_policy:
        from gitsign_py.cli.gpg.policy import decide  # noqa: PLC0415 - the audit's engine, for who has a policy

        try:
            digest = verified.trusted_root_digest
            return decide(settings, facts_of_smime(verified), payload, signature, trust_digest=digest)
        except (FormatError, VerificationError) as error:  # of the policy: the signature is good
            raise UncheckedError.beside(error) from error
    if settings.config.signers.allowed_signers:
        named = printable(verified.signature.named)
        return "NEVER", f"{named} is not an allowed signer: S/MIME signers are listed by a policy [signer-not-allowed]"
    return "FULLY", ""


def _refused(error: GitsignError, smime: SmimeSignature) -> Mapping[str, bytes]:
    is_bad = verdict_of(error) == "bad"
    lines = gpgstatus.bad(smime.fingerprint, smime.named) if is_bad else gpgstatus.unchecked(smime.fingerprint, None)
    words = "BAD signature" if is_bad else "Can't check signature"
    return {
        "status_lines": lines,
        "text": f"gitsign-py: {words}: {line_of(error)}".encode("utf-8", "replace"),
        "exit_status": str(exit_status(error) or 1).encode("ascii"),
    }
