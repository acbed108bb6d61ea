"""An object as a repository stores it, before anything of it is proven."""

from typing import NamedTuple

MAX_COMMIT_BYTES = 8 << 20
"""8 MiB: some seven copies of a commit are made on the way to a verdict, and one alone must not fill the memory."""


class Stored(NamedTuple):
    """An object as stored. ``data`` is None for one that is not there; ``kind`` says ``missing`` then."""

    oid: str
    kind: str
    data: bytes | None
