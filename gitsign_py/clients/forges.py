"""Statuses of commits on forges: what stands there is read first, and written only where it would change.

By the documented REST interfaces of GitHub, GitLab, and Gitea and Forgejo. Each token goes to one place alone: over
TLS or to this machine, never after a redirect to another host, and never into a message.
"""

import re
from urllib.parse import quote, urlsplit

from gitsign_py.clients.answer import Answer
from gitsign_py.clients.session import Limits, json_body
from gitsign_py.clients.urls import check_url, is_loopback, join_url
from gitsign_py.core.frozen import field, frozen
from gitsign_py.errors import ConfigError, ServiceError

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from gitsign_py.clients.session import HttpSession

CONTEXT = "gitsign-py"
"""The name that our statuses have among others'."""
LIMITS = Limits(total=90.0, backoff=1.0, retry_after=60.0, tries=4)
MAX_DESCRIPTION = 140  # characters that GitHub takes; GitLab takes 255

_PROJECT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_.-]*[A-Za-z0-9_-]\Z")
_GITLAB_PROJECT = re.compile(r"(?:[0-9]{1,18}|[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+)\Z")
_PERSONAL = ("ghp_", "gho_", "ghu_", "github_pat_")
"""How tokens of GitHub's begin that never may write a check run: it takes an app's (also GITHUB_TOKEN in a job)."""
_GITLAB_STATES = {"success": "success", "failure": "failed", "error": "failed"}
_HINTS = {
    "github": "the token needs the permission `statuses: write` (for a check run `checks: write`) on this repository",
    "gitlab": "the token needs the scope api and the role Developer; a CI_JOB_TOKEN may not do it everywhere",
    "gitea": "the token needs the scope write:repository, and its owner may write to the repository",
}


@frozen
class CommitStatus:
    """One status: ``state`` is ``success``, ``failure`` or ``error`` (could not be checked).

    ``description`` is one line, ``summary`` Markdown where there is room for it, ``url`` leads to the report.
    """

    state: str
    description: str
    summary: str = ""
    url: str = ""


@frozen
class Forge:
    """Where statuses go: the ``kind`` of forge, the address of its API, the project, and the token for it.

    ``is_job_token`` tells of GitLab's CI_JOB_TOKEN. ``pipeline`` is GitLab's own for the commit ``pipeline_commit``, in
    which the status is to stand.
    """

    kind: str
    api: str
    project: str
    token: str = field(repr=False)
    is_job_token: bool = False
    pipeline: str = ""
    pipeline_commit: str = ""


def check_forge(forge: Forge) -> None:
    """Raise ConfigError ``service-url-invalid``, ``publish-url-insecure``, ``publish-project``."""
    check_url("the forge", forge.api)
    if urlsplit(forge.api).scheme != "https" and not is_loopback(forge.api):
        raise ConfigError(
            "publish-url-insecure",
            f"the token is not sent to {forge.api}: it would go there without TLS",
            hint="give the https URL of the forge's API by --publish-url (gitsign.publishURL)",
        )
    name = forge.project
    if not (_GITLAB_PROJECT.match(name) if forge.kind == "gitlab" else _PROJECT.match(name)):
        raise ConfigError(
            "publish-project",
            f"{forge.project[:200]!r} is no project of {forge.kind}",
            hint="give it as OWNER/NAME by --publish-project (gitsign.publishProject)",
        )


class StatusClient:
    """Sets statuses of commits on one forge."""

    def __init__(self, session: "HttpSession", forge: Forge) -> None:
        check_forge(forge)
        self._session, self._forge = session, forge
        self._writes_checks = forge.kind == "github" and not forge.token.startswith(_PERSONAL)

    def put(self, oid: str, status: CommitStatus) -> bool:
        """Let a commit have this status; False where it had it already. Raises ServiceError."""
        return {"github": self._put_github, "gitlab": self._put_gitlab, "gitea": self._put_gitea}[self._forge.kind](
            oid, status
        )

    # --- GitHub ------------------------------------------------------------------------------------------------------

    def _put_github(self, oid: str, status: CommitStatus) -> bool:
        """A check run where the token may write one, else a commit status; asked once for all commits."""
        if self._writes_checks:
            try:
                return self._put_check(oid, status)
            except ServiceError as error:
                if error.facts.get("status") not in (401, 403, 404):
                    raise
                self._writes_checks = False
        there = self._ask("GET", f"/commits/{oid}/status?per_page=100").json()
        return self._put_status(oid, status, _members(there, "statuses"), "state")

    def _put_check(self, oid: str, status: CommitStatus) -> bool:
        conclusion = "success" if status.state == "success" else "failure"  # neutral would let a required check pass
        output = {"title": status.description, "summary": status.summary or status.description}
        wanted: dict[str, Any] = {"conclusion": conclusion, "output": output}
        wanted |= {"details_url": status.url} if status.url else {}
        found = self._ask("GET", f"/commits/{oid}/check-runs?check_name={CONTEXT}&filter=latest&per_page=1").json()
        there = next(iter(_members(found, "check_runs")), {})
        if _is_part(wanted, there):
            return False
        run = {"name": CONTEXT, "head_sha": oid, "status": "completed", **wanted}
        self._ask("POST", "/check-runs", run, expected=(201,))
        return True

    # --- Gitea and Forgejo -------------------------------------------------------------------------------------------

    def _put_gitea(self, oid: str, status: CommitStatus) -> bool:
        there = self._ask("GET", f"/statuses/{oid}?sort=recentupdate&limit=50").json()
        return self._put_status(oid, status, _objects(there), "status")

    def _put_status(self, oid: str, status: CommitStatus, there: "list[Mapping[str, Any]]", state_name: str) -> bool:
        """GitHub's and Gitea's statuses differ in the name of the state alone; of ours the newest comes first."""
        ours = next((one for one in there if one.get("context") == CONTEXT), {})
        said = {"description": status.description, "target_url": status.url}
        if ours.get(state_name) == status.state and _is_same(said, ours):
            return False
        body = {"state": status.state, "context": CONTEXT, **_without_empty(said)}
        self._ask("POST", f"/statuses/{oid}", body, expected=(200, 201))
        return True

    # --- GitLab ------------------------------------------------------------------------------------------------------

    def _put_gitlab(self, oid: str, status: CommitStatus) -> bool:
        state = _GITLAB_STATES[status.state]
        answer = self._ask("GET", f"/repository/commits/{oid}/statuses?name={CONTEXT}&per_page=100")
        ours = [one for one in _objects(answer.json()) if one.get("name") == CONTEXT and type(one.get("id")) is int]
        newest: Mapping[str, Any] = max(ours, key=lambda one: one["id"], default={})
        said = {"description": status.description, "target_url": status.url}
        if newest.get("status") == state and _is_same(said, newest):
            return False
        body = {"state": state, "name": CONTEXT, **_without_empty(said)}
        if self._forge.pipeline and oid == self._forge.pipeline_commit:
            body["pipeline_id"] = self._forge.pipeline
        try:
            self._ask("POST", f"/statuses/{oid}", body, expected=(200, 201))
        except ServiceError as error:  # older versions take no new words for a state that stands already
            if error.facts.get("status") != 400 or newest.get("status") != state:
                raise
            return False
        return True

    # --- the way there -----------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, value: object = None, *, expected: tuple[int, ...] = (200,)) -> Answer:
        forge = self._forge
        gitlab = forge.kind == "gitlab"
        place = f"/projects/{quote(forge.project, safe='')}" if gitlab else f"/repos/{forge.project}"
        headers = {**_authorization(forge), "Accept": "application/json"}
        if value is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._session.exchange(
                forge.kind,
                method,
                join_url(forge.api, place + path),
                body=None if value is None else json_body(value),
                headers=headers,
                expected=expected,
            )
        except ServiceError as error:
            raise _told(error, forge) from error


def _authorization(forge: Forge) -> dict[str, str]:
    if forge.is_job_token:
        return {"JOB-TOKEN": forge.token}
    return {"Authorization": f"{'token' if forge.kind == 'gitea' else 'Bearer'} {forge.token}"}


def _told(error: ServiceError, forge: Forge) -> ServiceError:
    """The error with what to do about it, without a server's words that repeat the token, of which they may be cut."""
    status = error.facts.get("status")
    hint = _HINTS[forge.kind] if status in (401, 403, 404) else error.hint
    facts = dict(error.facts)
    if forge.token[:8] in f"{error.message}{error.hint}{facts}":
        facts.pop("message", None)
        words = f"{forge.kind} answered {status}, in words that repeat the token and are not shown"
        return ServiceError(error.reason, words, hint=hint, facts={"service": forge.kind, "status": status})
    return ServiceError(error.reason, error.message, hint=hint, facts=facts)


def _members(value: "Any", name: str) -> "list[Mapping[str, Any]]":
    return _objects(value.get(name)) if isinstance(value, dict) else []


def _objects(value: "Any") -> "list[Mapping[str, Any]]":
    """The objects of a JSON array; what is none of that shape counts as nothing there, and is written anew."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_same(said: "Mapping[str, str]", there: "Mapping[str, Any]") -> bool:
    return all((there.get(name) or "") == value for name, value in said.items())


def _is_part(wanted: "Mapping[str, Any]", there: "Mapping[str, Any]") -> bool:
    """Whether an object has these members; a forge adds others to it."""
    return all(
        _is_part(value, found) if isinstance(value, dict) and isinstance(found, dict) else value == found
        for value, found in ((value, there.get(name)) for name, value in wanted.items())
    )


def _without_empty(said: "Mapping[str, str]") -> dict[str, "Any"]:
    return {name: value for name, value in said.items() if value}
