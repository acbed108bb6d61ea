"""How each CI system and cloud hands a job its identity token: a server to ask, a program to run, a variable to read.

All go by this program's own connections, so that the authorities and proxies of ``host.network`` count for them too.
Every function takes a session, the job's environment and the audience, gives the raw token, and raises ServiceError
``ambient-failed`` with what the platform said.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from gitsign_py.clients.answer import Answer, one_line, server_message
from gitsign_py.clients.session import HttpSession, json_body
from gitsign_py.core.frozen import replace
from gitsign_py.core.sigstore.token import MAX_TOKEN_BYTES, parse_unverified
from gitsign_py.errors import FormatError, ServiceError
from gitsign_py.host.network import Network
from gitsign_py.host.programs import find_program

SECONDS = 30.0
"""How long a platform may take, servers and programs alike."""
METADATA = "http://metadata/computeMetadata/v1/instance/service-accounts/default"
IAM_CREDENTIALS = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
_CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_AUDIENCE_HINT = "ask the platform for a token with that audience, or set gitsign.clientID to the token's audience"
_OK = 200
_MAX_BYTES = 2 * MAX_TOKEN_BYTES
Environment = Mapping[str, str]


def github_token(http: HttpSession, environment: Environment, audience: str) -> str:
    """GitHub Actions: docs "OpenID Connect reference", the request URL and token of the job."""
    token, url = (environment.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("TOKEN", "URL"))
    if not token or not url:
        raise failed("the job has no ACTIONS_ID_TOKEN_REQUEST_TOKEN and _URL")
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query), ("audience", audience)])
    answer = _ask(http, "GitHub", urlunsplit(parts._replace(query=query)), {"Authorization": f"bearer {token}"})
    return _for(audience, _member(answer, "value"))


def google_own_token(_http: HttpSession, _environment: Environment, audience: str) -> str:
    """The account of a Google machine: docs "Verifying the identity of VMs"; no proxy leads to its own server."""
    with _direct() as http:
        query = urlencode({"audience": audience, "format": "full"})
        answer = _ask(http, "Google's metadata server", f"{METADATA}/identity?{query}", _INSIDE)
    return _for(audience, answer.body.decode("ascii", "replace").strip())


def google_other_token(http: HttpSession, environment: Environment, audience: str) -> str:
    """Another account, by the machine's own: docs "projects.serviceAccounts.generateIdToken"."""
    with _direct() as inside:
        query = urlencode({"scopes": _CLOUD_SCOPE})
        access = _member(_ask(inside, "Google's metadata server", f"{METADATA}/token?{query}", _INSIDE), _ACCESS)
    account = quote(environment.get("GOOGLE_SERVICE_ACCOUNT_NAME", ""), safe="@")
    headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}
    body = json_body({"audience": audience, "includeEmail": True})
    answer = _ask(http, "Google", f"{IAM_CREDENTIALS}/{account}:generateIdToken", headers, body=body)
    return _for(audience, _member(answer, "token"))


def buildkite_token(_http: HttpSession, environment: Environment, audience: str) -> str:
    """Buildkite: docs "buildkite-agent oidc"."""
    said = _run(environment, "buildkite-agent", "oidc", "request-token", "--audience", audience)
    return _for(audience, said)


def circleci_token(_http: HttpSession, environment: Environment, audience: str) -> str:
    """CircleCI: docs "OpenID Connect tokens with custom claims"; its root issuer is the one that Fulcio knows."""
    claims = json.dumps({"aud": audience})
    return _for(audience, _run(environment, "circleci", "run", "oidc", "get", "--claims", claims, "--root-issuer"))


def gitlab_token(_http: HttpSession, environment: Environment, audience: str) -> str:
    """GitLab CI: docs "OpenID Connect with ID tokens"; the variable is named after the audience."""
    name = re.sub(r"[^A-Z0-9_]|^[^A-Z_]", "_", audience.upper()) + "_ID_TOKEN"
    token = environment.get(name)
    if not token:
        raise failed(f"there is no variable {name}")
    return _for(audience, token)


_ACCESS = "access_token"
_INSIDE = {"Metadata-Flavor": "Google"}


def failed(words: str, hint: str = "") -> ServiceError:
    """Make the error for a platform that gives no token."""
    return ServiceError("ambient-failed", f"the platform gave no identity token: {one_line(words)}", hint=hint)


def _direct() -> HttpSession:
    return HttpSession(network=Network({}))


def _ask(http: HttpSession, service: str, url: str, headers: Mapping[str, str], *, body: bytes | None = None) -> Answer:
    """Ask a platform's server: GET, or POST where there is a body."""
    method, any_status = "GET" if body is None else "POST", range(100, 600)
    try:
        answer = http.exchange(
            service,
            method,
            url,
            body=body,
            headers=headers,
            expected=any_status,
            limits=replace(http.limits, total=SECONDS, max_bytes=_MAX_BYTES),
        )
    except ServiceError as error:
        raise failed(error.message, error.hint if error.reason == "service-untrusted" else "") from error
    if answer.status != _OK:
        raise failed(f"{service} answers with an error (code={answer.status}): {server_message(answer)}")
    return answer


def _member(answer: Answer, name: str) -> str:
    try:
        value: Any = answer.json()
    except ServiceError as error:
        raise failed(f"what it answered cannot be read ({answer.service}): malformed or incomplete JSON") from error
    text = value.get(name) if isinstance(value, dict) else None
    if not isinstance(text, str) or not text:
        raise failed(f"what {answer.service} answered has no {name}: malformed or incomplete JSON")
    return text


def _run(environment: Environment, name: str, *arguments: str) -> str:
    program = find_program(name, path=environment.get("PATH"))
    if program is None:
        raise failed(f"could not find {name}")
    try:
        done = subprocess.run(
            [program, *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise failed(f"{name}: no answer within {SECONDS:g} s") from error
    except OSError as error:
        raise failed(f"{name} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        words = (
            one_line(done.stderr.decode("utf-8", "replace")) if name == "circleci" else ""
        )  # the other's says nothing
        raise failed(f"{name} encountered an error" + (f": {words}" if words else ""))
    return done.stdout.decode("ascii", "replace").strip()


def _for(audience: str, raw: str) -> str:
    """Refuse what is no token, or one for somebody else. Nothing of it is repeated but the audience."""
    try:
        claims = parse_unverified(raw)
    except FormatError as error:
        raise failed(f"Malformed token: {error.message}") from error
    if claims.audience != (audience,):
        got = ", ".join(claims.audience)
        raise failed(f"the token has another audience (expected {audience}, got {got})", _AUDIENCE_HINT)
    return raw
