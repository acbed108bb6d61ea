"""Read a tiled log: its checkpoint, its tiles and its bundles of entries (C2SP tlog-tiles, static-ct-api).

Nothing is verified here. The answer's length is checked against what was asked for, and bounded.
"""

import zlib
from typing import Literal

from gitsign_py.clients.answer import Answer
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.urls import check_url, join_url
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog.checkpoint import MAX_CHECKPOINT_BYTES
from gitsign_py.core.tlog.tiles import TILE_WIDTH, bundle_path, tile_path

MAX_TILE_BYTES = 64 * 1024
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + 0xFFFF)  # each entry after its length in two bytes
MAX_DATA_BYTES = 64 << 20  # a CT log's entry holds a certificate of up to 16 MiB; no sane tile comes near
_GZIP = 16 + zlib.MAX_WBITS


class TileClient:
    """A tiled log below a URL; ``kind`` is its name for bundles of entries."""

    def __init__(
        self, session: HttpSession, service: str, url: str, *, kind: Literal["entries", "data"] = "entries"
    ) -> None:
        check_url(service, url)
        self._session = session
        self._service = service
        self._url = url
        self._kind = kind

    def checkpoint(self) -> Answer:
        """Fetch the present checkpoint, unverified."""
        return self._get("checkpoint", MAX_CHECKPOINT_BYTES)

    def tile(self, level: int, number: int, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
        """Fetch ``width`` hashes of tile ``number`` in row ``level`` (32 bytes each)."""
        answer = self._partial(tile_path(level, number, width), tile_path(level, number), width, MAX_TILE_BYTES)
        whole = len(answer.body) // 32
        if len(answer.body) % 32 or not width <= whole <= TILE_WIDTH:
            raise answer.invalid(f"a tile of {width} hashes was asked for, {len(answer.body)} bytes came")
        return tuple(answer.body[at : at + 32] for at in range(0, width * 32, 32))

    def bundle(self, number: int, width: int = TILE_WIDTH) -> Answer:
        """Fetch bundle ``number`` of at least ``width`` entries, still in one piece."""
        limit = MAX_BUNDLE_BYTES if self._kind == "entries" else MAX_DATA_BYTES
        path, full = (bundle_path(number, each, kind=self._kind) for each in (width, TILE_WIDTH))
        return self._unpacked(self._partial(path, full, width, limit), limit)

    def _unpacked(self, answer: Answer, limit: int) -> Answer:
        """static-ct-api, "Log entries": a log may compress without being asked to."""
        if answer.headers.get("content-encoding", "identity") != "gzip":
            return answer
        reader = zlib.decompressobj(_GZIP)
        try:
            body = reader.decompress(answer.body, limit)
        except zlib.error as error:
            raise answer.invalid("it is not the gzip that it says it is") from error
        if not reader.eof:
            raise answer.invalid(f"it is cut off, or unpacks to more than {limit} bytes")
        return replace(answer, body=body)

    def _partial(self, path: str, full: str, width: int, limit: int) -> Answer:
        """A partial tile may go once the full one is there (C2SP tlog-tiles, "Partial Tiles")."""
        answer = self._get(path, limit, missing=width != TILE_WIDTH)
        return self._get(full, limit) if answer.status == 404 else answer

    def _get(self, path: str, limit: int, *, missing: bool = False) -> Answer:
        expected = (200, 404) if missing else (200,)
        url = join_url(self._url, f"/{path}")
        limits = replace(self._session.limits, max_bytes=limit)
        return self._session.exchange(self._service, "GET", url, expected=expected, limits=limits)
