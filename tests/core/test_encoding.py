"""Strict encodings: one spelling a value."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core import encoding
from gitsign_py.errors import FormatError


@given(st.binary(max_size=200))
def test_base64_round_trip(data: bytes) -> None:
    assert encoding.b64_decode(encoding.b64_encode(data)) == data
    assert encoding.b64_decode(base64.b64encode(data)) == data


@pytest.mark.parametrize("text", ["QQ", "QQ=", "QR==", "Q Q==", "QQ==\n", "QQ==QQ==", "Q-_=", "é", "====", "QQ==="])
def test_base64_refuses_every_other_spelling(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        encoding.b64_decode(text)
    assert caught.value.reason == "base64-invalid"


@pytest.mark.parametrize("text", ["0", "0A", "g0", " 00", "00\n", "0x00", "AB"])
def test_hex_refuses_every_other_spelling(text: str) -> None:
    with pytest.raises(FormatError):
        encoding.hex_decode(text)


def test_hex_checks_the_length() -> None:
    assert encoding.hex_decode("00ff", length=2) == b"\x00\xff"
    with pytest.raises(FormatError, match="expected 3"):
        encoding.hex_decode("00ff", length=3)


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "1_0", " 7", "7 ", "7\n", "1e3", "٣", "9223372036854775808"])
def test_decimal_refuses_what_int_takes(text: str) -> None:
    with pytest.raises(FormatError):
        encoding.decimal_decode(text)


@given(st.integers(0, 2**63 - 1))
def test_decimal_round_trip(value: int) -> None:
    assert encoding.decimal_decode(str(value)) == value


def test_byte_reader_reads_vectors_and_refuses_rests() -> None:
    reader = encoding.ByteReader(b"\x00\x02ab\x07")
    assert (reader.opaque(2), reader.uint(1), reader.remaining) == (b"ab", 7, 0)
    reader.finish()
    with pytest.raises(FormatError, match="ends early"):
        reader.take(1)
    with pytest.raises(FormatError, match="after the end"):
        encoding.ByteReader(b"x").finish()
    with pytest.raises(FormatError):
        encoding.ByteReader(b"\x05ab").opaque(1)


def test_opaque_refuses_what_its_length_cannot_say() -> None:
    assert encoding.opaque(b"a" * 255, 1) == b"\xff" + b"a" * 255
    with pytest.raises(FormatError):
        encoding.opaque(b"a" * 256, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T12:53:15Z", datetime(2026, 11, 20, 12, 53, 15, tzinfo=UTC)),
        ("2022-12-31T23:59:59.999Z", datetime(2022, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ("2026-11-20t13:53:15.123456789+01:00", datetime(2026, 11, 20, 12, 53, 15, 123456, tzinfo=UTC)),
    ],
)
def test_rfc3339(text: str, expected: datetime) -> None:
    assert encoding.parse_rfc3339(text) == expected
    assert encoding.parse_rfc3339(encoding.format_rfc3339(expected)) == expected


def test_rfc3339_is_written_in_utc() -> None:
    odd = timezone(timedelta(hours=-5, seconds=7, microseconds=500_000))  # the fraction is gone in UTC
    assert encoding.format_rfc3339(datetime(2026, 11, 20, 7, 53, 30, 500_000, odd)) == "2026-11-20T12:53:23Z"
    assert encoding.format_rfc3339(datetime(7, 1, 2, 3, 4, 5, 120_000, UTC)) == "0007-01-02T03:04:05.12Z"


@pytest.mark.parametrize(
    "text",
    ["2026-11-20", "2026-11-20 12:53:15Z", "2026-13-20T12:53:15Z", "2026-11-20T12:53:15", "2026-11-20T12:53:60Z",
     "2026-11-20T12:53:15+24:00", "0001-01-01T00:00:00+01:00", "2026-11-20T12:53:15Z\n"],
)  # fmt: skip
def test_rfc3339_refuses(text: str) -> None:
    with pytest.raises(FormatError):
        encoding.parse_rfc3339(text)


def test_pem_round_trip_and_refusals() -> None:
    blocks = (b"a" * 100, b"b")
    text = b"noise\n" + b"".join(encoding.pem_encode(block, "CERTIFICATE") for block in blocks)
    assert encoding.pem_decode(text, "CERTIFICATE") == blocks
    assert encoding.pem_decode(text.replace(b"\n", b"\r\n"), "CERTIFICATE") == blocks
    for broken in (b"", text.rpartition(b"-----END")[0], b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"):
        with pytest.raises(FormatError):
            encoding.pem_decode(broken, "CERTIFICATE")


def test_json_is_bounded_and_strict() -> None:
    assert encoding.load_json(b'{"a": [1, "]["]}', max_bytes=100) == {"a": [1, "]["]}
    deep = b"[" * 65 + b"]" * 65
    cases = {
        b'{"a": 1, "a": 2}': "json-invalid",
        b"[NaN]": "json-invalid",
        b"\xff": "json-invalid",
        b"{": "json-invalid",
        deep: "json-too-deep",
        b" " * 200: "json-too-large",
    }
    for text, reason in cases.items():
        with pytest.raises(FormatError) as caught:
            encoding.load_json(text, max_bytes=150)
        assert caught.value.reason == reason


def test_json_has_at_most_so_many_parts() -> None:
    most = encoding.JSON_PARTS_LIMIT
    assert len(encoding.load_json(b"[" + b"1," * (most - 1) + b"1]", max_bytes=4 << 20)) == most
    with pytest.raises(FormatError) as caught:
        encoding.load_json(b"[" + b"1," * most + b"1]", max_bytes=4 << 20)
    assert caught.value.reason == "json-too-large"


def test_many_flat_brackets_are_not_deep() -> None:
    text = b"[" + b",".join([b"[]"] * 100) + b',"' + b"[" * 100 + b'"]'
    assert len(encoding.load_json(text, max_bytes=10_000)) == 101
