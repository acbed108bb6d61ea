"""Attack: a list of shallow commits hides a parent from the walk, and another branch brings that parent along.

X claims to come after P, an unrelated root with the attacker's own policy. A walk that ends at X, because .git/shallow
names it, never sees P; asked for the policy of X's parents, it finds P's. Nothing that a walk did not see may count as
judged, and where something is missing after the introduction, the policy in the history is no answer.
"""

import subprocess
from pathlib import Path

import pytest

from gitsign_py.errors import GitsignError
from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo
from tests.support.governed import HOOKS, MAIN, Governed, policy

OWN = policy("mallory", administrators="mallory")


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(
        signed="alice", files={POLICY_PATH: policy("alice", first='unjudged = ["refs/notes/**"]')}
    )
    return made


def root_and_child(governed: Governed) -> tuple[str, str]:
    """P, and X on top of it."""
    root = governed.history.commit(by="mallory", signed="mallory", files={POLICY_PATH: OWN})
    return root, governed.history.commit(root, by="mallory", signed="mallory", files={"a": "1"})


def copy_of_a_shallow_server(governed: Governed) -> tuple[ScratchRepo, str, str]:
    """A plain clone, which takes the list over."""
    root, tip = root_and_child(governed)
    refs = {MAIN: tip, "refs/heads/side": root, "refs/heads/old": governed.introduction}
    server = governed.repository("evil.git", refs, "--bare")
    (server.path / "shallow").write_text(f"{tip}\n")
    clone = governed.clone(server)
    assert (clone.path / ".git/shallow").read_text() == f"{tip}\n"
    assert root not in clone.git("rev-list", tip), "git itself is fooled"
    return clone, root, tip


def test_audit_and_explain_judge_the_hidden_parent(governed: Governed) -> None:
    clone, root, tip = copy_of_a_shallow_server(governed)
    status, found, _ = governed.audit(clone, "--in-history", "origin/main")
    assert status == 1
    assert found[tip] == found[root] == ("unauthorised", "older-than-introduction")
    assert governed.run(clone, "policy", "explain", "--offline", "--in-history", tip).returncode == 1


@pytest.mark.parametrize("judged", [False, True])
def test_the_library_does(governed: Governed, judged: bool) -> None:
    clone, _, tip = copy_of_a_shallow_server(governed)
    found = governed.audited(clone, "origin/main", assume_judged=judged)
    assert found[tip] == ("unauthorised", "older-than-introduction")


def test_git_does_not_trust_it_then_or_later(governed: Governed) -> None:
    clone, _, tip = copy_of_a_shallow_server(governed)
    assert "TRUST_FULLY" not in governed.git_says(clone, tip)
    later = governed.history.commit(tip, by="mallory", signed="mallory", files={"a": "2"})
    governed.history.write(clone.path / ".git", {})
    assert "TRUST_FULLY" not in governed.git_says(clone, later)
    (clone.path / ".git/shallow").unlink()
    for oid in (tip, later):
        assert "TRUST_FULLY" not in governed.git_says(clone, oid)


def cut_off_at(governed: Governed, tip: str) -> ScratchRepo:
    """A clone with this commit and nothing below it."""
    full = governed.repository("full", {"refs/heads/new": tip})
    return governed.clone(full, "--depth=1", "-b", "new", name="cut")


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("parked", ["refs/notes/p", "refs/pull/1/head", ""])
def test_a_push_cut_off_above_what_lies_there(governed: Governed, hook: str, parked: str) -> None:
    """The parent lies there on a ref that nobody judged, or the server has it as an object alone."""
    root, tip = root_and_child(governed)
    server = governed.server(hook, {MAIN: governed.introduction, **({parked: root} if parked else {})})
    server.git("config", "receive.shallowUpdate", "true")
    status, said = governed.push(server, "new", source=cut_off_at(governed, tip))
    assert status, said
    assert "gitsign-py: refused: " in said
    assert server.run("rev-parse", "-q", "--verify", "refs/heads/new").returncode


@pytest.mark.parametrize("hook", HOOKS)
def test_a_server_that_is_cut_off_itself(governed: Governed, hook: str) -> None:
    """By a list that was there before the push."""
    root, tip = root_and_child(governed)
    server = governed.server(hook, {MAIN: governed.introduction, "refs/notes/p": root})
    (server.path / "shallow").write_text(f"{tip}\n{root}\n")
    status, said = governed.push(server, f"{tip}:refs/heads/new")
    assert status, said
    assert "gitsign-py: refused: " in said


def chain(governed: Governed, count: int) -> list[str]:
    """Honest commits after the introduction."""
    found = [governed.introduction]
    for number in range(count):
        found.append(governed.history.commit(found[-1], signed="alice", files={"a": str(number)}))
    return found


def incomplete(governed: Governed, kind: str, commits: list[str]) -> ScratchRepo:
    """A repository that lacks the second commit after the introduction."""
    origin = governed.repository("origin", {MAIN: commits[-1], "refs/heads/old": commits[0]})
    if kind == "shallow":
        return governed.clone(origin, "--depth=2", "--no-single-branch")
    gone = commits[2]
    if kind == "alternate":
        clone = governed.configure(ScratchRepo.init(governed.folder / "clone"))
        other = governed.folder / "objects"
        (clone.path / ".git/objects/info/alternates").write_text(f"{other}\n")
        for oid in commits:
            (clone.path / ".git/objects" / oid[:2]).mkdir(exist_ok=True)
        governed.history.write(clone.path / ".git", {"refs/remotes/origin/main": commits[-1]})
    elif kind == "partial":
        clone = governed.clone(origin, "--no-local", name="clone")
        governed.history.write(clone.path / ".git", {})
        for file in (clone.path / ".git/objects/pack").iterdir():
            file.chmod(0o644)
            file.unlink()
        clone.git("config", "remote.origin.promisor", "true")
        clone.git("config", "remote.origin.partialclonefilter", "object:type=tree")
    else:
        clone = governed.repository("clone", {"refs/remotes/origin/main": commits[-1]})
        if kind == "graft":
            (clone.path / ".git/info/grafts").write_text(f"{commits[3]} {commits[1]}\n")
        if kind == "replaced":
            clone.git("replace", "--graft", commits[3], commits[1])
    (clone.path / ".git/objects" / gone[:2] / gone[2:]).unlink()
    return clone


@pytest.mark.parametrize("kind", ["shallow", "partial", "graft", "replaced", "alternate", "lost"])
def test_what_is_missing_after_the_introduction_is_no_verdict(governed: Governed, kind: str) -> None:
    """Exit status 3 in audits, ERRSIG for git; nothing is kept that would count once the rest is there."""
    commits = chain(governed, 5)
    clone = incomplete(governed, kind, commits)
    status, found, said = governed.audit(clone, "--in-history", "origin/main")
    assert (status, found) == (3, {}), said
    assert "[history-incomplete]" in said or "[object-missing]" in said
    assert governed.run(clone, "policy", "explain", "--offline", "--in-history", "origin/main").returncode == 3
    with pytest.raises(GitsignError):
        governed.audited(clone, "origin/main")
    said = governed.git_says(clone, commits[-1])
    assert "ERRSIG" in said
    assert "TRUST_FULLY" not in said
    assert not kept(governed)


def kept(governed: Governed) -> bool:
    """Whether an acceptance lies in the cache: it does as soon as git asked about a whole history."""
    files = [path for path in (governed.folder / "cache").rglob("*") if path.is_file()]
    return any(b"accepted" in path.read_bytes() for path in files)


def test_a_whole_history_is_kept(governed: Governed) -> None:
    """So that the test before says something."""
    commits = chain(governed, 2)
    repo = governed.repository("whole", {MAIN: commits[-1]})
    assert "TRUST_FULLY" in governed.git_says(repo, commits[-1])
    assert kept(governed)


def test_an_introduction_beyond_the_cut(governed: Governed) -> None:
    commits = chain(governed, 5)
    origin = governed.repository("origin", {MAIN: commits[-1]})
    clone = governed.clone(origin, "--depth=2")
    status, found, said = governed.audit(clone, "--in-history", "origin/main")
    assert (status, found) == (3, {}), said
    assert "[introduction-missing]" in said
    assert "ERRSIG" in governed.git_says(clone, commits[-1])


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("known", [False, True])
def test_a_push_that_leaves_out_what_lies_between(governed: Governed, hook: str, known: bool) -> None:
    """Whether the server has the rest as objects or not: then all of it is judged, and may come in."""
    commits = chain(governed, 3)
    server = governed.server(hook, {MAIN: governed.introduction})
    server.git("config", "receive.shallowUpdate", "true")
    if not known:
        gone = commits[2]
        (server.path / "objects" / gone[:2] / gone[2:]).unlink()
    status, said = governed.push(server, "new", source=cut_off_at(governed, commits[-1]))
    assert (status == 0) is known, said
    assert ("[history-incomplete]" in said) is not known


def test_a_list_of_shallow_commits_that_hides_nothing_changes_nothing(governed: Governed) -> None:
    commits = chain(governed, 3)
    repo = governed.repository("repo", {MAIN: commits[-1]})
    (repo.path / ".git/shallow").write_text(f"{commits[-2]}\n")
    status, found, said = governed.audit(repo, "--in-history", "main")
    assert (status, set(found)) == (0, set(commits)), said
    assert "TRUST_FULLY" in governed.git_says(repo, commits[-1])
    (repo.path / ".git/shallow").write_text(f"{commits[-2]}\nnonsense\n{'1' * 40}\n")
    assert governed.audit(repo, "--in-history", "main")[0] == 0
    done = subprocess.run(["git", "rev-list", "main"], cwd=repo.path, capture_output=True, check=False)
    assert done.returncode, "git itself does not take such a list"
