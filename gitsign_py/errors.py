"""The errors of the project: one root that is never raised itself, one class for each kind of trouble.

An error carries a stable ``reason`` code (kebab-case, listed in docs/reasons.md, with its step if it has one), one
line of plain words, the facts (hex, never repr) and a hint that a person can act on. Only ``cli`` formats them, and
only ``cli`` turns them into exit statuses.
"""

from types import MappingProxyType

TYPE_CHECKING = False  # typing and collections cost more than all the rest that a commit with an agent loads
if TYPE_CHECKING:
    from collections.abc import Mapping

Fact = str | int | bool | None


class GitsignError(Exception):
    """Root of everything that this package raises on purpose.

    ``reason`` is the stable code, ``message`` one line without a final full stop, ``hint`` what to do about it (may
    be empty), ``facts`` what was expected and what was got.
    """

    def __init__(self, reason: str, message: str, *, hint: str = "", facts: "Mapping[str, Fact] | None" = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.facts: Mapping[str, Fact] = MappingProxyType(dict(facts or {}))

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


class ConfigError(GitsignError):
    """A setting has a value that cannot be used; the message names the key, the value and the source."""


class UsageError(GitsignError):
    """The command line asks for something that does not exist or does not fit together: exit status 2."""
