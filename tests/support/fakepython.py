"""A shell script where the program would start Python: an agent or a stack that does not come up."""

import sys
from pathlib import Path

import pytest


def stand_in_for_python(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Whatever the program starts with its own Python from now on is ``script`` instead."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
