"""Which key a foreign signature names: layouts that no program here writes, and bytes that mean nothing.

Signatures by the real gpg and ssh-keygen are in tests/audit/test_listed_keys.py.
"""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.git.foreignsig import openpgp_fingerprint, openpgp_key_id, openpgp_may_be_by, ssh_public_key
from tests.support.doubling import check_linear

PRINT = bytes(range(20))
ISSUER = b"\x21\x04" + PRINT  # type 33, version 4


def armor(packet: bytes, head: bytes = b"Version: 1\nComment: x\n", tail: bytes = b"=abcd\n") -> bytes:
    text = base64.encodebytes(packet)
    return b"-----BEGIN PGP SIGNATURE-----\n" + head + b"\n" + text + tail + b"-----END PGP SIGNATURE-----\n"


def body(*subpackets: bytes) -> bytes:
    """A version 4 signature up to its hashed part."""
    hashed = b"".join(subpackets)
    return b"\x04\x00\x16\x08" + len(hashed).to_bytes(2, "big") + hashed + b"rest"


def subpacket(data: bytes) -> bytes:
    return bytes([len(data)]) + data


@pytest.mark.parametrize(
    "packet",
    [
        bytes([0xC2, len(body(subpacket(ISSUER)))]) + body(subpacket(ISSUER)),
        bytes([0x88, len(body(subpacket(ISSUER)))]) + body(subpacket(ISSUER)),
        bytes([0x89, 0, len(body(subpacket(ISSUER)))]) + body(subpacket(ISSUER)),
        b"\x8b" + body(subpacket(ISSUER)),
        b"\xc2\xff\x00\x00\x00" + bytes([len(body(subpacket(ISSUER)))]) + body(subpacket(ISSUER)),
        b"\x8b" + body(subpacket(b"\x02time"), subpacket(b"\xa1\x04" + PRINT)),  # the critical bit
        b"\x8b" + body(b"\xc0\x0a" + b"\x14" + bytes(201), subpacket(ISSUER)),  # a length of two octets
        b"\x8b" + body(b"\xff\x00\x00\x00\x05" + b"\x14" + bytes(4), subpacket(ISSUER)),  # of five
    ],
)
def test_layouts(packet: bytes) -> None:
    for head in (b"", b"Version: GnuPG v2\n", b"Comment: a\r\n"):
        for tail in (b"=abcd\n", b""):
            assert openpgp_fingerprint(armor(packet, head, tail)) == PRINT.hex().upper()


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x8b",
        b"\x0b" + body(subpacket(ISSUER)),  # no packet
        b"\x9b" + body(subpacket(ISSUER)),  # another kind
        b"\x8b\x03" + body(subpacket(ISSUER))[1:],  # version 3 has no subpackets
        b"\x8b" + body(subpacket(b"\x10" + PRINT[:8])),  # 64 bits of it
        b"\x8b" + body(subpacket(b"\x21\x05" + PRINT)),
        b"\x8b" + body(subpacket(ISSUER[:-1])),
        b"\x8b" + body(b"\xc0"),
    ],
)
def test_no_fingerprint(packet: bytes) -> None:
    assert openpgp_fingerprint(armor(packet)) == ""


def test_version_6_has_longer_ones() -> None:
    hashed = subpacket(b"\x21\x06" + bytes(range(32)))
    packet = b"\x8b\x06\x00\x16\x08" + len(hashed).to_bytes(4, "big") + hashed
    assert openpgp_fingerprint(armor(packet)) == bytes(range(32)).hex().upper()


def test_a_key_type_is_one_word() -> None:
    """The key goes into a file of one line for each key."""
    for name, good in ((b"ssh-ed25519", True), (b"sk-ssh-ed25519@openssh.com", True), (b"a\nb", False), (b"", False)):
        blob = len(name).to_bytes(4, "big") + name + b"key"
        packet = b"SSHSIG\x00\x00\x00\x01" + len(blob).to_bytes(4, "big") + blob
        text = b"-----BEGIN SSH SIGNATURE-----\n" + base64.encodebytes(packet) + b"-----END SSH SIGNATURE-----"
        expected = f"{name.decode()} {base64.b64encode(blob).decode()}" if good else ""
        assert ssh_public_key(text) == expected


@given(st.binary(max_size=400))
def test_anything_at_all(data: bytes) -> None:
    assert len(openpgp_fingerprint(armor(data))) in (0, 40, 64)
    assert openpgp_fingerprint(data) == ssh_public_key(data) == ""


@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"A: b\n", b"AAAA\n", b"=\n", b"-----BEGIN PGP SIGNATURE-----\n"])
def test_time_grows_with_the_length_alone(line: bytes) -> None:
    """A header may have 4 MiB."""
    most = 4_000_000 // len(line)
    for start in (b"-----BEGIN PGP SIGNATURE-----\n", b"-----BEGIN SSH SIGNATURE-----\n"):
        for read in (openpgp_fingerprint, ssh_public_key):
            check_linear(read.__name__, read, lambda count: start + line * count, most=most)  # noqa: B023


def test_a_signature_without_a_fingerprint_is_named_by_its_key_id() -> None:
    """As GitHub signs merges: the creation time and the issuer's key id are all of the hashed part."""
    packet = b"\x8b" + body(subpacket(b"\x02time"), subpacket(b"\x10" + bytes.fromhex("4aee18f83afdeb23")))
    assert (openpgp_fingerprint(armor(packet)), openpgp_key_id(armor(packet))) == ("", "4AEE18F83AFDEB23")


@pytest.mark.parametrize("data", [b"\x10short", b"\x10", b"\x90"])
def test_half_a_key_id_is_none(data: bytes) -> None:
    assert openpgp_key_id(armor(b"\x8b" + body(subpacket(data)))) == ""


def test_the_unhashed_part_names_a_key_to_look_for_and_no_fingerprint() -> None:
    hidden = b"\x8b" + body(subpacket(b"\x02time"))[:-4] + b"\x00\x0a" + subpacket(b"\x10" + bytes(8))
    assert (openpgp_fingerprint(armor(hidden)), openpgp_key_id(armor(hidden))) == ("", "00" * 8)


def test_a_signature_is_by_no_key_whose_id_it_does_not_hold() -> None:
    made = armor(bytes([0xC2, len(body(subpacket(ISSUER)))]) + body(subpacket(ISSUER)))
    other, own = bytes(range(100, 108)), PRINT[-8:]
    assert not openpgp_may_be_by(made, frozenset())
    assert not openpgp_may_be_by(made, frozenset({other}))
    assert openpgp_may_be_by(made, frozenset({other, own}))


def test_an_id_in_the_unhashed_part_leaves_it_open() -> None:
    """gpg looks there too, whatever the hashed part names."""
    elsewhere = bytes(range(100, 108))
    packet = body(subpacket(ISSUER)) + b"\x09\x10" + elsewhere
    assert openpgp_may_be_by(armor(bytes([0xC2, len(packet)]) + packet), frozenset({elsewhere}))


@pytest.mark.parametrize("spoil", [lambda made: made * 2, lambda made: made.replace(b"\n\n", b"\n"), lambda _: b""])
def test_what_cannot_be_read_here_is_left_to_gpg(spoil: Callable[[bytes], bytes]) -> None:
    made = armor(bytes([0xC2, len(body(subpacket(ISSUER)))]) + body(subpacket(ISSUER)))
    assert openpgp_may_be_by(spoil(made), frozenset())
