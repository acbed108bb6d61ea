"""The expected signer: exact values or patterns for identity, issuer and workflow claims, as cosign's flags name them.

Exact values are compared byte by byte (case counts, look-alike letters differ). Patterns must match the whole value:
one that matches in the middle is the classic hole, ``alice@example.com.evil.org``. Their syntax is RE2's. Both are for
one kind of name, where they say which (``core.namekind``); one that does not say takes a name of each kind that is
spelled as that kind is.
"""

from collections.abc import Mapping

from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pki.fulcio import CertificateIdentity
from gitsign_py.core.pki.namekind import WORDS, kind_said
from gitsign_py.core.regexp import RegexpError, check_regexp, matches_part, matches_whole
from gitsign_py.errors import UsageError, VerificationError

WORKFLOW_CLAIMS = {
    "trigger": ("github_workflow_trigger", "build_trigger"),
    "sha": ("github_workflow_sha", "source_repository_digest"),
    "name": ("github_workflow_name",),
    "repository": ("github_workflow_repository",),
    "ref": ("github_workflow_ref", "source_repository_ref"),
}


@frozen
class Expected:
    """An expected value: ``text`` itself, or a regular expression that must match the whole value."""

    text: str
    is_pattern: bool = False

    def __post_init__(self) -> None:
        if not self.text:
            raise UsageError("identity-empty", "an expected identity, issuer or claim is empty")
        if self.is_pattern:
            _check(self.text)

    def matches(self, value: str) -> bool:
        """Tell whether ``value``, in full, is what is expected."""
        return matches_whole(self.text, value) if self.is_pattern else self.text == value

    def unlike(self, value: str) -> str:
        """Say what was expected in place of ``value``, which does not match."""
        if self.is_pattern and matches_part(self.text, value):
            return f"{self.text}, which matches only a part of it: patterns match the whole value"
        return self.text


def _check(pattern: str) -> None:
    try:
        check_regexp(pattern)
    except RegexpError as error:
        raise UsageError("identity-pattern-invalid", f"pattern {pattern[:200]} is {error}") from error


@frozen
class ExpectedIdentity:
    """The signer that is asked for; ``claims`` maps keys of WORKFLOW_CLAIMS to exact values."""

    identity: Expected
    issuer: Expected
    claims: Mapping[str, str] = field(default_factory=dict)


def check_identity(found: CertificateIdentity, expected: ExpectedIdentity) -> None:
    """Check identity and issuer (step 6.1).

    Raises VerificationError ``identity-mismatch``, ``identity-type-mismatch`` or ``issuer-mismatch``.
    """
    if not expected.identity.matches(found.value):
        raise VerificationError(
            "identity-mismatch",
            f"signed by {found.value}, expected {expected.identity.unlike(found.value)}",
            facts={"expected": expected.identity.text, "got": found.value},
        )
    wanted = kind_said(expected.identity.text, is_pattern=expected.identity.is_pattern) or kind_said(found.value)
    if found.san_type != (wanted or found.san_type):
        raise VerificationError(
            "identity-type-mismatch",
            f"certificate names {found.value} as a {WORDS[found.san_type]}, expected was a name of another kind",
            facts={"expected": wanted or "", "got": found.san_type},
        )
    if not expected.issuer.matches(found.issuer):
        raise VerificationError(
            "issuer-mismatch",
            f"identity was vouched for by {found.issuer}, expected {expected.issuer.unlike(found.issuer)}",
            facts={"expected": expected.issuer.text, "got": found.issuer},
        )


def check_claims(found: CertificateIdentity, expected: Mapping[str, str]) -> None:
    """Check workflow claims (step 6.2). Every extension that carries the claim must agree.

    Raises VerificationError ``claim-missing`` or ``claim-mismatch``.
    """
    for key, wanted in expected.items():
        values = {found.claims[name] for name in WORKFLOW_CLAIMS[key] if name in found.claims}
        if not values:
            raise VerificationError("claim-missing", f"certificate says nothing about the workflow's {key}")
        if values != {wanted}:
            raise VerificationError(
                "claim-mismatch",
                f"workflow's {key} is {', '.join(sorted(values))}, expected {wanted}",
                facts={"claim": key, "expected": wanted, "got": ", ".join(sorted(values))},
            )
