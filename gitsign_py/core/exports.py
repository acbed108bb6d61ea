"""The names that a room gives to other programs, each loaded when a program first asks for it (PEP 562)."""

from collections.abc import Callable, Mapping


def exported(room: str, places: Mapping[str, str]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package; ``places`` maps each name to its module below ``gitsign_py``.

    git starts the program for every signature, and importing a module runs its packages: they must cost nothing.
    """

    def load(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - for other programs: ours import the modules themselves

        return getattr(import_module(f"gitsign_py.{places[name]}"), name)

    return load
