"""A forge that takes statuses as GitHub, GitLab and Gitea document it: a BadServer whose routes remember what came."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.badserver import Action, Received, computed

Answer = tuple[int, object, dict[str, str]]
PROJECT = "team/tool"


@dataclass
class FakeForge:
    """``statuses`` and ``checks`` by commit, the oldest first. ``takes_checks`` tells whether the token is an app's."""

    kind: str
    token: str
    takes_checks: bool = False
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def action(self) -> Action:
        return computed(self._answer)

    @property
    def _expected(self) -> str:
        return {"github": "Bearer ", "gitlab": "Bearer ", "gitea": "token "}[self.kind] + self.token

    def _answer(self, request: Received) -> Answer:
        if self._expected != request.headers.get("authorization") and self.token != request.headers.get("job-token"):
            return 401, {"message": "Bad credentials"}, {}
        place = urlsplit(request.path)
        root = f"/projects/{PROJECT.replace('/', '%2F')}/" if self.kind == "gitlab" else f"/repos/{PROJECT}/"
        if not place.path.startswith(root):
            return 404, {"message": "Not Found"}, {}
        query = {name: values[-1] for name, values in parse_qs(place.query).items()}
        rest = unquote(place.path.removeprefix(root)).split("/")
        body = json.loads(request.body) if request.body else {}
        return getattr(self, f"_{self.kind}")(request.method, rest, query, body)  # type: ignore[no-any-return]

    def _github(self, method: str, rest: list[str], query: dict[str, str], body: dict[str, Any]) -> Answer:
        if rest[-1] == "check-runs":
            if not self.takes_checks:
                return 403, {"message": "Resource not accessible by integration"}, {}
            if method == "GET":
                runs = [one for one in self.checks.get(rest[1], []) if one["name"] == query["check_name"]]
                return 200, {"total_count": len(runs), "check_runs": runs[-1:]}, {}
            self.checks.setdefault(body["head_sha"], []).append(body)
            return 201, body, {}
        if method == "GET" and rest[0] == "commits":
            newest = {one["context"]: one for one in self.statuses.get(rest[1], [])}
            return 200, {"state": "pending", "statuses": list(newest.values())}, {}
        return self._taken(rest[1], body)

    def _gitea(self, method: str, rest: list[str], _query: dict[str, str], body: dict[str, Any]) -> Answer:
        if method == "GET":
            return 200, self.statuses.get(rest[1], [])[::-1], {}
        return self._taken(rest[1], {**body, "status": body["state"]})

    def _gitlab(self, method: str, rest: list[str], query: dict[str, str], body: dict[str, Any]) -> Answer:
        if method == "GET":
            found = [one for one in self.statuses.get(rest[2], []) if one["name"] == query["name"]]
            return 200, found, {}
        if self.statuses.get(rest[1], [{}])[-1].get("status") == body["state"]:
            return 400, {"message": "Cannot transition status via :run"}, {}  # before GitLab 18.3
        number = sum(map(len, self.statuses.values())) + 1
        return self._taken(rest[1], {**body, "status": body["state"], "id": number})

    def _taken(self, oid: str, body: dict[str, Any]) -> Answer:
        self.statuses.setdefault(oid, []).append(body)
        return 201, body, {}
