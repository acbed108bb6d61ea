"""A certificate is used only when it is ours in every respect; a token that cannot work is not sent."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gitsign_py.clients.fulcio import FulcioClient
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.sigstore.mapping import IssuerConfiguration
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.errors import FormatError, GitsignError, PolicyError, ServiceError, VerificationError
from gitsign_py.ports import Agree, CertificateAuthority, IssuedCertificate, Sign
from gitsign_py.signing.credential import Credential, CredentialRequest, new_key, obtain_credential
from tests.support.badserver import reply, serving
from tests.support.signingkit import FixedToken, ShiftedClock, SigningKit
from tests.support.stack import RunningStack
from tests.support.tokens import make

ALICE = "alice@example.com"


@pytest.fixture
def kit(stack: RunningStack) -> Iterator[SigningKit]:
    with HttpSession(Limits(total=5.0, backoff=0.01), jitter=lambda: 0.0) as session:
        yield SigningKit(stack, session)


def obtain(
    kit: SigningKit,
    *,
    token: str | None = None,
    authority: CertificateAuthority | None = None,
    offset: timedelta = timedelta(0),
    **request: Any,
) -> Credential:
    return obtain_credential(
        replace(CredentialRequest(kit.trusted_root), **request),
        tokens=FixedToken(token or kit.stack.token()),
        authority=authority or FulcioClient(kit.session, kit.stack.url),
        now=ShiftedClock(offset).now(),
    )


def test_a_new_key_is_a_p256_key_that_others_can_read() -> None:
    spki, sign = new_key()
    load_spki(spki).verify(sign(b"message"), b"message")
    assert load_der_public_key(spki).public_numbers()  # type: ignore[union-attr]
    assert new_key()[0] != spki


def test_a_credential_is_over_our_key_and_names_us(kit: SigningKit) -> None:
    credential = obtain(kit, issuer=kit.stack.url, committer=("Alice", ALICE))
    assert (credential.identity.value, credential.identity.issuer) == (ALICE, kit.stack.url)
    credential.certificate.public_key.verify(credential.sign(b"x"), b"x")
    now = ShiftedClock().now()
    assert credential.usable(now)
    assert not credential.usable(now + timedelta(minutes=11))
    assert "sign=" not in repr(credential)


@pytest.mark.parametrize(
    ("token", "options", "reason"),
    [
        ({"ttl": -1}, {}, "token-expired"),
        ({"audience": "other"}, {}, "token-wrong-audience"),
        ({}, {"issuer": "https://accounts.example"}, "token-wrong-issuer"),
        ({}, {"offset": timedelta(minutes=-3)}, "token-not-yet-valid"),
        ({}, {"offset": timedelta(hours=3)}, "token-expired"),
        ({}, {"committer": ("Bob", "bob@example.com")}, "committer-mismatch"),
    ],
)
def test_a_token_that_cannot_work_is_not_sent(
    kit: SigningKit, token: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    with serving(reply(500)) as server, pytest.raises((VerificationError, PolicyError)) as caught:
        obtain(kit, token=kit.stack.token(**token), authority=FulcioClient(kit.session, server.url), **options)
    assert caught.value.reason == reason
    assert caught.value.hint
    assert server.requests == []


def test_a_text_that_is_no_token_is_not_sent(kit: SigningKit) -> None:
    with serving(reply(500)) as server, pytest.raises(FormatError):
        obtain(kit, token="x", authority=FulcioClient(kit.session, server.url))
    assert server.requests == []


@dataclass(frozen=True, slots=True)
class Slipping:
    """An authority that answers for another token, for another key, or with something else."""

    inner: FulcioClient
    token: str = ""
    other_key: bool = False
    change: Any = None

    def issue(
        self, *, token: IdentityToken, public_key_spki: bytes, sign: Sign, agree: Agree | None = None
    ) -> IssuedCertificate:
        if self.other_key:
            public_key_spki, sign = new_key()
        used = IdentityToken(self.token) if self.token else token
        issued = self.inner.issue(token=used, public_key_spki=public_key_spki, sign=sign, agree=agree)
        return self.change(issued) if self.change else issued

    def configuration_of(self, issuer: str, *, ask: bool = True) -> IssuerConfiguration | None:
        return self.inner.configuration_of(issuer, ask=ask)


def unusable(kit: SigningKit, cause: str, *, token: str | None = None, slip: dict[str, Any], **request: Any) -> str:
    authority = Slipping(FulcioClient(kit.session, kit.stack.url), **slip)
    with pytest.raises(ServiceError) as caught:
        obtain(kit, token=token, authority=authority, **request)
    assert (caught.value.reason, caught.value.facts["cause"]) == ("certificate-unusable", cause)
    assert caught.value.message.startswith("the certificate from Fulcio cannot be used: ")
    return caught.value.message


def test_a_certificate_over_another_key_is_not_used(kit: SigningKit) -> None:
    unusable(kit, "certificate-other-key", slip={"other_key": True})


def test_a_certificate_for_somebody_else_is_not_used(kit: SigningKit) -> None:
    message = unusable(kit, "certificate-other-identity", slip={"token": kit.stack.token("bob@example.com")})
    assert "bob@example.com" in message
    assert ALICE in message


def test_a_certificate_of_another_issuer_is_not_used(kit: SigningKit) -> None:
    now = int(ShiftedClock().now().timestamp())
    elsewhere = make({"iss": "https://issuer.example", "iat": now, "exp": now + 60})
    message = unusable(kit, "certificate-other-issuer", token=elsewhere, slip={"token": kit.stack.token()})
    assert "https://issuer.example" in message


def test_a_certificate_of_an_unknown_ca_is_not_used(kit: SigningKit) -> None:
    root = replace(kit.trusted_root, certificate_authorities=())
    unusable(kit, "certificate-untrusted", slip={}, trusted_root=root)


def test_a_certificate_of_an_unknown_ct_log_is_not_used_unless_that_is_wished(kit: SigningKit) -> None:
    root = replace(kit.trusted_root, ctlogs=())
    with pytest.raises(ServiceError) as caught:
        obtain(kit, trusted_root=root)
    assert caught.value.facts["cause"].startswith("sct-")  # type: ignore[union-attr]
    assert obtain(kit, trusted_root=root, require_sct=False).identity.value == ALICE


def test_a_detached_sct_is_explained(kit: SigningKit) -> None:
    def detach(issued: IssuedCertificate) -> IssuedCertificate:
        return replace(issued, detached_sct=b"{}")

    assert "no place" in unusable(kit, "certificate-sct-detached", slip={"change": detach})
    authority = Slipping(FulcioClient(kit.session, kit.stack.url), change=detach)
    assert obtain(kit, authority=authority, require_sct=False)


@pytest.mark.parametrize(
    "chain", [(), (b"",), (b"garbage",), (b"\x30\x00",)], ids=["none", "empty", "garbage", "empty-sequence"]
)
def test_garbage_is_not_used(kit: SigningKit, chain: tuple[bytes, ...]) -> None:
    authority = Slipping(FulcioClient(kit.session, kit.stack.url), change=lambda _: IssuedCertificate(chain))
    with pytest.raises(GitsignError) as caught:
        obtain(kit, authority=authority)
    assert caught.value.reason == "certificate-unusable"


def workload_token(kit: SigningKit, subject: str) -> str:
    """A token without an e-mail address, as a build server's are."""
    form = {"grant_type": "client_credentials", "client_id": "sigstore", "subject": subject, "ttl": "300"}
    answer = kit.stack.request("POST", "/token", urlencode(form).encode(), "application/x-www-form-urlencoded")
    return str(answer.json()["id_token"])


def test_a_workload_is_known_by_the_subject_of_its_token(kit: SigningKit) -> None:
    subject = "https://ci.example/job/1"
    assert obtain(kit, token=workload_token(kit, subject)).identity.value == subject


def test_a_workloads_certificate_for_another_subject_is_not_used(kit: SigningKit) -> None:
    token, other = (workload_token(kit, f"https://ci.example/job/{number}") for number in (1, 2))
    unusable(kit, "certificate-other-identity", token=token, slip={"token": other})
