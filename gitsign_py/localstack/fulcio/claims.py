"""From a verified token's claims to what a certificate says: identity, challenge, claim extensions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

from gitsign_py.core.pki import oids
from gitsign_py.localstack.fulcio.issuers import ForeignIssuer
from gitsign_py.localstack.fulcio.pipelines import CI_SYSTEMS, CODEFRESH, CODEFRESH_PLATFORM, CiSystem, fill
from gitsign_py.localstack.fulcio.templates import MissingClaimError
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
    """``kind`` is ``email``, ``uri`` or ``other`` (an otherName, for users without an address).

    ``challenge`` is what the proof of possession signs. ``raw`` are extensions whose value is the text itself,
    ``texts`` those whose value is a DER UTF8String; both map a dotted OID to the text, in the order in which they stand
    in the certificate.
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


def identify_as(issuer: ForeignIssuer, claims: Claims) -> Identity:
    """Whom a token of a foreign issuer names, by the type that its configuration gives it."""
    name = _BY_TYPE.get(issuer.kind)
    if name is None:
        raise token_refusal("token-issuer-type-unsupported")
    return name(issuer, claims)


def _mailed(issuer: ForeignIssuer, claims: Claims) -> Identity:
    """As ``email``; the issuer may be one that this one speaks for (``issuer-claim``)."""
    found = _email(claims)
    if not issuer.issuer_claim:
        return found
    *path, last = issuer.issuer_claim.removeprefix("$.").split(".")
    value: Any = claims
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    spoken_for = _text(value if isinstance(value, Mapping) else {}, last)
    raw, texts = {**found.raw}, {**found.texts}
    raw[oids.FULCIO_ISSUER_V1] = texts[oids.FULCIO_ISSUER_V2] = spoken_for
    return replace(found, issuer=spoken_for, raw=raw, texts=texts)


def _uri(issuer: ForeignIssuer, claims: Claims) -> Identity:
    """A subject within the domain that the configuration gives the issuer: same scheme, same host."""
    subject = _text(claims, "sub")
    try:
        given, wanted = urlsplit(subject), urlsplit(issuer.subject_domain)
        same = (given.scheme, given.hostname) == (wanted.scheme, wanted.hostname)
    except ValueError:
        same = False
    if not same or not subject.isprintable():
        raise token_refusal("token-subject-outside-domain")
    return _identity("uri", quote(subject, safe="!#$%&'()*+,/:;=?@[]~"), claims)


def _username(issuer: ForeignIssuer, claims: Claims) -> Identity:
    """``name!domain`` (Fulcio's docs/oidc.md): no e-mail address, and not to be taken for one."""
    subject = _text(claims, "sub")
    if "!" in subject or plausible_email(subject) or not subject.isprintable():
        raise token_refusal("token-username-invalid")
    return _identity("other", f"{subject}!{issuer.subject_domain}", claims)


def _workload(issuer: ForeignIssuer, claims: Claims) -> Identity:
    """A SPIFFE ID of the trust domain that the issuer stands for."""
    subject = _text(claims, "sub")
    if not _SPIFFE_ID.match(subject) or urlsplit(subject).netloc != issuer.trust_domain:
        raise token_refusal("token-subject-outside-domain")
    return _identity("uri", subject, claims)


def _service_account(_: ForeignIssuer, claims: Claims) -> Identity:
    workload = claims.get("kubernetes.io")
    return _kubernetes(workload if isinstance(workload, dict) else {}, claims)


def _templated(issuer: ForeignIssuer, claims: Claims) -> Identity:
    """By the templates of the configuration; a value that comes out empty is left out."""
    provider = issuer.provider
    if provider is None:
        raise token_refusal("token-issuer-type-unsupported")
    given = {name: _text(claims, name) for name, item in claims.items() if item and isinstance(item, str)}
    values = {**provider.defaults, **given}
    try:
        san = provider.san.fill(values)
        filled = {number: template.fill(values) for number, template in provider.extensions.items()}
    except MissingClaimError as error:
        raise token_refusal(f"token-claim-missing: {error}") from error
    if not urlsplit(san).scheme or not san.isprintable():
        raise token_refusal("token-without-identity")
    named = {f"{oids.SIGSTORE}.1.{number}": text for number, text in filled.items() if text}
    raw = {oid: text for oid, text in named.items() if oid in oids.FULCIO_GITHUB_CLAIMS}
    texts = {oid: text for oid, text in named.items() if oid not in raw}
    return _identity("uri", quote(san, safe="!#$%&'()*+,/:;=?@[]~"), claims, raw, texts)


def _below(_: ForeignIssuer, claims: Claims) -> Identity:
    """Chainguard's: the subject below the issuer. The proof of possession is over an address, if the token has one."""
    place = quote(f"{_text(claims, 'iss')}/{_text(claims, 'sub')}", safe="!#$%&'()*+,/:;=?@[]~")
    found = _identity("uri", place, claims)
    return replace(found, challenge=_text(claims, "email")) if claims.get("email") else found


def _codefresh(_: ForeignIssuer, claims: Claims) -> Identity:
    return _job(CODEFRESH, {"platform_url": CODEFRESH_PLATFORM, **claims})


def _job_of(number: int) -> Callable[[ForeignIssuer, Claims], Identity]:
    return lambda _, claims: _job(CI_SYSTEMS[number], claims)


_BY_TYPE: Mapping[str, Callable[[ForeignIssuer, Claims], Identity]] = {
    "email": _mailed,
    "uri": _uri,
    "username": _username,
    "spiffe": _workload,
    "kubernetes": _service_account,
    "ci-provider": _templated,
    "github-workflow": _job_of(0),
    "gitlab-pipeline": _job_of(1),
    "buildkite-job": _job_of(2),
    "circleci-job": _job_of(3),
    "chainguard-identity": _below,
    "codefresh-workflow": _codefresh,
}


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
