"""From a verified token's claims to what a certificate says: identity, challenge, claim extensions.

The mapping of GitHub's claims is Fulcio's (docs/oid-info.md): each extension's OID, how its value is made.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

from gitsign_py.core import oids
from gitsign_py.localstack.idp import plausible_email
from gitsign_py.localstack.service import Refusal

TOKEN_ERROR = "There was an error processing the identity token"  # noqa: S105 - a sentence
_GITHUB = "https://github.com/"
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
    """Whom the token names: an e-mail address, a GitHub workflow, or a subject that is a URI."""
    if "email" in claims:
        return _email(claims)
    if "job_workflow_ref" in claims:
        return _workflow(claims)
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


def _workflow(claims: Claims) -> Identity:
    raw = {f"{oids.SIGSTORE}.1.{number}": _text(claims, name) for number, name in _RAW_CLAIMS.items()}
    texts = {f"{oids.SIGSTORE}.1.{number}": make(claims) for number, make in _TEXT_CLAIMS.items()}
    if "environment" in claims:  # only jobs that deploy have one
        texts[f"{oids.SIGSTORE}.1.23"] = _text(claims, "environment")
    return _identity("uri", _url("job_workflow_ref")(claims), claims, raw, texts)


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or len(value) > 1024 or _SURROGATE.search(value):
        raise token_refusal(f"token-claim-missing: {name}")
    return value


def _plain(name: str) -> Callable[[Claims], str]:
    return lambda claims: _text(claims, name)


def _url(name: str) -> Callable[[Claims], str]:
    return lambda claims: _GITHUB + _path(_text(claims, name))


def _path(text: str) -> str:
    """A path of a URL as Fulcio writes it: as it stands when it is one, else percent-encoded anew (RFC 3986 §2.1).

    Go's net/url leaves brackets and the like alone in the first case and encodes them in the second.
    """
    if quote(text, safe="!$%&'()*+,/:;=@[]~") == text:
        return text
    return quote(unquote(text), safe="$&+,/:;=@~")


def _run_url(claims: Claims) -> str:
    repository, run, attempt = (_text(claims, name) for name in ("repository", "run_id", "run_attempt"))
    return _GITHUB + _path(f"{repository}/actions/runs/{run}/attempts/{attempt}")


_RAW_CLAIMS = {2: "event_name", 3: "sha", 4: "workflow", 5: "repository", 6: "ref"}
_TEXT_CLAIMS: dict[int, Callable[[Claims], str]] = {
    9: _url("job_workflow_ref"),
    10: _plain("job_workflow_sha"),
    11: _plain("runner_environment"),
    12: _url("repository"),
    13: _plain("sha"),
    14: _plain("ref"),
    15: _plain("repository_id"),
    16: _url("repository_owner"),
    17: _plain("repository_owner_id"),
    18: _url("workflow_ref"),
    19: _plain("workflow_sha"),
    20: _plain("event_name"),
    21: _run_url,
    22: _plain("repository_visibility"),
}
