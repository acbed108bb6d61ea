"""Random servers and pushes: whatever the hooks let in, everything on a judged ref is what the plain reference accepts.

The refs of a server that nobody judges hold anything; pushes move branches and tags to any commit, old or new.
"""

import os
import random
from pathlib import Path

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import Plan
from gitsign_py.audit.serverrefs import in_push
from gitsign_py.audit.updates import RefUpdate, judged_only, plans, targets_of
from gitsign_py.core.frozen import replace
from gitsign_py.errors import GitsignError
from tests.reference.plain import Reference, first_refused
from tests.reference.randomly import World
from tests.support.court import Court

CASES = int(os.environ.get("GITSIGN_TEST_REFERENCE_CASES", "500"))
FIRST = int(os.environ.get("GITSIGN_TEST_REFERENCE_FIRST", "0"))
NONE = "0" * 40
JUDGED = ("refs/heads/main", "refs/heads/x", "refs/heads/y", "refs/tags/t")
OTHERS = ("refs/pull/1/head", "refs/notes/n", "refs/remotes/o/main", "refs/changes/1")


class Server:
    """A bare repository that has all objects; its refs say what it has taken in."""

    def __init__(self, court: Court, made: World) -> None:
        self.court, self.made = court, made
        self.refs = {"refs/heads/main": made.introduction}
        self.refs |= {name: made.random.choice(made.history.order) for name in OTHERS if made.random.random() < 0.5}
        self.path = court.repository(made.history, self.refs)

    def push(self, wanted: dict[str, str]) -> bool:
        """Judge as pre-receive does, and move the refs when it lets the push in."""
        updates = tuple(RefUpdate(name, self.refs.get(name, NONE), new) for name, new in wanted.items())
        try:
            accepted = self._judge(updates)
        except GitsignError:
            return False
        if accepted:
            self.refs |= wanted
            self.made.history.write(self.path, wanted)
        return accepted

    def _judge(self, updates: tuple[RefUpdate, ...]) -> bool:
        with self.court.opened(self.path) as (repository, resources):
            changed, existing = in_push(repository, updates, "")
            plan = Plan((), introduction=self.made.introduction, in_history=True, assume_judged=True)
            plan = replace(plan, targets=targets_of(repository, judged_only(plan, changed)))
            made = plans(repository, plan, existing)
            return all(record.accepted for one in made for record in audit_history(repository, one, resources))


def test_pushes(tmp_path: Path) -> None:
    court, let_in, refused = Court(tmp_path), 0, 0
    for case in range(FIRST, FIRST + max(CASES // 20, 1)):
        made = World(random.Random(case)).grow(14)
        server = Server(court, made)
        for _ in range(3):
            names = made.random.sample(JUDGED, made.random.choice((1, 1, 2)))
            accepted = server.push({name: made.random.choice(made.history.order) for name in names})
            let_in, refused = let_in + accepted, refused + (not accepted)
            for name in JUDGED:
                reference = Reference(made.commits, made.introduction, name)
                if name in server.refs:
                    assert not first_refused(reference, [server.refs[name]]), (case, name)
    assert let_in
    assert refused
