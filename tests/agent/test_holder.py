"""Which held credential signs: an address by one provider does not answer for the same address by another."""

import time
from datetime import UTC, datetime
from typing import Any, cast

from gitsign_py.agent.holder import Holder, SigningPlan, _key, _Slot
from gitsign_py.agent.ledger import Ledger
from gitsign_py.core.pki.fulcio import CertificateIdentity
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.host.tokens import GivenToken
from gitsign_py.signing.credential import Credential
from tests.support.forgedworld import T0, World
from tests.support.tokens import make

ALICE = "alice@example.com"
HERE, ELSEWHERE = "https://accounts.example.com", "https://login.example.org"


class Agreed:
    """A consent book in which everything stands."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: True


def credential(issuer: str, number: int) -> Credential:
    identity = CertificateIdentity(ALICE, "email", issuer, {})
    return Credential(World().leaf(number=number), identity, lambda _message: b"")


def plan(token_issuer: str) -> SigningPlan:
    now = int(time.time())
    token = make({"iss": token_issuer, "email": ALICE, "iat": now, "exp": now + 60})
    unused: Any = None
    return SigningPlan(
        slot="slot",
        label="here",
        fulcio="https://fulcio.example.com",
        issuer=HERE,
        services=unused,
        options=unused,
        match_committer="false",
        consent=cast(Any, Agreed()),
        silent=lambda _email: None,
        given=GivenToken(IdentityToken(token), "a test"),
        sign_in_seconds=1.0,
        clock_told=unused,
    )


def test_the_same_address_by_two_providers_is_two_credentials() -> None:
    holder = Holder(lambda: T0, Ledger(lambda: datetime.now(UTC)))
    slot = holder._slots["slot"] = _Slot("here")
    for one in (credential(HERE, 20), credential(ELSEWHERE, 21)):
        slot.credentials[_key(one)] = one
    assert [one.issuer for one in holder.held()] == [HERE, ELSEWHERE]
    for issuer in (HERE, ELSEWHERE):
        found = holder.prospect(plan(issuer), ("Alice", ALICE))
        assert found is not None
        assert found.identity.issuer == issuer
    assert holder.prospect(plan("https://a-third.example.net"), ("Alice", ALICE)) is None
