"""A local Sigstore that misbehaves when a test asks it to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import RunningStack, running_stack


@dataclass(frozen=True, slots=True)
class FaultyStack(RunningStack):
    """A stack with the fault control."""

    def break_it(self, *faults: str) -> None:
        """Let exactly these faults be active; none repairs everything."""
        answer = self.post("/faults", {"faults": list(faults)})
        assert answer.status == 200, answer.body


@contextmanager
def faulty_stack(directory: Path, *arguments: str) -> Iterator[FaultyStack]:
    """Start a stack with the fault control; stop it at the end."""
    with running_stack(directory, "--fault-control", *arguments) as running:
        yield FaultyStack(running.info, running.process)
