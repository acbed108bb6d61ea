"""Attack: objects, refs and settings that two readers read differently, where one of them is ours without git.

Both say the same, or it is a success to neither: git gives no verdict at all where it cannot read one object. None of
them ends in an internal error.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan, read_refs
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.direct import DirectHistory
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.repository import open_repository
from tests.support.court import Court, new_history
from tests.support.history import History
from tests.support.nogit import variables

MAIN = "refs/heads/main"
Verdicts = dict[str, str] | str


@dataclass
class Copy:
    """A repository that somebody handed over, with three commits on main."""

    court: Court
    path: Path
    history: History
    commits: list[str]

    def put(self, ref: str, text: str) -> None:
        file = self.path / ref
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def rewritten(self, pattern: bytes, new: "bytes | Callable[[re.Match[bytes]], bytes]") -> None:
        """The newest commit with something else in it, on main; its signature is taken for good."""
        data = re.sub(pattern, new, self.history.objects[self.commits[-1]].data, count=1)
        oid = self.history.add("commit", data)
        self.history.facts[oid] = self.history.facts[self.commits[-1]]
        self.history.write(self.path, {MAIN: oid})
        self.court.know(self.history)

    def stored(self, packed: bytes) -> None:
        """Other bytes in the file of the middle commit."""
        oid = self.commits[1]
        (self.path / "objects" / oid[:2] / oid[2:]).write_bytes(packed)

    @property
    def loose(self) -> tuple[bytes, int]:
        data = self.history.objects[self.commits[1]].data
        return data, len(data)

    def tag(self, data: bytes) -> None:
        self.history.add("tag", data)
        self.history.write(self.path, {"refs/tags/t": self.history.add("tag", data)})

    def told(self, *, git: bool) -> Verdicts:
        """Verdicts by id, or what kind of error there is."""
        with self.court.opened(self.path, git=git) as (repository, resources):
            try:
                plan = AuditPlan(read_refs(repository))
                return {one.oid: one.verdict for one in audit_history(repository, plan, resources)}
            except GitsignError:
                return "no verdict"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    court, history = Court(tmp_path), new_history()
    commits = [history.commit(signed="alice", files={"a": "1"})]
    for number in range(2):
        commits.append(history.commit(commits[-1], signed="alice", files={"a": str(number)}))
    return Copy(court, court.repository(history, {MAIN: commits[-1]}), history, commits)


def capitals(match: "re.Match[bytes]") -> bytes:
    return match[1] + match[2].upper()


OBJECTS: dict[str, Callable[[Copy], None]] = {
    "a-date-of-5000-digits": lambda copy: copy.rewritten(rb"(committer [^\n]*> )\d+", rb"\g<1>" + b"9" * 5000),
    "a-date-before-1970": lambda copy: copy.rewritten(rb"(committer [^\n]*> )\d+", rb"\g<1>-1"),
    "a-parent-in-capitals": lambda copy: copy.rewritten(rb"(parent )(\w+)", capitals),
    "a-tree-in-capitals": lambda copy: copy.rewritten(rb"(tree )(\w+)", capitals),
    "a-parent-cut-short": lambda copy: copy.rewritten(rb"(parent \w{39})\w", rb"\1"),
    "a-parent-behind-the-author": lambda copy: copy.rewritten(rb"(parent \w+\n)(author [^\n]*\n)", rb"\2\1"),
    "a-tag-without-a-line": lambda copy: copy.tag(b"object " + copy.commits[-1].encode()),
    "an-empty-tag": lambda copy: copy.tag(b""),
    "a-file-that-says-less": lambda copy: copy.stored(
        zlib.compress(b"commit %d\0" % (copy.loose[1] - 1) + copy.loose[0])
    ),
    "a-size-with-a-nought": lambda copy: copy.stored(zlib.compress(b"commit 0%d\0" % copy.loose[1] + copy.loose[0])),
    "a-file-that-goes-on": lambda copy: copy.stored(
        zlib.compress(b"commit %d\0" % copy.loose[1] + copy.loose[0]) + b"more"
    ),
    "a-file-of-another-kind": lambda copy: copy.stored(zlib.compress(b"tree %d\0" % copy.loose[1] + copy.loose[0])),
    "another-commit": lambda copy: copy.stored(zlib.compress(b"commit 3\0abc")),
    "a-ref-in-capitals": lambda copy: copy.put(MAIN, f"{copy.commits[-1].upper()}\n"),
    "a-ref-of-noughts": lambda copy: copy.put("refs/heads/none", f"{'0' * 40}\n"),
    "a-ref-that-goes-on": lambda copy: copy.put(MAIN, f"{copy.commits[-1]} and more\n"),
    "a-ref-to-itself": lambda copy: copy.put("refs/heads/x", "ref: refs/heads/x\n"),
    "a-ref-out-of-the-folder": lambda copy: copy.put("refs/heads/x", "ref: ../../config\n"),
}


def is_success(told: Verdicts) -> bool:
    return isinstance(told, dict) and set(told.values()) == {"good"}


@pytest.mark.parametrize("change", OBJECTS.values(), ids=OBJECTS)
def test_both_say_the_same_or_accept_nothing(copy: Copy, change: Callable[[Copy], None]) -> None:
    change(copy)
    own, by_git = copy.told(git=False), copy.told(git=True)
    assert own == by_git or not (is_success(own) or is_success(by_git))


@pytest.mark.parametrize(
    ("setting", "bare"), [("bare = true", True), ("bare", True), ("bare = false", False), ("", False)]
)
def test_what_is_a_bare_repository(copy: Copy, setting: str, bare: bool) -> None:
    """A clone whose settings call it bare: its HEAD would be the server's word."""
    worktree = copy.path.parent / "worktree"
    worktree.mkdir()
    copy.path.rename(worktree / ".git")
    (worktree / ".git/config").write_text(f"[core]\n\trepositoryformatversion = 0\n\t{setting}\n")
    for git in (False, True):
        with open_repository(worktree, environment=variables(git=git)) as repository:
            assert repository.is_bare is bare
            assert repository.top == (worktree / ".git" if bare else worktree)


def test_a_working_tree_elsewhere_is_refused(copy: Copy) -> None:
    with (copy.path / "config").open("a") as config:
        config.write(f"[core]\n\tbare = false\n\tworktree = {copy.path.parent}\n")
    opened = open_repository(copy.path, environment=variables(git=False))
    with opened as repository, pytest.raises(GitsignError) as caught:
        repository.resolve(["main"])
    assert caught.value.reason == "git-needed"


def test_merges_with_many_bases_cost_what_they_are_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two octopus merges of the same commits: pair by pair their bases took the square."""
    looked_at, parents = [0], DirectHistory._parents

    def counting(history: DirectHistory, oid: str, *, whole: bool) -> tuple[str, ...]:
        looked_at[0] += 1
        return parents(history, oid, whole=whole)

    monkeypatch.setattr(DirectHistory, "_parents", counting)
    court, counts = Court(tmp_path), []
    for size in (40, 80):
        history = new_history()
        first = history.commit(files={"a": "1"})
        sides = [history.commit(first, files={"n": str(side)}) for side in range(size)]
        ends = [history.commit(*sides, message=end) for end in ("one", "other", "third")]
        with court.opened(court.repository(history), git=False) as (repository, _):
            looked_at[0] = 0
            found = graph_of(repository).bases_of_pairs(tuple(ends))
            counts.append(looked_at[0])
        assert {pair: set(bases) for pair, bases in found.items()} == {pair: set(sides) for pair in found}
    assert counts[1] < 2.5 * counts[0]
