"""The messages between the thin client and the agent: frames of named byte strings.

    frame  = "GSA1" length:uint32 body          (big-endian; body of at most FRAME_LIMIT bytes)
    body   = *field                             (at most FIELD_LIMIT fields, names not repeated)
    field  = name-length:uint8 name value-length:uint32 value

JSON would cost the client 15 ms to import and base64 for every byte of a commit; this costs neither. Imports nothing.
"""

MAGIC = b"GSA1"
HEADER_LENGTH = 8
FRAME_LIMIT = 32 * 1024 * 1024
FIELD_LIMIT = 256


class ProtocolError(ValueError):
    """The other side does not speak this protocol, or says more than it may."""


def pack_fields(fields: dict[str, bytes]) -> bytes:
    """Encode named byte strings: names are ASCII of 1 to 255 characters. Raises ProtocolError past the limits."""
    if len(fields) > FIELD_LIMIT:
        raise ProtocolError(f"{len(fields)} fields, at most {FIELD_LIMIT} allowed")
    parts = []
    for name, value in fields.items():
        label = name.encode("ascii", "replace")
        if not 0 < len(label) < 256:
            raise ProtocolError("a field's name has 1 to 255 characters")
        parts += [len(label).to_bytes(1, "big"), label, len(value).to_bytes(4, "big"), value]
    body = b"".join(parts)
    if len(body) > FRAME_LIMIT:
        raise ProtocolError(f"{len(body)} bytes, at most {FRAME_LIMIT} allowed")
    return body


def unpack_fields(body: bytes) -> dict[str, bytes]:
    """Decode what :func:`pack_fields` made; raises ProtocolError for anything else."""
    fields: dict[str, bytes] = {}
    at = 0
    while at < len(body):
        name, at = _take(body, at + 1, body[at])
        length, at = _take(body, at, 4)
        value, at = _take(body, at, int.from_bytes(length, "big"))
        if not name or not name.isascii() or name.decode("ascii") in fields:
            raise ProtocolError("a field's name is empty, not ASCII or repeated")
        fields[name.decode("ascii")] = value
        if len(fields) > FIELD_LIMIT:
            raise ProtocolError(f"more than {FIELD_LIMIT} fields")
    return fields


def _take(body: bytes, at: int, count: int) -> tuple[bytes, int]:
    if at + count > len(body):
        raise ProtocolError("a field ends after its frame")
    return body[at : at + count], at + count


def pack_frame(fields: dict[str, bytes]) -> bytes:
    """Encode one frame, header included."""
    body = pack_fields(fields)
    return MAGIC + len(body).to_bytes(4, "big") + body


def body_length(header: bytes) -> int:
    """Read the 8 bytes before a body: its length. Raises ProtocolError for a foreign or an oversized frame."""
    if header[:4] != MAGIC or len(header) != HEADER_LENGTH:
        raise ProtocolError("not a frame of this protocol")
    length = int.from_bytes(header[4:], "big")
    if length > FRAME_LIMIT:
        raise ProtocolError(f"a frame of {length} bytes, at most {FRAME_LIMIT} allowed")
    return length
