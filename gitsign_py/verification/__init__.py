"""Verification, pure: a signature, the stored bytes and a trust root in; a VerifiedSignature out, or an error raised.

>>> from gitsign_py.verification import verify_signature
>>> verified = verify_signature(payload, armored, trusted_root=root, now=now, expected=expected)
>>> verified.identity, verified.issuer, verified.time
"""

from gitsign_py.verification.identity import Expected, ExpectedIdentity
from gitsign_py.verification.result import LoggedEntry, ProvenTime, VerifiedSignature
from gitsign_py.verification.signature import open_signature, verify_signature
from gitsign_py.verification.steps import TITLES, Report, Step

__all__ = [
    "TITLES",
    "Expected",
    "ExpectedIdentity",
    "LoggedEntry",
    "ProvenTime",
    "Report",
    "Step",
    "VerifiedSignature",
    "open_signature",
    "verify_signature",
]
