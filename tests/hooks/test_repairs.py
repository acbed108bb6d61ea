"""The commands in a refusal do what they say when they are pasted: after them the push goes through."""

from pathlib import Path
from typing import cast

import pytest

from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli.commands.hooks import shim
from gitsign_py.cli.repairbase import RepairBase
from gitsign_py.host.git.objects import GitRepository
from tests.support.history import History
from tests.support.workbench import Workbench, program

POLICY = """\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{issuer}" }}]
[[rules]]
name = "all"
{match}
allow = ["alice"]
"""


@pytest.fixture
def bare(bench: Workbench, tmp_path: Path) -> Path:
    """A server that takes what Alice signed; the remote ``origin`` of the bench's repository."""
    path = tmp_path / "server.git"
    bench.run(["git", "init", "-q", "--bare", str(path)], cwd=tmp_path)
    (tmp_path / "policy.toml").write_text(POLICY.format(issuer=bench.stack.url, match=""))
    bench.configure(
        f"gitsign.policy={tmp_path / 'policy.toml'}", f"gitsign.trustedRoot={bench.stack.trusted_root}", cwd=path
    )
    hook = path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(shim("pre-receive", str(program(bench.folder))))
    hook.chmod(0o755)
    bench.git("remote", "add", "origin", str(path))
    return path


def unsigned(bench: Workbench, message: str, *options: str, **env: str) -> None:
    bench.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", message, *options, cwd=None, **env)


def paste(bench: Workbench, *what: str) -> list[str]:
    """Push, which is refused; paste what it says; push again, which is not. Gives the commands."""
    done = bench.try_git("push", "-q", "origin", *what)
    assert done.returncode != 0
    said = [line.removeprefix("remote: ").rstrip() for line in done.stderr.decode().splitlines()]
    commands = [line.split("): ", 1)[1] for line in said if "to repair (" in line]
    assert commands, said
    for command in commands:
        done = bench.run(["sh", "-ec", command], GIT_EDITOR="false")
        assert done.returncode == 0, (command, done.stderr)
    done = bench.try_git("push", "-q", "--force", "origin", *what)
    assert done.returncode == 0, done.stderr
    return commands


def test_unsigned_commits_in_the_middle(bench: Workbench, bare: Path) -> None:
    bench.commit("good")
    unsigned(bench, "forgot")
    bench.commit("good again")
    unsigned(bench, "forgot again")
    assert len(paste(bench, "main")) == 1
    assert bench.git("log", "--format=%s").splitlines() == ["forgot again", "good again", "forgot", "good"]


def test_an_unsigned_root(bench: Workbench, bare: Path) -> None:
    unsigned(bench, "first of all")
    bench.commit("good")
    assert "--root" in paste(bench, "main")[0]


def test_merges_stay_merges(bench: Workbench, bare: Path) -> None:
    """Unsigned commits on both sides of a merge: one command, from where both of them come from."""
    (bench.repo / "base").write_text("1")
    bench.git("add", "base")
    bench.commit("base")
    for side in ("left", "right"):
        bench.git("checkout", "-q", "-b", side, "main")
        (bench.repo / side).write_text("1")
        bench.git("add", side)
        unsigned(bench, side)
    bench.git("checkout", "-q", "main")
    bench.git("merge", "-q", "--no-ff", "-S", "-m", "both", "left")
    bench.git("merge", "-q", "--no-ff", "-S", "-m", "all", "right")
    paste(bench, "main")
    assert bench.git("rev-list", "--count", "--merges", "main") == "2"
    assert sorted(bench.git("ls-tree", "--name-only", "main").splitlines()) == ["base", "left", "right"]


def test_a_commit_for_another_address(bench: Workbench, bare: Path) -> None:
    bench.commit("good")
    other = {"GIT_COMMITTER_EMAIL": "al@old.example", "SIGSTORE_ID_TOKEN": bench.stack.token()}
    bench.configure("gitsign.matchCommitter=false")
    bench.commit("from another machine", cwd=None, **other)
    bench.env.pop("GIT_COMMITTER_EMAIL", None)
    bench.env.pop("GIT_AUTHOR_EMAIL", None)
    commands = paste(bench, "main")
    assert "HEAD && git config user.email alice@example.com && git rebase" in commands[0]
    assert "--reset-author" not in commands[0]


def test_a_commit_by_another_author(bench: Workbench, bare: Path) -> None:
    text = POLICY.format(issuer=bench.stack.url, match='match = "both"')
    (bare.parent / "policy.toml").write_text(text)
    bench.commit("good")
    bench.commit("somebody else's", "--author=Al <al@old.example>")
    for name in ("GIT_COMMITTER_EMAIL", "GIT_AUTHOR_EMAIL"):
        bench.env.pop(name, None)
    assert "--reset-author" in paste(bench, "main")[0]


def test_an_unsigned_tag_keeps_its_message(bench: Workbench, bare: Path) -> None:
    bench.commit("good")
    bench.git("tag", "-a", "--no-sign", "-m", "first line\n\nbody of $(false) 'it'", "v1")
    paste(bench, "main", "v1")
    assert "first line\n\nbody of $(false) 'it'" in bench.git("cat-file", "tag", "v1")
    assert bench.git("rev-parse", "v1^{}") == bench.git("rev-parse", "main")


def test_names_are_quoted(bench: Workbench, bare: Path) -> None:
    """A ref's name may hold what a shell acts upon."""
    bench.commit("good")
    oid = bench.git("rev-parse", "main")
    tagger = "Alice <alice@example.com> 1700000000 +0000"
    name = "v1;touch${IFS}owned;#"
    data = f"object {oid}\ntype commit\ntag {name}\ntagger {tagger}\n\nhello\n".encode()
    bench.git("update-ref", f"refs/tags/{name}", bench.store("tag", data))
    paste(bench, "main", f"refs/tags/{name}")
    assert not (bench.repo / "owned").exists()


def test_two_branches_at_once(bench: Workbench, bare: Path) -> None:
    """One command for each ref; each is for the branch that it names, says so, and rewrites no other one."""
    bench.commit("good")
    bench.git("push", "-q", "origin", "main")
    bench.git("checkout", "-q", "-b", "other")
    unsigned(bench, "on other")
    bench.git("checkout", "-q", "main")
    unsigned(bench, "on main")
    done = bench.try_git("push", "-q", "origin", "main", "other")
    said = done.stderr.decode()
    for ref, another in (("main", "other"), ("other", "main")):
        words = f"to repair (unsigned on refs/heads/{ref}; check that out first): "
        command = next(line for line in said.splitlines() if words in line).split("): ", 1)[1].rstrip()
        bench.git("checkout", "-q", another)
        before = bench.git("rev-parse", another)
        assert bench.run(["sh", "-ec", command]).returncode != 0
        assert bench.git("rev-parse", another) == before
        bench.git("checkout", "-q", ref)
        assert bench.run(["sh", "-ec", command]).returncode == 0
    assert bench.try_git("push", "-q", "origin", "main", "other").returncode == 0


def test_two_branches_with_tags_on_them(bench: Workbench, bare: Path) -> None:
    """The lines of a branch stand together: what a tag's command counts from is the branch that is checked out."""
    bench.commit("good")
    bench.git("push", "-q", "origin", "main")
    names = ("main", "other")
    bench.git("branch", "other")
    for name in names:
        bench.git("checkout", "-q", name)
        unsigned(bench, f"on {name}")
        bench.git("tag", "-a", "--no-sign", "-m", f"unsigned tag of {name}", f"{name}-1")
        bench.git("tag", "-s", "-m", f"signed tag of {name}", f"{name}-2")
        bench.commit(f"after, on {name}")
    what = ("main", "other", *(f"refs/tags/{name}-{number}" for name in names for number in (1, 2)))
    said = bench.try_git("push", "-q", "origin", *what).stderr.decode()
    lines = [line for line in said.splitlines() if "to repair (" in line]
    assert len(lines) == 6, said
    for line in lines:
        if "check that out first" in line:
            bench.git("checkout", "-q", "main" if "refs/heads/main" in line else "other")
        command = line.split("): ", 1)[1].rstrip()
        assert bench.run(["sh", "-ec", command], GIT_EDITOR="false").returncode == 0, command
    for name in names:
        assert {bench.git("rev-parse", f"{name}-{number}^{{}}") for number in (1, 2)} == {
            bench.git("rev-parse", f"{name}~1")
        }
    assert bench.try_git("push", "-q", "origin", *what).returncode == 0


def test_nothing_that_the_server_has_is_rewritten(bench: Workbench, bare: Path) -> None:
    """A side that left before the newest commit of the server: the repair starts from what the server has."""
    bench.commit("base")
    bench.git("checkout", "-q", "-b", "side")
    (bench.repo / "side").write_text("1")
    bench.git("add", "side")
    unsigned(bench, "side")
    bench.git("checkout", "-q", "main")
    kept = bench.commit("the server has it")
    assert bench.try_git("push", "-q", "origin", "main").returncode == 0
    bench.git("merge", "-q", "--no-ff", "--no-gpg-sign", "-m", "merged", "side")
    paste(bench, "main")
    bench.git("merge-base", "--is-ancestor", kept, "main")
    assert bench.git("rev-list", "--count", f"{kept}..main") == "2"


def test_tags_go_with_the_commits_that_are_signed_again(bench: Workbench, bare: Path) -> None:
    """An unsigned tag, a signed one and a light one on an unsigned commit, as a release brings them."""
    bench.commit("good")
    unsigned(bench, "released")
    bench.git("tag", "-a", "--no-sign", "-m", "unsigned tag", "v1")
    bench.git("tag", "-s", "-m", "signed tag", "v2")
    bench.git("tag", "--no-sign", "light")
    bench.commit("after")
    assert len(paste(bench, "main", "v1", "v2", "light")) == 4
    for name in ("v1", "v2", "light"):
        assert bench.git("rev-parse", f"{name}^{{commit}}") == bench.git("rev-parse", "main~1"), name
    assert "unsigned tag" in bench.git("cat-file", "tag", "v1")


@pytest.mark.parametrize("options", [("-a", "--no-sign", "-m", "message"), ("--no-sign",)], ids=["annotated", "light"])
def test_commits_that_a_tag_alone_brings(bench: Workbench, bare: Path, options: tuple[str, ...]) -> None:
    """One command signs them and makes the tag anew; the branch stays as it is, and stays checked out."""
    bench.commit("good")
    bench.git("push", "-q", "origin", "main")
    unsigned(bench, "released")
    bench.git("tag", *options, "v1")
    before = bench.git("rev-parse", "main")
    assert len(paste(bench, "refs/tags/v1")) == 1
    assert bench.git("rev-parse", "main") == before
    assert bench.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert bench.git("log", "-1", "--format=%s", "v1") == "released"


def test_a_tag_on_a_side_that_no_number_leads_to(bench: Workbench, bare: Path) -> None:
    """First parents do not lead to a merged side: the tag is named, and where it belongs is left to the person."""
    bench.commit("base")
    bench.git("checkout", "-q", "-b", "side")
    unsigned(bench, "side")
    bench.git("tag", "-s", "-m", "signed tag", "v1")
    bench.git("checkout", "-q", "main")
    bench.git("merge", "-q", "--no-ff", "-S", "-m", "merged", "side")
    said = bench.try_git("push", "-q", "origin", "main", "v1").stderr.decode()
    assert "to repair (refs/tags/v1, on a commit that this rewrites): tag the commit again that takes" in said


class Asked(History):
    """A history that answers as a repository does, and counts how often git would be started."""

    started = 0

    def run(self, arguments: list[str], *, accept: tuple[int, ...] = (0,)) -> bytes:
        self.started += 1
        return "".join(f"{oid}\n" for oid in reversed(self.order)).encode()


def test_a_thousand_tags_start_git_no_more_often_than_one() -> None:
    for many in (1, 1000):
        history = Asked()
        tip = [history.commit() for _ in range(3)][-1]
        updates = [RefUpdate("refs/heads/main", "0" * 40, tip)]
        updates += [RefUpdate(f"refs/tags/v{n}", "0" * 40, history.tag(f"v{n}", tip)) for n in range(many)]
        base = RepairBase(cast("GitRepository", history), updates)
        assert base.tags_on("refs/heads/main", "--root") == {f"refs/tags/v{n}": "HEAD~0" for n in range(many)}
        assert history.started == 2
