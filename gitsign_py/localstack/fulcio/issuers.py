"""Issuers whose tokens the local Fulcio takes beside the stack's own, as Fulcio's own configuration file names them.

YAML or JSON, which is YAML: ``oidc-issuers``, ``meta-issuers`` and ``ci-issuer-metadata``, or ``OIDCIssuers`` and so
on. An issuer of a type that is not known here is read, so that the public file can be used; its tokens are refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitsign_py.errors import ConfigError
from gitsign_py.localstack.fulcio.templates import Template, parse_template

MAX_FILE = 1 << 20
_WILD = "[-_a-zA-Z0-9]+"
_TWO_WILD = re.compile(r"\*[-_a-zA-Z0-9]*+\*")
"""A matcher would try every way to share out the letters, for a token that is not checked yet."""
_EXTENSIONS = {  # number of the OID below 1.3.6.1.4.1.57264.1 by name (Fulcio's docs/oid-info.md)
    "githubworkflowtrigger": 2,
    "githubworkflowsha": 3,
    "githubworkflowname": 4,
    "githubworkflowrepository": 5,
    "githubworkflowref": 6,
    "buildsigneruri": 9,
    "buildsignerdigest": 10,
    "runnerenvironment": 11,
    "sourcerepositoryuri": 12,
    "sourcerepositorydigest": 13,
    "sourcerepositoryref": 14,
    "sourcerepositoryidentifier": 15,
    "sourcerepositoryowneruri": 16,
    "sourcerepositoryowneridentifier": 17,
    "buildconfiguri": 18,
    "buildconfigdigest": 19,
    "buildtrigger": 20,
    "runinvocationuri": 21,
    "sourcerepositoryvisibilityatsigning": 22,
    "deploymentenvironment": 23,
}
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\Z")
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class CiProvider:
    """The claims of certificates for the jobs of a CI system: templates by the last number of their OID."""

    san: Template
    extensions: Mapping[int, Template]
    defaults: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """One issuer. ``pattern`` is that of a meta issuer, whose ``url`` has ``*`` in it; None for one with a URL."""

    url: str
    audience: str
    kind: str
    pattern: re.Pattern[str] | None = None
    issuer_claim: str = ""
    subject_domain: str = ""
    trust_domain: str = ""
    provider: CiProvider | None = None

    def is_of(self, issuer: str) -> bool:
        """Whether a token with this ``iss`` is one of its tokens."""
        return self.pattern.fullmatch(issuer) is not None if self.pattern else issuer == self.url


def find(issuers: Sequence[ForeignIssuer], issuer: str) -> ForeignIssuer | None:
    """The issuer of a token by its ``iss``; one with the very URL counts before patterns."""
    exact = sorted(issuers, key=lambda one: one.pattern is not None)
    return next((one for one in exact if one.is_of(issuer)), None)


def read_issuers(path: Path) -> tuple[ForeignIssuer, ...]:
    """Read the file. Raises ConfigError ``issuers-...``."""
    import yaml  # noqa: PLC0415 - 20 ms, for stacks with such a file

    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
        value = yaml.safe_load(data) if len(data) <= MAX_FILE else None
    except (OSError, UnicodeError, yaml.YAMLError, RecursionError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError("issuers-unreadable", f"cannot read {path}: {words}") from error
    if not isinstance(value, dict):
        raise ConfigError("issuers-unreadable", f"{path} is not Fulcio's configuration, or has more than 1 MiB")
    return tuple(_issuers(_flat(value)))


def _flat(value: Mapping[Any, Any]) -> dict[str, Any]:
    """Keys as both spellings have them: ``oidc-issuers`` and ``OIDCIssuers`` are ``oidcissuers``."""
    return {str(key).replace("-", "").lower(): item for key, item in value.items()}


def _issuers(config: Mapping[str, Any]) -> Iterator[ForeignIssuer]:
    providers = {name: _provider(_flat(made)) for name, made in _mapping(config, "ciissuermetadata").items()}
    for name, made in _mapping(config, "oidcissuers").items():
        yield _issuer(name, _flat(made), providers, meta=False)
    for name, made in _mapping(config, "metaissuers").items():
        yield _issuer(name, _flat(made), providers, meta=True)


def _mapping(value: Mapping[str, Any], name: str) -> dict[str, Mapping[Any, Any]]:
    found = value.get(name) or {}
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ConfigError("issuers-malformed", f"{name} is not a mapping of mappings")
    return {str(key): item for key, item in found.items()}


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name, "")
    if not isinstance(found, str):
        raise ConfigError("issuers-malformed", f"{name} is not a text")
    return found


def _provider(value: Mapping[str, Any]) -> CiProvider:
    templates, defaults = (value.get(name) or {} for name in ("extensiontemplates", "defaulttemplatevalues"))
    if not isinstance(templates, dict) or not isinstance(defaults, dict):
        raise ConfigError("issuers-malformed", "the templates of a CI provider are not a mapping")
    extensions: dict[int, Template] = {}
    for name, text in _flat(templates).items():
        if name not in _EXTENSIONS:
            raise ConfigError("issuers-malformed", f"there is no extension {name} to be filled")
        if str(text).strip():
            extensions[_EXTENSIONS[name]] = parse_template(str(text))
    san = parse_template(_text(value, "subjectalternativenametemplate"))
    return CiProvider(san, dict(sorted(extensions.items())), {str(key): str(item) for key, item in defaults.items()})


def _issuer(name: str, value: Mapping[str, Any], providers: Mapping[str, CiProvider], *, meta: bool) -> ForeignIssuer:
    url = name if meta else _text(value, "issuerurl") or name
    kind, provider = _text(value, "type"), _text(value, "ciprovider")
    made = ForeignIssuer(
        url=url,
        audience=_text(value, "clientid"),
        kind=kind,
        pattern=_wild(url) if meta else None,
        issuer_claim=_text(value, "issuerclaim"),
        subject_domain=_text(value, "subjectdomain"),
        trust_domain=_text(value, "spiffetrustdomain"),
        provider=providers.get(provider),
    )
    fault = next(_faults(made, provider), "")
    if fault:
        raise ConfigError("issuers-malformed", f"issuer {url[:200]}: {fault}")
    return made


def _wild(url: str) -> re.Pattern[str]:
    return re.compile(re.escape(url).replace(r"\*", _WILD))


def _faults(issuer: ForeignIssuer, provider: str) -> Iterator[str]:
    """Refuse what Fulcio's own validation refuses, and an audience that would take every token."""
    parts = urlsplit(issuer.url.replace("*", "x"))
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        yield "its URL is none"
    elif parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        yield "its URL must be https"
    if issuer.pattern and _TWO_WILD.search(issuer.url):
        yield "two wildcards have neither a dot nor a slash between them"
    if not issuer.audience:
        yield "client-id is missing"
    if issuer.issuer_claim and (issuer.kind != "email" or not issuer.issuer_claim.startswith("$.")):
        yield "issuer-claim is for email issuers alone, and begins with $."
    if issuer.kind == "spiffe" and (issuer.pattern or not _TRUST_DOMAIN.match(issuer.trust_domain)):
        yield "spiffe-trust-domain is missing or wrong"
    if issuer.kind == "ci-provider" and issuer.provider is None:
        yield f"ci-issuer-metadata has no {provider!r}"
    if issuer.kind in {"uri", "username"}:
        yield from _domain_faults(issuer, parts.hostname or "")


def _domain_faults(issuer: ForeignIssuer, host: str) -> Iterator[str]:
    """The subject's domain belongs to that of the issuer: both end in the same two names."""
    scheme, colon, rest = issuer.subject_domain.rpartition("://")
    if (issuer.kind == "uri") != bool(colon) or (colon and scheme != urlsplit(issuer.url).scheme):
        yield "subject-domain needs the issuer's scheme for type uri, and none for type username"
    domain = rest.partition("/")[0].lower()
    if not _DOMAIN.match(domain) or domain.split(".")[-2:] != host.lower().split(".")[-2:]:
        yield "subject-domain is not of the issuer's domain"
