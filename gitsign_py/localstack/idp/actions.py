"""Identity tokens as a job of GitHub Actions gets them: by a URL and a request token that stand in its environment.

GitHub's "OpenID Connect reference": ``GET $ACTIONS_ID_TOKEN_REQUEST_URL&audience=A`` with the request token as bearer
gives ``{"value": TOKEN}``. The request token is one of the issuer's own, for an audience that no service takes; its
claims are those of the tokens that it gets. Its maker chooses those claims: see ``workflow_claims``.
"""

import re
from typing import Any

from gitsign_py.errors import UsageError
from gitsign_py.localstack.clientenv import TOKEN_PATH
from gitsign_py.localstack.idp.issuer import (
    REFRESH_AUDIENCE,
    REQUEST_AUDIENCE,
    Issuer,
    TokenOrder,
    oauth_error,
)
from gitsign_py.localstack.service import Request, Response, Route, json_response

TOKEN_SECONDS = 300
REQUEST_SECONDS = 6 * 3600
"""How long a request token serves: as long as GitHub lets a job run."""
_OURS = ("aud", "iat", "nbf", "exp")
_REPOSITORY = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9-]{0,38}))/([A-Za-z0-9._-]{1,100})\Z")


def actions_route(issuer: Issuer) -> Route:
    """``GET /actions/idtoken``: an identity token for the holder of a request token."""

    def give(request: Request) -> Response:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise oauth_error("invalid_token", "the request token must come as bearer", 401)
        claims = issuer.own_claims(bearer.strip(), REQUEST_AUDIENCE)
        if claims is None:
            raise oauth_error("invalid_token", "the request token is not one of ours, or expired", 401)
        # GitHub's default audience is the URL of the repository's owner.
        audience = request.query.get("audience") or f"https://github.com/{claims.get('repository_owner', '')}"
        if audience in {REQUEST_AUDIENCE, REFRESH_AUDIENCE}:
            raise oauth_error("invalid_request", "a token for this audience is not given here")
        kept = {name: value for name, value in claims.items() if name not in _OURS}
        return json_response({"value": issuer.mint(TokenOrder(audience=audience, seconds=TOKEN_SECONDS, claims=kept))})

    return Route("GET", TOKEN_PATH, give)


def workflow_claims(
    repository: str, *, ref: str = "refs/heads/main", workflow: str = "ci.yml", event: str = "push"
) -> dict[str, Any]:
    """The claims of a job on a runner of GitHub's in ``repository`` (``OWNER/NAME``), as far as Fulcio reads them.

    Raises UsageError ``repository-name``.
    """
    match = _REPOSITORY.match(repository)
    if not match:
        raise UsageError("repository-name", f"{repository!r} is not OWNER/NAME")
    place, commit = f"{repository}/.github/workflows/{workflow}@{ref}", "0" * 40
    return {
        "sub": f"repo:{repository}:ref:{ref}",
        "repository": repository,
        "repository_id": "1",
        "repository_owner": match[1],
        "repository_owner_id": "2",
        "repository_visibility": "public",
        "ref": ref,
        "sha": commit,
        "workflow": workflow,
        "workflow_ref": place,
        "workflow_sha": commit,
        "job_workflow_ref": place,
        "job_workflow_sha": commit,
        "event_name": event,
        "runner_environment": "github-hosted",
        "run_id": "3",
        "run_attempt": "1",
    }
