"""Random histories with what leads judges astray: roots, wide and criss-cross merges, policies, strangers."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from tests.reference.plain import POLICY_PATH, Commit, Policy
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

    def grow(self, size: int) -> "World":
        """From one or two old commits on to the introduction, and further in all directions."""
        first = Policy((("alice", None), ("bob", None), ("carol", None)), ("alice",), ("alice",), ("alice", "bob"))
        for _ in range(self.random.choice((0, 1, 2))):
            self._commit(self._some_parents(1), self._policy(), "")
        self.introduction = self._commit(self.history.order[-1:], first, "alice")
        for _ in range(size):
            self._commit(self._parents(), None, self._person())
        return self

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
        return Policy(people, *(tuple(sorted(self._part_of(names))) for _ in range(3)))  # type: ignore[arg-type]

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
        oid = self.history.commit(*parents, by=committer, signed=signer or None, files={**nothing, **wanted})
        if signer and self.breaks_signatures and self.random.random() < 0.03:
            self.history.facts[oid] = signed_by(signer, status="bad", reason="signature-wrong")
            signer = ""
        files = dict(self.history.files[oid])
        text = files.get(POLICY_PATH)
        own = _known.get(text) if text is not None else None
        self.commits[oid] = Commit(oid, tuple(parents), files, own, signer, committer, self.history.clock)
        return oid

    def tips(self, count: int) -> list[str]:
        """Some commits, mostly of the newest."""
        return self.random.sample(self.history.order[-8:], min(count, 8, len(self.history.order)))

    def without(self, lost: Iterable[str]) -> dict[str, Commit]:
        """The commits, less those that are gone."""
        gone = set(lost)
        return {oid: commit for oid, commit in self.commits.items() if oid not in gone}


_known: dict[str, Policy] = {}
