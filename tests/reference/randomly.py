"""Random histories with what leads judges astray: roots, wide and criss-cross merges, policies, strangers."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile

from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.policy.facts import CommitFacts
from tests.reference.plain import FORGE, POLICY_PATH, Commit, Policy
from tests.support.court import new_history
from tests.support.history import START, History, signed_by

PEOPLE = ("alice", "bob", "carol", "mallory")
PATHS = ("a", "b", "secrets/key", "secrets/deep/key")
BROKEN = "version = 2\n"


@dataclass
class World:
    """A history as the program reads it, and as the reference does."""

    random: random.Random
    history: History = field(default_factory=new_history)
    commits: dict[str, Commit] = field(default_factory=dict)
    introduction: str = ""
    breaks_signatures: bool = True
    copies: bool = False
    heads: list[str] = field(default_factory=list)

    def grow(self, size: int) -> "World":
        """From one or two old commits on to the introduction, and further in all directions."""
        people = (("alice", None), ("bob", None), ("carol", None))
        first = Policy(people, ("alice",), ("alice",), ("alice", "bob"), ("squash", "rebase") if self.copies else ())
        for _ in range(self.random.choice((0, 1, 2))):
            self._commit(self._some_parents(1), self._policy(), "")
        self.introduction = self._commit(self.history.order[-1:], first, "alice")
        for _ in range(size):
            if self.copies and self.random.random() < 0.35:
                self._copy()
            else:
                self._commit(self._parents(), None, self._person())
        return self

    def _copy(self) -> None:
        """What a forge makes of some commit, mostly as it should be."""
        [parent], [oid] = self._some_parents(1), self._some_parents(1)
        kind = self.random.choice(("squash", "rebase"))
        made = self.commits[oid]
        bases = self.history.merge_bases((parent, oid)) if kind == "squash" else made.parents
        if len(bases) != 1:
            return
        trees = (self.history.commit_facts(one).tree for one in (*bases, parent, oid))
        files = self._files_of(self.history.merge_trees(*trees)) or self.history.files[oid]
        if self.random.random() < 0.15:
            files = {**files, self.random.choice(PATHS): self.random.choice("012")}
        committer = self.random.choices((FORGE, "alice", "mallory"), (8, 2, 1))[0]
        author = made.signer if made.signer and self.random.random() < 0.8 else self._person() or "carol"
        self.heads.append(oid)
        line, _, words = made.words.partition("\n")
        if kind == "squash" or self.random.random() < 0.1:
            line, words = "", f"squash #{len(self.heads) - 1}"
        gone = dict.fromkeys(self.history.files[parent])
        self._add([parent], {**gone, **files}, committer, "", (author, line, words))

    def _files_of(self, tree: str) -> dict[str, str]:
        """The files of a tree that the language made; none where it made none."""
        return self.history.snapshot(tree) if tree else {}

    def _person(self) -> str:
        return self.random.choices(("alice", "bob", "carol", "mallory", ""), (10, 10, 4, 1, 1))[0]

    def _parents(self) -> list[str]:
        kind = self.random.random()
        if kind < 0.05:
            return []
        if kind < 0.5:
            return self._some_parents(1)
        return self._some_parents(self.random.choice((2, 2, 2, 3, 3, 4, 5, 8)))

    def _some_parents(self, count: int) -> list[str]:
        """Mostly recent ones, sometimes any, sometimes an ancestor of another one, or the same twice."""
        order = self.history.order
        near = order[-5:] if self.random.random() < 0.7 else order
        found = self.random.sample(near, min(count, len(near)))
        if len(found) > 1 and self.random.random() < 0.4:
            found[-1] = self.random.choice(self.commits[found[0]].parents or (found[0],))
        return found

    def _policy(self) -> Policy:
        people = tuple((name, self._until()) for name in PEOPLE[: self.random.choice((1, 2, 3, 3, 3, 4))])
        names = [name for name, _ in people]
        roles = (tuple(sorted(self._part_of(names))) for _ in range(3))
        return Policy(people, *roles, copies=self._ways())  # type: ignore[arg-type, misc]

    def _ways(self) -> tuple[str, ...]:
        """How the forge may copy heads."""
        return self.random.choice((("squash", "rebase"), ("squash", "rebase"), ("squash",), ())) if self.copies else ()

    def _until(self) -> "object":
        return START + timedelta(minutes=self.random.randrange(60)) if self.random.random() < 0.1 else None

    def _part_of(self, names: list[str]) -> list[str]:
        return self.random.sample(names, self.random.randint(1, len(names)))

    def _snapshot(self, parents: list[str]) -> dict[str, str]:
        """Each path from any of the parents, some of them changed or deleted."""
        files = {}
        for path in PATHS:
            values = [self.history.files[parent].get(path) for parent in parents]
            value = self.random.choice(values) if values else None
            if self.random.random() < (0.08 if path.startswith("secrets") else 0.25):
                value = self.random.choice((None, "0", "1", "2"))
            if value is not None:
                files[path] = value
        return files

    def _text(self, parents: list[str], policy: Policy | None) -> str | None:
        if policy is None and parents and self.random.random() < 0.85:
            return self.history.files[self.random.choice(parents)].get(POLICY_PATH)
        if policy is None and self.random.random() < 0.1:
            return self.random.choice((None, BROKEN))
        made = policy or self._policy()
        _known[made.text] = made
        return made.text

    def _commit(self, parents: list[str], policy: Policy | None, signer: str) -> str:
        wanted: dict[str, str | None] = dict(self._snapshot(parents))
        wanted[POLICY_PATH] = self._text(parents, policy)
        committer = signer if signer and self.random.random() < 0.97 else "carol"
        nothing = dict.fromkeys(self.history.files[parents[0]]) if parents else {}
        return self._add(
            parents, {**nothing, **wanted}, committer, signer, (committer, "", f"change {len(self.commits)}")
        )

    def _add(
        self,
        parents: list[str],
        wanted: dict[str, str | None],
        committer: str,
        signer: str,
        said: tuple[str, str, str],
    ) -> str:
        """Make the commit; ``said`` are its author, the whole author line where it is another's, and its message."""
        author, line, message = said
        made: dict[str, str] = {"by": committer, "author": author, "author_line": line, "message": message}
        is_signed = bool(signer)
        oid = self.history.commit(*parents, signed=signer or None, files=wanted, **made)  # type: ignore[arg-type]
        if signer and self.breaks_signatures and self.random.random() < 0.03:
            self.history.facts[oid] = signed_by(signer, status="bad", reason="signature-wrong")
            signer = ""
        files = dict(self.history.files[oid])
        text = files.get(POLICY_PATH)
        own = _known.get(text) if text is not None else None
        stored = split_commit(self.history.objects[oid].data)
        words = f"{stored.author.decode()}\n{message}"
        author = stored.author.decode().split("<")[1].split("@")[0]
        heads = tuple(self.heads[int(number)] for number in re.findall(r"#(\d+)", message))
        self.commits[oid] = Commit(
            oid,
            tuple(parents),
            files,
            own,
            signer,
            committer,
            self.history.clock,
            author,
            is_signed,
            words,
            heads,
        )
        return oid

    # The port HeadSource.

    def squashed(self, commit: CommitFacts, message: bytes) -> tuple[str, ...]:
        return self.commits[commit.oid].heads

    def with_tree(self, commit: CommitFacts) -> tuple[str, ...]:
        return ()

    def picked(self, commit: CommitFacts, author: bytes, message: bytes) -> tuple[str, ...]:
        words = self.commits[commit.oid].words
        older = takewhile(lambda item: item[0] != commit.oid, self.commits.items())
        return tuple(oid for oid, other in older if other.words == words)

    def tips(self, count: int) -> list[str]:
        """Some commits, mostly of the newest."""
        return self.random.sample(self.history.order[-8:], min(count, 8, len(self.history.order)))

    def without(self, lost: Iterable[str]) -> dict[str, Commit]:
        """The commits, less those that are gone."""
        gone = set(lost)
        return {oid: commit for oid, commit in self.commits.items() if oid not in gone}


_known: dict[str, Policy] = {}
