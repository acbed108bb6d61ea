"""Certificates for tests of paths: a CA with any extension left out or changed, and one certified again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate
from tests.support.forgedworld import (
    CA_USAGE,
    EMAIL,
    T0,
    Authority,
    certify,
    constraints,
    extension,
    issuer_claims,
    key,
    name,
    purposes,
    spki,
    usage,
)

DAY = timedelta(days=1)
OLD = (T0 - 300 * DAY, T0 - 10 * DAY)
"""A validity that had ended before anything was signed."""
NEW = (T0 - 30 * DAY, T0 + 300 * DAY)


def identifier(number: int) -> bytes:
    """A key identifier of its own for each key; nothing says how it is made (RFC 5280 §4.2.1.2)."""
    return b"key-%d" % number


def subject_id(number: int, *, critical: bool = False) -> bytes:
    return extension(oids.SUBJECT_KEY_ID, der.octet_string(identifier(number)), critical=critical)


def authority_id(number: int, *, critical: bool = False) -> bytes:
    value = der.sequence(der.context(0, identifier(number), constructed=False))
    return extension(oids.AUTHORITY_KEY_ID, value, critical=critical)


def ca(
    number: int,
    common_name: str,
    parent: tuple[int, str] | None = None,
    *,
    path_length: int | None = None,
    window: tuple[datetime, datetime] = NEW,
    serial: int | None = None,
    basic: bytes | None = None,
    bits: bytes | None = CA_USAGE,
    identifiers: Sequence[bytes] | None = None,
    extra: Sequence[bytes] = (),
) -> Authority:
    """A CA with key ``number`` by ``parent`` (key and name), or self-signed; ``basic`` b"" leaves out the extension."""
    signer, above = parent or (number, common_name)
    if identifiers is None:
        identifiers = [subject_id(number), authority_id(signer)]
    parts = [constraints(ca=True, path_length=path_length) if basic is None else basic]
    parts += [usage(bits)] if bits else []
    parts += [*identifiers, *extra]
    made = certify(
        key(signer),
        name(above),
        name(common_name),
        spki(key(number)),
        [part for part in parts if part],
        serial if serial is not None else 1000 + number,
        *window,
    )
    return Authority(key(number), made, name(common_name))


def leaf(
    parent: tuple[int, str],
    *,
    purpose: str = oids.CODE_SIGNING,
    bits: bytes | None = b"\x07\x80",
    serial: int = 7,
    extra: Sequence[bytes] = (),
    san: bool = True,
    san_critical: bool = True,
    subject: str = "",
    window: tuple[datetime, datetime] = (T0, T0 + timedelta(minutes=10)),
    identifiers: Sequence[bytes] | None = None,
) -> Certificate:
    """A signer's certificate as Fulcio makes them, without an SCT."""
    signer, above = parent
    names = der.sequence(der.encode(0x81, EMAIL.encode()))
    parts = [usage(bits)] if bits else []
    parts += [purposes(purpose)] if purpose else []
    parts += [extension(oids.SUBJECT_ALT_NAME, names, critical=san_critical)] if san else []
    parts += [authority_id(signer)] if identifiers is None else list(identifiers)
    parts += [*issuer_claims(), *extra]
    return certify(key(signer), name(above), name(subject), spki(key(20)), parts, serial, *window)


# --- what makes a careless search go on for ever ---------------------------------------------------------------------


def twins(count: int) -> list[Authority]:
    """CAs with one name and one key, each certified by itself."""
    return [ca(60, "loop", serial=5000 + at) for at in range(count)]


def pair(count: int) -> list[Authority]:
    """Two names that issue each other."""
    ends = (61, "one"), (62, "two")
    return [ca(*ends[at % 2], ends[1 - at % 2], serial=5000 + at) for at in range(count)]


def strangers(count: int) -> list[Authority]:
    """CAs with one name and a key each, each certified by the next."""
    return [ca(100 + at, "loop", (101 + at, "loop"), identifiers=()) for at in range(count)]


def claimants(count: int) -> list[Authority]:
    """CAs that all claim to be by the trust root's intermediate."""
    return [ca(100 + at, "loop", (99, "intermediate"), identifiers=()) for at in range(count)]


def line(count: int) -> list[Authority]:
    """CAs each certified by the next, and the last one by nobody."""
    return [ca(100 + at, f"middle {at}", (101 + at, f"middle {at + 1}")) for at in range(count)]


HOSTILE = [twins, pair, strangers, claimants]
