"""Tokens that a platform gives: each platform played by a small server or program, as its documentation has it."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gitsign_py.clients import ambient, platformtokens
from gitsign_py.clients.ambient import NAMES, detect
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.network import Network
from tests.support import tokens
from tests.support.badserver import reply, serving
from tests.support.googlecloud import METADATA, google_servers
from tests.support.platforms import program

MARKERS = (
    "GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "GOOGLE_SERVICE_ACCOUNT_NAME",
    "BUILDKITE", "GITLAB_CI", "CIRCLECI", "SIGSTORE_ID_TOKEN", "SIGSTORE_ID_TOKEN_FILE", "SPIFFE_ENDPOINT_SOCKET",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """These tests may themselves run in CI, or on Google's machines."""
    for name in MARKERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ambient, "_GOOGLE_PRODUCT", tmp_path / "product_name")


def ambient_token(name: str, environment: Mapping[str, str], *, audience: str) -> IdentityToken:
    with HttpSession(network=Network(environment)) as http:
        return ambient.ambient_token(name, environment, audience=audience, http=http)


def token() -> str:
    now = int(time.time())
    return tokens.make({"iat": now, "exp": now + 60, "email": None, "sub": "https://example.com/workload"})


def test_a_persons_machine_is_no_platform() -> None:
    assert detect({}) is None
    assert detect(os.environ) is None


def test_github_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = token()
    with serving(reply(200, {"value": raw})) as server:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer-secret")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{server.url}/token?api-version=2")
        found = detect(os.environ)
        assert found is not None
        assert ambient_token(found.name, os.environ, audience="sigstore").raw == raw
        assert server.requests[0].path == "/token?api-version=2&audience=sigstore"
        assert server.requests[0].headers["authorization"] == "bearer bearer-secret"


def test_github_without_the_permission_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(ServiceError) as caught:
        ambient_token("github-actions", os.environ, audience="sigstore")
    assert caught.value.reason == "ambient-failed"
    assert "id-token: write" in caught.value.hint


def test_github_answering_nonsense_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(reply(500, b"\x1b[2J\nboom")) as server:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", server.url)
        with pytest.raises(ServiceError) as caught:
            ambient_token("github-actions", os.environ, audience="sigstore")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("name", "marker", "executable", "arguments"),
    [
        ("buildkite-agent", "BUILDKITE", "buildkite-agent", ["oidc", "request-token", "--audience", "sigstore"]),
        (
            "circleci", "CIRCLECI", "circleci",
            ["run", "oidc", "get", "--claims", '{"aud": "sigstore"}', "--root-issuer"],
        ),
    ],
)  # fmt: skip
def test_platforms_with_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, marker: str, executable: str, arguments: list[str]
) -> None:
    raw = token()
    asked = program(tmp_path, executable, raw)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(marker, "true")
    assert ambient_token(name, os.environ, audience="sigstore").raw == raw
    assert asked.read_text().splitlines() == arguments
    program(tmp_path, executable, "", status=1)
    with pytest.raises(ServiceError) as caught:
        ambient_token(name, os.environ, audience="sigstore")
    assert f"the job needs {executable} on its PATH" in caught.value.hint
    (tmp_path / executable).unlink()
    with pytest.raises(ServiceError, match="could not find"):
        ambient_token(name, os.environ, audience="sigstore")


def test_a_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platformtokens, "SECONDS", 0.3)
    (tmp_path / "buildkite-agent").write_text("#!/bin/sh\nexec sleep 20\n")
    (tmp_path / "buildkite-agent").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("BUILDKITE", "true")
    started = time.monotonic()
    with pytest.raises(ServiceError, match=r"no answer within 0\.3 s"):
        ambient_token("buildkite-agent", os.environ, audience="sigstore")
    assert time.monotonic() - started < 15


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the program find Google's servers at a URL of ours."""

    def at(url: str) -> None:
        monkeypatch.setattr(platformtokens, "METADATA", f"{url}{METADATA}")
        monkeypatch.setattr(platformtokens, "IAM_CREDENTIALS", f"{url}/iam")

    return at


def test_gitlab(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = token()
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", raw)
    assert ambient_token("gitlab", os.environ, audience="sigstore").raw == raw


def test_a_token_for_another_audience_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("OTHER_ID_TOKEN", token())
    with pytest.raises(ServiceError, match="audience"):
        ambient_token("gitlab", os.environ, audience="other")


def test_a_google_machine_is_known_by_its_product_name() -> None:
    ambient._GOOGLE_PRODUCT.write_text("Google Compute Engine\n")
    found = detect({})
    assert found is not None
    assert found.name == "google-workload-identity"
    ambient._GOOGLE_PRODUCT.write_bytes(b"\xff\xfe")
    assert detect({}) is None
    found = detect({"GOOGLE_SERVICE_ACCOUNT_NAME": "robot@example.com"})
    assert found is not None
    assert found.name == "google-impersonation"


def test_a_google_machine_gives_its_own_identity(google: Callable[[str], None]) -> None:
    ambient._GOOGLE_PRODUCT.write_text("Google\n")
    raw = token()
    with serving(google_servers(raw)) as server:
        google(server.url)
        assert ambient_token("google-workload-identity", os.environ, audience="sigstore").raw == raw
    assert [request.method for request in server.requests] == ["GET"]


def test_a_google_machine_gives_another_accounts_identity(
    google: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_NAME", "robot@project.iam.gserviceaccount.com")
    raw = token()
    with serving(google_servers(raw)) as server:
        google(server.url)
        assert ambient_token("google-impersonation", os.environ, audience="sigstore").raw == raw
    assert [request.method for request in server.requests] == ["GET", "POST"]
    assert server.requests[1].path == "/iam/robot@project.iam.gserviceaccount.com:generateIdToken"
    with serving(reply(403, b"no right")) as server:
        google(server.url)
        with pytest.raises(ServiceError) as caught:
            ambient_token("google-impersonation", os.environ, audience="sigstore")
    assert "Service Account Token Creator" in caught.value.hint


def test_gitlab_without_a_token_says_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    with pytest.raises(ServiceError) as caught:
        ambient_token("gitlab", os.environ, audience="sigstore")
    assert "id_tokens" in caught.value.hint


def test_a_token_file(tmp_path: Path) -> None:
    raw = token()
    (tmp_path / "token").write_text(raw + "\n")
    environment = {"SIGSTORE_ID_TOKEN_FILE": str(tmp_path / "token")}
    found = detect(environment)
    assert found is not None
    assert found.name == "filesystem"
    assert ambient_token("filesystem", environment, audience="sigstore").raw == raw
    with pytest.raises(ConfigError) as caught:
        ambient_token("filesystem", {"SIGSTORE_ID_TOKEN_FILE": str(tmp_path / "none")}, audience="sigstore")
    assert caught.value.reason == "token-file-unreadable"


def test_what_is_no_token_is_named_with_its_source_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("my-password")
    with pytest.raises(ConfigError) as caught:
        ambient_token("filesystem", {"SIGSTORE_ID_TOKEN_FILE": str(tmp_path / "token")}, audience="sigstore")
    assert caught.value.reason == "token-invalid"
    assert "filesystem" in caught.value.message
    assert "my-password" not in caught.value.message


def test_spiffe_is_asked_at_its_socket(tmp_path: Path) -> None:
    environment = {"SPIFFE_ENDPOINT_SOCKET": f"unix://{tmp_path}/none"}
    found = detect(environment)
    assert found is not None
    assert found.name == "spiffe"
    with pytest.raises(ServiceError) as caught:
        ambient_token("spiffe", environment, audience="sigstore")
    assert caught.value.reason == "spiffe-unreachable"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"spiffe", "filesystem"}))
def test_a_named_platform_must_be_there(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ambient_token(name, {}, audience="sigstore")
    assert caught.value.reason == "ambient-not-here"
    assert name in caught.value.message
    assert ": no a " not in caught.value.message


def test_a_named_platform_is_asked_beside_another(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = token()
    environment = {"GITHUB_ACTIONS": "true", "GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": raw}
    assert ambient_token("gitlab", environment, audience="sigstore").raw == raw


def test_a_platform_is_asked_by_the_network_of_the_job() -> None:
    """A company's proxy stands between the job and its platform."""
    raw = token()
    with serving(reply(200, {"value": raw})) as proxy:
        environment = {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
            "ACTIONS_ID_TOKEN_REQUEST_URL": "http://github.invalid/token",
            "http_proxy": proxy.url.removeprefix("http://"),
        }
        assert ambient_token("github-actions", environment, audience="sigstore").raw == raw
    assert proxy.requests[0].path == "http://github.invalid/token?audience=sigstore"


def test_google_s_metadata_server_is_asked_past_the_proxy(google: Callable[[str], None]) -> None:
    ambient._GOOGLE_PRODUCT.write_text("Google\n")
    raw = token()
    with serving(google_servers(raw)) as server, serving(reply(502)) as proxy:
        google(server.url)
        found = ambient_token("google-workload-identity", {"http_proxy": proxy.url}, audience="sigstore")
    assert (found.raw, proxy.requests) == (raw, [])
