"""Verify signatures: the stored bytes, a signature and a trust root in; a record of verified facts out, or an error.

Pure: no network, no git, no clock. ``Verifier`` checks signatures over commits and tags, ``verify_bundle`` checks
Sigstore bundles over files. Both raise; ``verdict_of`` says whether an error means bad or unchecked. A tag's signature
does not cover the name of its ref: ``check_tag_name`` compares them.
"""

from gitsign_py.core.exports import exported

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from gitsign_py.core.git.gitobject import SignedObject, split_commit, split_tag
    from gitsign_py.core.git.tagname import check_tag_name
    from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
    from gitsign_py.verification.allowed import AllowedSigner, is_allowed, parse_allowed_signer
    from gitsign_py.verification.bundle import Artifact, VerifiedBundle, artifact_of, artifact_of_digest, verify_bundle
    from gitsign_py.verification.identity import Expected, ExpectedIdentity
    from gitsign_py.verification.result import LoggedEntry, ProvenTime, VerifiedSignature
    from gitsign_py.verification.signature import Opened, Sources, open_signature
    from gitsign_py.verification.steps import TITLES, Report, Requirements, Step
    from gitsign_py.verification.verdict import Verdict, verdict_of
    from gitsign_py.verification.verifier import Verifier, verify_signature
else:
    __getattr__ = exported(
        __name__,
        {
            "TITLES": "verification.steps",
            "AllowedSigner": "verification.allowed",
            "Artifact": "verification.bundle",
            "Expected": "verification.identity",
            "ExpectedIdentity": "verification.identity",
            "LoggedEntry": "verification.result",
            "Opened": "verification.signature",
            "ProvenTime": "verification.result",
            "Report": "verification.steps",
            "Requirements": "verification.steps",
            "SignedObject": "core.git.gitobject",
            "Sources": "verification.signature",
            "Step": "verification.steps",
            "TrustedRoot": "core.trust.root",
            "Verdict": "verification.verdict",
            "VerifiedBundle": "verification.bundle",
            "VerifiedSignature": "verification.result",
            "Verifier": "verification.verifier",
            "artifact_of": "verification.bundle",
            "artifact_of_digest": "verification.bundle",
            "check_tag_name": "core.git.tagname",
            "is_allowed": "verification.allowed",
            "open_signature": "verification.signature",
            "parse_allowed_signer": "verification.allowed",
            "parse_trusted_root": "core.trust.root",
            "split_commit": "core.git.gitobject",
            "split_tag": "core.git.gitobject",
            "verdict_of": "verification.verdict",
            "verify_bundle": "verification.bundle",
            "verify_signature": "verification.verifier",
        },
    )

__all__ = [
    "TITLES",
    "AllowedSigner",
    "Artifact",
    "Expected",
    "ExpectedIdentity",
    "LoggedEntry",
    "Opened",
    "ProvenTime",
    "Report",
    "Requirements",
    "SignedObject",
    "Sources",
    "Step",
    "TrustedRoot",
    "Verdict",
    "VerifiedBundle",
    "VerifiedSignature",
    "Verifier",
    "artifact_of",
    "artifact_of_digest",
    "check_tag_name",
    "is_allowed",
    "open_signature",
    "parse_allowed_signer",
    "parse_trusted_root",
    "split_commit",
    "split_tag",
    "verdict_of",
    "verify_bundle",
    "verify_signature",
]
