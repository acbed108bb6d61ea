"""The numbered steps of verification, once: docs/verification.md, reason codes and test names use these numbers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from gitsign_py.core.frozen import field, frozen
from gitsign_py.errors import Fact, FormatError, UncheckedError, VerificationError

Outcome = Literal["passed", "failed", "unchecked", "skipped"]

TITLES: Mapping[str, str] = {
    "1.1": "signature is a well-formed CMS SignedData",
    "1.2": "signature has one signer, whose certificate it holds",
    "2.1": "certificate leads to a CA of the trust root",
    "2.2": "certificate has the profile of a code signer",
    "2.3": "certificate was logged in a known CT log (SCT)",
    "2.4": "certificate names one identity and one issuer",
    "3.1": "algorithms and signed attributes are in order",
    "3.2": "signature verifies with the certificate's key",
    "3.3": "signed content is the stored bytes",
    "4.1": "log entry is there",
    "4.2": "log entry is of this very signature",
    "4.3": "log entry is promised and included by a known log",
    "5.1": "timestamp is an authority's of the trust root",
    "5.2": "time of signing is proven",
    "5.3": "certificate and CA were valid at every proven time",
    "6.1": "identity and issuer are the expected ones",
    "6.2": "claims are the expected ones",
}


@frozen
class Step:
    """What became of one step: its number, outcome, the facts used and, when it failed, the reason."""

    number: str
    outcome: Outcome
    facts: Mapping[str, Fact] = field(default_factory=dict)
    reason: str = ""
    message: str = ""

    @property
    def title(self) -> str:
        """What the step checks, in words."""
        return TITLES[self.number]


class Report:
    """Collects the steps as they are made, so that a refusal can name what did pass."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @contextmanager
    def step(self, number: str) -> Iterator[dict[str, Fact]]:
        """Run one step: the block fills in facts, or raises. FormatErrors become refusals with the same reason.

        Raises VerificationError (or UncheckedError) with ``step`` set to the number.
        """
        facts: dict[str, Fact] = {}
        try:
            yield facts
        except VerificationError as error:
            error.step = error.step or number
            outcome: Outcome = "unchecked" if isinstance(error, UncheckedError) else "failed"
            self.steps.append(Step(number, outcome, {**facts, **error.facts}, error.reason, error.message))
            raise
        except FormatError as error:
            self.steps.append(Step(number, "failed", {**facts, **error.facts}, error.reason, error.message))
            raise VerificationError(error.reason, error.message, step=number, hint=error.hint) from error
        self.steps.append(Step(number, "passed", facts))

    def skip(self, number: str, why: str) -> None:
        """Note a step that was left out, and why."""
        self.steps.append(Step(number, "skipped", message=why))
