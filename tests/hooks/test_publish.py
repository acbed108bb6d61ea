"""post-receive sets a status for the head of each branch that a push has moved, by the server's settings."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from gitsign_py.audit.plan import AuditPlan
from gitsign_py.audit.record import Record
from gitsign_py.cli import hookafter
from gitsign_py.errors import UncheckedError
from tests.support.badserver import reply, serving, slow
from tests.support.forgeserver import PROJECT, FakeForge
from tests.support.pushserver import Server

TOKEN = "4f3b2a1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a"


def publishing(server: Server, url: str) -> None:
    server.install("post-receive")
    for key, value in (("publish", "gitea"), ("publishURL", url), ("publishProject", PROJECT)):
        server.config(f"gitsign.{key}", value)
    server.config("gitsign.reportURL", "https://audits.example.com/tool")
    server.environment["GITEA_TOKEN"] = TOKEN


def test_what_a_push_brings_is_told(server: Server) -> None:
    forge = FakeForge("gitea", TOKEN)
    history = server.history
    base = history.commit(signed="alice", files={"a": "1"})
    assert server.push(f"{base}:refs/heads/main")[0] == 0, "before the hook is there"
    two = history.commit(history.commit(base, signed="alice", files={"a": "2"}), signed="alice", files={"a": "3"})
    with serving(forge.action) as http:
        publishing(server, http.url)
        status, said = server.push(f"{two}:refs/heads/main", f"{base}:refs/heads/same")
        assert status == 0
        unsigned = history.commit(two, by="alice", files={"a": "4"})
        assert server.push(f"{unsigned}:refs/heads/main")[0] != 0
        assert server.push(":refs/heads/same", f"{two}:refs/tags/light")[0] == 0
    assert "gitsign-py: statuses on gitea: 1 set, 0 were there" in said
    assert {oid: len(statuses) for oid, statuses in forge.statuses.items()} == {two: 1, base: 1}, (
        "same is new to its rules, and what pre-receive refuses gets no status"
    )
    told = forge.statuses[two][0]
    assert told["description"] == "2 of 2 verified, 2 accepted, 2 judged; signed by alice@example.com"
    assert (told["state"], told["target_url"]) == ("success", "https://audits.example.com/tool")


def test_a_forge_that_fails_stops_no_push_and_learns_no_more(server: Server) -> None:
    tip = server.history.commit(signed="alice", files={"a": "1"})
    with serving(reply(401, {"message": f"bad token {TOKEN}"})) as http:
        publishing(server, http.url)
        status, said = server.push(f"{tip}:refs/heads/main")
    assert status == 0
    assert "no status for" in said
    assert "write:repository" in said
    assert TOKEN[:8] not in said
    assert server.ref("refs/heads/main") == tip


def test_a_silent_forge_holds_the_pusher_no_longer_than_the_hook_may_take(server: Server) -> None:
    tip = server.history.commit(signed="alice", files={"a": "1"})
    server.config("gitsign.hookTimeout", "3")
    with serving(slow(60)) as http:
        publishing(server, http.url)
        status, said = server.push(f"{tip}:refs/heads/main")
    assert status == 0
    assert "[hook-timeout]" in said
    assert server.ref("refs/heads/main") == tip


@pytest.mark.parametrize(("failures", "fails"), [(2, False), (3, True)])
def test_notes_are_written_on_top_of_another_pushs(monkeypatch: pytest.MonkeyPatch, failures: int, fails: bool) -> None:
    tried: list[dict[str, str]] = []

    def add(heads: dict[str, str]) -> int:
        tried.append(heads)
        if len(tried) <= failures:
            raise UncheckedError("git-failed", "the notes have moved")
        return 1

    monkeypatch.setattr(hookafter, "MergeNotes", lambda _repository: SimpleNamespace(add=add))
    record = Record("1" * 40, "forge-squash", evidence="2" * 40)
    refused = Record("3" * 40, "unauthorised", evidence="4" * 40)
    unused: Any = None
    with pytest.raises(UncheckedError) if fails else nullcontext():
        hookafter.after_push(None, unused, unused, [AuditPlan(())], lambda _plan: iter([record, refused]))
    assert tried == [{"1" * 40: "2" * 40}] * 3
