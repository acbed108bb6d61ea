"""What a case is: how it is forged, what it must give, and who is expected when it is judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.forge import Forged
from tests.support.forgedworld import EMAIL, ISSUER, World

WHO = {"identity": EMAIL, "issuer": ISSUER}
Make = Callable[[World], Forged]


@dataclass(frozen=True)
class Case:
    """``step`` and ``reason`` are those of the refusal, both empty for what must be accepted.

    ``expected`` has identity and issuer, each under its own name or with ``_regexp``. ``git`` is False where git
    itself never asks the program (it finds no signature or no object).
    """

    name: str
    title: str
    step: str
    reason: str
    make: Make
    status: int = 1
    expected: Mapping[str, str] = field(default_factory=lambda: WHO)

    @property
    def folder(self) -> str:
        return f"{self.name}_fail" if self.reason else self.name
