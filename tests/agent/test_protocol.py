"""Frames and fields: what goes in comes out, and nothing else is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.agent.protocol import (
    FIELD_LIMIT,
    FRAME_LIMIT,
    HEADER_LENGTH,
    MAGIC,
    ProtocolError,
    body_length,
    pack_fields,
    pack_frame,
    unpack_fields,
)

NAMES = st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=1, max_size=255)


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=20))
def test_what_is_packed_unpacks(fields: dict[str, bytes]) -> None:
    frame = pack_frame(fields)
    assert body_length(frame[:HEADER_LENGTH]) == len(frame) - HEADER_LENGTH
    assert unpack_fields(frame[HEADER_LENGTH:]) == fields


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused_or_have_one_spelling(body: bytes) -> None:
    try:
        fields = unpack_fields(body)
    except ProtocolError:
        return
    assert pack_fields(fields) == body


@pytest.mark.parametrize(
    "body",
    [
        b"\x01a\x00\x00\x00\x05abc",  # value ends after the frame
        b"\x05ab",  # name ends after the frame
        b"\x01a\x00\x00",  # length ends after the frame
        b"\x00\x00\x00\x00\x00",  # no name
        b"\x01\xff\x00\x00\x00\x00",  # not ASCII
        b"\x01a\x00\x00\x00\x00\x01a\x00\x00\x00\x00",  # twice
    ],
)
def test_malformed_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack_fields(body)


def test_too_many_fields_are_refused_both_ways() -> None:
    many = {f"f{number}": b"" for number in range(FIELD_LIMIT + 1)}
    with pytest.raises(ProtocolError):
        pack_fields(many)
    with pytest.raises(ProtocolError):
        unpack_fields(b"".join(pack_fields({name: b""}) for name in many))


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_names_have_1_to_255_characters(name: str) -> None:
    with pytest.raises(ProtocolError):
        pack_fields({name: b""})


def test_a_frame_over_the_limit_is_neither_sent_nor_read() -> None:
    with pytest.raises(ProtocolError, match="at most"):
        pack_fields({"payload": bytes(FRAME_LIMIT)})
    with pytest.raises(ProtocolError, match="at most"):
        body_length(MAGIC + (FRAME_LIMIT + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("header", [b"HTTP/1.1", b"GSA1", b"\x00" * 8])
def test_foreign_headers_are_refused(header: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a frame"):
        body_length(header)
