"""Tokens whose TSTInfo is an OCTET STRING in parts, as some authorities write it: the same token, another wrapping."""

import pytest

from gitsign_py.core.pki import der
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.trust.root import CertificateAuthority
from gitsign_py.core.trust.validity import Validity
from gitsign_py.errors import VerificationError
from tests.support import tsafactory as factory

MESSAGE = b"a signature value"
GOOD = factory.make_authority()
TRUSTED = CertificateAuthority("", "", "", tuple(parse_certificate(one) for one in GOOD.chain_der), Validity())


def rewrapped(token: bytes, *parts: bytes) -> bytes:
    """The token with ``parts`` inside a constructed OCTET STRING."""
    kind, wrapped = der.parse(token).children()
    version, digests, encapsulated, *rest = wrapped.children()[0].children()
    content = der.context(0, b"\x24" + factory.asn1_length(len(b"".join(parts))) + b"".join(parts))
    inside = der.sequence(encapsulated.children()[0].raw, content)
    signed = der.sequence(version.raw, digests.raw, inside, *(one.raw for one in rest))
    return der.sequence(kind.raw, der.context(0, signed))


def content_of(token: bytes) -> bytes:
    signed = der.parse(token).children()[1].children()[0]
    return der.read_octet_string(signed.children()[2].children()[1].children()[0])


def test_content_in_parts_is_believed() -> None:
    token = factory.make_token(GOOD, MESSAGE)
    content = content_of(token)
    for parts in ([content], [content[:7], content[7:]]):
        wrapped = rewrapped(token, *(der.octet_string(part) for part in parts))
        assert verify_timestamp(wrapped, message=MESSAGE, authorities=(TRUSTED,)).time == factory.NOW


def test_other_parts_are_refused() -> None:
    token = factory.make_token(GOOD, MESSAGE)
    content = content_of(token)
    nested = b"\x24" + factory.asn1_length(len(der.octet_string(content))) + der.octet_string(content)
    for parts in ([content], [nested], [], [der.octet_string(content[:-1])]):
        with pytest.raises(VerificationError, match="timestamp"):
            verify_timestamp(rewrapped(token, *parts), message=MESSAGE, authorities=(TRUSTED,))
