"""BER with indefinite lengths (X.690 §8.1.3.6), which GnuPG's libksba writes around a signature, made definite.

For signatures that another program verifies, in the bytes that it gets: nothing of ours is checked over what this
gives. What has a definite length stays as it is, certificates among it.
"""

from gitsign_py.core.pki import der
from gitsign_py.errors import FormatError

_DEPTH = 16
_INDEFINITE, _CONSTRUCTED = 0x80, 0x20
_END = b"\x00\x00"


def definite(data: bytes) -> bytes:
    """Give the one element that fills ``data`` with definite lengths. Raises FormatError ``der-...``."""
    element, end = _element(data, 0, 0)
    if end != len(data):
        raise FormatError("der-trailing", f"{len(data) - end} bytes after the last expected field")
    return element


def _element(data: bytes, at: int, depth: int) -> tuple[bytes, int]:
    """The element at ``at``, and where it ends."""
    head = data[at : at + 2]
    if len(head) < 2:
        raise FormatError("der-truncated", "BER ends before a length")
    if head[1] != _INDEFINITE or not head[0] & _CONSTRUCTED:
        found = der.element_at(data, at)
        return found.raw, at + len(found.raw)
    if depth == _DEPTH:
        raise FormatError("der-length", f"BER of indefinite length is more than {_DEPTH} deep")
    parts: list[bytes] = []
    at += 2
    while data[at : at + 2] != _END:
        part, at = _element(data, at, depth + 1)
        parts.append(part)
    return der.encode(head[0], b"".join(parts)), at + 2
