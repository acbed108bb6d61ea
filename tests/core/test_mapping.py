"""What a certificate may name: by its token alone, and by what the CA's configuration says of the issuer."""

from typing import Any

import pytest

from gitsign_py.core.sigstore.mapping import (
    IssuerConfiguration,
    certificate_identities,
    certificate_issuers,
    configured,
    is_plain,
    kind_for,
    may_become,
    may_identify,
    may_vouch,
)
from gitsign_py.core.sigstore.token import parse_unverified
from tests.support.tokens import make


def test_a_certificate_may_name_the_provider_behind_dex() -> None:
    connector = "https://github.com/login/oauth"
    assert certificate_issuers(parse_unverified(make({"federated_claims": {"connector_id": connector}}))) == (
        "https://issuer.example",
        connector,
    )
    for odd in ({"connector_id": 1}, {}, "x", [connector]):
        assert certificate_issuers(parse_unverified(make({"federated_claims": odd}))) == ("https://issuer.example",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "subject-1"),
        (
            {"job_workflow_ref": "o/r/.github/workflows/w.yml@refs/heads/m"},
            "https://github.com/o/r/.github/workflows/w.yml@refs/heads/m",
        ),
        (
            {"ci_config_ref_uri": "gitlab.com/g/p//.gitlab-ci.yml@refs/heads/m"},
            "https://gitlab.com/g/p//.gitlab-ci.yml@refs/heads/m",
        ),
        ({"organization_slug": "o", "pipeline_slug": "p"}, "https://buildkite.com/o/p"),
        (
            {"oidc.circleci.com/project-id": "1", "oidc.circleci.com/pipeline-definition-id": "2"},
            "https://circleci.com/api/v2/projects/1/pipeline-definitions/2",
        ),
        (
            {"kubernetes.io": {"namespace": "n", "serviceaccount": {"name": "s"}}},
            "https://kubernetes.io/namespaces/n/serviceaccounts/s",
        ),
    ],
)
def test_a_workload_may_be_named_in_fulcios_way(changes: dict[str, Any], expected: str) -> None:
    assert expected in certificate_identities(parse_unverified(make({"email": None, **changes})))
    assert certificate_identities(parse_unverified(make(changes))) == ("alice@example.com",)


@pytest.mark.parametrize("odd", [1, {}, {"namespace": "n"}, {"namespace": 1, "serviceaccount": {"name": "s"}}])
def test_odd_workload_claims_name_nobody(odd: object) -> None:
    claims = parse_unverified(make({"email": None, "kubernetes.io": odd, "job_workflow_ref": 7}))
    assert certificate_identities(claims) == ("subject-1",)


ISSUER_TYPES: list[tuple[str, dict[str, Any], str, str, str | None]] = [
    ("email", {}, "alice@example.com", "email", None),
    ("uri", {"sub": "https://example.com/users/1"}, "https://example.com/users/1", "uri", None),
    ("spiffe", {"sub": "spiffe://example.com/w"}, "spiffe://example.com/w", "uri", None),
    ("username", {"sub": "alice"}, "alice!example.com", "other", None),
    (
        "github-workflow",
        {"job_workflow_ref": "o/r/.github/workflows/w.yml@x"},
        "https://github.com/o/r/.github/workflows/w.yml@x",
        "uri",
        None,
    ),
    ("ci-provider", {"sub": "job-7"}, "https://ci.example.com/org/pipeline", "uri", "job-7"),
]


@pytest.mark.parametrize("email", ["alice@example.com", None])
@pytest.mark.parametrize(("issuer_type", "changes", "name", "kind", "subject"), ISSUER_TYPES)
def test_each_issuer_type_may_make_its_name_of_a_token(
    issuer_type: str, changes: dict[str, Any], name: str, kind: str, subject: str | None, email: str | None
) -> None:
    """An e-mail claim beside it changes nothing: which mapping counts is the CA's setting."""
    claims = parse_unverified(make({**changes, "email": email}))
    assert may_identify(claims, name, kind, subject) == (issuer_type != "email" or email is not None)


@pytest.mark.parametrize(
    ("name", "kind", "subject"),
    [
        ("bob@example.com", "email", None),
        ("bob@example.com", "email", "subject-1"),  # an address never rests on the subject
        ("https://example.com/other", "uri", None),
        ("https://example.com/other", "uri", "subject-2"),
        ("subject-2!example.com", "other", None),
        ("subject-1!", "other", None),
        ("subject-1!example.com", "uri", None),
    ],
)
def test_no_mapping_makes_another_name(name: str, kind: str, subject: str | None) -> None:
    assert not may_identify(parse_unverified(make({"sub": "subject-1"})), name, kind, subject)


def test_an_issuer_may_be_what_a_claim_names() -> None:
    claims = parse_unverified(make({"idp": {"upstream": {"url": "https://login.example.org"}}, "name": "Alice"}))
    assert may_vouch(claims, "https://login.example.org")
    assert may_vouch(claims, claims.issuer)
    for other in ("https://login.example.com", "Alice", ""):
        assert not may_vouch(claims, other)


def told(issuer_type: str, url: str = "https://issuer.example", domain: str = "") -> IssuerConfiguration:
    return IssuerConfiguration(url, "sigstore", "email" if issuer_type == "email" else "sub", issuer_type, domain)


CONFIGURED: list[tuple[str, dict[str, Any], str, str]] = [
    ("email", {}, "alice@example.com", "email"),
    ("uri", {"sub": "https://example.com/\u00e4 b"}, "https://example.com/%C3%A4%20b", "uri"),
    ("spiffe", {"sub": "spiffe://example.com/w"}, "spiffe://example.com/w", "uri"),
    ("username", {"sub": "alice"}, "alice!example.com", "other"),
    ("chainguard-identity", {"sub": "a1/b2"}, "https://issuer.example/a1/b2", "uri"),
    (
        "codefresh-workflow",
        {"account_name": "a", "pipeline_name": "p/b", "account_id": "1", "pipeline_id": "2"},
        "https://g.codefresh.io/a/p/b:1/2",
        "uri",
    ),
    ("buildkite-job", {"organization_slug": "o", "pipeline_slug": "p"}, "https://buildkite.com/o/p", "uri"),
    ("gitlab-pipeline", {"ci_config_ref_uri": "gitlab.com/g/p//c.yml@r"}, "https://gitlab.com/g/p//c.yml@r", "uri"),
    ("github-workflow", {"job_workflow_ref": "o/r/w.yml@r"}, "https://github.com/o/r/w.yml@r", "uri"),
    (
        "kubernetes",
        {"kubernetes.io": {"namespace": "n", "serviceaccount": {"name": "s"}}},
        "https://kubernetes.io/namespaces/n/serviceaccounts/s",
        "uri",
    ),
]


@pytest.mark.parametrize("email", ["alice@example.com", None])
@pytest.mark.parametrize(("issuer_type", "changes", "name", "kind"), CONFIGURED)
def test_the_configuration_says_the_very_name(
    issuer_type: str, changes: dict[str, Any], name: str, kind: str, email: str | None
) -> None:
    if issuer_type == "email" and email is None:
        return  # Fulcio refuses such a token
    claims, configuration = parse_unverified(make({**changes, "email": email})), told(issuer_type, domain="example.com")
    assert certificate_identities(claims, configuration)[-1] == name
    assert kind_for(claims, configuration) == kind
    assert may_become(claims, name, kind, configuration)
    assert may_identify(claims, name, kind, None, configuration)
    assert not may_become(claims, "alice!example.org", "other", configuration)
    if issuer_type != "email":
        assert not may_become(claims, "alice@example.com", "email", configuration)


def test_a_template_is_not_told_so_any_uri_may_come_of_it_and_nothing_else() -> None:
    claims, configuration = parse_unverified(make({"sub": "job-7"})), told("ci-provider")
    assert may_become(claims, "https://ci.example.com/a", "uri", configuration)
    assert may_identify(claims, "https://ci.example.com/a", "uri", None, configuration)
    assert may_identify(claims, "https://ci.example.com/a", "uri", "job-7", configuration)
    assert not may_identify(claims, "https://ci.example.com/a", "uri", "job-8", configuration), "another token's"
    assert not may_identify(claims, "https://ci.example.com/a", "uri", None, told("uri"))
    assert not may_identify(claims, "bob@example.com", "email", None, configuration)
    assert not may_become(claims, "bob@example.com", "email", configuration)


def test_an_issuer_claim_of_an_email_issuer_need_be_no_url() -> None:
    claims = parse_unverified(make({"idp": {"name": "okta"}}))
    assert may_vouch(claims, "okta", told("email"))
    for configuration in (None, told("uri")):
        assert not may_vouch(claims, "okta", configuration)
    assert not may_vouch(claims, "https://elsewhere.example", told("email"))


@pytest.mark.parametrize(
    ("pattern", "issuer", "matches"),
    [
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "https://a.example/", False),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.eu-west-1.amazonaws.com/id/B02C93", True),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.eu-west-1.amazonaws.com/id/", False),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.a.b.amazonaws.com/id/B02C93", False),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.a.amazonaws.com/id/B02C93/x", False),
        ("https://oidc.eks.*.amazonaws.com/id/*", "https://evil.example/oidc.eks.a.amazonaws.com/id/b", False),
        ("https://*.example.com", "https://a.evil.example.com", False),
        ("https://*.example.com", "https://a.example.com.evil", False),
        ("https://*-x.example.com/*", "https://a-x-x.example.com/b", True),
    ],
)
def test_a_wildcard_is_one_part_of_a_url(pattern: str, issuer: str, matches: bool) -> None:
    assert told("email", pattern).is_of(issuer) == matches


def test_the_very_url_counts_before_a_pattern() -> None:
    known = (told("kubernetes", "https://*.example"), told("email"))
    assert configured(known, "https://issuer.example") is known[1]
    assert configured(known, "https://other.example") is known[0]
    assert configured(known, "https://elsewhere.test") is None


@pytest.mark.parametrize(
    ("changes", "plain"),
    [
        ({}, True),
        ({"email": None}, False),
        ({"sub": "https://example.com/1"}, False),
        ({"email": None, "sub": "https://example.com/1"}, True),
        ({"email": None, "sub": "spiffe://example.com/1"}, True),
        ({"email": None, "job_workflow_ref": "o/r/w@r"}, True),
        ({"job_workflow_ref": "o/r/w@r"}, False),
        ({"act": {"iss": "x"}}, False),
    ],
)
def test_a_token_decides_alone_or_the_ca_is_asked(changes: dict[str, Any], plain: bool) -> None:
    assert is_plain(parse_unverified(make(changes))) == plain


def test_a_server_that_tells_no_types_tells_what_is_to_be_proven() -> None:
    """An old Fulcio says neither issuerType nor subjectDomain, and writes no token subject."""
    old = IssuerConfiguration("https://issuer.example", "sigstore", "sub", "")
    claims = parse_unverified(make({"sub": "alice", "job": "acme/sign-it"}))
    assert certificate_identities(claims, old) == ("alice",)
    assert kind_for(claims, old) == "uri"
    assert not may_become(claims, "alice@example.com", "email", old)
    assert may_become(claims, "alice!example.com", "other", old)
    assert may_identify(claims, "https://ci.example.com/jobs/acme/sign-it", "uri", None, old)
    assert not may_identify(claims, "https://ci.example.com/jobs/others/build", "uri", None, old)
    assert not may_identify(claims, "https://ci.example.com/jobs/acme/sign-it", "uri", None)
    mailed = IssuerConfiguration("https://issuer.example", "sigstore", "email", "")
    assert certificate_identities(claims, mailed) == ("alice@example.com",)
    assert not may_identify(claims, "https://ci.example.com/jobs/acme/sign-it", "uri", None, mailed)
