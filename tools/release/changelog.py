"""The changelog: what is unreleased becomes the section of a release (keepachangelog.com, 1.1.0)."""

import re
from datetime import date

from tools.release.errors import ReleaseError

UNRELEASED = "## [Unreleased]"
_HEADING = re.compile(r"^## \[", re.MULTILINE)


def cut(text: str, version: str, day: date) -> str:
    """Give the changelog with all that was unreleased under ``version``. Raises ReleaseError when that is nothing."""
    if f"## [{version}]" in text:
        raise ReleaseError(f"CHANGELOG.md has a section for {version} already")
    if not section(text, "Unreleased").strip():
        raise ReleaseError("CHANGELOG.md says nothing under [Unreleased]: a release brings something")
    return text.replace(UNRELEASED, f"{UNRELEASED}\n\n## [{version}] - {day.isoformat()}", 1)


def section(text: str, name: str) -> str:
    """Give what stands under a heading, without it. Raises ReleaseError."""
    start = re.search(rf"^## \[{re.escape(name)}\].*$", text, re.MULTILINE)
    if start is None:
        raise ReleaseError(f"CHANGELOG.md has no section [{name}]")
    end = _HEADING.search(text, start.end())
    return text[start.end() : end.start() if end else len(text)]
