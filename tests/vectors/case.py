"""What a case is: how it is forged, what it must give, and who is expected when it is judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.forge import Forged
from tests.support.forgedworld import EMAIL, ISSUER, World
from tests.support.verdicts import UNCHECKED

WHO = {"identity": EMAIL, "issuer": ISSUER}
Make = Callable[[World], Forged]


@dataclass(frozen=True)
class Case:
    """``step`` and ``reason`` are those of the refusal, both empty for what must be accepted.

    ``cause`` is why no entry that a log gave proves the signature.

    ``expected`` has identity and issuer, each under its own name or with ``_regexp``. ``git`` is False where git
    itself never asks the program (it finds no signature or no object).
    """

    name: str
    title: str
    step: str
    reason: str
    make: Make
    expected: Mapping[str, str] = field(default_factory=lambda: WHO)
    cause: str = ""

    @property
    def status(self) -> int:
        """The exit status: 0 verified, 1 bad, 3 unchecked."""
        return 0 if not self.reason else 3 if self.reason in UNCHECKED else 1

    @property
    def folder(self) -> str:
        return f"{self.name}_fail" if self.reason else self.name
