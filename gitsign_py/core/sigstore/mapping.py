"""From a token's claims to the names that its certificate may have, as Fulcio's issuer types map them (docs/oidc.md).

Which mapping counts is the CA's setting for the issuer. Its configuration endpoint tells the setting
(``GET /api/v2/configuration``), except for the templates of type ci-provider and for the claim that names an issuer.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal
from urllib.parse import quote, unquote

from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import UnverifiedClaims

Kind = Literal["email", "uri", "other"]
_DEPTH = 4  # of objects within claims, where a provider may be named
_TELLING = 6  # letters of a claim that stand in a name by no accident
_CIRCLECI = ("project", "pipeline-definition")
_CODEFRESH = ("account_name", "pipeline_name", "account_id", "pipeline_id")
_MARKERS = (
    "job_workflow_ref", "ci_config_ref_uri", "pipeline_slug", "oidc.circleci.com/pipeline-definition-id", "workflow_id",
    "kubernetes.io", "act",
)  # fmt: skip
"""Claims that only the tokens of workloads have; ``act`` is Chainguard's."""
_WILD = frozenset("-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_IN_URIS = "!#$%&'()*+,/:;=?@[]~"


@frozen
class IssuerConfiguration:
    """How a Fulcio treats one issuer: ``challenge_claim`` is the claim that proof of possession is made over.

    ``url`` may be a pattern with ``*`` (Fulcio's meta issuers); ``issuer_type`` is Fulcio's word (email, uri, ...),
    empty where an old server does not say. ``subject_domain`` is that of user names.
    """

    url: str
    audience: str
    challenge_claim: str
    issuer_type: str
    subject_domain: str = ""

    def is_of(self, issuer: str) -> bool:
        """Tell whether this is how tokens of ``issuer`` are treated; ``*`` is a part between dots and slashes."""
        head, *rest = self.url.split("*")
        if not rest or not issuer.startswith(head):
            return self.url == issuer
        *middle, tail = rest
        at = len(head)
        for piece in middle:  # the first place is as good as any: what follows has more room after it
            found = issuer.find(piece, at + 1)
            if found < 0 or not _WILD.issuperset(issuer[at:found]):
                return False
            at = found + len(piece)
        end = len(issuer) - len(tail)
        return issuer.endswith(tail) and at < end and _WILD.issuperset(issuer[at:end])


def configured(issuers: Iterable[IssuerConfiguration], issuer: str) -> IssuerConfiguration | None:
    """The configuration that counts for tokens of ``issuer``: one with the very URL before patterns."""
    found = [one for one in issuers if one.is_of(issuer)]
    return min(found, key=lambda one: one.url != issuer, default=None)


def is_plain(claims: UnverifiedClaims) -> bool:
    """Tell whether the token alone decides what it becomes: an address, a workload's claims, or a URI as subject.

    An address beside such claims, or a subject that is neither, may become one thing or another. (A CA that makes
    something else of an address wants another proof of possession, so it says so before anything is logged.)
    """
    ways = [bool(claims.email), any(name in claims.other for name in _MARKERS), "://" in claims.subject]
    return sum(ways) == 1


def certificate_issuers(claims: UnverifiedClaims) -> tuple[str, ...]:
    """Return the issuers that a certificate for this token may name.

    Fulcio can be told to name the identity provider behind a Dex instance (its ``connector_id``) instead of Dex.
    """
    federated = claims.other.get("federated_claims")
    connector = federated.get("connector_id") if isinstance(federated, dict) else None
    return (claims.issuer, connector) if isinstance(connector, str) and connector else (claims.issuer,)


def certificate_identities(
    claims: UnverifiedClaims, configuration: IssuerConfiguration | None = None
) -> tuple[str, ...]:
    """Return the subject alternative names that a certificate for this token may carry.

    By a CA's ``configuration`` it is what the issuer's type makes of the token. Without one it is the e-mail address
    alone for a token that has one; the subject, or what Fulcio's documentation of its issuer types derives from a
    workload's claims (GitHub, GitLab, Buildkite, CircleCI, Codefresh, Chainguard, Kubernetes), for the others.
    """
    known = configuration.issuer_type if configuration is not None else ""
    if configuration is not None and known == "username":
        return (f"{claims.subject}!{configuration.subject_domain}",)
    if known in ("uri", "spiffe"):
        return (as_uri(claims.subject),)
    if known == "chainguard-identity":
        return (_below_issuer(claims),)
    return (claims.email,) if claims.email and _is_mailed(configuration) else _derived(claims)


def kind_for(claims: UnverifiedClaims, configuration: IssuerConfiguration | None = None) -> Kind:
    """Return the kind of that name."""
    known = configuration.issuer_type if configuration is not None else ""
    if known == "username":
        return "other"
    return "email" if claims.email and _is_mailed(configuration) else "uri"


def may_become(
    claims: UnverifiedClaims, name: str, kind: str, configuration: IssuerConfiguration | None = None
) -> bool:
    """Tell before a certificate is there whether it may carry ``name``; exact where the configuration says how."""
    known = configuration.issuer_type if configuration is not None else ""
    if known == "ci-provider":  # its templates are not told
        return kind == "uri" and "://" in name
    if known:
        return name in certificate_identities(claims, configuration)
    if kind == "email" and not _is_mailed(configuration):
        return False
    return may_identify(claims, name, kind, None, configuration)


def may_identify(
    claims: UnverifiedClaims,
    name: str,
    kind: str,
    subject: str | None,
    configuration: IssuerConfiguration | None = None,
) -> bool:
    """Tell whether a certificate may carry ``name`` (``kind``: email, uri or other) for this token.

    Which mapping counts is the CA's setting for the issuer: with types such as uri, username and ci-provider a token
    with an e-mail address becomes its subject, the subject with ``!DOMAIN``, or what a template makes of its claims.
    For such a template the certificate's own ``subject`` (1.3.6.1.4.1.57264.1.24) decides, and for a CA that does not
    write it yet the type that its ``configuration`` has, or for one that tells no types whether the name shows a claim
    of the token; an address never rests on any of these.
    """
    if name in certificate_identities(claims):
        return True
    if kind == "email":
        return False
    if configuration is not None and name in certificate_identities(claims, configuration):
        return True
    if kind == "other" and name.startswith(f"{claims.subject}!") and len(name) > len(claims.subject) + 1:
        return True
    if subject is not None:
        return subject == claims.subject or _is_one_of(name, _derived(claims))
    return _is_one_of(name, _derived(claims)) or (kind == "uri" and _by_template(claims, name, configuration))


def may_vouch(claims: UnverifiedClaims, issuer: str, configuration: IssuerConfiguration | None = None) -> bool:
    """Tell whether a certificate may name ``issuer`` for this token: its own, or a URL that one of its claims is.

    A CA can be told which claim names the provider behind an issuer (Fulcio's IssuerClaim, a path into the claims).
    That is for issuers of type email; by such a ``configuration`` the claim need not be a URL.
    """
    if issuer in certificate_issuers(claims):
        return True
    is_mapped = configuration is not None and configuration.issuer_type == "email"
    return (is_mapped or issuer.startswith(("https://", "http://"))) and issuer in _texts(claims.other, _DEPTH)


def _is_mailed(configuration: IssuerConfiguration | None) -> bool:
    """Whether an address becomes the name; a CA that tells no types tells which claim is to be proven."""
    if configuration is None or configuration.issuer_type == "email":
        return True
    return not configuration.issuer_type and configuration.challenge_claim != "sub"


def _by_template(claims: UnverifiedClaims, name: str, configuration: IssuerConfiguration | None) -> bool:
    if configuration is None or configuration.issuer_type not in ("", "ci-provider"):
        return False
    if configuration.issuer_type:
        return True
    decoded = unquote(name)
    shown = (text for text in _texts(claims.other, _DEPTH) if len(text) >= _TELLING)
    return configuration.challenge_claim == "sub" and any(text in decoded for text in shown)


def as_uri(text: str) -> str:
    """The text as a URI in a certificate: RFC 5280 §4.2.1.6 takes ASCII alone, the rest is percent-encoded."""
    return quote(text, safe=_IN_URIS)


def _is_one_of(name: str, names: Iterable[str]) -> bool:
    """By what they mean: programs differ in which characters of a URI they encode."""
    decoded = unquote(name)
    return any(decoded == unquote(one) for one in names)


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth:
        for item in value.values():
            yield from _texts(item, depth - 1)


def _derived(claims: UnverifiedClaims) -> tuple[str, ...]:
    derived = [claims.subject]
    if claims.other.get("act") is not None:
        derived.append(_below_issuer(claims))
    for claim, prefix in (("job_workflow_ref", "https://github.com/"), ("ci_config_ref_uri", "https://")):
        if text := _string(claims.other, claim):
            derived.append(prefix + text)
    if (owner := _string(claims.other, "organization_slug")) and (build := _string(claims.other, "pipeline_slug")):
        derived.append(f"https://buildkite.com/{owner}/{build}")
    project, pipeline = (_string(claims.other, f"oidc.circleci.com/{name}-id") for name in _CIRCLECI)
    if project and pipeline:
        derived.append(f"https://circleci.com/api/v2/projects/{project}/pipeline-definitions/{pipeline}")
    derived += (one for one in (_codefresh(claims.other), _kubernetes(claims.other.get("kubernetes.io"))) if one)
    return tuple(derived)


def _below_issuer(claims: UnverifiedClaims) -> str:
    return as_uri(f"{claims.issuer.rstrip('/')}/{claims.subject.lstrip('/')}")


def _codefresh(claims: Mapping[str, object]) -> str | None:
    texts = [_string(claims, name) for name in _CODEFRESH]
    if not all(texts):
        return None
    account, pipeline, account_id, pipeline_id = texts
    platform = _string(claims, "platform_url") or "https://g.codefresh.io"
    return f"{platform}/{account}/{pipeline}:{account_id}/{pipeline_id}"


def _kubernetes(claim: object) -> str | None:
    account = claim.get("serviceaccount") if isinstance(claim, dict) else None
    if not isinstance(claim, dict) or not isinstance(account, dict):
        return None
    namespace, name = claim.get("namespace"), account.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str):
        return None
    return f"https://kubernetes.io/namespaces/{namespace}/serviceaccounts/{name}"


def _string(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
