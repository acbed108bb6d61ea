"""Who is allowed to sign, in one line a signer: ``IDENTITY ISSUER``, the value of git's gitsign.allowedSigner.

``*`` stands for any run of characters within its part, so ``*@example.com`` can't reach into the issuer. Everything
else is literal, and the whole of both parts must match. A pattern with an @ allows e-mail addresses alone, one with ://
URIs alone: a workflow on a branch named ``x@example.com`` has a URI that ends like an address.
"""

import re
from collections.abc import Sequence

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import ConfigError
from gitsign_py.verification.identity import kind_of


@frozen
class AllowedSigner:
    """One line: patterns for identity and issuer."""

    identity: str
    issuer: str

    def matches(self, identity: str, issuer: str, san_type: str) -> bool:
        """Tell whether both parts match in full and ``san_type`` (email, uri, other) is what the pattern is for."""
        fits = kind_of(self.identity, san_type) == san_type
        return fits and _matches(self.identity, identity) and _matches(self.issuer, issuer)


def parse_allowed_signer(line: str, source: str = "gitsign.allowedSigner") -> AllowedSigner:
    """Parse ``IDENTITY ISSUER``. Raises ConfigError ``allowed-signer-invalid`` naming the source."""
    parts = line.split()
    if len(parts) != 2:
        raise ConfigError(
            "allowed-signer-invalid",
            f"{source} is {line!r}, expected IDENTITY ISSUER",
            hint="for example: git config --add gitsign.allowedSigner 'alice@example.com https://accounts.example.com'",
        )
    return AllowedSigner(*parts)


def is_allowed(identity: str, issuer: str, san_type: str, signers: Sequence[AllowedSigner]) -> bool:
    """Tell whether one of the lines allows this signer."""
    return any(signer.matches(identity, issuer, san_type) for signer in signers)


def _matches(pattern: str, value: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, value, re.DOTALL) is not None
