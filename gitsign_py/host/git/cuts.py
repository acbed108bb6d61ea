"""Where a history is cut off: commits whose parents are not all here, whatever a list of shallow commits says.

The list (``.git/shallow``, or the one that receive-pack names while it takes in a push) is only a hint where to look:
it may leave a commit out, or name one whose parents are here, and git would then show a history that ends there.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from gitsign_py.core.pattern import pattern
from gitsign_py.host.git.program import cut_off
from gitsign_py.host.plainfile import read_plain

_ID = pattern(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_HEAD = pattern(rb"tree [0-9a-fA-F]+\n((?:parent [0-9a-fA-F]+\n)*)")
_MAX_LIST = 64 << 20
"""64 MiB: a million and a half of commits in a list of shallow ones."""
_MAX_ALTERNATES = 5
_MAX_ALTERNATES_BYTES = 1 << 20

Cuts = Mapping[str, tuple[str, ...]]
"""Commits of which a parent is not here, each with the parents that are."""


def listed_commits(files: Iterable[Path]) -> tuple[str, ...]:
    """The ids in lists of shallow commits (gitrepository-layout(5)); none in a file that is not there."""
    found: dict[str, None] = {}
    for path in files:
        try:
            data = read_plain(path, _MAX_LIST)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise cut_off(f"the list of shallow commits {path} cannot be read: {error.strerror}") from error
        if len(data) > _MAX_LIST:
            raise cut_off(f"the list of shallow commits {path} has more than {_MAX_LIST} bytes")
        found |= dict.fromkeys(line.decode() for line in data.split(b"\n") if _ID.match(line))
    return tuple(found)


def find_cuts(listed: Iterable[str], read: Callable[[str], bytes | None]) -> Cuts:
    """Look behind the ``listed`` commits until the history ends, by ``read`` (None for what is not here)."""
    parents: dict[str, tuple[str, ...]] = {}
    gone: set[str] = set()
    todo = list(listed)
    while todo:
        oid = todo.pop()
        if oid in parents or oid in gone:
            continue
        data = read(oid)
        if data is None:
            gone.add(oid)
            continue
        parents[oid] = parents_of(data)
        todo += parents[oid]
    return {oid: tuple(one for one in named if one not in gone) for oid, named in parents.items() if gone & {*named}}


def object_folders(objects: Path) -> Iterator[Path]:
    """A directory of objects and the alternates that it names, each once, there or not (gitrepository-layout(5)).

    As far as git follows them. They may name each other: without keeping them the ways would double with each step.
    """
    seen: set[str] = set()
    level = [objects]
    for _ in range(_MAX_ALTERNATES + 1):
        fresh = {real: folder for folder in level if (real := os.path.realpath(folder)) not in seen}
        seen |= fresh.keys()
        level = []
        for folder in fresh.values():
            yield folder
            level += _alternates(folder)


def _alternates(folder: Path) -> list[Path]:
    try:
        data = read_plain(folder / "info/alternates", _MAX_ALTERNATES_BYTES)
    except OSError:
        return []
    lines = (line.partition(b"\0")[0] for line in data.split(b"\n"))  # as git, for which a NUL ends the text
    return [folder / os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]


def missing_alternate(objects: Path) -> str:
    """A directory of objects that is named and not there."""
    return next((str(folder) for folder in object_folders(objects) if not folder.is_dir()), "")


def parents_of(data: bytes) -> tuple[str, ...]:
    """As git reads them: the lines after the tree, up to the first that is no parent; capitals are read too (hex.c)."""
    head = _HEAD.match(data)
    return tuple(head[1].decode().replace("parent ", "").lower().split()) if head else ()


def write_grafts(cuts: Cuts) -> Path:
    """A file of grafts (gitrepository-layout(5)) that leaves out the parents which are not here."""
    import tempfile  # noqa: PLC0415 - 5 ms, where a history is cut off alone

    with tempfile.NamedTemporaryFile("w", prefix="gitsign-cuts-", delete=False, encoding="ascii") as file:
        file.writelines(f"{' '.join((oid, *parents))}\n" for oid, parents in cuts.items())
    return Path(file.name)
