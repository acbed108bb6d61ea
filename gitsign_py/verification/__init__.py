"""Verification, pure: a signature, the stored bytes and a trust root in; a VerifiedSignature out, or an error raised.

>>> from gitsign_py.verification import Verifier, verdict_of
>>> verifier = Verifier(trusted_root, now)
>>> try:
...     verified = verifier.verify(payload, armored, expected=expected)
... except GitsignError as error:
...     verdict_of(error)  # "bad" or "unchecked"
>>> check_tag_name(split_tag(data).name.decode(), "refs/tags/v2.0")  # a tag's signature does not say where it stands
"""

from gitsign_py.core.git.tagname import check_tag_name
from gitsign_py.verification.identity import Expected, ExpectedIdentity
from gitsign_py.verification.result import LoggedEntry, ProvenTime, VerifiedSignature
from gitsign_py.verification.signature import Sources, open_signature
from gitsign_py.verification.steps import TITLES, Report, Step
from gitsign_py.verification.verdict import Verdict, verdict_of
from gitsign_py.verification.verifier import Requirements, Verifier, verify_signature

__all__ = [
    "TITLES",
    "Expected",
    "ExpectedIdentity",
    "LoggedEntry",
    "ProvenTime",
    "Report",
    "Requirements",
    "Sources",
    "Step",
    "Verdict",
    "VerifiedSignature",
    "Verifier",
    "check_tag_name",
    "open_signature",
    "verdict_of",
    "verify_signature",
]
