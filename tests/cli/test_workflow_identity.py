"""A workflow signs: the identity is a URI, and its claims are asked for with cosign's flags."""

import pytest

from tests.support.platforms import GITHUB
from tests.support.workbench import Workbench

WORKFLOW = GITHUB["job_workflow_ref"]


@pytest.fixture
def signed(bench: Workbench) -> Workbench:
    bench.commit(SIGSTORE_ID_TOKEN=bench.stack.token("", subject=GITHUB["sub"], **GITHUB))
    return bench


def flags(bench: Workbench, **claims: str) -> list[str]:
    named = [f"--certificate-github-workflow-{name}={value}" for name, value in claims.items()]
    identity = ["--certificate-identity", f"https://github.com/{WORKFLOW}"]
    return [*identity, "--certificate-oidc-issuer", bench.stack.url, *named]


def test_every_claim_can_be_asked_for(signed: Workbench) -> None:
    asked = {"trigger": "push", "sha": "2" * 40, "name": "release", "repository": "org/repo", "ref": "refs/heads/main"}
    done = signed.tool("verify", "-v", *flags(signed, **asked), "HEAD")
    assert done.returncode == 0, done.stdout
    assert b"6.2  ok" in done.stdout


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("trigger", "pull_request"),
        ("sha", "3" * 40),
        ("name", "releas"),
        ("repository", "org/rep"),
        ("ref", "refs/tags/v1"),
    ],
)
def test_another_claim_is_refused(signed: Workbench, claim: str, value: str) -> None:
    done = signed.tool("verify", *flags(signed, **{claim: value}), "HEAD")
    assert (done.returncode, b"[6.2 claim-mismatch]" in done.stdout) == (1, True)


def test_a_person_has_no_claims(bench: Workbench) -> None:
    bench.commit()
    done = bench.verify("--certificate-github-workflow-repository=org/repo", "HEAD")
    assert (done.returncode, b"[6.2 claim-missing]" in done.stdout) == (1, True)


def test_claims_alone_are_not_an_identity(bench: Workbench) -> None:
    done = bench.tool("verify", "--certificate-github-workflow-ref=refs/heads/main", "HEAD")
    assert (done.returncode, b"identity-incomplete" in done.stderr) == (2, True)
