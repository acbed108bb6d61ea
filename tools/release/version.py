"""The version: where it stands, and the next one."""

import re
from pathlib import Path

from tools.release.errors import ReleaseError

_NUMBER = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\Z")  # semantic versioning, without a tail
PLACES = {"pyproject.toml": 'version = "{}"', "gitsign_py/__init__.py": '__version__ = "{}"'}


def parsed(version: str) -> tuple[int, int, int]:
    """Read MAJOR.MINOR.PATCH. Raises ReleaseError."""
    match = _NUMBER.match(version)
    if match is None:
        raise ReleaseError(f"{version!r} is no version: write MAJOR.MINOR.PATCH, for instance 0.9.0")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def current(root: Path) -> str:
    """Read the version in the tree; all of its places must agree. Raises ReleaseError."""
    found = {place: _at(root, place, form) for place, form in PLACES.items()}
    if len(set(found.values())) != 1:
        raise ReleaseError(f"the tree has more than one version: {found}")
    return found["pyproject.toml"]


def bump(root: Path, version: str) -> None:
    """Write ``version``, which must be a later one, in all of its places. Raises ReleaseError."""
    before = current(root)
    if parsed(version) <= parsed(before):
        raise ReleaseError(f"{version} does not come after {before}, the version in pyproject.toml")
    for place, form in PLACES.items():
        file = root / place
        text = file.read_text(encoding="utf-8").replace(form.format(before), form.format(version), 1)
        file.write_text(text, encoding="utf-8")


def _at(root: Path, place: str, form: str) -> str:
    lines = (root / place).read_text(encoding="utf-8").splitlines()
    pattern = re.compile(re.escape(form).replace(r"\{\}", '([^"]*)'))
    found = [match[1] for line in lines if (match := pattern.fullmatch(line))]
    if len(found) != 1:
        raise ReleaseError(f"{place} must have one line {form.format('...')}, and has {len(found)}")
    return found[0]
