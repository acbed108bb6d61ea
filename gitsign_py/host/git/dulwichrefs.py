"""Refs by dulwich: loose and packed ones, symbolic ones followed, of the worktree and of the whole repository."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dulwich.objects import ObjectID
from dulwich.refs import DiskRefsContainer, Ref, SymrefLoop

from gitsign_py.core.git.gitobject import is_object_id
from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.storedbytes import Stored
from gitsign_py.host.plainfile import check_plain


class DulwichRefs:
    """The refs of the repository with the folders ``common`` and ``own`` (of the worktree)."""

    def __init__(self, common: Path, own: Path) -> None:
        self._refs = _Files(common, own)
        self._own = own

    def names(self, *patterns: str) -> tuple[str, ...]:
        """All refs, in order: those named by ``patterns`` or in the folders that they name (none: all)."""
        try:
            found = {name for name in self._refs.allkeys() if name.startswith(b"refs/")}
        except UncheckedError:
            raise
        except Exception as error:  # a packed-refs file that is none, in one of several classes
            raise UncheckedError("git-failed", f"the refs cannot be read: {type(error).__name__}: {error}") from error
        texts = [os.fsdecode(name) for name in sorted(found)]
        return tuple(name for name in texts if not patterns or any(_is_below(name, one) for one in patterns))

    def oid_of(self, name: str) -> str:
        """The id that a full name leads to, over symbolic refs; empty where it leads nowhere."""
        try:
            _, oid = self._refs.follow(Ref(os.fsencode(name)))
        except (SymrefLoop, ValueError, OSError):
            return ""
        text = (oid or b"").decode("ascii", "replace").split(" ")[0].lower()
        return text if is_object_id(text) and text.strip("0") else ""

    def target_of(self, name: str) -> str:
        """The ref that a symbolic one names in the end; empty for another, and where there is none."""
        try:
            names, _ = self._refs.follow(Ref(os.fsencode(name)))
        except (SymrefLoop, ValueError, OSError):
            return ""
        return os.fsdecode(names[-1]) if len(names) > 1 else ""

    def is_file(self, name: str) -> bool:
        """Tell whether a file beside the refs has that name: git takes it for a ref (gitrevisions(7))."""
        return "/" not in name and (self._own / name).is_file()


class _Files(DiskRefsContainer):
    """As dulwich's. Both raise UncheckedError ``git-failed`` for a pipe or a device in the place of a file."""

    def read_loose_ref(self, name: Ref) -> bytes | None:
        _check(self.refpath(name))
        return super().read_loose_ref(name)

    def get_packed_refs(self) -> dict[Ref, ObjectID]:
        _check(os.path.join(self.path, b"packed-refs"))  # noqa: PTH118 - names are bytes here
        return super().get_packed_refs()


def _check(path: bytes) -> None:
    try:
        check_plain(os.fsdecode(path))
    except OSError as error:
        raise UncheckedError("git-failed", f"the refs cannot be read: {error}") from error


def _is_below(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(pattern.rstrip("/") + "/")


def each_behind(oid: str, read: Callable[[str], Stored]) -> Iterator[Stored]:
    """The object, and what it leads to where it is a tag, to the end; what is not there has no data."""
    for _ in range(1000):
        stored = read(oid)
        yield stored
        line = stored.data.partition(b"\n")[0] if stored.kind == "tag" and stored.data else b""
        if not line.startswith(b"object "):
            return
        oid = line[7:].decode("ascii", "replace")
