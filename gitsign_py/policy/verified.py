"""From a verified signature to the few facts that a policy looks at.

Apart from ``facts.py``, since ``verification.result`` brings the certificate code and with it cryptography, which an
audit that finds everything in its cache never loads.
"""

from gitsign_py.policy.facts import SignatureFacts
from gitsign_py.verification.result import VerifiedSignature


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
        log_index=verified.log.log_index,
        steps=tuple(step.number for step in verified.steps if step.outcome == "passed"),
    )
