"""Refs with several names: symbolic refs and namespaces on a server lead past no rule."""

import os

import pytest

from gitsign_py.host.git.program import git_version
from tests.support.pushserver import Server

pytestmark = pytest.mark.unmeasured

MAIN, ALIAS = "refs/heads/main", "refs/heads/master"
STORES = ("files", "reftable") if (git_version(os.environ)[1] or (0, 0)) >= (2, 46) else ("files",)


@pytest.fixture
def pair(server: Server) -> tuple[str, str]:
    """A commit that may be on main, and one after it that may be anywhere else only."""
    good = server.history.commit(signed="alice", files={"a": "1"})
    return good, server.history.commit(good, by="bob", signed="bob", files={"a": "2"})


def only(server: Server, name: str) -> None:
    (server.bare.path / "hooks/pre-receive").unlink()
    server.install(name)


@pytest.mark.parametrize("refs", STORES)
@pytest.mark.parametrize("hook", ["pre-receive", "update", "reference-transaction"])
@pytest.mark.parametrize("start", ["there", "nowhere"])
def test_a_symbolic_ref_answers_for_what_it_leads_to(
    server: Server, pair: tuple[str, str], refs: str, hook: str, start: str
) -> None:
    """As of a branch that was renamed: its old name leads to the new one, before the first push perhaps."""
    if refs == "reftable":
        server.bare.git("refs", "migrate", "--ref-format=reftable")
    only(server, hook)
    good, bad = pair
    server.bare.git("symbolic-ref", ALIAS, MAIN)
    if start == "there":
        assert server.push(f"{good}:{ALIAS}")[0] == 0
        assert server.ref(MAIN) == good
    status, said = server.push(f"{bad}:{ALIAS}")
    assert status != 0
    assert f"bob may not sign {MAIN}" in said
    assert server.ref(MAIN) == (good if start == "there" else "")
    assert server.push(f"{bad}:refs/heads/other")[0] == 0


@pytest.mark.parametrize("hook", ["pre-receive", "update", "reference-transaction"])
def test_a_ref_answers_for_the_symbolic_refs_that_lead_to_it(server: Server, pair: tuple[str, str], hook: str) -> None:
    only(server, hook)
    good, bad = pair
    assert server.push(f"{good}:refs/heads/trunk")[0] == 0
    server.bare.git("symbolic-ref", MAIN, "refs/heads/between")
    server.bare.git("symbolic-ref", "refs/heads/between", "refs/heads/trunk")
    status, said = server.push(f"{bad}:refs/heads/trunk")
    assert status != 0
    assert f"bob may not sign {MAIN}" in said


def test_both_names_in_one_push(server: Server, pair: tuple[str, str]) -> None:
    good, _ = pair
    server.bare.git("symbolic-ref", ALIAS, MAIN)
    assert server.push(f"{good}:{ALIAS}", f"{good}:{MAIN}", f"{good}:refs/tags/light")[0] == 0


def test_what_a_namespace_has_under_other_rules_is_not_known_to_its_main(server: Server, pair: tuple[str, str]) -> None:
    """The names there, in full, are covered by no rule of theirs: they must not pass for refs of the strict ones."""
    rules = 'name = "own"\nrefs = ["refs/heads/bob/**"]\nallow = ["alice", "bob"]\n[[rules]]\nname = "all"\n'
    policy = server.folder / "policy.toml"
    policy.write_text(policy.read_text().partition("[[rules]]")[0] + f'[[rules]]\n{rules}allow = ["alice"]\n')
    good, bad = pair
    server.environment["GIT_NAMESPACE"] = "fork"
    assert server.push(f"{good}:{MAIN}", f"{bad}:refs/heads/bob/x")[0] == 0
    assert server.ref("refs/namespaces/fork/refs/heads/bob/x") == bad
    server.bare.git("symbolic-ref", "refs/namespaces/fork/refs/heads/bob/y", f"refs/namespaces/fork/{MAIN}")
    for ref in (MAIN, "refs/heads/new", "refs/heads/bob/y"):
        status, said = server.push(f"{bad}:{ref}")
        assert status != 0, ref
        assert f"bob may not sign {MAIN if ref.endswith('y') else ref}" in said
    later = server.history.commit(good, signed="alice", files={"a": "3"})
    assert server.push(f"{later}:{MAIN}")[0] == 0
