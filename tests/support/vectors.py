"""The vectors that the project did not make: ../shared/vectors beside the work tree. Without them a test skips."""

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"


def folder(name: str) -> Path:
    """``production`` or ``realstack``."""
    path = VECTORS / name
    if not path.is_dir():
        pytest.skip(f"the vectors of real servers are not there (../shared/vectors/{name})")
    return path


def names(room: str, pattern: str) -> list[str]:
    """File names for parametrizing: one placeholder when there are none, so that the skip shows."""
    return sorted(path.name for path in (VECTORS / room).glob(pattern)) or ["not-there"]


def http_json(name: str) -> Any:
    """The JSON of an answer recorded in realstack/http."""
    answer = (folder("realstack") / "http" / name).read_bytes().partition(b"=== response ===")[2]
    return json.loads(answer.replace(b"\r\n", b"\n").lstrip().partition(b"\n\n")[2])
