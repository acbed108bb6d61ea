"""An issuer of each of Fulcio's types, at one loopback server: discovery, keys, sign-in, and the file that names them.

The same file is read by the published Fulcio and by the local one. Its tokens are those of the field.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

from tests.support.badserver import BadServer, Received, computed, serving
from tests.support.platforms import BUILDKITE, CIRCLECI, GITHUB, GITLAB
from tests.support.rsakeys import rsa_key

ALICE = "alice@example.com"
TYPES: dict[str, dict[str, Any]] = {
    "email": {"sub": "CgNhYmM"},
    "uri": {"sub": "http://127.0.0.1/users/ä 1"},
    "username": {"sub": "alice"},
    "spiffe": {"sub": "spiffe://example.com/build"},
    "kubernetes": {
        "sub": "system:serviceaccount:build:signer",
        "kubernetes.io": {"namespace": "build", "serviceaccount": {"name": "signer", "uid": "u"}},
    },
    "github-workflow": GITHUB,
    "gitlab-pipeline": {**GITLAB, "runner_id": 7},
    "buildkite-job": BUILDKITE,
    "codefresh-workflow": {
        "sub": "account:1:pipeline:2",
        "account_id": "1",
        "account_name": "acme",
        "pipeline_id": "2",
        "pipeline_name": "project/sign",
        "workflow_id": "3",
    },
    "chainguard-identity": {"sub": "a1/b2", "act": {"iss": "https://accounts.example.com"}},
    "ci-provider": {"sub": "job:7", "job": "acme/sign", "url": "https://ci.example.com"},
    "ci-provider of CircleCI": CIRCLECI,
}
"""The claims of a token beside those of every token; that of a person may have an address beside them."""
NAMES = {
    "email": ("email", ALICE),
    "uri": ("uri", "http://127.0.0.1/users/%C3%A4%201"),
    "username": ("other", "alice!127.0.0.1"),
    "spiffe": ("uri", "spiffe://example.com/build"),
    "kubernetes": ("uri", "https://kubernetes.io/namespaces/build/serviceaccounts/signer"),
    "github-workflow": ("uri", "https://github.com/org/repo/.github/workflows/release.yml@refs/heads/main"),
    "gitlab-pipeline": ("uri", "https://gitlab.com/group/project//.gitlab-ci.yml@refs/heads/main"),
    "buildkite-job": ("uri", f"https://buildkite.com/{BUILDKITE['organization_slug']}/{BUILDKITE['pipeline_slug']}"),
    "codefresh-workflow": ("uri", "https://g.codefresh.io/acme/project/sign:1/2"),
    "ci-provider": ("uri", "https://ci.example.com/jobs/acme/sign"),
    "ci-provider of CircleCI": (
        "uri",
        "https://circleci.com/api/v2/projects/{}/pipeline-definitions/{}".format(
            *(CIRCLECI[f"oidc.circleci.com/{one}-id"] for one in ("project", "pipeline-definition"))
        ),
    ),
}
"""Kind and name in the certificate; Chainguard's depends on the issuer's address."""
KEY = rsa_key(0)
_CIRCLECI = (
    '{{ .api }}/projects/{{index . "oidc.circleci.com/project-id"}}'
    '/pipeline-definitions/{{index . "oidc.circleci.com/pipeline-definition-id"}}'
)
_EXTRA = {
    "uri": {"subject-domain": "http://127.0.0.1"},
    "username": {"subject-domain": "127.0.0.1"},
    "spiffe": {"spiffe-trust-domain": "example.com"},
    "ci-provider": {"ci-provider": "acme"},
    "ci-provider of CircleCI": {"ci-provider": "circleci"},
}
_CI = {
    "acme": {
        "extension-templates": {"build-trigger": "job"},
        "subject-alternative-name-template": "{{ .url }}/jobs/{{ .job }}",
    },
    "circleci": {
        "default-template-values": {"api": "https://circleci.com/api/v2"},
        "extension-templates": {"build-signer-uri": _CIRCLECI},
        "subject-alternative-name-template": _CIRCLECI,
    },
}


@dataclass(frozen=True)
class Issuers:
    """They serve at ``server``; ``kubernetes`` is a meta issuer's, the others have the very URL."""

    server: BadServer

    def url(self, kind: str) -> str:
        return f"{self.server.url}/{'clusters/' if kind == 'kubernetes' else ''}{kind.replace(' ', '-')}"

    def name(self, kind: str) -> tuple[str, str]:
        return NAMES.get(kind) or ("uri", f"{self.url(kind)}/{TYPES[kind]['sub']}")

    def token(self, kind: str, *, mailed: bool, **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.url(kind), "aud": "sigstore", "iat": now, "exp": now + 300, **TYPES[kind]}
        if mailed or kind == "email":
            claims |= {"email": ALICE, "email_verified": True}
        return jwt.encode(claims | changes, KEY, algorithm="RS256", headers={"kid": "k1"})

    def configuration(self) -> str:
        """Fulcio's file; JSON is YAML."""
        found: dict[str, Any] = {"oidc-issuers": {}, "meta-issuers": {}, "ci-issuer-metadata": _CI}
        for kind in TYPES:
            made = {"client-id": "sigstore", "type": kind.partition(" ")[0], **_EXTRA.get(kind, {})}
            if kind == "kubernetes":
                found["meta-issuers"][f"{self.server.url}/clusters/*"] = made
            else:
                found["oidc-issuers"][self.url(kind)] = {"issuer-url": self.url(kind), **made}
        return "---\n" + json.dumps(found)


@contextmanager
def issuers() -> Iterator[Issuers]:
    """Serve them."""
    nonces: dict[str, str] = {}

    def answer(request: Received) -> tuple[int, object, dict[str, str]]:
        path, _, query = request.path.partition("?")
        kind = next((one for one in TYPES if path.startswith(f"{urlsplit(made.url(one)).path}/")), "")
        if path == "/keys":
            public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
            return 200, {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}, {}
        if path.endswith("/.well-known/openid-configuration"):
            return 200, _discovery(made, kind), {}
        if path.endswith("/auth"):
            asked = parse_qs(query)
            nonces[kind] = asked["nonce"][0]
            back = urlencode({"code": "c", "state": asked["state"][0]})
            return 302, b"", {"Location": f"{asked['redirect_uri'][0]}?{back}"}
        token = made.token(kind, mailed=True, nonce=nonces[kind])
        return 200, {"id_token": token, "access_token": "a", "token_type": "Bearer"}, {}

    with serving(computed(answer)) as server:
        made = Issuers(server)
        yield made


def _discovery(made: Issuers, kind: str) -> dict[str, Any]:
    url = made.url(kind)
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/auth",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{made.server.url}/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    }
