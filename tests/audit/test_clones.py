"""Repositories with a part of the objects: nothing is fetched, and what cannot be read is never called unsigned."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.audited import POLICY, ROOT_OF_TESTS
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.lyinggraph import lying_graph

RULES = POLICY.replace("EXEMPT", "0" * 40)
BY_PATH = RULES.replace(
    "[[rules]]", '[[rules]]\nname = "secrets"\npaths = ["/secret/**"]\nallow = ["alice"]\n[[rules]]', 1
)


@dataclass
class Origin:
    """A server's repository, and clones of it in ``folder``."""

    folder: Path
    history: History
    commits: list[str]
    introduction: str

    def clone(self, *options: str) -> ScratchRepo:
        """Clone over a real transport, then take the server away."""
        path = self.folder / "clone"
        url = f"file://{self.folder / 'origin'}"
        ScratchRepo(self.folder).git("clone", "-q", "--no-checkout", *options, url, str(path))
        (self.folder / "origin").rename(self.folder / "gone")
        (self.folder / "fetched").unlink(missing_ok=True)
        return ScratchRepo(path)

    def audit(self, repo: ScratchRepo, *arguments: str) -> tuple[int, dict[str, tuple[str, str]], str]:
        """Exit status, verdict and reason by id, and what was said beside that."""
        done = subprocess.run(
            [sys.executable, "-m", "gitsign_py", "audit", "--offline", "--format", "ndjson", *arguments],
            cwd=repo.path,
            env=environment(
                HOME=str(self.folder),
                XDG_CACHE_HOME=str(self.folder / "cache"),
                GITSIGN_TRUSTED_ROOT=str(self.folder / "root.json"),
                PYTHONPATH=str(ROOT_OF_TESTS),
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found = {one["oid"]: (one["verdict"], one["reason"]) for one in lines if one["type"] != "summary"}
        notices = " ".join(lines[-1]["notices"]) if lines and lines[-1]["type"] == "summary" else ""
        return done.returncode, found, notices + done.stderr


@pytest.fixture
def origin(tmp_path: Path, signer: BulkSigner) -> Origin:
    (tmp_path / "root.json").write_bytes(signer.trusted_root_json)
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "by-path.toml").write_text(BY_PATH)
    history = History(signer=signer.sign)
    intro = tip = history.commit(signed="alice", files={".gitsign/policy.toml": RULES, "secret/a": "1"})
    commits = [intro]
    for number in range(4):
        tip = history.commit(tip, by="bob", signed="bob", files={"secret/a": str(number), "b": str(number)})
        commits.append(tip)
    server = ScratchRepo.init(tmp_path / "origin")
    history.write(server.path / ".git", {"refs/heads/main": tip})
    server.git("config", "uploadpack.allowFilter", "true")
    server.git("config", "uploadpack.allowAnySHA1InWant", "true")
    return Origin(tmp_path, history, commits, intro)


def packs(repo: ScratchRepo) -> str:
    return repo.git("count-objects", "-v")


@pytest.mark.parametrize("filtered", ["blob:none", "tree:0"])
def test_partial_clone(origin: Origin, filtered: str) -> None:
    """Signatures need commits alone; rules by path need trees, and the policy in the history its file."""
    repo = origin.clone(f"--filter={filtered}")
    before = packs(repo)
    status, found, said = origin.audit(repo)
    assert (status, set(found.values()), set(found)) == (0, {("good", "good")}, set(origin.commits))
    assert "partial clone" in said
    for policy in ("rules", "by-path"):
        status, found, _ = origin.audit(repo, "--policy", str(origin.folder / f"{policy}.toml"))
        if filtered == "blob:none":
            wanted = ("verified", "verified") if policy == "rules" else ("unauthorised", "rule-refuses")
        else:  # even without rules by path: whether the commit changes the policy is asked of everybody
            wanted = ("unchecked", "object-missing")
        assert {found[oid] for oid in origin.commits[1:]} == {wanted}, policy
        assert status == {"verified": 0, "unauthorised": 1, "unchecked": 3}[wanted[0]]
    status, found, said = origin.audit(repo, "--in-history", "--introduction", origin.introduction)
    assert status == 3, said
    assert not {verdict for verdict, _ in found.values()} & {"verified", "unsigned"}
    assert packs(repo) == before, "nothing was fetched"


def test_partial_clone_completed_as_the_hint_says(origin: Origin) -> None:
    repo = origin.clone("--filter=tree:0")
    status, _, said = origin.audit(repo, "--in-history", "--introduction", origin.introduction)
    assert status == 3
    assert "git fetch --refetch --no-filter" in said
    (origin.folder / "gone").rename(origin.folder / "origin")
    repo.git(*["fetch", "-q", "--refetch", "--no-filter"])
    status, found, said = origin.audit(repo, "--in-history", "--introduction", origin.introduction)
    assert (status, {reason for _, reason in found.values()}) == (0, {"introduction", "verified"}), said


def test_shallow_clone(origin: Origin) -> None:
    """What lies beyond was not seen and is said so; an introduction that lies there is no introduction."""
    repo = origin.clone("--depth=2")
    status, found, said = origin.audit(repo)
    assert (status, list(found)) == (0, origin.commits[:-3:-1])
    assert "shallow clone" in said
    status, found, said = origin.audit(repo, "--in-history", "--introduction", origin.introduction)
    assert status == 3
    assert found == {}
    assert "[introduction-missing]" in said
    assert "shallow" in said
    status, found, _ = origin.audit(repo, "--in-history", "--introduction", origin.commits[-2])
    assert (status, found[origin.commits[-1]]) == (0, ("verified", "verified"))


def test_shallow_boundary_under_a_policy(origin: Origin) -> None:
    """The oldest commit's parent is not there: what it changes can't be known, so it is neither good nor unsigned."""
    repo = origin.clone("--depth=2")
    status, found, _ = origin.audit(repo, "--policy", str(origin.folder / "rules.toml"))
    assert status == 3
    assert found[origin.commits[-1]] == ("verified", "verified")
    assert found[origin.commits[-2]] == ("unchecked", "object-missing")


@pytest.mark.parametrize("kind", ["alternates", "bare", "worktree", "packed", "graph"])
def test_other_kinds_say_the_same(origin: Origin, kind: str) -> None:
    server = ScratchRepo(origin.folder / "origin")
    path = origin.folder / "other"
    if kind == "alternates":
        server.git("clone", "-q", "--shared", "--no-checkout", ".", str(path))
        shutil.rmtree(path / ".git/objects/pack", ignore_errors=True)
    elif kind == "bare":
        server.git("clone", "-q", "--bare", ".", str(path))
    elif kind == "worktree":
        server.git("worktree", "add", "-q", "--no-checkout", "--detach", str(path), "main")
    else:
        path = server.path
        server.git("gc", "-q")
        if kind == "graph":
            server.git("commit-graph", "write", "--reachable", "--changed-paths")
    status, found, said = origin.audit(ScratchRepo(path), "--in-history", "--introduction", origin.introduction)
    assert (status, set(found)) == (0, set(origin.commits)), said


def test_missing_object_of_an_alternate(origin: Origin) -> None:
    """An alternate that went away: git cannot walk, and nothing is reported as judged."""
    server = ScratchRepo(origin.folder / "origin")
    server.git("clone", "-q", "--shared", "--no-checkout", ".", str(origin.folder / "other"))
    server.path.rename(origin.folder / "gone")
    status, found, said = origin.audit(ScratchRepo(origin.folder / "other"), "main")
    assert (status, found) in ((2, {}), (3, {})), said
    assert len([line for line in said.splitlines() if line.startswith("gitsign-py: ")]) == 1


def test_a_lying_commit_graph_hides_nothing(origin: Origin) -> None:
    """A graph that passes over a commit: git believes it, the audit does not."""
    history, server = origin.history, ScratchRepo(origin.folder / "origin")
    bad = history.commit(origin.commits[-1], by="bob", files={"b": "x"})
    tip = history.commit(bad, by="bob", signed="bob", files={"b": "y"})
    history.write(server.path / ".git", {"refs/heads/main": tip, "refs/heads/bad": bad})
    lying_graph(server, wrong=origin.commits[-1], right=bad)
    assert bad not in server.git("rev-list", "main"), "git itself is fooled"
    for mode in ((), ("--in-history", "--introduction", origin.introduction)):
        status, found, _ = origin.audit(server, *mode, "main")
        assert (status, found[bad]) == (1, ("unsigned", "unsigned"))


def test_replace_refs_and_grafts(origin: Origin) -> None:
    history, server = origin.history, ScratchRepo(origin.folder / "origin")
    good = origin.commits[-1]
    bad = history.commit(good, by="bob", files={"b": "x"})
    tip = history.commit(bad, by="bob", signed="bob", files={"b": "y"})
    history.write(server.path / ".git", {"refs/heads/main": tip})
    server.git("replace", bad, good)
    (server.path / ".git/info").mkdir(exist_ok=True)
    (server.path / ".git/info/grafts").write_text(f"{tip} {good}\n")
    assert bad not in server.git("rev-list", "main")
    for mode in ((), ("--in-history", "--introduction", origin.introduction)):
        status, found, said = origin.audit(server, *mode)
        assert (status, found[bad]) == (1, ("unsigned", "unsigned"))
        assert "replace refs are there" in said
        assert "grafts are there" in said
