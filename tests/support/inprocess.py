"""The program in this very process, as on a terminal of 80 columns or into a pipe: no start to pay for each command."""

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from gitsign_py.cli import main


class Sink(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def buffer(self) -> io.BytesIO:
        return io.BytesIO()


@dataclass(frozen=True)
class Said:
    """What a command gave."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run_here(
    folder: Path, environment: Mapping[str, str], *arguments: str, terminal: bool = False, colour: bool = True
) -> Said:
    """Run ``gitsign-py ARGUMENTS`` in ``folder``."""
    variables = {**environment, "COLUMNS": "80", "TERM": "xterm-256color"}
    variables |= {} if colour else {"NO_COLOR": "1"}
    with _streams(terminal=terminal) as (out, err), patch.dict(os.environ, variables, clear=True), _in(folder):
        try:
            status = main(list(arguments))
        except SystemExit as ended:  # argparse
            status = int(ended.code or 0)
    return Said(status, out.getvalue(), err.getvalue())


@contextmanager
def _streams(*, terminal: bool) -> Iterator[tuple[Sink, Sink]]:
    out, err = Sink(terminal=terminal), Sink(terminal=False)
    with patch.object(sys, "stdout", out), patch.object(sys, "stderr", err):
        yield out, err


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
