"""Attack: a push to ``refs/heads/MAIN`` on a server whose file system ignores case, or the form of characters.

git keeps a ref in a file of its name. There the push moves ``refs/heads/main``, or hides it where it is packed, and no
rule for ``refs/heads/main`` is asked. So it is with folders (``refs/Heads/main``, ``refs/Attestations/trees``), with
characters that are not shown, with two forms of one letter, and with the name of git's own lock.
"""

import unicodedata
from pathlib import Path

import pytest

from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.refaliases import alias_notices, folds_names, refused_aliases
from gitsign_py.audit.serverrefs import Push
from gitsign_py.audit.updates import RefUpdate
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.model import POLICY_PATH, Policy
from gitsign_py.policy.parse import parse_policy
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.governed import HOOKS, MAIN, Governed, in_mode, policy
from tests.support.history import ISSUER, History

ZERO = "0" * 40
CAFE = unicodedata.normalize("NFC", "refs/heads/caf\u00e9")
POLICY = f"""\
version = 1
administrators = ["alice"]
unjudged = ["refs/heads/wip/**"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[[rules]]
name = "release"
refs = ["refs/heads/main", "refs/heads/Release/**"]
allow = ["alice"]
[[rules]]
name = "rest"
allow = ["alice"]
"""
SPELLINGS = (
    *("refs/heads/MAIN", "refs/heads/Main", "refs/Heads/main", "refs/heads/ma\u200bin", "refs/heads/main.LOCK"),
    *("refs/heads/m\u00e1in.Lock/x", "refs/TAGS/v1", "refs/Attestations/trees", "refs/namespaces/N/refs/heads/x"),
    *("refs/heads/release/1", "refs/heads/RELEASE/1", "refs/heads/WIP/x", "refs/heads/Feature/y", "refs/tags/V1"),
    *("refs/Namespaces/n/refs/heads/x", "refs/heads./other", unicodedata.normalize("NFD", CAFE), "refs/heads/Kept/1"),
)
HONEST = (
    MAIN,
    "refs/heads/new",
    "refs/heads/Release/1",
    "refs/heads/feature/y",
    "refs/tags/v2",
    CAFE,
    "refs/heads/k/1",
)
THERE = (MAIN, "refs/heads/feature/x", "refs/tags/v1", "refs/namespaces/n/refs/heads/main", CAFE)


@pytest.fixture(scope="module")
def policy_read() -> Policy:
    return parse_policy(POLICY.encode(), "policy")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> ScratchRepo:
    made = ScratchRepo.init(tmp_path_factory.mktemp("server"), "--bare")
    history = History()
    history.write(made.path, dict.fromkeys(THERE, history.commit()))
    return made


def refused(bare: ScratchRepo, policy: Policy, *refs: str, new: str = "1" * 40) -> set[str]:
    push = Push(tuple(RefUpdate(ref, ZERO, new) for ref in refs), ())
    with GitRepository(bare.path, environment=environment()) as repository:
        found = refused_aliases(repository, [push], [policy], ["refs/heads/kept/*"])
    assert {error.reason for error in found.values()} <= {"ref-alias"}
    return {update.ref for update in found}


@pytest.mark.parametrize("key", ["core.ignorecase", "core.precomposeunicode"])
def test_other_spellings_are_refused(bare: ScratchRepo, policy_read: Policy, key: str) -> None:
    bare.git("config", key, "true")
    assert {ref for ref in SPELLINGS if refused(bare, policy_read, ref)} == set(SPELLINGS)
    assert refused(bare, policy_read, *HONEST) == set()
    assert refused(bare, policy_read, "refs/heads/MAIN", new=ZERO) == {"refs/heads/MAIN"}, "it would delete main"
    assert refused(bare, policy_read, "refs/heads/one", "refs/heads/ONE") == {"refs/heads/ONE"}, "in one push"
    bare.git("config", "--unset", key)
    assert refused(bare, policy_read, *SPELLINGS) == set()


def test_how_a_server_is_known_to_take_two_names_for_one(tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path / "repository")

    def folds() -> bool:
        with GitRepository(repo.path, environment=environment()) as repository:
            return folds_names(repository)

    found = {}
    for value in ("false", "0", "yes", "1"):
        repo.git("config", "core.ignorecase", value)
        found[value] = folds()
    assert found == {"false": False, "0": False, "yes": True, "1": True}
    repo.git("config", "extensions.refStorage", "reftable")
    assert not folds(), "names of a reftable are no files"
    repo.git("config", "--unset", "extensions.refStorage")
    repo.git("config", "core.ignorecase", "false")
    (repo.path / ".git" / "REFS").symlink_to("refs")
    assert folds(), "the file system shows it, whatever the configuration says"


def test_an_audit_says_so(bare: ScratchRepo, policy_read: Policy) -> None:
    """Where it has come to this already: one is packed, and the other lies in the file of both."""
    history = History()
    tip = history.commit()
    names = ("refs/heads/main", "refs/heads/MAIN", "refs/heads/release/1")
    history.write(bare.path, dict.fromkeys(names, tip))
    plan = AuditPlan(tuple(Target(name, tip) for name in names), policy=policy_read)
    with GitRepository(bare.path, environment=environment()) as repository:
        assert alias_notices(repository, plan) == ()
    bare.git("config", "core.ignorecase", "true")
    with GitRepository(bare.path, environment=environment()) as repository:
        said = alias_notices(repository, plan)
    assert refused(bare, policy_read, MAIN) == {MAIN}, "nobody knows which of both moves"
    for name in names[1:]:
        bare.git("update-ref", "-d", name)
    bare.git("config", "--unset", "core.ignorecase")
    assert said == (
        "refs/heads/MAIN and refs/heads/main are one file here, so that one hides the other",
        "refs/heads/MAIN is judged by its own name; the policy's refs/heads/main differs by case or form",
        "refs/heads/release/1 is judged by its own name; the policy's refs/heads/Release/** differs by case or form",
    )


@pytest.mark.parametrize("mode", ["fixed", "history"])
@pytest.mark.parametrize("hook", HOOKS)
def test_a_push_is_refused(tmp_path: Path, hook: str, mode: str) -> None:
    """Bob may sign on every branch but main."""
    governed = Governed.made(tmp_path)
    rules = policy("alice", "bob").replace(
        "[[rules]]", f'[[rules]]\nname = "m"\nrefs = ["{MAIN}"]\nallow = ["alice"]\n[[rules]]'
    )
    governed.introduction = governed.history.commit(signed="alice", files={POLICY_PATH: rules})
    bobs = governed.history.commit(governed.introduction, by="bob", signed="bob", files={"a": "1"})
    server = in_mode(governed.server(hook, {MAIN: governed.introduction}), mode)
    server.git("config", "core.ignorecase", "true")
    status, said = governed.push(server, f"{bobs}:refs/heads/MAIN")
    assert status != 0
    assert "differs from refs/heads/main only by case" in said
    assert "[ref-alias]" in said
    assert governed.push(server, f"{bobs}:refs/heads/new")[0] == 0
    assert server.git("for-each-ref", "--format=%(refname)").split() == [MAIN, "refs/heads/new"]
