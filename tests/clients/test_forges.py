"""Statuses on a forge: set where they would change, never twice, and the token goes to its own place alone."""

from collections.abc import Iterator

import pytest

from gitsign_py.clients.forges import CONTEXT, CommitStatus, Forge, StatusClient
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.errors import ConfigError, ServiceError
from tests.support.badserver import BadServer, drop, huge, raw, reply, serving, slow
from tests.support.forgeserver import PROJECT, FakeForge

OID = "1" * 40
TOKEN = "4f3b2a1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a"  # as Gitea makes them
GOOD = CommitStatus("success", "3 of 3 verified", "| figure |", "https://ci.example.com/1")
KINDS = ("github", "gitlab", "gitea")
LIMITS = Limits(total=3.0, connect=1.0, max_bytes=100_000, backoff=0.01, retry_after=2.0, tries=3)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def session(waits: list[float]) -> Iterator[HttpSession]:
    with HttpSession(LIMITS, jitter=lambda: 0.0, sleep=waits.append) as opened:
        yield opened


def client(session: HttpSession, server: BadServer, kind: str, token: str = TOKEN) -> StatusClient:
    return StatusClient(session, Forge(kind, server.url, PROJECT, token))


def methods(server: BadServer) -> list[str]:
    return [one.method for one in server.requests]


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_is_set_once_and_again_when_it_changes(session: HttpSession, kind: str) -> None:
    forge = FakeForge(kind, TOKEN if kind != "github" else f"ghp_{TOKEN}")
    with serving(forge.action) as server:
        statuses = client(session, server, kind, forge.token)
        assert statuses.put(OID, GOOD)
        assert not statuses.put(OID, GOOD)
        assert methods(server) == ["GET", "POST", "GET"]
        assert statuses.put(OID, CommitStatus("failure", "2 of 3 verified", "", GOOD.url))
        assert statuses.put(OID, GOOD)
    first, second, third = forge.statuses[OID]
    assert first["description"] == third["description"] == "3 of 3 verified"
    assert first["target_url"] == GOOD.url
    assert first.get("context", first.get("name")) == CONTEXT
    assert (first["state"], second["state"]) == ("success", "failed" if kind == "gitlab" else "failure")


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_set_is_not_ours(session: HttpSession, kind: str) -> None:
    forge = FakeForge(kind, f"ghp_{TOKEN}")
    other = {"state": "success", "status": "success", "description": GOOD.description, "target_url": GOOD.url, "id": 9}
    forge.statuses[OID] = [{**other, "context": "build", "name": "build"}]
    with serving(forge.action) as server:
        if kind == "gitlab":
            forge.statuses[OID][0]["status"] = "running"
        assert client(session, server, kind, forge.token).put(OID, GOOD)
    assert len(forge.statuses[OID]) == 2


def test_a_check_run_where_the_token_may_write_one(session: HttpSession) -> None:
    forge = FakeForge("github", "ghs_" + TOKEN, takes_checks=True)
    with serving(forge.action) as server:
        statuses = client(session, server, "github", forge.token)
        assert statuses.put(OID, GOOD)
        assert not statuses.put(OID, GOOD)
        assert statuses.put(OID, CommitStatus("error", "1 of 3 verified"))
    first, second = forge.checks[OID]
    assert (first["conclusion"], first["status"], first["name"]) == ("success", "completed", CONTEXT)
    assert first["output"] == {"title": GOOD.description, "summary": GOOD.summary}
    assert first["details_url"] == GOOD.url
    assert second["conclusion"] == "failure", "neutral would let a required check pass"
    assert forge.statuses == {}


def test_a_commit_status_where_it_may_not_asked_once_for_all_commits(session: HttpSession) -> None:
    forge = FakeForge("github", "ghs_" + TOKEN)
    with serving(forge.action) as server:
        statuses = client(session, server, "github", forge.token)
        assert statuses.put(OID, GOOD)
        assert statuses.put("2" * 40, GOOD)
    assert [one.path for one in server.requests if "check-runs" in one.path] == [server.requests[0].path]
    assert len(forge.statuses) == 2


def test_an_older_gitlab_takes_no_new_words_for_the_same_state(session: HttpSession) -> None:
    forge = FakeForge("gitlab", TOKEN)
    with serving(forge.action) as server:
        statuses = client(session, server, "gitlab")
        assert statuses.put(OID, GOOD)
        assert not statuses.put(OID, CommitStatus("success", "4 of 4 verified", "", GOOD.url))
    assert len(forge.statuses[OID]) == 1


def test_a_job_token_and_the_pipeline_of_the_job(session: HttpSession) -> None:
    forge = FakeForge("gitlab", TOKEN)
    with serving(forge.action) as server:
        where = Forge("gitlab", server.url, PROJECT, TOKEN, is_job_token=True, pipeline="77", pipeline_commit=OID)
        for oid in (OID, "2" * 40):
            assert StatusClient(session, where).put(oid, GOOD)
    assert [one.headers.get("job-token") for one in server.requests] == [TOKEN] * 4
    assert all("authorization" not in one.headers for one in server.requests)
    assert forge.statuses[OID][0]["pipeline_id"] == "77"
    assert "pipeline_id" not in forge.statuses["2" * 40][0], "GitLab would make a new pipeline for it"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_forge_is_asked_again_when_it_says(session: HttpSession, waits: list[float], status: int) -> None:
    forge = FakeForge("gitea", TOKEN)
    busy = reply(status, {"message": "later"}, {"Retry-After": "1"})
    with serving(forge.action, busy, busy, forge.action) as server:
        assert client(session, server, "gitea").put(OID, GOOD)
    assert methods(server) == ["GET", "POST", "POST", "POST"]
    assert waits == [1.0, 1.0]


def test_githubs_limit_of_rates_is_waited_for(session: HttpSession, waits: list[float]) -> None:
    forge = FakeForge("github", "ghp_" + TOKEN)
    limited = reply(403, {"message": "You have exceeded a secondary rate limit"}, {"Retry-After": "2"})
    with serving(limited, forge.action) as server:
        assert client(session, server, "github", forge.token).put(OID, GOOD)
    assert waits == [2.0]


def failure(session: HttpSession, server: BadServer, kind: str = "gitea") -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        client(session, server, kind, "ghp_" + TOKEN if kind == "github" else TOKEN).put(OID, GOOD)
    error = caught.value
    assert TOKEN[:6] not in error.message + error.hint + str(dict(error.facts))
    return error


@pytest.mark.parametrize("wait", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_forge_that_wants_too_much_patience_is_left(session: HttpSession, waits: list[float], wait: str) -> None:
    with serving(reply(429, {"message": "no"}, {"Retry-After": wait})) as server:
        assert failure(session, server).facts["status"] == 429
    assert len(server.requests) == 1
    assert waits == []


def test_a_forge_that_stays_busy_is_asked_three_times(session: HttpSession) -> None:
    with serving(reply(503, {"message": "busy"})) as server:
        assert failure(session, server).facts["status"] == 503
    assert len(server.requests) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_may_not_is_told_what_it_needs(session: HttpSession, kind: str, status: int) -> None:
    with serving(reply(status, {"message": "no"})) as server:
        assert failure(session, server, kind).hint.startswith("the token needs the ")
    assert len(server.requests) == 1


@pytest.mark.parametrize("words", [TOKEN, "x" * 290 + TOKEN, f"Bearer {TOKEN} is wrong"])
def test_a_forge_that_repeats_the_token_is_not_repeated(session: HttpSession, words: str) -> None:
    with serving(reply(422, {"message": words})) as server:
        assert failure(session, server).facts["status"] == 422


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_job_token", [True, False])
@pytest.mark.parametrize("step", [0, 1])
def test_no_redirect_leads_to_another_host(session: HttpSession, status: int, is_job_token: bool, step: int) -> None:
    with serving(reply(200, [])) as target:
        away = reply(status, b"", {"Location": target.url + "/projects"})
        with serving(*[reply(200, [])] * step, away) as server:
            statuses = StatusClient(session, Forge("gitlab", server.url, PROJECT, TOKEN, is_job_token=is_job_token))
            with pytest.raises(ServiceError, match="redirect"):
                statuses.put(OID, GOOD)
    assert target.requests == []


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (huge(5_000_000), "service-answer-too-large"),
        (slow(30), "service-timeout"),
        (drop(), "service-unreachable"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "service-unreachable"),
        (reply(200, b"{"), "service-answer-invalid"),
        (reply(200, b"[" * 2000), "service-answer-invalid"),
    ],
    ids=["huge", "silent", "gone", "short", "no-json", "deep"],
)
def test_a_forge_that_answers_badly(session: HttpSession, action: object, reason: str) -> None:
    with serving(action) as server:  # type: ignore[arg-type]
        assert failure(session, server).reason == reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, 3, "x", [3, None], {"statuses": 3}, {"statuses": [None]}, [{"id": "x"}]])
def test_a_list_of_another_shape_has_nothing_of_ours(session: HttpSession, kind: str, value: object) -> None:
    with serving(reply(200, value if value is not None else b"null"), reply(201, {})) as server:
        assert client(session, server, kind, "ghp_" + TOKEN).put(OID, GOOD)


@pytest.mark.parametrize(
    ("api", "project", "reason"),
    [
        ("http://forge.example.com/api", PROJECT, "publish-url-insecure"),
        ("https://me:secret@forge.example.com", PROJECT, "service-url-invalid"),
        ("forge.example.com", PROJECT, "service-url-invalid"),
        ("https://forge.example.com", "tool", "publish-project"),
        ("https://forge.example.com", "../tool", "publish-project"),
        ("https://forge.example.com", "team/..", "publish-project"),
        ("https://forge.example.com", "team/tool/more", "publish-project"),
        ("https://forge.example.com", "team/tool?x", "publish-project"),
    ],
)
def test_a_place_that_is_none_is_refused_before_anything_is_sent(
    session: HttpSession, api: str, project: str, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        StatusClient(session, Forge("github", api, project, TOKEN))
    assert caught.value.reason == reason
    assert "secret" not in caught.value.message


def test_gitlabs_projects_lie_in_groups_or_have_numbers(session: HttpSession) -> None:
    for project in ("7", "group/tool", "group/sub.group/tool-x"):
        StatusClient(session, Forge("gitlab", "https://gitlab.example.com/api/v4", project, TOKEN))
    for project in ("tool", "group/../tool", "group//tool", "a b/c", "-1"):
        with pytest.raises(ConfigError):
            StatusClient(session, Forge("gitlab", "https://gitlab.example.com/api/v4", project, TOKEN))


def test_the_token_is_no_part_of_what_a_forge_prints() -> None:
    assert TOKEN not in repr(Forge("gitea", "https://forge.example.com", PROJECT, TOKEN))
