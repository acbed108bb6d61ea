"""Fulcio: an identity token and a key in, a ten-minute certificate out (its v2 API, v1 where a server has only that).

The answer is taken apart, not judged: whether the certificate is ours and chains to the trust root is checked by
the signing flow before the key signs anything.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gitsign_py.clients.answer import Answer, status_error
from gitsign_py.clients.session import HttpSession, json_body
from gitsign_py.clients.urls import check_url, join_url
from gitsign_py.core.encoding import b64_decode, b64_encode, pem_decode, pem_encode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.mapping import IssuerConfiguration, configured
from gitsign_py.core.sigstore.token import IdentityToken, UnverifiedClaims, challenge_subject, parse_unverified
from gitsign_py.errors import FormatError, ServiceError
from gitsign_py.ports import Agree, IssuedCertificate, Sign

SERVICE = "Fulcio"
_NO_V2 = frozenset({404, 405, 501})
_REFUSED = frozenset({400, 401, 403})
_MAX_CHAIN = 8
_KEPT_SECONDS = 600.0
_CHAINGUARD = "chainguard-identity"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class KnownConfigurations:
    """What each Fulcio said about its issuers, for ten minutes: one signature, or all that an agent makes."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[str, tuple[float, tuple[IssuerConfiguration, ...]]] = {}

    def get(self, url: str) -> tuple[IssuerConfiguration, ...] | None:
        """What is known of the Fulcio at this URL, None for nothing."""
        end, issuers = self._kept.get(url, (0.0, ()))
        return issuers if self._now() < end else None

    def keep(self, url: str, issuers: tuple[IssuerConfiguration, ...]) -> None:
        """Remember it."""
        self._kept[url] = (self._now() + _KEPT_SECONDS, issuers)

    def forget(self, url: str) -> None:
        """Ask again the next time."""
        self._kept.pop(url, None)


@frozen
class _Application:
    token: IdentityToken
    spki: bytes
    proof: bytes


class FulcioClient:
    """A certificate authority behind HTTP (port ``CertificateAuthority``)."""

    def __init__(self, session: HttpSession, url: str, known: KnownConfigurations | None = None) -> None:
        check_url(SERVICE, url)
        self._session = session
        self._url = url
        self._known = known or KnownConfigurations()

    def issue(
        self, *, token: IdentityToken, public_key_spki: bytes, sign: Sign, agree: Agree | None = None
    ) -> IssuedCertificate:
        """Ask for a certificate; see the port. Raises ServiceError, FormatError ``token-invalid``."""
        claims = parse_unverified(token.raw)
        challenge = self._known_challenge(claims)
        answer = self._apply(_Application(token, public_key_spki, sign(challenge.encode())))
        if answer.status in _REFUSED:
            other = self._other_challenge(claims, challenge, agree)
            if other is not None:
                answer = self._apply(_Application(token, public_key_spki, sign(other.encode())))
        if answer.status in _REFUSED:
            raise status_error(answer, hint=_refusal_hint(claims))
        return _issued(answer)

    def configuration_of(self, issuer: str, *, ask: bool = True) -> IssuerConfiguration | None:
        """Say how it treats tokens of this issuer; see the port. Never raises."""
        issuers = self._known.get(self._url)
        if issuers is None and ask:
            try:
                issuers = self.configuration()
            except ServiceError:  # one with the v1 API alone, or one that is away: then the token has to do
                return None
            self._known.keep(self._url, issuers)
        return configured(issuers or (), issuer)

    def _known_challenge(self, claims: UnverifiedClaims) -> str:
        """The usual one, or the one that this server is known to want: no question is asked for it.

        Fulcio says ``sub`` of Chainguard's issuers too, and takes the address of their tokens that have one.
        """
        known = self.configuration_of(claims.issuer, ask=False)
        by_subject = known is not None and known.challenge_claim == "sub" and known.issuer_type != _CHAINGUARD
        return claims.subject if by_subject else challenge_subject(claims)

    def _apply(self, application: _Application) -> Answer:
        """Return 200 (v2), 201 (v1) or a refusal."""
        answer = self._post("/api/v2/signingCert", _request_v2(application), {}, {200, *_REFUSED, *_NO_V2})
        if answer.status not in _NO_V2:
            return answer
        bearer = {"Authorization": f"Bearer {application.token.raw}", "Accept": "application/pem-certificate-chain"}
        return self._post("/api/v1/signingCert", _request_v1(application), bearer, {201, *_REFUSED})

    def _post(self, path: str, request: object, headers: Mapping[str, str], expected: set[int]) -> Answer:
        url = join_url(self._url, path)
        return self._session.exchange(
            SERVICE, "POST", url, body=json_body(request), headers={**_JSON, **headers}, expected=expected
        )

    def _other_challenge(self, claims: UnverifiedClaims, tried: str, agree: Agree | None) -> str | None:
        """After a refusal, look up whether this server wants another claim signed than the one that was tried.

        Only a token with an e-mail address leaves a choice, and only a server with the v2 API can be asked. Another
        claim means another name in the certificate, so ``agree`` hears of it first. A configuration that was known
        before may be an old one.
        """
        if not claims.email:
            return None
        self._known.forget(self._url)
        found = self.configuration_of(claims.issuer)
        if found is None or found.challenge_claim not in ("email", "sub"):
            return None  # the refusal itself is the better message
        wanted = challenge_subject(claims, found.challenge_claim)
        if wanted == tried:
            return None
        if agree is not None:
            agree(found)
        return wanted

    def configuration(self) -> tuple[IssuerConfiguration, ...]:
        """Return the issuers that this Fulcio accepts. Raises ServiceError."""
        answer = self._get("/api/v2/configuration")
        return tuple(
            IssuerConfiguration(
                url=_text(answer, item, "issuerUrl") or _text(answer, item, "wildcardIssuerUrl"),
                audience=_text(answer, item, "audience"),
                challenge_claim=_text(answer, item, "challengeClaim"),
                issuer_type=_text(answer, item, "issuerType"),
                subject_domain=_text(answer, item, "subjectDomain"),
            )
            for item in _objects(answer, "issuers")
        )

    def trust_bundle(self) -> tuple[tuple[bytes, ...], ...]:
        """Return the server's own word about its chains, each as DER, nearest to the leaf first.

        Good for setting up and for comparing; a chain from here is no trust anchor. Raises ServiceError.
        """
        answer = self._get("/api/v2/trustBundle")
        return tuple(_chain(answer, chain) for chain in _objects(answer, "chains"))

    def _get(self, path: str) -> Answer:
        return self._session.exchange(SERVICE, "GET", join_url(self._url, path), headers={"Accept": _JSON["Accept"]})


def _request_v2(application: _Application) -> object:
    key = pem_encode(application.spki, "PUBLIC KEY").decode("ascii")
    return {
        "credentials": {"oidcIdentityToken": application.token.raw},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": key},
            "proofOfPossession": b64_encode(application.proof),
        },
    }


def _request_v1(application: _Application) -> object:
    return {
        "publicKey": {"algorithm": "ecdsa", "content": b64_encode(application.spki)},
        "signedEmailAddress": b64_encode(application.proof),  # the old name: it is the challenge, e-mail or not
    }


def _issued(answer: Answer) -> IssuedCertificate:
    if answer.status == 201:
        return _issued_v1(answer)
    value = _object(answer, answer.json())
    if "signedCertificateEmbeddedSct" in value:
        signed = _object(answer, value["signedCertificateEmbeddedSct"])
        return IssuedCertificate(_chain(answer, _object(answer, signed.get("chain"))))
    if "signedCertificateDetachedSct" in value:
        signed = _object(answer, value["signedCertificateDetachedSct"])
        sct = _decoded(answer, _text(answer, signed, "signedCertificateTimestamp"))
        return IssuedCertificate(_chain(answer, _object(answer, signed.get("chain"))), sct or None)
    raise answer.invalid("it holds no signed certificate")


def _issued_v1(answer: Answer) -> IssuedCertificate:
    """The PEM chain is the body; an SCT that the leaf does not carry stands in a header of its own."""
    sct = answer.headers.get("sct")
    return IssuedCertificate(_pem(answer, answer.body), None if sct is None else _decoded(answer, sct))


def _chain(answer: Answer, chain: Mapping[str, Any]) -> tuple[bytes, ...]:
    texts = chain.get("certificates")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise answer.invalid("it holds no list of certificates")
    return _pem(answer, "\n".join(texts).encode())


def _pem(answer: Answer, text: bytes) -> tuple[bytes, ...]:
    try:
        chain = pem_decode(text, "CERTIFICATE")
    except FormatError as error:
        raise answer.invalid(error.message) from error
    if len(chain) > _MAX_CHAIN:
        raise answer.invalid(f"its chain has {len(chain)} certificates, at most {_MAX_CHAIN} are taken")
    return chain


def _decoded(answer: Answer, text: str) -> bytes:
    try:
        return b64_decode(text)
    except FormatError as error:
        raise answer.invalid(f"its certificate timestamp is {error.message}") from error


def _object(answer: Answer, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise answer.invalid("a JSON object is missing")
    return value


def _objects(answer: Answer, name: str) -> Iterator[Mapping[str, Any]]:
    items = _object(answer, answer.json()).get(name)
    if not isinstance(items, list):
        raise answer.invalid(f"it holds no list named {name}")
    return (_object(answer, item) for item in items)


def _text(answer: Answer, value: Mapping[str, Any], name: str) -> str:
    """Protobuf JSON leaves out or sends empty what has no value; both are the empty text here."""
    text = value.get(name, "")
    if not isinstance(text, str):
        raise answer.invalid(f"its {name} is not text")
    return text


def _refusal_hint(claims: UnverifiedClaims) -> str:
    """Fulcio says little about a token on purpose; what can be told from this side is said here."""
    if claims.email and claims.email_verified is False:
        return f"the token says that {claims.email} is not verified: confirm it with the issuer {claims.issuer}"
    audience = ", ".join(claims.audience)
    return (
        f"the token is from {claims.issuer} for {audience} and has not expired by this machine's clock: "
        "check that this Fulcio accepts that issuer (gitsign.fulcio, gitsign.issuer)"
    )
