"""Where schemas lie: our own (docs/schemas), and those that others publish (tests/schemas has their provenance)."""

from pathlib import Path

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
PUBLISHED = Path(__file__).resolve().parents[1] / "schemas"
