"""An object with two signatures is as good as the worse of them, and both are one person's."""

import pytest

from gitsign_py.audit.seconds import UNNAMED, with_second
from gitsign_py.core.frozen import replace
from gitsign_py.policy.facts import SignatureFacts

GOOD = SignatureFacts("good", "sigstore", identity="alice@example.com", issuer="https://i.example", san_type="email")
BAD = SignatureFacts("bad", "sigstore", reason="cms-signature-invalid", message="the signature is wrong")
MISSING = SignatureFacts("unchecked", "sigstore", reason="log-entry-not-embedded", message="no entry")


@pytest.mark.parametrize(
    ("first", "second", "status", "reason"),
    [
        (GOOD, GOOD, "good", ""),
        (GOOD, BAD, "bad", "signature-second-wrong"),
        (GOOD, replace(GOOD, identity="mallory@example.com"), "bad", "signature-second-wrong"),
        (GOOD, replace(GOOD, issuer="https://other.example"), "bad", "signature-second-wrong"),
        (GOOD, replace(GOOD, san_type="uri"), "bad", "signature-second-wrong"),
        (GOOD, MISSING, "unchecked", "log-entry-not-embedded"),
        (GOOD, UNNAMED, "unchecked", "signature-second-unchecked"),
        (BAD, GOOD, "bad", "cms-signature-invalid"),
        (MISSING, BAD, "unchecked", "log-entry-not-embedded"),
    ],
)
def test_the_worse_one_counts(first: SignatureFacts, second: SignatureFacts, status: str, reason: str) -> None:
    found = with_second(first, second)
    assert (found.status, found.reason) == (status, reason)
    if status != "good":
        assert not found.identity
