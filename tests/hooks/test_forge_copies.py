"""What GitHub, GitLab and Gitea make of a pull request, by the real git as their pages say, before a server's hook.

GitHub (docs.github.com, "About pull request merges"): a squash has the opener of the pull request for author and
GitHub for committer and signs by its key; rebased commits keep author and message, name who clicked for committer, and
are not signed. GitLab (docs.gitlab.com, "Squash and merge"): the squash stands on the merge base, and a merge commit
takes it in; who clicked is the committer. Gitea: as GitHub, and who clicked is the committer of everything.
"""

from pathlib import Path

import pytest

from tests.support.foreignkeys import SshKey
from tests.support.gitrepo import ScratchRepo
from tests.support.governed import Governed
from tests.support.history import email_of
from tests.support.pulls import FILES, FORGE, MAIN, POLICY_PATH, policy

pytestmark = pytest.mark.unmeasured


class Forge:
    """A server with the hook, and the repository in which the forge works; the fork of a person is all of it."""

    def __init__(self, folder: Path) -> None:
        self.governed = Governed.made(folder)
        self.key = SshKey.make(folder / "forge-key")
        ways = 'keys = ["web"]\nsquash = true\nrebase = true\nreproducible = true'
        keys = f'{ways}\n[keys.web]\nformat = "ssh"\npublic = "{self.key.public}"'
        self.text = policy(forge=keys)
        history = self.governed.history
        self.root = history.commit(signed="alice", files={**FILES, POLICY_PATH: self.text})
        self.governed.introduction = self.root
        first = history.commit(self.root, by="bob", signed="bob", files={"src/a": "2"}, message="first of two")
        self.head = history.commit(first, by="bob", signed="bob", files={"src/new": "1"}, message="second of two")
        self.main = history.commit(self.root, signed="alice", files={"src/b": "2"})
        self.server = self.governed.server("pre-receive", {MAIN: self.main})
        self.work = self.governed.repository("work", {MAIN: self.main})

    def name_head(self, ref: str) -> None:
        """The forge writes this ref by itself."""
        self.server.git("update-ref", ref, self.head)

    def git(self, *arguments: str, committer: str, author: str = "bob") -> None:
        """Run git as the forge does."""
        people = {"AUTHOR": author, "COMMITTER": committer}
        named = {f"GIT_{role}_EMAIL": email_of(who) for role, who in people.items()}
        named |= {f"GIT_{role}_NAME": who for role, who in people.items()}
        done = self.work.run(*arguments, stdin=b"", **named)
        assert done.returncode == 0, done.stderr

    def squash(self, onto: str, committer: str, *options: str, message: str, extra: str = "") -> str:
        self.work.git("checkout", "-q", "--detach", onto)
        self.work.git("merge", "-q", "--squash", self.head)
        if extra:
            (self.work.path / "src/a").write_text(extra)
        self.work.git("add", "-A")
        self.git("commit", "-q", "-m", message, *options, committer=committer)
        return self.work.git("rev-parse", "HEAD")

    def push(self, oid: str, ref: str = MAIN) -> tuple[int, str]:
        return self.governed.push(self.server, f"+{oid}:{ref}", source=self.work)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    made = Forge(tmp_path)
    for key, value in (("gpg.format", "ssh"), ("user.signingKey", str(made.key.path))):
        made.work.git("config", key, value)
    return made


def audited(forge: Forge, repo: ScratchRepo, oid: str) -> tuple[str, str]:
    _, found, _ = forge.governed.audit(repo, "--in-history", "--introduction", forge.root, MAIN)
    assert forge.governed.audited(repo, MAIN)[oid] == found[oid], "the library says the same"
    return found[oid]


def test_github(forge: Forge) -> None:
    squash = forge.squash(forge.main, FORGE, "-S", message="Do it (#7)\n\n* first of two\n\n* second of two")
    status, said = forge.push(squash)
    assert status, "nothing names the head yet"
    assert "[forge-head-missing]" in said
    assert "to repair (unauthorised on refs/heads/main): bring the head of the pull request here" in said
    forge.name_head("refs/pull/7/head")
    for extra in ("2 ", "evil"):
        status, said = forge.push(forge.squash(forge.main, FORGE, "-S", message="Do it (#7)", extra=extra))
        assert status
        assert "[forge-head-missing]" in said
    assert forge.push(squash)[0] == 0
    assert audited(forge, forge.server, squash) == ("forge-squash", "squash-remade")
    forge.governed.audit(forge.server, "--in-history", "--introduction", forge.root, "--write-notes", MAIN)
    clone = forge.governed.clone(forge.server, "--branch", "main")
    assert (
        forge.governed.audit(clone, "--in-history", "--introduction", forge.root, MAIN)[1][squash][0] == "unauthorised"
    )
    clone.git("fetch", "-q", "origin", "refs/notes/*:refs/notes/*")
    assert audited(forge, clone, squash) == ("forge-squash", "squash-remade")


def test_a_rebase_on_github_and_what_comes_after(forge: Forge) -> None:
    forge.name_head("refs/pull/7/head")
    forge.work.git("checkout", "-q", "--detach", forge.main)
    forge.git("cherry-pick", f"{forge.root}..{forge.head}", committer="alice")
    tip = forge.work.git("rev-parse", "HEAD")
    assert forge.push(tip)[0] == 0
    assert audited(forge, forge.server, tip) == ("forge-rebase", "rebase-remade")
    history = forge.governed.history
    history.files[tip] = {**history.files[forge.main], "src/a": "2", "src/new": "1"}
    after = history.commit(tip, signed="alice", files={"README": "2"})
    history.write(forge.server.path, {MAIN: after})
    assert "TRUST_FULLY" in forge.governed.git_says(forge.server, after)
    forge.git("commit", "-q", "--amend", "-m", "other words", committer="alice")
    assert "[unsigned]" in forge.push(forge.work.git("rev-parse", "HEAD"), "refs/heads/other")[1]


def test_gitlab_and_gitea(forge: Forge) -> None:
    """GitLab's squash on the merge base and the merge of it; Gitea's squash, by who clicked."""
    forge.name_head("refs/merge-requests/7/head")
    squash = forge.squash(forge.root, "alice", message="Do it")
    forge.work.git("checkout", "-q", "--detach", forge.main)
    message = "Merge branch 'x' into 'main'\n\nDo it\n\nSee merge request g/p!7"
    forge.git("merge", "-q", "--no-ff", "-m", message, squash, committer=FORGE, author="alice")
    merge = forge.work.git("rev-parse", "HEAD")
    assert forge.push(merge)[0] == 0
    assert audited(forge, forge.server, squash) == ("forge-squash", "squash-remade")
    assert audited(forge, forge.server, merge)[0] == "forge-merge"
    gitea = forge.squash(forge.main, "alice", message="Do it (#7)")
    assert forge.push(gitea, "refs/heads/gitea")[0] == 0


def test_post_receive_notes_the_heads_for_clones_without_the_forges_refs(forge: Forge) -> None:
    """Two pushes, each of which adds to the notes; a note that lies changes nothing, nor does one that is gone."""
    forge.governed.install(forge.server.path, "post-receive")
    forge.name_head("refs/pull/7/head")
    squash = forge.squash(forge.main, FORGE, "-S", message="Do it (#7)")
    status, said = forge.push(squash)
    assert (status, "after the push" in said) == (0, False), said
    forge.work.git("checkout", "-q", "--detach", forge.main)
    forge.git("cherry-pick", f"{forge.root}..{forge.head}", committer="alice")
    tip = forge.work.git("rev-parse", "HEAD")
    assert forge.push(tip, "refs/heads/rebased")[0] == 0
    noted = forge.server.git("notes", "--ref=gitsign-merges", "list").splitlines()
    assert {line.split()[1] for line in noted} == {squash, *forge.work.git("rev-list", f"{forge.main}..{tip}").split()}
    assert f"gitsign-merge-head: {forge.head}" in forge.server.git("notes", "--ref=gitsign-merges", "show", squash)
    clone = forge.governed.clone(forge.server, "--branch", "main")
    clone.git("fetch", "-q", "origin", "refs/notes/*:refs/notes/*")
    assert audited(forge, clone, squash) == ("forge-squash", "squash-remade")
    bad = forge.squash(squash, FORGE, "-S", message="Do it again (#7)", extra="evil")
    assert forge.push(bad)[0]
    forge.server.git("notes", "--ref=gitsign-merges", "add", "-f", "-m", f"gitsign-merge-head: {forge.head}", bad)
    assert "[forge-head-missing]" in forge.push(bad)[1]
