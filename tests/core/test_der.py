"""DER: what asn1crypto writes we read, what is not canonical we refuse."""

from datetime import UTC, datetime

import pytest
from asn1crypto import core as asn1
from hypothesis import example, given
from hypothesis import strategies as st

from gitsign_py.core.pki import der, oids
from gitsign_py.errors import FormatError


@given(st.integers(-(2**200), 2**200))
@example(0)
@example(-1)
@example(127)
@example(128)
@example(-128)
@example(-129)
def test_integers_agree_with_a_foreign_encoder(value: int) -> None:
    encoded = asn1.Integer(value).dump()
    assert der.integer(value) == encoded
    assert der.read_integer(der.parse(encoded)) == value


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=8), st.integers(0, 2), st.integers(0, 39))
def test_oids_agree_with_a_foreign_encoder(rest: list[int], first: int, second: int) -> None:
    dotted = ".".join(str(arc) for arc in (first, second, *rest))
    encoded = asn1.ObjectIdentifier(dotted).dump()
    assert der.oid(dotted) == encoded
    assert der.read_oid(der.parse(encoded)) == dotted


@given(st.binary(max_size=70000))
@example(b"a" * 127)
@example(b"a" * 128)
@example(b"a" * 256)
@example(b"a" * 65536)
def test_lengths_agree_with_a_foreign_encoder(data: bytes) -> None:
    encoded = asn1.OctetString(data).dump()
    assert der.octet_string(data) == encoded
    assert der.read_octet_string(der.parse(encoded)) == data


@pytest.mark.parametrize(
    ("hex_text", "reason"),
    [
        ("", "der-truncated"),
        ("30", "der-truncated"),
        ("3080", "der-length"),
        ("30800000", "der-length"),
        ("308100", "der-length"),
        ("30817f" + "00" * 127, "der-length"),
        ("30820080" + "00" * 128, "der-length"),
        ("3085000000000100", "der-length"),
        ("30820100", "der-truncated"),
        ("3003020100ff", "der-trailing"),
        ("1f8101", "der-high-tag"),
        ("3082", "der-length"),
    ],
)
def test_elements_that_are_not_der(hex_text: str, reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        der.parse(bytes.fromhex(hex_text))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("read", "hex_text"),
    [
        (der.read_integer, "0200"),
        (der.read_integer, "02020001"),
        (der.read_integer, "0202ff80"),
        (der.read_integer, "040100"),
        (der.read_boolean, "010101"),
        (der.read_boolean, "01020000"),
        (der.read_bit_string, "0300"),
        (der.read_bit_string, "030201ff"),
        (der.read_oid, "0600"),
        (der.read_oid, "060180"),
        (der.read_oid, "0602806a"),
        (der.read_null, "050100"),
        (der.read_text, "0c01ff"),
        (der.read_text, "040141"),
        (der.read_time, "170b" + b"2601010000Z".hex()),
        (der.read_time, "1711" + b"260101000000+0000".hex()),
        (der.read_time, "170d" + b"261301000000Z".hex()),
        (der.read_time, "170d" + b"26010100000aZ".hex()),
        (der.read_time, "1811" + b"20260101000000.0Z".hex()),
        (der.read_time, "1810" + b"20260101000000.Z".hex()),
        (der.read_time, "020100"),
        (der.read_named_bits, "0300"),
        (der.read_named_bits, "030308" + "00" * 2),
        (der.read_named_bits, "03020700"),
        (der.read_named_bits, "03020781"),
        (der.read_named_bits, "030101"),
    ],
)
def test_values_that_are_not_der(read: object, hex_text: str) -> None:
    assert callable(read)
    with pytest.raises(FormatError):
        read(der.parse(bytes.fromhex(hex_text)))


def test_named_bits() -> None:
    assert der.read_named_bits(der.parse(bytes.fromhex("03020106"))) == {5, 6}
    assert der.read_named_bits(der.parse(bytes.fromhex("03020780"))) == {0}
    assert der.read_named_bits(der.parse(bytes.fromhex("030100"))) == frozenset()


def test_times() -> None:
    moment = datetime(2026, 11, 20, 12, 53, 15, tzinfo=UTC)
    assert der.read_time(der.parse(der.utc_time(moment))) == moment
    assert der.read_time(der.parse(der.generalized_time(moment))) == moment
    assert der.read_time(der.parse(b"\x17\x0d991231235959Z")).year == 1999
    fractional = der.encode(der.GENERALIZED_TIME, b"20261120125315.25Z")
    assert der.read_time(der.parse(fractional)) == moment.replace(microsecond=250000)


def test_reader_says_what_it_misses() -> None:
    reader = der.Reader(der.integer(1))
    assert reader.optional(der.OCTET_STRING) is None
    with pytest.raises(FormatError, match="expected OCTET STRING in DER, got INTEGER"):
        reader.next(der.OCTET_STRING)
    with pytest.raises(FormatError, match="after the last"):
        reader.done()
    assert reader.next().content == b"\x01"
    with pytest.raises(FormatError, match="ends where an element"):
        reader.next()


@given(st.binary(max_size=300))
def test_random_bytes_parse_to_themselves_or_are_refused(data: bytes) -> None:
    try:
        element = der.parse(data)
    except FormatError:
        return
    assert der.encode(element.tag, element.content) == data


def test_boolean_null_text_context() -> None:
    assert der.boolean(value=True) == b"\x01\x01\xff"
    assert der.read_boolean(der.parse(der.boolean(value=False))) is False
    der.read_null(der.parse(der.null()))
    assert der.read_text(der.parse(der.utf8_string("é"))) == "é"
    assert der.context(0, b"", constructed=False) == b"\x80\x00"
    assert [child.tag for child in der.parse(der.sequence(der.null(), der.null())).children()] == [5, 5]
    assert der.set_of([b"\x02\x01\x02", b"\x02\x01\x01"]) == b"1\x06\x02\x01\x01\x02\x01\x02"


def test_the_octets_by_which_sigstore_signatures_are_told_are_those_of_its_identifiers() -> None:
    assert der.oid(oids.SIGSTORE)[2:] == oids.SIGSTORE_OCTETS
    assert all(oids.SIGSTORE_OCTETS in der.oid(one) for one in (oids.LOG_ENTRY, oids.FULCIO_ISSUER_V2))
