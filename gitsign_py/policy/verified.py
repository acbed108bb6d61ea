"""From a verified signature to the few facts that a policy looks at.

Apart from ``facts.py``, since ``verification.result`` brings the certificate code and with it cryptography, which an
audit that finds everything in its cache never loads.
"""

from gitsign_py.errors import GitsignError
from gitsign_py.policy.facts import SignatureFacts, SignatureStatus
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.verdict import verdict_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.verification.smime import SmimeSignature, VerifiedSmime


def facts_of(verified: VerifiedSignature) -> SignatureFacts:
    """The facts of a Sigstore signature that passed every step."""
    return SignatureFacts(
        "good",
        "sigstore",
        identity=verified.identity,
        san_type=verified.san_type,
        issuer=verified.issuer,
        claims=verified.claims,
        times=tuple((one.source, one.time) for one in verified.times),
        log_index=verified.log.log_index if verified.log is not None else None,
        steps=tuple(step.number for step in verified.steps if step.outcome == "passed"),
    )


def facts_of_smime(verified: "VerifiedSmime") -> SignatureFacts:
    """The facts of an S/MIME signature that gpgsm found good: ``identity`` and ``issuer`` are distinguished names."""
    signature = verified.signature
    return SignatureFacts(
        "good",
        "x509",
        identity=signature.subject,
        issuer=signature.issuer,
        times=tuple(("timestamp", one.time) for one in verified.times),
        key=signature.fingerprint,
    )


def facts_of_refused_smime(signature: "SmimeSignature", error: GitsignError) -> SignatureFacts:
    """The facts of one that is bad, or that could not be checked."""
    status: SignatureStatus = "bad" if verdict_of(error) == "bad" else "unchecked"
    return SignatureFacts(
        status,
        "x509",
        reason=error.reason,
        message=error.message,
        claimed=f"{signature.named} ({signature.issuer})",
    )
