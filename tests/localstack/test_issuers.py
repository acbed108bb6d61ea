"""Foreign issuers: Fulcio's configuration file, the tokens of issuers as they are in the field, keys by discovery."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509

from gitsign_py.core.pki import oids
from gitsign_py.errors import ConfigError
from gitsign_py.localstack.assembly import Choices
from gitsign_py.localstack.fulcio.issuerkeys import IssuerKeys, fetch
from gitsign_py.localstack.fulcio.issuers import find, read_issuers
from gitsign_py.localstack.fulcio.templates import MissingClaimError, parse_template
from gitsign_py.localstack.placement import placement
from gitsign_py.localstack.service import Refusal
from gitsign_py.localstack.stack import Stack
from tests.support.badserver import huge, reply, serving
from tests.support.localstackkit import WORKFLOW, new_key, signing_request
from tests.support.openedstack import ask
from tests.support.rsakeys import rsa_key

FILE = """
define:
  - &github "github-workflow"
oidc-issuers:
  https://keycloak.example.com/realms/acme:
    {issuer-url: https://keycloak.example.com/realms/acme, client-id: sigstore, type: email, contact: x, description: y}
  https://dex.example.com:
    issuer-url: https://dex.example.com
    client-id: sigstore
    type: email
    issuer-claim: $.federated_claims.connector_id
  https://login.microsoftonline.com/tenant/v2.0:
    {issuer-url: https://login.microsoftonline.com/tenant/v2.0, client-id: 11111111-aaaa, type: email}
  https://users.example.com:
    {issuer-url: https://users.example.com, client-id: sigstore, type: username, subject-domain: example.com}
  https://accounts.example.com:
    {issuer-url: https://accounts.example.com, client-id: sigstore, type: uri, subject-domain: https://id.example.com}
  https://spire.example.com:
    {issuer-url: https://spire.example.com, client-id: sigstore, type: spiffe, spiffe-trust-domain: example.com}
  https://ci.example.com:
    {issuer-url: https://ci.example.com, client-id: sigstore, type: ci-provider, ci-provider: *github}
  https://forge.example.com:
    {issuer-url: https://forge.example.com, client-id: sigstore, type: github-workflow}
  https://other.example.com:
    {issuer-url: https://other.example.com, client-id: sigstore, type: buddy-pipeline}
meta-issuers:
  https://oidc.eks.*.amazonaws.com/id/*: {client-id: sigstore, type: kubernetes}
ci-issuer-metadata:
  *github :
    default-template-values: {url: "https://forge.example.com", environment: ""}
    extension-templates:
      github-workflow-trigger: "event_name"
      build-signer-uri: "{{ .url }}/{{ .job_workflow_ref }}"
      source-repository-ref: refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}{{ .ref }}
      run-invocation-uri: '{{.url}}/runs/{{(index . "run_id")}}'
      deployment-environment: "environment"
    subject-alternative-name-template: "{{ .url }}/{{ .job_workflow_ref }}"
"""
EKS = "https://oidc.eks.eu-west-1.amazonaws.com/id/B02C93"
KEY = rsa_key(0)
ACCOUNT = {"namespace": "build", "serviceaccount": {"name": "signer", "uid": "u"}}
EMAIL = {"email": "alice@example.com", "email_verified": True}
GITHUB = {**WORKFLOW, "ref_type": "branch", "ref": "main"}
TOKENS: dict[str, tuple[str, dict[str, Any], str]] = {
    # Keycloak's ID token: azp, realm roles, a session; the audience is a list.
    "keycloak": (
        "https://keycloak.example.com/realms/acme",
        {**EMAIL, "sub": "f:1:alice", "azp": "sigstore", "aud": ["sigstore"], "typ": "ID", "sid": "s", "acr": "1"},
        "alice@example.com",
    ),
    # Dex's: the subject is a protobuf in base64, the connector is named.
    "dex": (
        "https://dex.example.com",
        {**EMAIL, "sub": "CgNhYmMSBmdpdGh1Yg", "federated_claims": {"connector_id": "https://github.com/login/oauth"}},
        "alice@example.com",
    ),
    # Entra's version 2.0: a tenant, an object id, an audience that is a client id.
    "entra": (
        "https://login.microsoftonline.com/tenant/v2.0",
        {**EMAIL, "sub": "AAAA", "aud": "11111111-aaaa", "tid": "tenant", "oid": "o", "ver": "2.0", "uti": "x"},
        "alice@example.com",
    ),
    "username": ("https://users.example.com", {"sub": "alice"}, "alice!example.com"),
    "uri": (
        "https://accounts.example.com",
        {"sub": "https://id.example.com/users/1"},
        "https://id.example.com/users/1",
    ),
    "spiffe": ("https://spire.example.com", {"sub": "spiffe://example.com/build"}, "spiffe://example.com/build"),
    "kubernetes": (
        EKS,
        {"sub": "system:serviceaccount:build:signer", "kubernetes.io": ACCOUNT},
        "https://kubernetes.io/namespaces/build/serviceaccounts/signer",
    ),
    "ci-provider": (
        "https://ci.example.com",
        {**GITHUB, "sub": "repo:o/r"},
        "https://forge.example.com/o/r/.github/workflows/sign.yml@refs/heads/main",
    ),
    "github-workflow": (
        "https://forge.example.com",
        {**WORKFLOW, "sub": "repo:o/r"},
        "https://github.com/o/r/.github/workflows/sign.yml@refs/heads/main",
    ),
}


def jwks(*names: str) -> bytes:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    return json.dumps({"keys": [{**public, "kid": name, "use": "sig", "alg": "RS256"} for name in names]}).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("issuers")
    (made / "fulcio.yaml").write_text(FILE)
    (made / "keys.json").write_bytes(jwks("k1"))
    return made


@pytest.fixture(scope="module")
def private(folder: Path) -> Iterator[Stack]:
    """A stack for others: no issuer of its own, all foreign keys from a file."""
    issuers = read_issuers(folder / "fulcio.yaml")
    keys = {issuer.url: folder / "keys.json" for issuer in issuers} | {EKS: folder / "keys.json"}
    place = placement("", "https://sigstore.example.com", [], ["idp"])
    stack = Stack(folder / "stack", 0, place=place, choices=Choices(issuers=issuers, issuer_keys=keys))
    yield stack
    stack.close()


def signed(issuer: str, claims: Mapping[str, Any], *, kid: str = "k1", key: Any = KEY, algorithm: str = "RS256") -> str:
    now = int(datetime.now(UTC).timestamp())
    whole = {"iss": issuer, "aud": "sigstore", "iat": now, "exp": now + 300, **claims}
    return jwt.encode(whole, key, algorithm=algorithm, headers={"kid": kid})


def certified(stack: Stack, token: str, challenge: str) -> tuple[int, Any]:
    answer = ask(stack, "/api/v2/signingCert", signing_request(new_key(), token, challenge))
    value = json.loads(answer.body)
    if answer.status != 200:
        return answer.status, value["details"][0]["reason"] if value["details"] else value["message"]
    pem = value["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
    return 200, x509.load_pem_x509_certificate(pem.encode())


def name_in(certificate: x509.Certificate) -> str:
    name = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value[0]
    return name.value[2:].decode() if isinstance(name, x509.OtherName) else str(name.value)


def texts(certificate: x509.Certificate) -> dict[str, bytes]:
    found = (extension for extension in certificate.extensions if extension.oid.dotted_string.startswith(oids.SIGSTORE))
    return {one.oid.dotted_string.removeprefix(f"{oids.SIGSTORE}.1."): one.value.value for one in found}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_of_the_field_get_the_certificate_of_their_type(private: Stack, name: str) -> None:
    issuer, claims, expected = TOKENS[name]
    challenge = claims["email"] if "email" in claims else claims["sub"]
    status, certificate = certified(private, signed(issuer, claims), challenge)
    assert (status, name_in(certificate)) == (200, expected)
    stated = "https://github.com/login/oauth" if name == "dex" else issuer
    assert texts(certificate)["1"].decode() == stated
    assert texts(certificate)["8"][2:].decode() == stated


def test_templates_fill_the_extensions_of_a_ci_provider(private: Stack) -> None:
    issuer, claims, _ = TOKENS["ci-provider"]
    _, certificate = certified(private, signed(issuer, claims), claims["sub"])
    found = texts(certificate)
    assert found["2"] == b"push"
    assert found["14"][2:] == b"refs/heads/main"
    assert found["21"][2:] == b"https://forge.example.com/runs/33"
    assert "23" not in found  # its default is empty
    _, certificate = certified(
        private, signed(issuer, {**claims, "ref_type": "tag", "environment": "prod"}), claims["sub"]
    )
    assert (texts(certificate)["14"][2:], texts(certificate)["23"][2:]) == (b"refs/tags/main", b"prod")


MALLORY = rsa_key(1)
REFUSED: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "another key": ("token-signature-invalid", "keycloak", {}, {"key": MALLORY}),
    "an unknown key": ("token-key-unknown", "keycloak", {}, {"kid": "k2"}),
    "another audience": ("token-audience-wrong", "entra", {"aud": "sigstore"}, {}),
    "an address that is not verified": ("token-email-unverified", "keycloak", {"email_verified": False}, {}),
    "a verified address in words": ("token-email-unverified", "keycloak", {"email_verified": "true"}, {}),
    "expired": ("token-expired", "keycloak", {"exp": 1}, {}),
    "an issuer that no one named": ("token-issuer-unknown", "keycloak", {"iss": "https://evil.example"}, {}),
    "the stack itself": ("token-issuer-unknown", "keycloak", {"iss": "https://sigstore.example.com"}, {}),
    "an issuer with a tail": ("token-issuer-unknown", "keycloak", {"iss": "https://dex.example.com/"}, {}),
    "a meta issuer with a slash more": ("token-issuer-unknown", "kubernetes", {"iss": f"{EKS}/x"}, {}),
    "a meta issuer with a head": ("token-issuer-unknown", "kubernetes", {"iss": f"https://evil.example/{EKS}"}, {}),
    "a user who is an address": ("token-username-invalid", "username", {"sub": "a@example.com"}, {}),
    "a user with the separator": ("token-username-invalid", "username", {"sub": "alice!evil.example"}, {}),
    "a subject elsewhere": ("token-subject-outside-domain", "uri", {"sub": "https://evil.example/1"}, {}),
    "a subject by http": ("token-subject-outside-domain", "uri", {"sub": "http://id.example.com/1"}, {}),
    "a subject with a user": (
        "token-subject-outside-domain",
        "uri",
        {"sub": "https://id.example.com@evil.example"},
        {},
    ),
    "another trust domain": ("token-subject-outside-domain", "spiffe", {"sub": "spiffe://example.com.evil/x"}, {}),
    "no connector": ("token-claim-missing: connector_id", "dex", {"federated_claims": {}}, {}),
    "no workload": ("token-claim-missing: serviceaccount", "kubernetes", {"kubernetes.io": "x"}, {}),
    "a claim too few": ("token-claim-missing: run_id", "ci-provider", {"run_id": None}, {}),
    "a type of others": ("token-issuer-type-unsupported", "keycloak", {"iss": "https://other.example.com"}, {}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_tokens_are_refused(private: Stack, case: str) -> None:
    reason, name, changes, how = REFUSED[case]
    issuer, claims, _ = TOKENS[name]
    token = signed(issuer, claims | changes, **how)
    assert certified(private, token, "x") == (400, reason)


def test_a_public_key_is_no_shared_secret(private: Stack) -> None:
    """RFC 8725 §3.1: an HMAC under the bytes of the public key, and no signature at all."""
    issuer, claims, _ = TOKENS["keycloak"]
    for algorithm, key in (("HS256", b"k" * 32), ("none", None)):
        assert certified(private, signed(issuer, claims, key=key, algorithm=algorithm), "x")[0] == 400


def test_a_stack_for_others_has_no_issuer_and_lists_those_that_it_takes(private: Stack) -> None:
    paths = {route.path for service in private.services for route in service.routes}
    assert not paths & {"/token", "/auth", "/device", "/keys", "/actions/idtoken", "/.well-known/openid-configuration"}
    listed = json.loads(ask(private, "/api/v2/configuration").body)["issuers"]
    assert listed[0]["issuerUrl"] == "https://keycloak.example.com/realms/acme"
    assert listed[-1]["wildcardIssuerUrl"] == "https://oidc.eks.*.amazonaws.com/id/*"
    assert (listed[0]["challengeClaim"], listed[-1]["challengeClaim"]) == ("email", "sub")


ONE = "oidc-issuers: {https://a.example.com: {client-id: sigstore, type: %s}}"
WRONG = {
    "no mapping": "- a",
    "no YAML": "a: [",
    "issuers as a list": "oidc-issuers: [a]",
    "no audience": "oidc-issuers: {https://a.example.com: {type: email}}",
    "no TLS": "oidc-issuers: {http://a.example.com: {client-id: s, type: email}}",
    "a claim of another type": ONE % "uri, issuer-claim: $.a",
    "a number": ONE % "email, subject-domain: 1",
    "uri without a domain": ONE % "uri",
    "uri of another domain": ONE % "uri, subject-domain: https://a.example.org",
    "uri by another scheme": ONE % "uri, subject-domain: http://a.example.com",
    "username with a scheme": ONE % "username, subject-domain: https://example.com",
    "spiffe without a domain": ONE % "spiffe",
    "spiffe for many": "meta-issuers: {https://*.example.com: {client-id: s, type: spiffe, spiffe-trust-domain: a.b}}",
    "wildcards side by side": "meta-issuers: {https://**.example.com: {client-id: s, type: email}}",
    "wildcards with a word between": "meta-issuers: {https://a.example.com/*-b_C*: {client-id: s, type: email}}",
    "a provider that is not there": ONE % "ci-provider, ci-provider: x",
    "an extension that is none": "ci-issuer-metadata: {x: {extension-templates: {moon: a}}}",
    "a template without an end": "ci-issuer-metadata: {x: {subject-alternative-name-template: 'a{{ .b }}{{ .c'}}",
    "a template in a template": "ci-issuer-metadata: {x: {subject-alternative-name-template: '{{ .b {{ .c }} }}'}}",
    "a template of another kind": "ci-issuer-metadata: {x: {subject-alternative-name-template: '{{ range . }}'}}",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_wrong_is_refused_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / "f").write_text(WRONG[name])
    with pytest.raises(ConfigError) as caught:
        read_issuers(tmp_path / "f")
    assert caught.value.reason in {"issuers-unreadable", "issuers-malformed", "issuers-template"}


def test_json_has_the_same_words(tmp_path: Path) -> None:
    issuer = {
        "IssuerURL": "https://a.example.com",
        "ClientID": "sigstore",
        "Type": "spiffe",
        "SPIFFETrustDomain": "a.b",
    }
    (tmp_path / "f").write_text(json.dumps({"OIDCIssuers": {"https://a.example.com": issuer}, "MetaIssuers": None}))
    [made] = read_issuers(tmp_path / "f")
    assert (made.kind, made.trust_domain, find([made], "https://a.example.com")) == ("spiffe", "a.b", made)


@pytest.mark.parametrize("text", ["{{ .a", "{{ a }}", '{{if eq .a "b"}}c{{end}}', "x" * 2000, "a }} {{ .b }}"])
def test_templates_that_are_not_understood(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_template(text)


def test_a_template_needs_its_claims() -> None:
    with pytest.raises(MissingClaimError):
        parse_template("{{ .a }}").fill({})
    assert parse_template("a").fill({"a": "{{ .b }}"}) == "{{ .b }}"  # a value is no template


class Issuer:
    """Counts what it is asked for; answers with what it has now."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.names = ["k1"]
        self.issuer = "https://a.example.com"
        self.broken = False

    def get(self, url: str) -> bytes:
        self.asked.append(url)
        if self.broken:
            raise OSError("refused")
        if url.endswith("/.well-known/openid-configuration"):
            return json.dumps({"issuer": self.issuer, "jwks_uri": "https://keys.example.com/k"}).encode()
        return jwks(*self.names)


def test_keys_are_fetched_once_and_again_for_a_new_name_once_a_minute() -> None:
    issuer, now = Issuer(), [0.0]
    keys = IssuerKeys(get=issuer.get, clock=lambda: now[0])
    assert keys.key(issuer.issuer, "k1")
    assert [keys.key(issuer.issuer, name) for name in ("k2", "k3")] == [None, None]
    assert issuer.asked == ["https://a.example.com/.well-known/openid-configuration", "https://keys.example.com/k"]
    issuer.names, now[0] = ["k2"], 61.0
    assert keys.key(issuer.issuer, "k2")
    assert keys.key(issuer.issuer, "k1") is None
    assert len(issuer.asked) == 4


def test_an_issuer_that_is_down_is_asked_again_after_a_while() -> None:
    issuer, now = Issuer(), [0.0]
    keys = IssuerKeys(get=issuer.get, clock=lambda: now[0])
    assert keys.key(issuer.issuer, "k1")
    issuer.broken, now[0] = True, 61.0
    assert keys.key(issuer.issuer, "k2") is None
    assert keys.key(issuer.issuer, "k1")  # what is kept counts until its time is over
    now[0] = 601.0
    for _ in range(3):
        with pytest.raises(Refusal) if len(issuer.asked) < 4 else pytest.raises(AssertionError):
            assert keys.key(issuer.issuer, "k1")
    assert len(issuer.asked) == 4
    issuer.broken, now[0] = False, 612.0
    assert keys.key(issuer.issuer, "k1")


def test_a_discovery_document_of_another_issuer_counts_for_nothing() -> None:
    issuer = Issuer()
    keys = IssuerKeys(get=issuer.get)
    with pytest.raises(Refusal) as caught:
        keys.key("https://b.example.com", "k1")
    assert (caught.value.status, caught.value.reason) == (503, "issuer-unreachable")


def test_fetching_follows_no_redirect_takes_no_flood_and_no_plain_http() -> None:
    with serving(reply(302, b"", {"Location": "/elsewhere"})) as server, pytest.raises(OSError, match="302"):
        fetch(server.url)
    with serving(huge(2 << 20)) as server, pytest.raises(ValueError, match="too large"):
        fetch(server.url)
    for url in ("http://issuer.example.com", "file:///etc/passwd", "ftp://127.0.0.1/x"):
        with pytest.raises(ValueError, match="https"):
            fetch(url)
