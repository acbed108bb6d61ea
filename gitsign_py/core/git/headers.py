"""The header of a commit or tag: cut into its lines, in the order that git demands, with the signatures taken out.

Git lets more pass (fsck.c): what a signed object would carry unsigned or ambiguous is refused here.
"""

from typing import Literal

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.errors import FormatError

MAX_HEADER_BYTES = 4 << 20  # a signature has at most 1 MiB of it; git itself knows no bound
MAX_HEADER_LINES = 65_536

# gpg_sig_headers in git's commit.c: each hash algorithm has a header of its own, and no payload holds either.
SIGNATURE_HEADERS: dict[Literal["sha1", "sha256"], bytes] = {"sha1": b"gpgsig", "sha256": b"gpgsig-sha256"}
_NEXT_HEADER = pattern(rb"\n(?! )")


@frozen
class Header:
    """One header: name and value, continuation lines joined by LF without their leading space."""

    name: bytes
    value: bytes


def cut_header(data: bytes) -> tuple[bytes, bytes]:
    """Cut before the first empty line: header with its final LF, and the rest, which starts with that empty line.

    An object may end with its header (fsck.c, ``verify_headers``: "Not having a body is not a crime").
    """
    end = data.find(b"\n\n") + 1 or len(data)
    if end > MAX_HEADER_BYTES or data.count(b"\n", 0, end) > MAX_HEADER_LINES:  # each line costs more than its bytes
        raise FormatError(
            "header-too-large",
            f"the object's header has more than {MAX_HEADER_BYTES} bytes or {MAX_HEADER_LINES} lines",
        )
    header = data[:end]
    if not header.endswith(b"\n"):
        raise FormatError("header-unterminated", "the object's header does not end with a newline")
    if b"\0" in header:  # fsck.c: nulInHeader; readers written in C would stop there
        raise FormatError("header-nul", "the object's header holds a NUL byte", facts={"offset": header.index(b"\0")})
    return header, data[end:]


def take_signatures(header: bytes, top: tuple[bytes, ...]) -> tuple[bytes, tuple[Header, ...], dict[bytes, bytes]]:
    """Take the signature headers out: the header bytes left, the headers in them, the signatures by header name."""
    kept: list[bytes] = []
    headers: list[Header] = []
    signatures: dict[bytes, bytes] = {}
    for lines in _fold(header[:-1], top):
        name, space, value = lines.partition(b" ")
        if not space or b"\n" in name:
            raise FormatError(
                "header-invalid",
                "a header of the object has no value",
                facts={"header": name.partition(b"\n")[0][:40].hex()},
            )
        value = value.replace(b"\n ", b"\n")
        if name.startswith(b"gpgsig"):
            _add_signature(signatures, name, value)
            continue
        if signatures and name in top:
            raise FormatError("header-order", "the object has a signature header above those that git puts first")
        kept.append(lines)
        headers.append(Header(name, value))
    return b"".join(line + b"\n" for line in kept), tuple(headers), signatures


def _fold(header: bytes, top: tuple[bytes, ...]) -> list[bytes]:
    """Cut into headers, each with the continuation lines (one leading space) after it; those at the top have none."""
    groups = _NEXT_HEADER.split(header)
    for lines in groups:
        first, newline, _ = lines.partition(b"\n")
        if lines.startswith(b" ") or (newline and first.partition(b" ")[0] in top):
            raise FormatError("header-continuation", "a line that continues no header starts with a space")
    return groups


def _add_signature(signatures: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    # commit.c leaves every header whose name starts with "gpgsig" out of the payload, so an unknown one would be
    # unsigned text inside a signed object.
    if name not in SIGNATURE_HEADERS.values():
        raise FormatError(
            "signature-header-unknown", f"unknown signature header {name[:40].decode('ascii', 'replace')}"
        )
    if name in signatures:
        raise FormatError("signature-duplicate", f"the object has two {name.decode('ascii')} headers")
    if not value:
        raise FormatError("signature-empty", f"the object's {name.decode('ascii')} header is empty")
    signatures[name] = value + b"\n"


def expect(headers: tuple[Header, ...], position: int, name: bytes) -> bytes:
    """Give the value of the header that must stand at ``position`` (fsck.c: missingTree, missingAuthor and so on)."""
    text = name.decode("ascii")
    if position < len(headers) and headers[position].name == name:
        return headers[position].value
    if any(header.name == name for header in headers):
        raise FormatError(
            "header-order", f"the object's {text} header is not where git puts it", facts={"header": text}
        )
    raise FormatError("header-missing", f"the object has no {text} header", facts={"header": text})


def refuse_again(rest: tuple[Header, ...], names: tuple[bytes, ...]) -> None:
    """Refuse headers that stand once, at the top, when they come again: readers differ in which one they believe."""
    for header in rest:
        if header.name in names:
            text = header.name.decode("ascii")
            reason = "header-order" if text == "parent" else "header-duplicate"
            raise FormatError(reason, f"the object has a {text} header out of place", facts={"header": text})
