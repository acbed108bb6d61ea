"""No byte of a signed commit and no bit of its signature may change without a refusal.

Every bit takes its turn where GITSIGN_TEST_THOROUGH is 1; else one bit of every byte.

``HARMLESS`` would name bits that nothing covers; docs/verification.md tells which parts of a signature could have some.
"""

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gitsign_py import errors
from gitsign_py.core.git import armor, gitobject
from gitsign_py.core.pki import der, oids
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.verification import Expected, ExpectedIdentity, verify_signature
from tests.support.forge import forge
from tests.support.forgedworld import EMAIL, ISSUER, World
from tests.support.thorough import THOROUGH

pytestmark = pytest.mark.no_cover  # very many calls of what other tests measure
NOW = datetime(2026, 6, 1, tzinfo=UTC)
WHO = ExpectedIdentity(Expected(EMAIL), Expected(ISSUER))
VALUES = 3 if THOROUGH else 1
HARMLESS: frozenset[int] = frozenset()
FORMS = {"v1": {}, "v1-timestamp": {"timestamp": {}}, "v2-timestamp": {"log": "v2", "timestamp": {}}}


@pytest.fixture(autouse=True)
def _plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousands of refusals whose words nobody reads: no token is looked for in them."""
    monkeypatch.setattr(errors, "veiled", lambda text, **_: text)


def verifies(payload: bytes, signature: bytes, root: TrustedRoot) -> bool:
    try:
        verify_signature(payload, signature, trusted_root=root, now=NOW, expected=WHO)
    except (VerificationError, FormatError):
        return False
    return True


def accepted(data: bytes, root: TrustedRoot) -> bool:
    """Whether stored bytes of a commit pass."""
    try:
        signed = gitobject.split_commit(data)
    except FormatError:
        return False
    return signed.signature is not None and verifies(signed.payload, signed.signature, root)


def changed_bytes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every byte with three other values (its neighbour bit, its case bit, one at random), or with one of them."""
    dice = random.Random(1)
    for at, old in enumerate(data):
        others = {old ^ 1, old ^ 0x20, dice.randrange(256)} - {old}
        while len(others) < 3:
            others |= {dice.randrange(256)} - {old}
        for new in dice.sample(sorted(others), VALUES):
            yield at, data[:at] + bytes([new]) + data[at + 1 :]


def test_no_byte_of_a_commit_can_change() -> None:
    forged = forge(World())
    passed = [at for at, changed in changed_bytes(forged.data) if accepted(changed, forged.root)]
    assert passed == []


def test_no_byte_of_a_commit_can_go_or_come() -> None:
    forged = forge(World())
    data = forged.data
    passed = [at for at in range(len(data)) if accepted(data[:at] + data[at + 1 :], forged.root)]
    passed += [at for at in range(len(data) + 1) if accepted(data[:at] + b"\n" + data[at:], forged.root)]
    assert passed == []


def bits_to_turn(name: str, whole: bytes) -> Iterator[int]:
    """All bits of one form, which has every part; of the others those that it has not, and one in five of the rest.

    Of these one in each byte, unless it shall be thorough: another one from byte to byte.
    """
    start, end = (
        (whole.index(der.oid(oid)) for oid in (oids.LOG_ENTRY, oids.TIMESTAMP_TOKEN)) if name != "v1" else (0, 0)
    )
    entry = range(start, end if start < end else len(whole))
    for bit in range(len(whole) * 8):
        if not THOROUGH and bit % 8 != bit // 8 % 8:
            continue
        if name == "v1-timestamp" or (name == "v2-timestamp" and bit // 8 in entry) or bit % 5 == 0:
            yield bit


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("name", FORMS)
def test_no_bit_of_a_signature_can_change(name: str, part: int) -> None:
    made = forge(World(), **FORMS[name])  # type: ignore[arg-type]
    assert accepted(made.data, made.root)
    whole = armor.dearmor(made.signature)
    passed = set()
    for bit in list(bits_to_turn(name, whole))[part::2]:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        text = b"-----BEGIN SIGNED MESSAGE-----\n" + _lines(bytes(changed)) + b"-----END SIGNED MESSAGE-----\n"
        if verifies(made.payload, text, made.root):
            passed.add(bit)
    assert passed == HARMLESS


def _lines(data: bytes) -> bytes:
    body = base64.b64encode(data)
    return b"".join(body[at : at + 64] + b"\n" for at in range(0, len(body), 64))
