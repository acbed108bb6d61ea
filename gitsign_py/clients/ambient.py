"""The table of platforms that give a job its identity token: how each one shows, and how it is asked.

CI systems and clouds are in ``platformtokens``, SPIFFE in ``spiffe``, the token file is here. A provider that
gitsign.tokenProvider names must be there; without a name, what the environment shows is taken, the first of the table,
and None means that this is no such platform.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import MAX_TOKEN_BYTES, IdentityToken, parse_unverified
from gitsign_py.errors import ConfigError, FormatError, ServiceError

if TYPE_CHECKING:
    from gitsign_py.clients.session import HttpSession

SOCKET_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"
DEFAULT_SOCKET = "/tmp/spire-agent/public/api.sock"  # noqa: S108  SPIRE's own default
DEFAULT_TOKEN_FILE = "/var/run/sigstore/cosign/oidc-token"  # noqa: S105  the Go client's path, a projected volume
_GOOGLE_PRODUCT = Path("/sys/class/dmi/id/product_name")
Environment = Mapping[str, str]


@frozen
class Platform:
    """One source: ``present`` looks at the environment (and files) without asking any server.

    ``hint`` is what to do when it gives no token.
    """

    name: str
    shows_as: str
    present: Callable[[Environment], bool]
    fetch: "Callable[[HttpSession, Environment, str], str]"
    hint: str = ""


def _variable(name: str) -> Callable[[Environment], bool]:
    return lambda environment: bool(environment.get(name))


def _on_google(environment: Environment) -> bool:
    if environment.get("GOOGLE_SERVICE_ACCOUNT_NAME"):
        return True
    try:
        return _GOOGLE_PRODUCT.read_text(encoding="ascii").strip() in ("Google", "Google Compute Engine")
    except (OSError, UnicodeDecodeError):
        return False


def _filesystem(_http: "HttpSession", environment: Environment, _audience: str) -> str:
    path = Path(environment.get("SIGSTORE_ID_TOKEN_FILE") or DEFAULT_TOKEN_FILE)
    try:
        with path.open("rb") as file:
            return file.read(MAX_TOKEN_BYTES + 1).decode("ascii", "replace").strip()
    except OSError as error:
        raise ConfigError(
            "token-file-unreadable",
            f"the token file {path} cannot be read: {(error.strerror or 'error').lower()}",
            hint="mount a projected token there, or choose another gitsign.tokenProvider",
            facts={"path": str(path)},
        ) from error


def _has_token_file(environment: Environment) -> bool:
    return os.path.isfile(environment.get("SIGSTORE_ID_TOKEN_FILE") or DEFAULT_TOKEN_FILE)  # noqa: PTH113 - never raises


def _spiffe(_http: "HttpSession", environment: Environment, audience: str) -> str:
    from gitsign_py.clients.spiffe import fetch_jwt_svid  # noqa: PLC0415 - sockets and more, 4 ms where none is asked

    return fetch_jwt_svid(environment.get(SOCKET_VARIABLE) or DEFAULT_SOCKET, audience)


_HINTS = {
    "GITHUB_ACTIONS": "the job needs permissions: id-token: write; if it has them, see githubstatus.com and try again",
    "GOOGLE_SERVICE_ACCOUNT_NAME": "this machine's account needs the role Service Account Token Creator there",
    "BUILDKITE": "the job needs buildkite-agent on its PATH; buildkite-agent oidc request-token says more",
    "GITLAB_CI": "give the job id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore",
    "CIRCLECI": "the job needs circleci on its PATH, and a context; circleci run oidc get says more",
}


def _by(function: str) -> "Callable[[HttpSession, Environment, str], str]":
    """A function of platformtokens, which is loaded where a platform is asked."""

    def fetch(http: "HttpSession", environment: Environment, audience: str) -> str:
        from gitsign_py.clients import platformtokens  # noqa: PLC0415 - 60 ms with requests

        found: str = getattr(platformtokens, function)(http, environment, audience)
        return found

    return fetch


def _marked(name: str, marker: str, function: str) -> Platform:
    return Platform(name, marker, _variable(marker), _by(function), _HINTS[marker])


_GOOGLE_HINT = "the machine needs a service account; its metadata server gives the token"
PLATFORMS: tuple[Platform, ...] = (
    _marked("github-actions", "GITHUB_ACTIONS", "github_token"),
    _marked("google-impersonation", "GOOGLE_SERVICE_ACCOUNT_NAME", "google_other_token"),
    Platform("google-workload-identity", "Google machine", _on_google, _by("google_own_token"), _GOOGLE_HINT),
    _marked("buildkite-agent", "BUILDKITE", "buildkite_token"),
    _marked("gitlab", "GITLAB_CI", "gitlab_token"),
    _marked("circleci", "CIRCLECI", "circleci_token"),
    Platform("spiffe", SOCKET_VARIABLE, _variable(SOCKET_VARIABLE), _spiffe),
    Platform("filesystem", "token file", _has_token_file, _filesystem),
)
NAMES = tuple(platform.name for platform in PLATFORMS)


def detect(environment: Environment) -> Platform | None:
    """Return the first platform that the environment shows, None on a person's machine."""
    return next((platform for platform in PLATFORMS if platform.present(environment)), None)


def ambient_token(name: str, environment: Environment, *, audience: str, http: "HttpSession") -> IdentityToken:
    """Fetch a token from the platform called ``name``.

    Raises ConfigError ``ambient-not-here`` (it is not this platform), ``token-...``;
    ServiceError ``ambient-failed``, ``spiffe-...``.
    """
    platform = next(one for one in PLATFORMS if one.name == name)
    if name not in ("spiffe", "filesystem"):  # these two are asked at their default places
        _require_here(platform, environment)
    try:
        raw = platform.fetch(http, environment, audience)
    except ServiceError as error:
        hint = error.hint or platform.hint
        raise ServiceError(error.reason, error.message, hint=hint, facts=error.facts) from error
    try:
        parse_unverified(raw)
    except FormatError as error:
        raise ConfigError(error.reason, f"{error.message} (from {platform.name})", hint=error.hint) from error
    return IdentityToken(raw)


def _require_here(platform: Platform, environment: Environment) -> None:
    if not platform.present(environment):
        raise ConfigError(
            "ambient-not-here",
            f"gitsign.tokenProvider is {platform.name}, but this is not there: no {platform.shows_as}",
            hint="unset gitsign.tokenProvider, or run this on that platform",
            facts={"provider": platform.name},
        )
