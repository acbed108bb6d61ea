"""``git commit -S`` where a platform knows who signs: in a job of each CI system, on a cloud's machine, beside SPIRE.

The platforms are played (tests.support.platforms), everything else is real: git, the program, the local Sigstore.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.clients.ambient import NAMES
from tests.support.googlecloud import ACCOUNT
from tests.support.platforms import BUILDKITE, CIRCLECI, GITHUB, GITLAB, KUBERNETES, PLAYERS
from tests.support.workbench import Workbench

CLAIMS: dict[str, dict[str, Any]] = {
    "github-actions": GITHUB,
    "gitlab": GITLAB,
    "buildkite-agent": BUILDKITE,
    "circleci": CIRCLECI,
    "google-workload-identity": {"email": ACCOUNT, "sub": "1057"},
    "google-impersonation": {"email": ACCOUNT, "sub": "1057"},
    "spiffe": {"sub": "spiffe://example.org/builder"},
    "filesystem": KUBERNETES,
}
SIGNERS = {
    "github-actions": "https://github.com/org/repo/.github/workflows/release.yml@refs/heads/main",
    "gitlab": "https://gitlab.com/group/project//.gitlab-ci.yml@refs/heads/main",
    "buildkite-agent": "https://buildkite.com/acme/super",
    "circleci": "https://circleci.com/api/v2/projects/e6f3c7b2/pipeline-definitions/9a1b5c60",
    "google-workload-identity": ACCOUNT,
    "google-impersonation": ACCOUNT,
    "spiffe": "spiffe://example.org/builder",
    "filesystem": "https://kubernetes.io/namespaces/build/serviceaccounts/signer",
}
ELSEWHERE = {"GITSIGN_OIDC_ISSUER": "https://oauth2.sigstore.dev/auth"}
"""An issuer that is not on this machine: without a provider's name one that is gives the token (docs/sign-in.md)."""


def raw_token(bench: Workbench, name: str, audience: str = "sigstore") -> str:
    claims: dict[str, Any] = {"email": "", **CLAIMS[name]}
    return bench.stack.token(claims.pop("email"), subject=claims["sub"], audience=audience, **claims)


def committer(name: str) -> dict[str, Any]:
    """An account of Google's is an e-mail address, which has to be the committer's."""
    return {"GIT_COMMITTER_EMAIL": ACCOUNT} if name.startswith("google") else {}


def who(bench: Workbench, name: str) -> list[str]:
    return ["--certificate-identity", SIGNERS[name], "--certificate-oidc-issuer", bench.stack.url]


@pytest.fixture
def folder(tmp_path: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For what the platform lays out; nothing of the platform that these tests may run on is left."""
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI"):
        bench.env.pop(name, None)
    made = tmp_path / "platform"
    made.mkdir()
    return made


def test_every_platform_is_played() -> None:
    assert set(PLAYERS) == set(CLAIMS) == set(SIGNERS) == set(NAMES)


@pytest.mark.parametrize("how", ["named", "found"])
@pytest.mark.parametrize("name", NAMES)
def test_a_commit_is_signed_as_the_platform_says(bench: Workbench, folder: Path, name: str, how: str) -> None:
    choice: dict[str, Any] = {"GITSIGN_TOKEN_PROVIDER": name} if how == "named" else ELSEWHERE
    with PLAYERS[name](folder, raw_token(bench, name), "") as job:
        bench.commit(**{**job, **choice, **committer(name)})
    done = bench.tool("verify", *who(bench, name), "HEAD")
    assert done.returncode == 0, done.stdout
    assert bench.git("log", "-1", "--format=%G? %GS") == f"U {SIGNERS[name]}"


def test_what_the_ci_system_says_stands_in_the_certificate(bench: Workbench, folder: Path) -> None:
    with PLAYERS["github-actions"](folder, raw_token(bench, "github-actions"), "") as job:
        bench.commit(**{**job, **ELSEWHERE})
    done = bench.tool("verify", *who(bench, "github-actions"), "--json", "HEAD")
    claims = json.loads(done.stdout)[0]["claims"]
    assert claims["build_signer_uri"] == SIGNERS["github-actions"]
    assert claims["github_workflow_repository"] == GITHUB["repository"]
    assert claims["source_repository_ref"] == GITHUB["ref"]
    assert claims["run_invocation_uri"] == "https://github.com/org/repo/actions/runs/56/attempts/1"


def refused(bench: Workbench, job: Mapping[str, Any]) -> str:
    """Nothing is signed and nothing is left; gives the one line that says why."""
    before = sorted(bench.repo.rglob("*"))
    done = bench.try_git("commit", "-q", "--allow-empty", "-S", "-m", "x", **job)
    assert done.returncode == 128
    assert bench.try_git("rev-parse", "--verify", "-q", "HEAD").returncode != 0
    left = {path.name for path in bench.repo.rglob("*") if path.is_file() and path not in before}
    assert not {name for name in left if len(name) != 38} - {"COMMIT_EDITMSG", "index"}
    lines = [line for line in done.stderr.decode().splitlines() if "gitsign-py" in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


SAID: dict[tuple[str, str], tuple[str, int]] = {
    ("github-actions", "refused"): ("code=403", 3),
    ("github-actions", "garbage"): ("malformed or incomplete JSON", 3),
    ("github-actions", "missing"): ("the job needs permissions: id-token: write", 3),
    ("github-actions", "other-audience"): ("expected sigstore, got vault); ask the platform", 3),
    ("gitlab", "garbage"): ("(from SIGSTORE_ID_TOKEN)", 2),
    ("gitlab", "missing"): ("give the job id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore", 3),
    ("gitlab", "other-audience"): ("for audience vault, expected sigstore", 1),
    ("buildkite-agent", "refused"): ("encountered an error; the job needs", 3),
    ("buildkite-agent", "garbage"): ("Malformed token", 3),
    ("buildkite-agent", "missing"): ("the job needs buildkite-agent on its PATH", 3),
    ("buildkite-agent", "other-audience"): ("expected sigstore, got vault); ask the platform", 3),
    ("circleci", "refused"): ("encountered an error: no right", 3),
    ("circleci", "garbage"): ("Malformed token", 3),
    ("circleci", "missing"): ("the job needs circleci on its PATH", 3),
    ("circleci", "other-audience"): ("expected sigstore, got vault); ask the platform", 3),
    ("google-workload-identity", "refused"): ("code=403", 3),
    ("google-workload-identity", "garbage"): ("Malformed token", 3),
    ("google-workload-identity", "missing"): ("connection refused", 3),
    ("google-workload-identity", "other-audience"): ("expected sigstore, got vault); ask the platform", 3),
    ("google-impersonation", "refused"): ("needs the role Service Account Token Creator", 3),
    ("google-impersonation", "garbage"): ("what it answered cannot be read", 3),
    ("google-impersonation", "missing"): ("connection refused", 3),
    ("google-impersonation", "other-audience"): ("expected sigstore, got vault); ask the platform", 3),
    ("spiffe", "refused"): ("check its registration entry", 3),
    ("spiffe", "garbage"): ("(from spiffe)", 2),
    ("spiffe", "missing"): ("SPIFFE_ENDPOINT_SOCKET names its socket", 3),
    ("spiffe", "other-audience"): ("for audience vault, expected sigstore", 1),
    ("filesystem", "refused"): ("is a directory", 2),
    ("filesystem", "garbage"): ("(from filesystem)", 2),
    ("filesystem", "missing"): ("no such file or directory; mount a projected token there", 2),
    ("filesystem", "other-audience"): ("for audience vault, expected sigstore", 1),
}


@pytest.mark.parametrize(("name", "trouble"), SAID)
def test_a_platform_that_gives_no_token_is_one_line(bench: Workbench, folder: Path, name: str, trouble: str) -> None:
    """git sees a failure; the program's own status tells a refusal (1), a setting (2) and a service (3) apart."""
    audience = "vault" if trouble == "other-audience" else "sigstore"
    with PLAYERS[name](folder, raw_token(bench, name, audience), trouble) as job:
        env = {**job, "GITSIGN_TOKEN_PROVIDER": name, **committer(name)}
        line = refused(bench, env)
    words, _ = SAID[name, trouble]
    assert words in line


@pytest.mark.parametrize(("name", "trouble"), [one for one in SAID if one[1] in ("missing", "garbage")])
def test_the_status_tells_what_kind_of_trouble_it_is(bench: Workbench, folder: Path, name: str, trouble: str) -> None:
    payload = f"tree {'0' * 40}\ncommitter A <{ACCOUNT}> 0 +0000\n\nx\n".encode()
    with PLAYERS[name](folder, raw_token(bench, name), trouble) as job:
        done = bench.tool("--status-fd=2", "-bsau", "x", stdin=payload, **{**job, "GITSIGN_TOKEN_PROVIDER": name})
    assert done.returncode == SAID[name, trouble][1]
    assert b"SIG_CREATED" not in done.stderr


def test_an_account_of_google_that_is_not_the_committer_has_to_be_allowed(bench: Workbench, folder: Path) -> None:
    """There is nobody to ask in a job; the line names the setting."""
    name = "google-workload-identity"
    with PLAYERS[name](folder, raw_token(bench, name), "") as job:
        line = refused(bench, {**job, "GITSIGN_TOKEN_PROVIDER": name})
        assert (
            f"signing would put {ACCOUNT} into the log of the Sigstore on this machine, and the committer is alice@"
            in line
        )
        assert "set gitsign.matchCommitter to false" in line
        bench.configure("gitsign.matchCommitter=false")
        bench.commit(**{**job, "GITSIGN_TOKEN_PROVIDER": name})
    assert bench.tool("verify", *who(bench, name), "HEAD").returncode == 0
