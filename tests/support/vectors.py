"""The vectors that the project did not make (tests/vectors/foreign has their provenance)."""

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors" / "foreign"


def folder(name: str) -> Path:
    """``production`` or ``realstack``."""
    return VECTORS / name


def names(room: str, pattern: str) -> list[str]:
    """File names for parametrizing."""
    return sorted(path.name for path in (VECTORS / room).glob(pattern))


def http_json(name: str) -> Any:
    """The JSON of an answer recorded in realstack/http."""
    answer = (folder("realstack") / "http" / name).read_bytes().partition(b"=== response ===")[2]
    return json.loads(answer.replace(b"\r\n", b"\n").lstrip().partition(b"\n\n")[2])
