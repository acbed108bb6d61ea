"""Tokens that the platform gives: CI systems and clouds by the ``id`` package, files and SPIFFE by our own code.

``id`` knows GitHub Actions, Google Cloud (with impersonation), Buildkite, GitLab and CircleCI, in that order, and asks
the environment of this process. Filesystem and SPIFFE are here. A provider that gitsign.tokenProvider names must be
there; without a name, what the environment shows is taken, and None means that this is no such platform.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from gitsign_py.clients.answer import one_line
from gitsign_py.clients.spiffe import DEFAULT_SOCKET, SOCKET_VARIABLE, fetch_jwt_svid
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import MAX_TOKEN_BYTES, IdentityToken, parse_unverified
from gitsign_py.errors import ConfigError, FormatError, ServiceError
from gitsign_py.host.deadline import within

SECONDS = 30.0
"""How long a platform may take: ``id`` gives servers 30 s for each of four tries, and programs no end."""

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
    fetch: Callable[[Environment, str], str]
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


def _by_id(environment: Environment, audience: str) -> str:
    """Let ``id`` find the token. It reads os.environ, so an environment that differs would be answered wrongly."""
    import id as ambient_id  # noqa: PLC0415 - 60 ms, where a platform is asked

    if any(os.environ.get(name) != environment.get(name) for name in _HINTS):
        raise _failed("its variables are not those of this process")
    try:
        token = within(SECONDS, lambda: ambient_id.detect_credential(audience))
    except (ambient_id.IdentityError, TimeoutError) as error:
        raise _failed(_words(error), _AUDIENCE_HINT if "audience" in str(error) else "") from error
    except ValueError as error:  # json's errors pass through id as they come
        raise _failed("what it answered cannot be read") from error
    except Exception as error:  # and urllib3's
        raise _failed(f"{type(error).__name__}: {error}") from error
    if token is None:
        raise _failed("no token was given")
    return token


_AUDIENCE_HINT = "ask the platform for a token with that audience, or set gitsign.clientID to the token's audience"


def _words(error: BaseException) -> str:
    """What ``id`` says, and what the system says below: ``id`` calls every failure to connect a time-out."""
    words, below = str(error).strip().rstrip(":"), error.__context__
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            return f"{words} ({below.strerror.lower()})"
        below = below.__cause__ or below.__context__
    return words


def _failed(words: str, hint: str = "") -> ServiceError:
    return ServiceError("ambient-failed", f"the platform gave no identity token: {one_line(words)}", hint=hint)


def _filesystem(environment: Environment, _audience: str) -> str:
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


def _spiffe(environment: Environment, audience: str) -> str:
    return fetch_jwt_svid(environment.get(SOCKET_VARIABLE) or DEFAULT_SOCKET, audience)


_HINTS = {
    "GITHUB_ACTIONS": "the job needs permissions: id-token: write; if it has them, see githubstatus.com and try again",
    "GOOGLE_SERVICE_ACCOUNT_NAME": "this machine's account needs the role Service Account Token Creator there",
    "BUILDKITE": "the job needs buildkite-agent on its PATH; buildkite-agent oidc request-token says more",
    "GITLAB_CI": "give the job id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore",
    "CIRCLECI": "the job needs circleci on its PATH, and a context; circleci run oidc get says more",
}


def _marked(name: str, marker: str) -> Platform:
    return Platform(name, marker, _variable(marker), _by_id, _HINTS[marker])


_GOOGLE_HINT = "the machine needs a service account; its metadata server gives the token"
PLATFORMS: tuple[Platform, ...] = (
    _marked("github-actions", "GITHUB_ACTIONS"),
    _marked("google-impersonation", "GOOGLE_SERVICE_ACCOUNT_NAME"),
    Platform("google-workload-identity", "a Google machine", _on_google, _by_id, _GOOGLE_HINT),
    _marked("buildkite-agent", "BUILDKITE"),
    _marked("gitlab", "GITLAB_CI"),
    _marked("circleci", "CIRCLECI"),
    Platform("spiffe", SOCKET_VARIABLE, _variable(SOCKET_VARIABLE), _spiffe),
    Platform("filesystem", "a token file", _has_token_file, _filesystem),
)
NAMES = tuple(platform.name for platform in PLATFORMS)


def detect(environment: Environment) -> Platform | None:
    """Return the first platform that the environment shows, None on a person's machine."""
    return next((platform for platform in PLATFORMS if platform.present(environment)), None)


def ambient_token(name: str, environment: Environment, *, audience: str) -> IdentityToken:
    """Fetch a token from the platform called ``name``.

    Raises ConfigError ``ambient-not-here`` (it is not this platform, or another one hides it), ``token-...``;
    ServiceError ``ambient-failed``, ``spiffe-...``.
    """
    platform = next(one for one in PLATFORMS if one.name == name)
    if name not in ("spiffe", "filesystem"):  # these two are asked at their default places
        _require_here(platform, environment)
    try:
        raw = platform.fetch(environment, audience)
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
    first = next(one for one in PLATFORMS if one.present(environment))
    google = {"google-impersonation", "google-workload-identity"}
    if first is not platform and {first.name, platform.name} != google and first.fetch is _by_id:
        raise ConfigError(
            "ambient-not-here",
            f"gitsign.tokenProvider is {platform.name}, but {first.shows_as} comes before it",
            hint=f"set gitsign.tokenProvider to {first.name}, or unset {first.shows_as}",
            facts={"provider": platform.name},
        )
