"""Kept runs: JSON files in a folder, the last of which the next run is compared with."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.rows import Row
from gitsign_py import __version__

FOLDER = Path(__file__).resolve().parents[1] / ".bench"
_SUFFIX = ".json"


def surroundings() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    programs = (["git", "--version"], ["openssl", "version"])
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for command in programs]
    return {
        "gitsign-py": __version__,
        "python": platform.python_version(),
        "programs": said,
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "platform": sys.platform,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def document(
    rows: Sequence[Row], curves: Sequence[Mapping[str, Any]], around: Mapping[str, Any], *, quick: bool
) -> dict[str, Any]:
    """A run as it is kept. Quick runs have other sizes, so they are compared with their like."""
    return {"quick": quick, **around, "rows": [row.to_json() for row in rows], "curves": list(curves)}


def last(folder: Path, *, quick: bool) -> dict[str, Any]:
    """The newest kept run of this kind; empty without one."""
    for path in sorted(folder.glob(f"*{_SUFFIX}"), reverse=True):
        found: dict[str, Any] = json.loads(path.read_bytes())
        if found["quick"] == quick:
            return found
    return {}


def rows_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a kept run, by key."""
    return {row["key"]: row for row in run.get("rows", ())}


def keep(folder: Path, run: Mapping[str, Any]) -> Path:
    """Write a run; names sort by time."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{run['time'].replace(':', '').replace('+0000', 'Z')}{_SUFFIX}"
    path.write_text(json.dumps(run, indent=1) + "\n")
    return path
