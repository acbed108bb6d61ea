"""The numbered steps of verification, once: docs/verification.md, reason codes and test names use these numbers."""

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Literal, NamedTuple

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import Fact, FormatError, UncheckedError, VerificationError
from gitsign_py.verification.verdict import refusal_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy

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
    "4.4": "checkpoint is cosigned as the witness policy says",
    "5.1": "timestamp is an authority's of the trust root",
    "5.2": "time of signing is proven",
    "5.3": "certificate and CA were valid at every proven time",
    "6.1": "identity and issuer are the expected ones",
    "6.2": "claims are the expected ones",
}
"""The check of each step, by its number."""

_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


@frozen
class Requirements:
    """The extra demands on a signature: the promise of a CT log (step 2.3), witnesses (4.4), a timestamp (5.2)."""

    sct: bool = True
    timestamp: bool = False
    witnesses: "WitnessPolicy | None" = None


class Step(NamedTuple):
    """The outcome of one step: its number, outcome, the facts used and, when it failed, the reason.

    A named tuple, since an audit makes fourteen for each signature: half the price of a frozen record.
    """

    number: str
    outcome: Outcome
    facts: Mapping[str, Fact] = _NO_FACTS
    reason: str = ""
    message: str = ""

    @property
    def title(self) -> str:
        """The check of the step, in words."""
        return TITLES[self.number]


class Report:
    """Collects the steps as they are made, so that a refusal can name what did pass."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def step(self, number: str) -> "_Running":
        """Run one step: the block fills in facts, or raises. FormatErrors become refusals with the same reason.

        Raises VerificationError for the verdict bad, UncheckedError for unchecked, with ``step`` set to the number.
        """
        return _Running(self.steps, number)

    def skip(self, number: str, why: str) -> None:
        """Note a step that was left out, and why."""
        self.steps.append(Step(number, "skipped", message=why))


class _Running:
    """A step that is being made. A class, since a verification makes fourteen: half the price of a generator."""

    __slots__ = ("_facts", "_made", "_number")

    def __init__(self, made: list[Step], number: str) -> None:
        self._made, self._number = made, number
        self._facts: dict[str, Fact] = {}

    def __enter__(self) -> dict[str, Fact]:
        return self._facts

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._made.append(Step(self._number, "passed", self._facts))
        elif isinstance(error, VerificationError | FormatError):
            refusal = refusal_of(error, self._number)
            self._note(refusal)
            if refusal is not error:
                raise refusal from error

    def _note(self, error: VerificationError) -> None:
        outcome: Outcome = "unchecked" if isinstance(error, UncheckedError) else "failed"
        facts = {**self._facts, **error.facts}
        self._made.append(Step(self._number, outcome, facts, error.reason, error.message))
