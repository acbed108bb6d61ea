"""From a verified token's claims to what a certificate says: identity, challenge, claim extensions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from gitsign_py.core.pki import oids
from gitsign_py.localstack.fulcio.pipelines import CI_SYSTEMS, CiSystem, fill
from gitsign_py.localstack.idp.issuer import plausible_email
from gitsign_py.localstack.service import Refusal

TOKEN_ERROR = "There was an error processing the identity token"  # noqa: S105 - a sentence
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # JSON can spell halves of pairs, UTF-8 has none
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]+(?:/[A-Za-z0-9._-]+)*\Z")  # SPIFFE-ID §2

Claims = Mapping[str, Any]
Texts = Mapping[str, str]
_NONE: Texts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Identity:
    """``kind`` is ``email`` or ``uri``; ``challenge`` is what the proof of possession signs.

    ``raw`` are extensions whose value is the text itself, ``texts`` those whose value is a DER UTF8String; both map a
    dotted OID to the text, in the order in which they stand in the certificate.
    """

    kind: str
    value: str
    issuer: str
    challenge: str
    raw: Mapping[str, str]
    texts: Mapping[str, str]


def token_refusal(reason: str) -> Refusal:
    """Fulcio's one answer for every trouble with a token; the reason goes into ``details``."""
    return Refusal(400, TOKEN_ERROR, code=3, reason=reason)


def identify(claims: Claims) -> Identity:
    """Whom the token names: an e-mail address, a CI job, a Kubernetes service account, or a subject that is a URI."""
    if "email" in claims:
        return _email(claims)
    for ci in CI_SYSTEMS:
        if ci.marker in claims:
            return _job(ci, claims)
    if isinstance(workload := claims.get("kubernetes.io"), dict):
        return _kubernetes(workload, claims)
    subject = _text(claims, "sub")
    if _SPIFFE_ID.match(subject):
        return _identity("uri", subject, claims)
    if subject.startswith(("https://", "http://")) and subject.isprintable():
        return _identity("uri", quote(subject, safe="!#$%&'()*+,/:;=?@[]~"), claims)
    raise token_refusal("token-without-identity")


def _identity(kind: str, value: str, claims: Claims, raw: Texts = _NONE, texts: Texts = _NONE) -> Identity:
    issuer, subject = _text(claims, "iss"), _text(claims, "sub")
    challenge = value if kind == "email" else subject
    raw = {oids.FULCIO_ISSUER_V1: issuer, **raw}
    texts = {oids.FULCIO_ISSUER_V2: issuer, **texts, f"{oids.SIGSTORE}.1.24": subject}
    return Identity(kind, value, issuer, challenge, raw, texts)


def _email(claims: Claims) -> Identity:
    email = _text(claims, "email")
    if not plausible_email(email):
        raise token_refusal("token-email-invalid")
    if claims.get("email_verified") is not True:
        raise token_refusal("token-email-unverified")
    return _identity("email", email, claims)


def _job(ci: CiSystem, claims: Claims) -> Identity:
    def text(name: str) -> str:
        return _text(claims, name)

    raw = {f"{oids.SIGSTORE}.1.{number}": fill(template, text) for number, template in ci.raw.items()}
    wanted = {**ci.texts, **{number: one for number, one in ci.optional.items() if one.strip("{}") in claims}}
    texts = {f"{oids.SIGSTORE}.1.{number}": fill(template, text) for number, template in wanted.items()}
    return _identity("uri", ci.named(text), claims, raw, texts)


def _kubernetes(workload: Claims, claims: Claims) -> Identity:
    """A service account's projected token (Kubernetes, "ServiceAccount token volume projection")."""
    account = workload.get("serviceaccount")
    if not isinstance(account, dict):
        raise token_refusal("token-claim-missing: serviceaccount")
    place = f"namespaces/{_text(workload, 'namespace')}/serviceaccounts/{_text(account, 'name')}"
    return _identity("uri", "https://kubernetes.io/" + quote(place), claims)


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or len(value) > 1024 or _SURROGATE.search(value):
        raise token_refusal(f"token-claim-missing: {name}")
    return value
