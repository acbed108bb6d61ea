"""Changes that git's own merge brings to another path than the one that somebody signed.

A file that the main branch moved is still at its old place where an old branch parts. Somebody who may change that
place alone changes it there, and git's merge applies the change to where the file is now: past the rules for that path.
"""

from pathlib import Path

import pytest

from gitsign_py.audit.record import Record
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.facts import SignatureFacts
from gitsign_py.policy.parse import parse_policy
from gitsign_py.policy.surroundings import Stated
from tests.support.court import Court, new_history
from tests.support.history import ISSUER, History
from tests.support.pulls import FORGE, MAIN, POLICY_PATH

KEY = SignatureFacts("good", "openpgp", key="F" * 40)
TEXT = "".join(f"{number}\n" for number in range(40))
EDITED = TEXT + "bob's\n"
PEOPLE = "".join(
    f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]\n'
    for name in ("alice", "bob", "carol", "dave")
)
POLICY = f"""\
version = 1
administrators = ["alice"]
{PEOPLE}
[keys.forge]
fingerprint = "{"F" * 40}"
[forges.forge]
committer = "{FORGE}"
keys = ["forge"]
reproducible = true
squash = true
rebase = true
[[rules]]
name = "secrets"
paths = ["/secrets/**"]
allow = ["alice"]
[[rules]]
name = "reviewed"
paths = ["/reviewed/**"]
allow = ["alice", "bob", "carol", "dave"]
approvals = 1
[[rules]]
name = "docs"
paths = ["/docs/**"]
allow = ["alice", "bob", "carol"]
[[rules]]
name = "rest"
allow = ["alice", "bob", "dave"]
"""


class Moved:
    """Alice moved src/long on the main branch; a head from before changes it at its old place."""

    def __init__(self, place: str, *, by: str = "bob") -> None:
        self.history: History = new_history()
        self.place = place
        self.root = self.history.commit(signed="alice", files={"src/a": "1", "src/long": TEXT, POLICY_PATH: POLICY})
        self.main = self.history.commit(self.root, signed="alice", files={"src/long": None, place: TEXT})
        self.head = self.history.commit(self.root, by=by, signed=by, files={"src/long": EDITED}, message="long")

    def squash(self, author: str) -> str:
        return self._made(self.main, author=author, message="Do it (#1)")

    def rebase(self, author: str) -> str:
        return self.history.copy(self.head, self.main, by=FORGE, files={self.place: EDITED})

    def merge(self, author: str) -> str:
        return self._made(self.main, self.head, author=author)

    def backwards(self, author: str) -> str:
        return self._made(self.head, self.main, author=author)

    def keyed(self, author: str) -> str:
        oid = self._made(self.main, self.head, author=author, signed="forge")
        self.history.facts[oid] = KEY
        return oid

    def keyed_squash(self, author: str) -> str:
        oid = self._made(self.main, author=author, signed="forge", message="Do it (#1)")
        self.history.facts[oid] = KEY
        return oid

    def _made(self, *parents: str, **more: str) -> str:
        files = {**dict.fromkeys(self.history.files[parents[0]]), **self.history.files[self.main]}
        return self.history.commit(*parents, by=FORGE, files={**files, self.place: EDITED}, **more)  # type: ignore[arg-type]


def judged(tmp_path: Path, moved: Moved, oid: str, mode: str) -> Record:
    court = Court(tmp_path)
    path = court.repository(moved.history, {MAIN: oid, "refs/pull/1/head": moved.head})
    more: dict[str, object] = {"policy": POLICY} if mode == "fixed" else {"in_history": True}
    return court.audit(path, {MAIN: oid}, introduction=moved.root, **more)[oid]  # type: ignore[arg-type]


MADE = ["squash", "rebase", "merge", "backwards", "keyed", "keyed_squash"]
REFUSED = [
    *((kind, "secrets/long", "bob", "merge-author-refused") for kind in MADE),
    *((kind, "secrets/long", "alice", "merge-author-refused") for kind in ("merge", "backwards")),
    *((kind, "reviewed/long", "bob", "approvals-missing") for kind in MADE if kind != "backwards"),
]


@pytest.mark.parametrize("mode", ["fixed", "history"])
@pytest.mark.parametrize(("kind", "place", "author", "reason"), REFUSED)
def test_a_change_that_git_moves(tmp_path: Path, kind: str, place: str, author: str, reason: str, mode: str) -> None:
    moved = Moved(place)
    found = judged(tmp_path, moved, getattr(moved, kind)(author), mode)
    assert (found.accepted, found.reason) == (False, reason)


@pytest.mark.parametrize("kind", MADE)
def test_a_change_that_git_moves_where_its_author_may_sign(tmp_path: Path, kind: str) -> None:
    """The file moved within what the same people may change: such merges are common."""
    moved = Moved("lib/long")
    assert judged(tmp_path, moved, getattr(moved, kind)("bob"), "fixed").accepted


def test_somebody_elses_change_in_a_squash(tmp_path: Path) -> None:
    """Alice is the author and signed a part of the head; what git moves to the secrets is Bob's."""
    moved = Moved("secrets/long")
    moved.head = moved.history.commit(moved.head, signed="alice", files={"src/a": "2"})
    squash = moved.history.commit(
        moved.main, by=FORGE, author="alice", files={"src/a": "2", "secrets/long": EDITED}, message="(#1)"
    )
    found = judged(tmp_path, moved, squash, "fixed")
    assert (found.reason, found.accepted) == ("merge-author-refused", False)
    assert "bob may not sign" in found.message


def test_a_head_that_moves_a_file_itself(tmp_path: Path) -> None:
    """Its signer may write the new place, and takes along what the main branch has at the old one."""
    moved = Moved("secrets/long")
    main = moved.history.commit(moved.root, by="bob", signed="bob", files={"src/long": EDITED})
    moved.main, moved.head = main, moved.main
    squash = moved.history.commit(
        main, by=FORGE, author="alice", files={"src/long": None, "secrets/long": EDITED}, message="(#1)"
    )
    assert judged(tmp_path, moved, squash, "fixed").verdict == "forge-squash"


@pytest.mark.parametrize("approved", [(), ("bob",)])
@pytest.mark.parametrize(("reproducible", "reason"), [(False, "approvals-missing"), (True, "forge-key")])
def test_a_conflict_that_is_resolved_on_the_forges_pages(
    approved: tuple[str, ...], reason: str, reproducible: bool
) -> None:
    """What a merge has of its own was approved nowhere else."""
    history = History()
    base = history.commit(files={"reviewed/a": "1"})
    sides = [history.commit(base, files={"reviewed/a": text}) for text in "23"]
    merge = history.commit_facts(history.commit(*sides, by=FORGE, author="bob", files={"reviewed/a": "4"}))
    policy = parse_policy(POLICY.encode(), "policy.toml")
    around = Stated(("reviewed/a",), reproducible=reproducible, approved_by=approved)
    assert evaluate(policy, merge, KEY, MAIN, around).reason == reason
    around = Stated(("reviewed/a",), approved_by=("carol",))
    assert evaluate(policy, merge, KEY, MAIN, around).reason == "forge-key"
