"""A PATH on which there is no git, as in a slim container: our Python and nothing else."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.gitrepo import environment

ROOT = Path(__file__).resolve().parents[2]


def run_program(folder: Path, *arguments: str, git: bool, **more: str) -> "subprocess.CompletedProcess[bytes]":
    """Run our program in ``folder``, with git on PATH or without one; never a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "gitsign_py", *arguments],
        cwd=folder,
        env=variables(git=git, **more),
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"internal error" not in done.stderr, done.stderr
    return done


def variables(*, git: bool, **more: str) -> Mapping[str, str]:
    """The environment of a process, with git on PATH or without one."""
    found = environment(PYTHONPATH=str(ROOT), LC_ALL="C.UTF-8", **more)
    return found if git else {**found, "PATH": "/nonexistent"}
