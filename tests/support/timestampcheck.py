"""What the tests of time-stamp tokens share: a trusted authority, a message, verify, expect a refusal."""

from datetime import datetime

import pytest

from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.sigstore.timestamp import VerifiedTimestamp, verify_timestamp
from gitsign_py.core.trust.root import CertificateAuthority, Validity
from gitsign_py.errors import VerificationError
from tests.support import tsafactory as factory
from tests.support.tsafactory import Authority

MESSAGE = b"a signature value"
GOOD = factory.make_authority()
ROOT_ONLY = 1  # index into the chain: an authority that the trust root knows by its CA alone


def trusted(
    authority: Authority, *, skip: int = 0, start: datetime | None = None, end: datetime | None = None
) -> CertificateAuthority:
    """The trust root's entry for an authority; ``skip`` leaves out that many certificates from the leaf on."""
    chain = tuple(parse_certificate(one) for one in authority.chain_der[skip:])
    return CertificateAuthority("tests", "tsa", "https://tsa.example", chain, Validity(start, end), "tests")


def verify(token: bytes, *authorities: CertificateAuthority, nonce: int | None = None) -> VerifiedTimestamp:
    return verify_timestamp(token, message=MESSAGE, authorities=authorities or (trusted(GOOD),), nonce=nonce)


def refused(token: bytes, *authorities: CertificateAuthority, nonce: int | None = None) -> str:
    """The reason for which a token is refused."""
    with pytest.raises(VerificationError) as caught:
        verify(token, *authorities, nonce=nonce)
    assert "\n" not in caught.value.message
    return caught.value.reason
