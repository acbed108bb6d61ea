"""``gitsign-py approve``: signed, kept in refs/attestations, counted by audit, hook and git's own command."""

import json
from pathlib import Path
from typing import Any

from tests.support.waiting import next_second
from tests.support.workbench import Workbench, program

MAIN = "refs/heads/main"


def policy(bench: Workbench) -> str:
    people = "".join(
        f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{bench.stack.url}" }}]\n'
        for name in ("alice", "bob", "carol")
    )
    rule = 'name = "all"\nallow = ["alice"]\napprovals = 2\napprovers = ["alice", "bob", "carol"]\n'
    path = bench.folder / "policy.toml"
    head = 'version = 1\nadministrators = ["alice"]\nunjudged = ["refs/attestations/**"]'
    path.write_text(f"{head}\n{people}[[rules]]\n{rule}")
    return str(path)


def approve(bench: Workbench, who: str, *arguments: str, cwd: Path | None = None) -> None:
    token, mail = bench.stack.token(f"{who}@example.com"), f"{who}@example.com"
    done = bench.tool("approve", *arguments, cwd=cwd, SIGSTORE_ID_TOKEN=token, GIT_COMMITTER_EMAIL=mail)
    assert done.returncode == 0, done.stderr


def elsewhere(bench: Workbench, server: str) -> None:
    """Bob approves in a clone of his own and is the first to push: git takes no other history of the ref any more."""
    clone = bench.init(path=bench.folder / "clone")
    bench.git("fetch", "-q", str(bench.repo), "main", cwd=clone)
    approve(bench, "bob", "--ref", MAIN, "FETCH_HEAD", cwd=clone)
    bench.git("push", "-q", server, "refs/attestations/trees", cwd=clone)
    assert "fetch first" in bench.try_git("push", "origin", "refs/attestations/trees").stderr.decode()


def paste(bench: Workbench, who: str, command: str) -> None:
    """Run what a refusal printed, in the shell of somebody who has the program on PATH."""
    folder = bench.folder / "bin"
    folder.mkdir()
    (folder / "gitsign-py").symlink_to(program(bench.folder))
    own: dict[str, Any] = {
        "SIGSTORE_ID_TOKEN": bench.stack.token(f"{who}@example.com"),
        "GIT_COMMITTER_EMAIL": f"{who}@example.com",
    }
    done = bench.run(["sh", "-ec", command], PATH=f"{folder}:{bench.env['PATH']}", **own)
    assert done.returncode == 0, (command, done.stderr)


def test_two_others_approve(bench: Workbench) -> None:
    path = policy(bench)
    (bench.repo / "a").write_text("1")
    bench.git("add", "a")
    bench.commit()
    bench.configure(f"gitsign.policy={path}")

    def judged() -> tuple[str, str]:
        done = bench.tool("policy", "explain", "--json", "HEAD")
        found = json.loads(done.stdout)
        git = bench.try_git("verify-commit", "HEAD")
        assert (git.returncode == 0) == (found["verdict"] == "verified"), git.stderr
        return found["reason"], found["message"]

    assert judged()[0] == "approvals-missing"
    approve(bench, "alice")
    approve(bench, "bob", "--ref", "refs/heads/other")
    approve(bench, "bob")
    assert judged() == ("approvals-missing", "rule all wants 2 approvals by others than its author, approved by bob")
    approve(bench, "carol", "--json")
    assert judged() == ("verified", "signed by alice, approved by alice, bob, carol")
    server = bench.folder / "server.git"
    bench.run(["git", "init", "-q", "--bare", str(server)])
    bench.tool("hooks", "install", "--server", cwd=server)
    bench.git("remote", "add", "origin", str(server))
    elsewhere(bench, str(server))
    odd = bench.tool("approve", "HEAD^{tree}")
    assert (odd.returncode, b"[revision-kind]" in odd.stderr) == (2, True)
    said = bench.try_git("push", "origin", f"HEAD:{MAIN}").stderr.decode()
    assert "approvals-missing" in said
    words = "have others of alice, bob, carol approve it, and bring that here first: "
    [line] = [line for line in said.splitlines() if words in line]
    paste(bench, "carol", line.split(words, 1)[1].rstrip())
    bench.git("push", "-q", "origin", f"HEAD:{MAIN}")
    bench.git("fetch", "-q", "origin", "refs/attestations/*:refs/attestations/*")
    assert len(bench.git("rev-list", "refs/attestations/trees").splitlines()) == 7, "five here, one there, and both"
    approve(bench, "carol", "--withdraw")
    told = bench.tool("audit", "--policy", path, MAIN).stdout.decode()
    assert "git fetch origin 'refs/attestations/*:refs/attestations/*'; else others approve" in told
    assert judged()[0] == "approvals-missing"
    bench.git("commit", "-q", "--amend", "-S", "--allow-empty", "-m", "the same tree on the same parent")
    next_second()  # of one second the withdrawal counts
    approve(bench, "carol", "HEAD")
    assert judged()[0] == "verified", "the change is approved, whatever the message"
    bench.commit("the same tree on another parent")
    assert judged() == ("approvals-missing", "rule all wants 2 approvals by others than its author, approved by nobody")
