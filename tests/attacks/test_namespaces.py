"""Attack: what lies in a namespace (GIT_NAMESPACE) vouches outside of it, or escapes the rules for its names there.

A ref that the policy leaves alone has another full name in a namespace, which no glob of the policy covers; a push by
the full name, and a reference transaction, told the rules that name alone.
"""

from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo
from tests.support.governed import HOOKS, MAIN, Governed, in_mode, policy

pytestmark = pytest.mark.unmeasured  # pushes like those of tests/hooks
RULES = policy("alice", "bob", first='unjudged = ["refs/heads/wip/**"]').replace(
    "[[rules]]", '[[rules]]\nname = "strict"\nrefs = ["refs/heads/main"]\nallow = ["alice"]\n[[rules]]', 1
)
INSIDE = "refs/namespaces/n/"


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: RULES})
    return made


def server(governed: Governed, hook: str, mode: str) -> ScratchRepo:
    bare = governed.server(hook, {MAIN: governed.introduction, f"{INSIDE}refs/heads/main": governed.introduction})
    return in_mode(bare, mode)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_what_lies_in_a_namespace_is_new_outside(governed: Governed, hook: str, mode: str) -> None:
    """And in another namespace; by way of a ref that is left alone, and of one whose rules are others."""
    bare = server(governed, hook, mode)
    unsigned = governed.history.commit(governed.introduction, files={"a": "1"})
    own = RULES.replace('administrators = ["alice"]', 'administrators = ["bob"]')
    takeover = governed.history.commit(governed.introduction, by="bob", signed="bob", files={POLICY_PATH: own})
    for number, evil in enumerate((unsigned, takeover)):
        status, said = governed.push(bare, f"{evil}:refs/heads/wip/{number}", namespace="n")
        assert status == 0, said
        for ref, namespace in (
            (MAIN, ""),
            ("refs/heads/new", ""),
            ("refs/tags/new", ""),
            (MAIN, "m"),
            ("refs/heads/new", "n"),
        ):
            status, said = governed.push(bare, f"{evil}:{ref}", namespace=namespace)
            assert status, (ref, namespace)
            assert "gitsign-py: refused: " in said


@pytest.mark.parametrize("hook", HOOKS)
def test_rules_go_by_the_names_there(governed: Governed, hook: str) -> None:
    """With GIT_NAMESPACE, and by the full name."""
    bare = server(governed, hook, "history")
    evil = governed.history.commit(governed.introduction, by="bob", signed="bob", files={"a": "1"})
    for refspec, namespace in ((f"{evil}:{MAIN}", "n"), (f"{evil}:{INSIDE}refs/heads/main", "")):
        status, said = governed.push(bare, refspec, namespace=namespace)
        assert status, said
        assert f"bob may not sign {MAIN}" in said
    assert governed.push(bare, f"{evil}:refs/heads/topic", namespace="n")[0] == 0
    honest = governed.history.commit(governed.introduction, signed="alice", files={"a": "2"})
    assert governed.push(bare, f"{honest}:{MAIN}", namespace="n")[0] == 0


def test_a_name_in_another_namespace_answers_too(governed: Governed) -> None:
    """A symbolic ref that leads out of its namespace, from main there to a branch with other rules."""
    bare = server(governed, "pre-receive", "history")
    bare.git("update-ref", "refs/heads/topic", governed.introduction)
    bare.git("symbolic-ref", f"{INSIDE}refs/heads/main", "refs/heads/topic")
    evil = governed.history.commit(governed.introduction, by="bob", signed="bob", files={"a": "1"})
    for ref, namespace in ((MAIN, "n"), ("refs/heads/topic", "")):
        status, said = governed.push(bare, f"{evil}:{ref}", namespace=namespace)
        assert status, said
        assert f"bob may not sign {MAIN}" in said
