"""Who is allowed to sign, in one line a signer: ``IDENTITY ISSUER``, the value of git's gitsign.allowedSigner.

``*`` stands for any run of characters within its part, so ``*@example.com`` can't reach into the issuer. Everything
else is literal, and the whole of both parts must match.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitsign_py.errors import ConfigError


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """One line: patterns for identity and issuer."""

    identity: str
    issuer: str

    def matches(self, identity: str, issuer: str) -> bool:
        """Tell whether both parts match in full."""
        return _matches(self.identity, identity) and _matches(self.issuer, issuer)


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


def is_allowed(identity: str, issuer: str, signers: Sequence[AllowedSigner]) -> bool:
    """Tell whether one of the lines allows this signer."""
    return any(signer.matches(identity, issuer) for signer in signers)


def _matches(pattern: str, value: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, value, re.DOTALL) is not None
