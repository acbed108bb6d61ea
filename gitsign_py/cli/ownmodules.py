"""How this program's own modules load: from the byte code that Python itself would take, in few of its steps.

git starts the program anew for each commit, and a signature loads a hundred of these modules. Python's own finder asks
each folder for five kinds of files and takes the name of the byte code apart and together, in Python: 0.29 million
instructions for a module of one line. A module of this package lies in one known folder and is a file of Python. What
is not exactly as expected goes Python's own way: no byte code, one whose time or size differs from its source's
(PEP 552), an archive, ``-O``, byte code in another place.
"""

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, PathFinder, SourceFileLoader

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

_PACKAGE = "gitsign_py."
_HEAD = 16
_BY_TIME = MAGIC_NUMBER + b"\0\0\0\0"
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class OwnModules:
    """A finder for ``sys.meta_path``, for modules below this package alone."""

    @staticmethod
    def find_spec(
        name: str,
        path: "Sequence[str] | None",
        target: "ModuleType | None" = None,  # noqa: ARG004
    ) -> ModuleSpec | None:
        """Say where a module is; None for what is not ours, or not there."""
        if not name.startswith(_PACKAGE) or path is None or len(path) != 1:
            return None
        base = f"{path[0]}/{name.rpartition('.')[2]}"
        for file, folder in ((f"{base}.py", None), (f"{base}/__init__.py", [base])):
            try:
                facts = os.stat(file)  # noqa: PTH116 - pathlib costs 10 ms
            except OSError:
                continue
            loader = _Loader(name, file, facts)
            spec = ModuleSpec(name, loader, origin=file)
            spec.submodule_search_locations = folder
            spec.has_location, spec.cached = True, loader.cached
            return spec
        return None


class _Loader(SourceFileLoader):
    """Python's own, with a shorter way to the code."""

    def __init__(self, name: str, path: str, facts: os.stat_result) -> None:
        super().__init__(name, path)
        folder, _, file = path.rpartition("/")
        self.cached = f"{folder}/__pycache__/{file[:-3]}.{sys.implementation.cache_tag}.pyc"
        self._facts = facts

    def get_code(self, fullname: str) -> "CodeType | None":
        """Take the byte code that belongs to the source as it is now."""
        expected = (
            _BY_TIME
            + (int(self._facts.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
            + (self._facts.st_size & 0xFFFFFFFF).to_bytes(4, "little")
        )
        try:
            descriptor = os.open(self.cached, _READ)
            try:
                data = os.read(descriptor, os.fstat(descriptor).st_size)
            finally:
                os.close(descriptor)
            if data[:_HEAD] == expected:
                code: CodeType = marshal.loads(memoryview(data)[_HEAD:])  # noqa: S302 - as Python does
                return code
        except (OSError, EOFError, ValueError, TypeError):
            pass
        return super().get_code(fullname)


def _is_plain() -> bool:
    """Whether this package is files in folders, with byte code in the usual place."""
    loaded = isinstance(globals()["__loader__"], SourceFileLoader)  # by no archive, and by no loader of a debugger
    return loaded and os.sep == "/" and not sys.flags.optimize and sys.pycache_prefix is None


if _is_plain() and PathFinder in sys.meta_path:
    sys.meta_path.insert(sys.meta_path.index(PathFinder), OwnModules)
