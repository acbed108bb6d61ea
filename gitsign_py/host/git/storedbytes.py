"""An object as a repository stores it, before anything of it is proven."""

from typing import NamedTuple

TOO_LARGE = "too-large"


class Stored(NamedTuple):
    """An object as stored. ``data`` is None for one that was not read: ``kind`` says ``missing``, or ``TOO_LARGE``."""

    oid: str
    kind: str
    data: bytes | None
