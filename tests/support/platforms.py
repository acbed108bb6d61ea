"""CI systems, clouds and SPIRE as a job sees them, each played by a small server, program or file.

What they look like from inside is what their documentation says; the claims are those of its examples. A player gives
the environment of a job in which the platform does what ``trouble`` says: nothing (it gives the token), ``refused``
(it says no), ``garbage`` (what it gives is no token) or ``missing`` (there is nobody to ask).
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from gitsign_py.clients.spiffe import frame
from tests.support.badserver import Received, computed, serving
from tests.support.googlecloud import google_machine, impersonating
from tests.support.spiffekit import TRAILERS, agent, grpc, svid

Env = dict[str, Any]
Player = Callable[[Path, str, str], AbstractContextManager[Env]]
"""Called with a folder of its own, the token, the trouble."""

NOT_A_TOKEN = "<html>moved</html>"
GITHUB: dict[str, Any] = {
    "sub": "repo:org/repo:ref:refs/heads/main",
    "job_workflow_ref": "org/repo/.github/workflows/release.yml@refs/heads/main",
    "job_workflow_sha": "1" * 40,
    "workflow_ref": "org/repo/.github/workflows/release.yml@refs/heads/main",
    "workflow_sha": "1" * 40,
    "sha": "2" * 40,
    "event_name": "push",
    "repository": "org/repo",
    "repository_id": "12",
    "repository_owner": "org",
    "repository_owner_id": "34",
    "repository_visibility": "public",
    "workflow": "release",
    "ref": "refs/heads/main",
    "runner_environment": "github-hosted",
    "run_id": "56",
    "run_attempt": "1",
}
GITLAB: dict[str, Any] = {
    "sub": "project_path:group/project:ref_type:branch:ref:main",
    "ci_config_ref_uri": "gitlab.com/group/project//.gitlab-ci.yml@refs/heads/main",
    "ci_config_sha": "3" * 40,
    "runner_environment": "gitlab-hosted",
    "project_path": "group/project",
    "project_id": "20",
    "project_visibility": "internal",
    "namespace_path": "group",
    "namespace_id": "72",
    "sha": "2" * 40,
    "ref": "main",
    "ref_type": "branch",
    "pipeline_source": "push",
    "job_id": "302",
    "pipeline_id": "574",
}
BUILDKITE: dict[str, Any] = {
    "sub": "organization:acme:pipeline:super:ref:refs/heads/main:commit:9f3182:step:build",
    "organization_slug": "acme",
    "pipeline_slug": "super",
    "build_number": "1",
    "build_commit": "9f3182061f1e2cca4702c368cbc039b7dc9d4485",
    "build_source": "webhook",
    "job_id": "0184990a-477b-4fa8-9968-496074483cee",
    "runner_environment": "self-hosted",
}
CIRCLECI: dict[str, Any] = {
    "sub": "org/7df2f0fd/project/e6f3c7b2/user/4b3f8a3d",
    "oidc.circleci.com/project-id": "e6f3c7b2",
    "oidc.circleci.com/pipeline-definition-id": "9a1b5c60",
    "oidc.circleci.com/pipeline-id": "1c0d1b43",
    "oidc.circleci.com/workflow-id": "52a3a6f5",
    "oidc.circleci.com/job-id": "0f2d8a11",
    "oidc.circleci.com/vcs-origin": "github.com/org/repo",
    "oidc.circleci.com/vcs-ref": "refs/heads/main",
}

KUBERNETES: dict[str, Any] = {
    "sub": "system:serviceaccount:build:signer",
    "kubernetes.io": {"namespace": "build", "serviceaccount": {"name": "signer", "uid": "65b1d6d0"}},
}


@contextmanager
def github(_folder: Path, raw: str, trouble: str) -> Iterator[Env]:
    """GitHub Actions; without ``permissions: id-token: write`` the two variables of the token are not there."""
    if trouble == "missing":
        yield {"GITHUB_ACTIONS": "true"}
        return

    def answer(request: Received) -> tuple[int, object, Env]:
        if trouble == "refused" or request.headers.get("authorization") != "bearer job-secret":
            return 403, b"Resource not accessible by integration", {}
        asked = "audience=sigstore" in request.path.split("?")[1].split("&")
        return (200, NOT_A_TOKEN.encode() if trouble == "garbage" else {"value": raw}, {}) if asked else (400, {}, {})

    with serving(computed(answer)) as server:
        yield {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/idtoken/hub?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job-secret",
        }


@contextmanager
def gitlab(_folder: Path, raw: str, trouble: str) -> Iterator[Env]:
    """GitLab gives a job its token in the variable that the job's ``id_tokens`` names."""
    token = {"garbage": NOT_A_TOKEN, "refused": "", "missing": ""}.get(trouble, raw)
    yield {"GITLAB_CI": "true"} | ({"SIGSTORE_ID_TOKEN": token} if token else {})


def program(directory: Path, name: str, said: str, status: int = 0) -> Path:
    """A platform's program; the file that is returned gets its arguments, one a line."""
    path, asked = directory / name, directory / f"{name}.arguments"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(asked)!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
        f"print({said!r})\nprint('no right', file=sys.stderr)\nsys.exit({status})\n"
    )
    path.chmod(0o755)
    return asked


def _with_program(marker: str, name: str) -> Player:
    @contextmanager
    def play(folder: Path, raw: str, trouble: str) -> Iterator[Env]:
        if trouble != "missing":
            said = {"refused": "", "garbage": NOT_A_TOKEN}.get(trouble, raw)
            program(folder, name, said, 1 if trouble == "refused" else 0)
        yield {marker: "true", "PATH": f"{folder}:{os.environ['PATH']}"}

    return play


@contextmanager
def filesystem(folder: Path, raw: str, trouble: str) -> Iterator[Env]:
    """A projected volume of Kubernetes; what is refused is a directory in its place."""
    path = folder / "oidc-token"
    if trouble == "refused":
        path.mkdir()
    elif trouble != "missing":
        path.write_text(NOT_A_TOKEN if trouble == "garbage" else raw)
    yield {"SIGSTORE_ID_TOKEN_FILE": str(path)}


@contextmanager
def spiffe(folder: Path, raw: str, trouble: str) -> Iterator[Env]:
    """SPIRE's agent at its socket."""
    if trouble == "missing":
        yield {"SPIFFE_ENDPOINT_SOCKET": f"unix://{folder}/agent.sock"}
        return
    token = (NOT_A_TOKEN if trouble == "garbage" else raw).encode()
    answer = [TRAILERS] if trouble == "refused" else [frame(0, 0, 1, grpc(svid(token))), TRAILERS]
    with agent(folder / "agent.sock", *answer) as path:
        yield {"SPIFFE_ENDPOINT_SOCKET": f"unix://{path}"}


PLAYERS: dict[str, Player] = {
    "github-actions": github,
    "gitlab": gitlab,
    "buildkite-agent": _with_program("BUILDKITE", "buildkite-agent"),
    "circleci": _with_program("CIRCLECI", "circleci"),
    "google-workload-identity": google_machine,
    "google-impersonation": impersonating,
    "spiffe": spiffe,
    "filesystem": filesystem,
}
"""By the names of gitsign.tokenProvider."""
