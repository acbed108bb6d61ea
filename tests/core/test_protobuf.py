"""The protobuf wire format: the specification's own examples, one spelling for each message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.protobuf import FieldKind, bytes_field, int64_field, message_field, read_fields
from gitsign_py.errors import FormatError

KINDS: dict[int, FieldKind] = {1: "int64", 2: "bytes", 3: "repeated", 20: "int64"}


def malformed(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        read_fields(data, KINDS, "message")
    assert caught.value.reason == "protobuf-malformed"
    return caught.value.message


def test_the_examples_of_the_specification() -> None:
    """protobuf.dev/programming-guides/encoding: Test1 {a: 150}, Test2 {b: "testing"}."""
    assert int64_field(1, 150) == bytes.fromhex("089601")
    assert bytes_field(2, b"testing") == bytes.fromhex("120774657374696e67")
    fields = read_fields(bytes.fromhex("089601120774657374696e67"), KINDS, "message")
    assert (fields.int64(1), fields.data(2), fields.text(2)) == (150, b"testing", "testing")


def test_defaults_are_left_out_and_read_as_such() -> None:
    assert int64_field(1, 0) == bytes_field(2, b"") == b""
    assert message_field(2, b"") == b"\x12\x00"
    fields = read_fields(b"", KINDS, "message")
    assert (fields.int64(1), fields.data(2), fields.has(2), fields.repeated(3)) == (0, b"", False, ())
    assert read_fields(b"\x12\x00", KINDS, "message").has(2)


def test_numbers_that_do_not_fit_are_not_written() -> None:
    for value in (-1, 2**63):
        with pytest.raises(FormatError) as caught:
            int64_field(1, value)
        assert caught.value.reason == "protobuf-range"


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        ("22 00", "unknown field 4"),
        ("0a 00", "another wire type"),
        ("10 01", "another wire type"),
        ("09 0000000000000000", "another wire type"),
        ("08 01 08 01", "twice"),
        ("12 00 12 00", "twice"),
        ("12 00 08 01", "out of order"),
        ("08", "ends early"),
        ("08 80", "ends early"),
        ("12 05 61", "ends early"),
        ("12", "ends early"),
        ("08 00", "default"),
        ("08 81 00", "shortest"),
        ("88 00 01", "shortest"),
        ("08 ff ff ff ff ff ff ff ff ff 01", "negative"),
        ("08 ff ff ff ff ff ff ff ff ff 02", "shortest"),
        ("08 ff ff ff ff ff ff ff ff ff ff 01", "64 bits"),
    ],
)
def test_other_spellings_are_refused(encoded: str, words: str) -> None:
    assert words in malformed(bytes.fromhex(encoded))


def test_strings_are_utf8() -> None:
    with pytest.raises(FormatError, match="UTF-8"):
        read_fields(b"\x12\x01\xff", KINDS, "message").text(2)


@given(
    st.integers(0, 2**63 - 1), st.binary(), st.lists(st.binary(max_size=40), max_size=200), st.integers(0, 2**63 - 1)
)
def test_what_is_written_is_read(number: int, data: bytes, items: list[bytes], last: int) -> None:
    repeated = b"".join(message_field(3, item) for item in items)
    encoded = int64_field(1, number) + bytes_field(2, data) + repeated + int64_field(20, last)
    fields = read_fields(encoded, KINDS, "message")
    assert (fields.int64(1), fields.data(2), fields.repeated(3), fields.int64(20)) == (number, data, tuple(items), last)


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_or_have_this_one_spelling(data: bytes) -> None:
    try:
        fields = read_fields(data, KINDS, "message")
    except FormatError:
        return
    middle = message_field(2, fields.data(2)) if fields.has(2) else b""
    repeated = b"".join(message_field(3, item) for item in fields.repeated(3))
    assert int64_field(1, fields.int64(1)) + middle + repeated + int64_field(20, fields.int64(20)) == data
