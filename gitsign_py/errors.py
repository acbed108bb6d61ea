"""The errors of the project: one root that is never raised itself, one class for each kind of trouble.

An error carries a stable ``reason`` code (kebab-case, listed in docs/reasons.md, with its step if it has one), one
line of plain words, the facts (hex, never repr) and a hint that a person can act on. Only ``cli`` formats them, and
only ``cli`` turns them into exit statuses.
"""

from types import MappingProxyType

__all__ = [
    "UNREACHABLE",
    "ConfigError",
    "FormatError",
    "GitsignError",
    "InvalidSignatureError",
    "PolicyError",
    "ServiceError",
    "UncheckedError",
    "UsageError",
    "VerificationError",
]

TYPE_CHECKING = False  # typing and collections cost more than all the rest that a commit with an agent loads
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

Fact = str | int | bool | None

_SHORTEST = 16
_PUBLIC = ("SHA256:", "AAAA")
# Fingerprints and public keys of SSH are read in full. Many look like tokens as a whole, and one in 400 has a part, by
# chance, that begins as one does.
_KNOWN = (
    r"\bSHA256:[A-Za-z0-9+/]{43}(?![A-Za-z0-9+/=_-]|\.\w)"
    r"|(?<![A-Za-z0-9+/])AAAA[A-Za-z0-9+/]{16,}+={0,2}+(?![A-Za-z0-9+/=_-]|\.\w)"
)
# Base64 of JSON, wherever it begins: JWS, JWE (RFC 7515).
_JSON = rf"{_KNOWN}|e(?:y[A-DI-L]|w[k-r0-3])[A-Za-z0-9_+/=-]{{8,}}(?:\.[A-Za-z0-9_+/=-]*)*"
_SURE = (  # what nothing but a token or a key looks like
    r"-----BEGIN[ A-Z0-9]*PRIVATE KEY.*?(?:-----END[ A-Z0-9]*PRIVATE KEY-----|\Z)",
    r"\b(?:gh[a-z]_|github_pat_|gl[a-z]{2,6}-|xox[a-z]-|npm_|pypi-|hv[a-z]\.|dop_v1_|sk-|ya29\.|AIza|A[KS]IA)"
    r"[A-Za-z0-9_.-]{12,}",
    r"(?i:(?<=earer[ \t:=]))[A-Za-z0-9._~+/=-]{8,}",
    r"(?i:\b[a-z_]*(?:token|secret|password|passwd|api_?key)=)[A-Za-z0-9._~+/%-]{8,}",  # in queries and forms
    r"(?<=://)[^/\s:@]*:[^/\s]*(?=@)",  # a password may hold an @
    r"(?<=://)[^/\s:@]{20,}(?=@)",
)
_MAYBE = rf"{_KNOWN}|(?<![A-Za-z0-9+])[A-Za-z0-9_+-]{{20,}}={{0,2}}"
_VEIL = "(not shown)"


def veiled(text: str, *, guess: bool = True) -> str:
    """Take out of a text whatever looks like a token or a key; all that prints settings, paths or servers' words asks.

    ``guess`` also takes long words that read as chance made them: opaque tokens. Digests in hex, fingerprints after
    ``SHA256:`` and public keys stay.
    """
    if len(text) < _SHORTEST:
        return text
    import re  # noqa: PLC0415 - 8 ms, and most starts of the program have nothing to hide

    text = re.sub(_JSON, lambda found: found[0] if found[0].startswith(_PUBLIC) else _VEIL, text)
    for pattern in _SURE:
        text = re.sub(pattern, _VEIL, text, flags=re.DOTALL)
    return re.sub(_MAYBE, _guessed, text) if guess else text


def _guessed(found: "re.Match[str]") -> str:
    from itertools import pairwise  # noqa: PLC0415 - as re above

    word = found[0]
    if word.startswith(_PUBLIC):
        return word
    kinds = ["0" if char.isdigit() else "a" if char.islower() else "A" if char.isupper() else "-" for char in word]
    if not {"0", "a", "A"} <= set(kinds):
        return word
    # A capital that begins a word is no change; of random letters and digits nearly every second is one.
    changes = sum(one != next_ and one + next_ != "Aa" for one, next_ in pairwise(kinds))
    return _VEIL if changes * 10 >= 3 * len(word) else word


def plain_words(error: Exception) -> str:
    """The words of the operating system, as they stand within a sentence."""
    words = getattr(error, "strerror", None) or str(error)
    return words[:1].lower() + words[1:]


class GitsignError(Exception):
    """Root of everything that this package raises on purpose.

    ``reason`` is the stable code, ``message`` one line without a final full stop, ``hint`` what to do about it (may
    be empty), ``facts`` what was expected and what was got. None of them ever holds a token or a key.
    """

    def __init__(self, reason: str, message: str, *, hint: str = "", facts: "Mapping[str, Fact] | None" = None) -> None:
        self.message = veiled(message)
        super().__init__(self.message)
        self.reason = reason
        self.hint = veiled(hint)
        shown = {name: veiled(fact) if isinstance(fact, str) else fact for name, fact in (facts or {}).items()}
        self.facts: Mapping[str, Fact] = MappingProxyType(shown)

    def __str__(self) -> str:
        return self.message


class FormatError(GitsignError):
    """Bytes do not have the form that their specification asks for."""


class VerificationError(GitsignError):
    """A check was made and failed. ``step`` is its number in docs/verification.md.

    The reason tells whether the signature is bad (exit status 1) or unchecked (3): ``verification/verdict.py``.
    """

    def __init__(
        self, reason: str, message: str, *, step: str = "", hint: str = "", facts: "Mapping[str, Fact] | None" = None
    ) -> None:
        super().__init__(reason, message, hint=hint, facts=facts)
        self.step = step


class InvalidSignatureError(VerificationError):
    """A public key says that a signature is not its own over these bytes. Callers re-raise it with their step."""


class UncheckedError(VerificationError):
    """A check could not be made (no trust root, log unreachable): exit status 3. Never to be read as success."""

    @classmethod
    def beside(cls, error: GitsignError) -> "UncheckedError":
        """Make the error for what is wrong beside the signature, in a trust root, say: it shows nothing about it."""
        return cls(error.reason, error.message, hint=error.hint, facts=error.facts)


class PolicyError(GitsignError):
    """The signature is good and the policy says no, or the policy itself is not valid."""


class ServiceError(GitsignError):
    """A server did not answer, or answered something that cannot be used."""


UNREACHABLE = frozenset({"service-unreachable", "service-untrusted", "service-timeout"})
"""Reasons of a ServiceError that the next question to the same server would meet as well."""


class ConfigError(GitsignError):
    """A setting has a value that cannot be used; the message names the key, the value and the source."""


class UsageError(GitsignError):
    """The command line asks for something that does not exist or does not fit together: exit status 2."""
