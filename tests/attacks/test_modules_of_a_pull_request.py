"""A pull request brings a module of the name of one that the judging job runs: ``python -m`` looks at the folder first.

The attack: the job judges in the checkout of a pull request, and makes itself an environment there with ``python3 -m
venv``. A ``venv.py`` in the pull request runs in the place of Python's own, has the token of the job, and says that all
is well.
"""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.pushserver import ROOT

RECIPES = ("action.yml", "templates/signatures.yml", "docs/hooks.md")
CALLS = re.compile(r"\bpython[0-9.]* ((?:-\w+ )*?-m \w+)")


def planted(folder: Path, options: list[str]) -> bool:
    """Run a module's help where a pull request has planted files of that name; tell whether those ran."""
    ran = folder / "ran"
    ran.unlink(missing_ok=True)
    for name in ("venv", "pip", "ensurepip"):
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')\n")
    subprocess.run([sys.executable, *options, "--help"], cwd=folder, capture_output=True, check=False, timeout=60)
    return ran.exists()


def test_what_a_job_runs_is_not_the_pull_requests(tmp_path: Path) -> None:
    found = {call for name in RECIPES for call in CALLS.findall((ROOT / name).read_text(encoding="utf-8"))}
    assert found == {"-I -m venv"}
    assert not planted(tmp_path, [*found.pop().split()])


def test_the_attack_is_one(tmp_path: Path) -> None:
    assert planted(tmp_path, ["-m", "venv"])
