"""The options that say who is expected, named as cosign and gitsign name them."""

import argparse

from gitsign_py.errors import UsageError
from gitsign_py.verification.identity import WORKFLOW_CLAIMS, Expected, ExpectedIdentity


def add_identity_options(parser: argparse.ArgumentParser) -> None:
    """Add the certificate flags to a command's parser."""
    group = parser.add_argument_group("who is expected")
    group.add_argument("--certificate-identity", metavar="IDENTITY", help="e-mail address or URI in the certificate")
    group.add_argument("--certificate-identity-regexp", metavar="REGEXP", help="pattern that matches all of it")
    group.add_argument("--certificate-oidc-issuer", metavar="URL", help="the issuer that vouched for the identity")
    group.add_argument("--certificate-oidc-issuer-regexp", metavar="REGEXP", help="pattern that matches all of it")
    for claim in WORKFLOW_CLAIMS:
        group.add_argument(f"--certificate-github-workflow-{claim}", metavar=claim.upper(), help=f"workflow's {claim}")


def expected_identity(options: argparse.Namespace) -> ExpectedIdentity | None:
    """The identity that the options ask for; None when they say nothing about identity and issuer.

    Raises UsageError ``identity-incomplete`` or ``identity-twice``.
    """
    identity = _one(options, "certificate-identity")
    issuer = _one(options, "certificate-oidc-issuer")
    claims = {
        claim: value
        for claim in WORKFLOW_CLAIMS
        if (value := getattr(options, f"certificate_github_workflow_{claim}")) is not None
    }
    if identity is None and issuer is None and not claims:
        return None
    if identity is None or issuer is None:
        missing = "--certificate-identity" if identity is None else "--certificate-oidc-issuer"
        raise UsageError(
            "identity-incomplete",
            f"{missing} (or its -regexp form) is missing: an identity means nothing without who vouches for it",
        )
    return ExpectedIdentity(identity, issuer, claims)


def _one(options: argparse.Namespace, name: str) -> Expected | None:
    exact = getattr(options, name.replace("-", "_"))
    pattern = getattr(options, f"{name}-regexp".replace("-", "_"))
    if exact is not None and pattern is not None:
        raise UsageError("identity-twice", f"--{name} and --{name}-regexp do not go together")
    if exact is not None:
        return Expected(exact)
    return None if pattern is None else Expected(pattern, is_pattern=True)
