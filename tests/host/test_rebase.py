"""Each kind of rebase whose signing fails at each of its signatures: the advice is run as it is printed, and leaves the
history that was asked for with a signature on every commit. The signer is a script that asks the real advice.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.host.git import rebase
from gitsign_py.host.git.rebase import line_of_rebase, rebase_directory, resume
from tests.support.gitrepo import ScratchRepo, environment

ROOT = Path(__file__).resolve().parents[2]
_SIGNER = """#!/bin/sh
printf . >> {folder}/asked
number=$(wc -c < {folder}/asked)
if [ "$number" = "$(cat {folder}/fails)" ]; then {python} -SE {folder}/told.py resume > {folder}/advice; exit 1; fi
if [ -e {folder}/summary ]; then {python} -SE {folder}/told.py line_of_rebase "$number" >> {folder}/shown; fi
cat > /dev/null
printf -- '-----BEGIN SIGNED MESSAGE-----\\nMIAA\\n-----END SIGNED MESSAGE-----\\n'
printf '\\n[GNUPG:] SIG_CREATED D\\n' >&2
"""
_TOLD = """import os, sys
sys.path.insert(0, {root!r})
from gitsign_py.host.git.rebase import line_of_rebase, rebase_directory, resume
directory = rebase_directory(os.environ)
if sys.argv[1] == "resume":
    sys.stdout.write(resume(directory, sys.stdin.buffer.read()))
else:
    line = "gitsign-py: signed by a@b.c, vouched for by U, log index " + sys.argv[2]
    sys.stdout.write("".join(one + "\\n" for one in line_of_rebase(directory, line).splitlines()))
"""
AMEND = "git commit -q --amend --no-edit -S"
EDITED = "sed -i -e {}"


@dataclass(frozen=True)
class Kind:
    """``options`` of the rebase, the ``todo`` edit, how many signatures it makes, the subjects at its end."""

    options: tuple[str, ...]
    signatures: int
    todo: str = ""
    merge: bool = False
    subjects: tuple[str, ...] = ("three", "two", "one", "base")


MERGED = ("three", "two", "merge", "side", "one", "base")
MELDED = ("three", "one", "base")
KINDS = {
    "pick": Kind(("-f", "-S"), 3),
    "root": Kind(("-f", "-S", "--root"), 4),
    "pick, by exec": Kind(("--exec", AMEND), 3),
    "edit": Kind(("-i", "-f", "-S"), 3, "s/^pick/edit/"),
    "reword": Kind(("-i", "-f", "-S"), 6, "s/^pick/reword/"),
    "squash": Kind(("-i", "-f", "-S"), 3, "2s/^pick/squash/", subjects=MELDED),
    "fixup": Kind(("-i", "-f", "-S"), 3, "2s/^pick/fixup/", subjects=MELDED),
    "merges": Kind(("--rebase-merges", "-f", "-S"), 5, merge=True, subjects=MERGED),
    "merges, by exec": Kind(("--rebase-merges", "--exec", AMEND), 5, merge=True, subjects=MERGED),
    "apply": Kind(("--apply", "-f", "-S"), 3),
}
_BEHIND = {("merges", 1)}
"""git itself (sequencer.c) forgets -f at --continue and takes over the branch's untouched commit, unsigned."""


class Rebased:
    """A repository of four commits, or of six with a merge, whose signer fails once."""

    def __init__(self, folder: Path, *, merge: bool) -> None:
        self.folder = folder
        self.repo = ScratchRepo.init(folder / "repo")
        signer = folder / "signer"
        signer.write_text(_SIGNER.format(python=sys.executable, folder=folder))
        (folder / "told.py").write_text(_TOLD.format(root=str(ROOT)))
        signer.chmod(0o755)
        (folder / "asked").touch()
        self.repo.git("config", "gpg.format", "x509")
        self.repo.git("config", "gpg.x509.program", str(signer))
        self._commit("base")
        self.repo.git("tag", "start")
        self._commit("one")
        if merge:
            self.repo.git("checkout", "-q", "-b", "topic", "start")
            self._commit("side")
            self.repo.git("checkout", "-q", "main")
            self.repo.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
        self._commit("two")
        self._commit("three")

    def _commit(self, name: str) -> None:
        (self.repo.path / name).write_text(name)
        self.repo.git("add", name)
        self.repo.git("commit", "-q", "-m", name)

    def run(self, command: "str | list[str]", **more: str) -> "subprocess.CompletedProcess[bytes]":
        words = ["sh", "-c", command] if isinstance(command, str) else command
        variables = environment(GIT_EDITOR="true", **more)
        return subprocess.run(
            words, cwd=self.repo.path, env=variables, capture_output=True, check=False, stdin=subprocess.DEVNULL
        )

    def rebase(self, kind: Kind, fails: int) -> "subprocess.CompletedProcess[bytes]":
        (self.folder / "fails").write_text(str(fails))
        onto = [] if "--root" in kind.options else ["start"]
        todo = EDITED.format(f"'{kind.todo}'")
        return self.go_on(self.run(["git", "rebase", *kind.options, *onto], GIT_SEQUENCE_EDITOR=todo))

    def go_on(self, done: "subprocess.CompletedProcess[bytes]") -> "subprocess.CompletedProcess[bytes]":
        """After each commit that was to be edited the person goes on."""
        while done.returncode == 0 and self.state():
            done = self.run("git rebase --continue")
        return done

    def state(self) -> str:
        found = [self.repo.path / ".git" / name for name in ("rebase-merge", "rebase-apply")]
        return next((str(path) for path in found if path.exists()), "")

    def follow(self, advice: str, kind: Kind) -> "subprocess.CompletedProcess[bytes]":
        """Do what the advice says, as a shell reads it; its words in parentheses are for a case that git names."""
        command, _, aside = advice.partition(" (and ")
        if command.startswith("run the command of --exec again, then "):
            command = command.replace("run the command of --exec again, then ", f"{AMEND} && ")
        if command == "git rebase --abort, and the same rebase again":
            assert self.run("git rebase --abort").returncode == 0
            return self.rebase(kind, 0)
        done = self.run(command)
        if done.returncode and b"is now empty" in done.stdout + done.stderr:
            done = self.run(aside.partition(",")[0])
        return self.go_on(done)

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.repo.git("log", "--topo-order", "--format=%s").splitlines())

    def unsigned(self) -> list[str]:
        ids = self.repo.git("rev-list", "start..").split()
        return [self.repo.git("log", "-1", "--format=%s", one) for one in ids if not self._is_signed(one)]

    def _is_signed(self, oid: str) -> bool:
        return b"\ngpgsig " in self.repo.raw("commit", oid).partition(b"\n\n")[0]


CASES = [
    ("pick", 2),
    ("root", 1),
    ("root", 2),
    ("pick, by exec", 2),
    ("edit", 1),
    ("reword", 1),
    ("reword", 2),
    ("squash", 1),
    ("squash", 2),
    ("fixup", 2),
    ("merges", 1),
    ("merges", 3),
    ("merges, by exec", 3),
    ("apply", 2),
]


@pytest.mark.parametrize(("name", "fails"), CASES)
def test_the_advice_leaves_a_signed_commit(tmp_path: Path, name: str, fails: int) -> None:
    kind = KINDS[name]
    rebased = Rebased(tmp_path, merge=kind.merge)
    assert rebased.rebase(kind, fails).returncode != 0
    advice = (tmp_path / "advice").read_text()
    done = rebased.follow(advice, kind)
    assert done.returncode == 0, (advice, done.stderr)
    assert not rebased.state()
    assert rebased.subjects() == kind.subjects, advice
    behind = (name, fails) in _BEHIND and "--continue" in advice
    assert rebased.unsigned() == (["one"] if behind else []), advice


@pytest.mark.parametrize("name", ["pick", "pick, by exec", "fixup", "merges", "apply"])
def test_a_whole_rebase_is_one_line(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    rebased = Rebased(tmp_path, merge=kind.merge)
    (tmp_path / "summary").touch()
    assert rebased.rebase(kind, 0).returncode == 0
    assert (tmp_path / "shown").read_text() == (
        f"gitsign-py: {kind.signatures} commits of this rebase signed by a@b.c, vouched for by U, "
        f"last log index {kind.signatures}\n"
    )


def test_each_signer_has_a_line_and_one_commit_its_own(tmp_path: Path) -> None:
    state = tmp_path / "rebase-merge"
    state.mkdir()
    (state / "git-rebase-todo").write_text("pick 1 one\n# a comment\n")
    signed = "gitsign-py: signed by {}, vouched for by U, log index {}"
    assert line_of_rebase(str(state), signed.format("a@b.c", 1)) == ""
    (state / "git-rebase-todo").write_text("label x\nexec make test\n\nupdate-ref refs/heads/x\n")
    assert line_of_rebase(str(state), signed.format("b@b.c", 2)) == (
        "gitsign-py: signed by a@b.c, vouched for by U, log index 1\n"
        "gitsign-py: signed by b@b.c, vouched for by U, log index 2"
    )
    (state / "git-rebase-todo").write_text("exec git commit --amend -S\n")
    assert line_of_rebase(str(state), signed.format("b@b.c", 3)) == ""
    assert line_of_rebase(str(tmp_path / "gone"), "the line") == "the line"


def test_a_linked_worktree_and_a_pipe_in_the_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rebase, "_goes_on_after_a_pick", lambda: True)
    assert rebase_directory({}) == ""
    kept = tmp_path / "main" / ".git" / "worktrees" / "x"
    (kept / "rebase-merge").mkdir(parents=True)
    (tmp_path / ".git").write_text(f"gitdir: {kept}\n")
    assert rebase_directory({}) == str(kept / "rebase-merge")
    assert rebase_directory({"GIT_DIR": str(kept)}) == str(kept / "rebase-merge")
    os.mkfifo(kept / "rebase-merge" / "done")
    os.mkfifo(kept / "HEAD")
    assert "git rebase --continue" in resume(str(kept / "rebase-merge"), b"tree x\n\nm")
    os.mkfifo(kept / "rebase-merge" / "gitsign-py-signed")
    assert line_of_rebase(str(kept / "rebase-merge"), "the line") == "the line"


@pytest.mark.parametrize(("version", "goes_on"), [((2, 39), True), ((2, 42), True), ((2, 43), False), (None, False)])
def test_later_gits_refuse_to_commit_what_a_pick_left(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int] | None, goes_on: bool
) -> None:
    monkeypatch.setattr("gitsign_py.host.git.program.git_version", lambda _: ("", version))
    assert rebase._goes_on_after_a_pick() is goes_on
