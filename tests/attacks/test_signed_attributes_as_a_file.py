"""The signed attributes over a commit, given to somebody as a file to sign, made a commit of his.

A CMS signature is over its signed attributes, and nothing in the format tells them from a file: whoever signs that DER
as a blob has signed the commit. Our own signing refuses such input, in the front that git calls, in attestations and
in the agent; other people's signers do not, which the documentation says for release workflows.
"""

from datetime import UTC, datetime

import pytest

from gitsign_py.core.git import armor
from gitsign_py.core.pki import cms, der, oids
from gitsign_py.core.pki.cmsbuild import build_signed_attributes, build_signed_data
from gitsign_py.core.pki.signedattributes import refuse_signed_attributes
from gitsign_py.errors import PolicyError
from gitsign_py.signing.attestation import attest_with, git_artifact
from gitsign_py.signing.credential import Credential
from gitsign_py.signing.flow import sign_payload
from tests.support.forge import COMMIT, attribute
from tests.support.forgedworld import LOGGED, World, key, sign

ATTRIBUTES = build_signed_attributes(COMMIT, LOGGED)
_PARTS = [one.raw for one in der.parse(ATTRIBUTES).children()]
_CONTENT = b"".join(_PARTS)
_LONG = b"\x31\x82" + len(_CONTENT).to_bytes(2, "big") + _CONTENT
OTHER_SPELLINGS = {
    "as DER": ATTRIBUTES,
    "in another order": der.encode(der.SET, b"".join(reversed(_PARTS))),
    "a length in more octets (BER)": _LONG,
    "of indefinite length (BER)": b"\x31\x80" + _CONTENT + b"\0\0",
    "over any other content": build_signed_attributes(b"a file", datetime(2026, 1, 1, tzinfo=UTC)),
    "with another digest": der.set_of(
        [
            attribute(oids.CONTENT_TYPE, der.oid(oids.DATA)),
            attribute(oids.MESSAGE_DIGEST, der.octet_string(bytes(64))),
        ]
    ),
    "of a timestamp": der.set_of(
        [
            attribute(oids.CONTENT_TYPE, der.oid(oids.TST_INFO)),
            attribute(oids.MESSAGE_DIGEST, der.octet_string(bytes(32))),
        ]
    ),
}


class _Never:
    """Services that must not be reached."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was used")


def _no_signature(data: bytes) -> bytes:
    raise AssertionError(f"{len(data)} bytes were signed")


def test_a_signature_over_the_file_is_one_over_the_commit() -> None:
    """What the attack is: nothing but bytes that were signed as a file goes into this signature."""
    certificate = World().leaf()
    as_a_file = sign(key(20), ATTRIBUTES)
    signed = cms.parse_signed_data(armor.dearmor(armor.armor(build_signed_data(certificate, ATTRIBUTES, as_a_file))))
    signer = cms.only_signer(signed)
    hash_name = cms.check_algorithms(signed, signer)
    cms.check_signature(signer, certificate.public_key, hash_name)
    cms.check_message_digest(signer, COMMIT, hash_name)


@pytest.mark.parametrize("spelling", list(OTHER_SPELLINGS))
def test_our_signing_refuses_it(spelling: str) -> None:
    never = _Never()
    credential = Credential(World().leaf(), None, _no_signature)  # type: ignore[arg-type]
    data = OTHER_SPELLINGS[spelling]
    for refused in (
        lambda: sign_payload(data, services=never, options=never),  # type: ignore[arg-type]
        lambda: attest_with(
            credential,
            data,
            git_artifact("gitCommit", "0" * 40),
            services=never,  # type: ignore[arg-type]
            options=never,  # type: ignore[arg-type]
        ),
    ):
        with pytest.raises(PolicyError) as caught:
            refused()
        assert caught.value.reason == "signed-attributes"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1",
        b"1\n",
        b"\x31\x00",
        COMMIT,
        ATTRIBUTES + b"\n",
        ATTRIBUTES[:-1],
        b"\n" + ATTRIBUTES,
        der.sequence(_CONTENT),
        der.set_of([attribute(oids.CONTENT_TYPE, der.oid(oids.DATA))]),
        b"1. a list\n" + ATTRIBUTES,
    ],
)
def test_other_input_is_signed(data: bytes) -> None:
    refuse_signed_attributes(data)
