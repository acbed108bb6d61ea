"""The allowed signers, in one line a signer: ``IDENTITY ISSUER``, the value of git's gitsign.allowedSigner.

``*`` stands for any run of characters within its part, so ``*@example.com`` can't reach into the issuer. Everything
else is literal, and the whole of both parts must match. IDENTITY is for one kind of name: with a ``*`` URIs where it
has a slash, Fulcio's user names where it has an ``!`` and no ``@``, else e-mail addresses. A workflow on a branch named
``x@example.com`` has a URI that ends like an address. ``*`` alone allows all that the issuer vouches for.
"""

from collections.abc import Sequence

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.namekind import NameKind, kind_said
from gitsign_py.errors import ConfigError


@frozen
class AllowedSigner:
    """One line: patterns for identity and issuer."""

    identity: str
    issuer: str

    def matches(self, identity: str, issuer: str, san_type: str) -> bool:
        """Tell whether both parts match in full and ``san_type`` (email, uri, other) is what the pattern is for."""
        fits = self._kind in (None, san_type)
        return fits and _matches(self.identity, identity) and _matches(self.issuer, issuer)

    @property
    def _kind(self) -> NameKind | None:
        if "*" not in self.identity or not self.identity.strip("*"):
            return kind_said(self.identity)
        if "/" in self.identity:
            return "uri"
        return "other" if "!" in self.identity and "@" not in self.identity else "email"


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
    """Match all of ``value``: each text between two ``*`` at the first place that fits, which leaves most for the next.

    Trying every place, as a regular expression would, takes time that multiplies with each ``*``.
    """
    first, *others = pattern.split("*")
    if not others:
        return pattern == value
    last = others.pop()
    at, end = len(first), len(value) - len(last)
    if not value.startswith(first) or not value.endswith(last) or at > end:
        return False
    for text in others:
        found = value.find(text, at, end)
        if found < 0:
            return False
        at = found + len(text)
    return True
