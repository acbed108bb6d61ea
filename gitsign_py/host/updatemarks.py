"""Marks of the updates that a server's hook has judged and let in, in the repository's own directory.

pre-receive leaves one, and whoever states later how a ref came to a revision takes it for the evidence that the hook
was there: what came in past the hooks has none. A pusher cannot write there. A mark of an update that did not happen
after all (another hook refused it, a lock was held) proves nothing: it counts for an update that git names.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gitsign_py.core.encoding import load_json, parse_rfc3339
from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.git.gitobject import is_object_id
from gitsign_py.errors import FormatError
from gitsign_py.host.plainfile import read_plain
from gitsign_py.host.privatefile import write_whole

FOLDER = "gitsign-updates"
LOCK = "lock"
_MAX_BYTES = 1 << 16
_KEPT_SECONDS = 30 * 24 * 3600


@frozen
class Mark:
    """A ref that the hook let go from ``old`` to ``new`` at a ``time`` (RFC 3339), and what it knew of the pusher."""

    ref: str
    old: str
    new: str
    time: str
    pusher: Mapping[str, str] = field(default_factory=dict)


def leave(folder: Path, mark: Mark) -> None:
    """Leave a mark. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    value = {"ref": mark.ref, "old": mark.old, "new": mark.new, "time": mark.time, "pusher": dict(mark.pusher)}
    write_whole(_path(folder, mark), json.dumps(value).encode("ascii"))


def find(folder: Path, ref: str, new: str) -> tuple[Mark, ...]:
    """The marks of updates that brought a ref to ``new``."""
    if not is_object_id(new):
        return ()
    found = (_read(path) for path in sorted(folder.glob(f"{_place(ref)}-{new}-*")))
    return tuple(mark for mark in found if mark is not None and (mark.ref, mark.new) == (ref, new))


def remove(folder: Path, mark: Mark) -> None:
    """Remove a mark that has served, and those that are older than a month."""
    _path(folder, mark).unlink(missing_ok=True)
    for path in folder.glob("*-*-*"):
        with suppress(OSError):  # another process was quicker
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink()


def _path(folder: Path, mark: Mark) -> Path:
    return folder / f"{_place(mark.ref)}-{mark.new}-{mark.old}"


def _place(ref: str) -> str:
    return hashlib.sha256(ref.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _read(path: Path) -> Mark | None:
    """The mark in a file of its own name; None for what is none, which is no evidence."""
    try:
        value = load_json(read_plain(path, _MAX_BYTES), max_bytes=_MAX_BYTES)
    except (OSError, ValueError, FormatError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("pusher"), dict):
        return None
    ref, old, new, at = (str(value.get(name, "")) for name in ("ref", "old", "new", "time"))
    mark = Mark(ref, old, new, at, {str(name): str(text) for name, text in value["pusher"].items()})
    return mark if path == _path(path.parent, mark) and is_object_id(old) and _is_time(at) else None


def _is_time(text: str) -> bool:
    try:
        parse_rfc3339(text)
    except FormatError:
        return False
    return True
