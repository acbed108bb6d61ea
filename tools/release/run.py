"""Other programs: git, and gitsign-py itself."""

import subprocess
from pathlib import Path

from tools.release.errors import ReleaseError


def git(root: Path, *arguments: str) -> str:
    """Run git in ``root`` and give what it says. Raises ReleaseError."""
    return run(root, "git", *arguments)


def run(root: Path, *command: str) -> str:
    """Run a program in ``root`` and give its stdout without the last newline. Raises ReleaseError."""
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=1800)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleaseError(f"{command[0]} did not run: {error}") from error
    if done.returncode:
        raise ReleaseError(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout.rstrip("\n")
