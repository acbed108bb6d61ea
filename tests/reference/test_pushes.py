"""Random servers and pushes: whatever the hook lets in, everything on a judged ref is what the plain reference accepts.

The refs of a server that nobody judges hold anything. Pushes move branches and tags to any commit, old or new, one at a
time or two. In most cases no process is started: the hook reads the server's files, what signatures leave is known, and
the few questions that only git answers are answered here. In some git is asked, and signatures are real.

GITSIGN_TEST_REFERENCE_CASES says how many, 500 unless it is set; 10000 is for a night (CONTRIBUTING.md). A case is its
number: GITSIGN_TEST_REFERENCE_FIRST runs it again.
"""

import argparse
import io
import math
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.commands import hook
from gitsign_py.cli.hookcall import Call
from gitsign_py.cli.hooklog import Unfinished
from gitsign_py.errors import GitsignError
from gitsign_py.host.budget import Budget
from gitsign_py.host.git.direct import DirectHistory
from gitsign_py.host.git.directnames import Direct
from gitsign_py.host.git.dulwichrepo import DulwichRepository
from gitsign_py.policy.model import POLICY_PATH
from tests.reference.plain import Reference, first_refused
from tests.reference.randomly import World
from tests.support.bulksigner import BulkSigner
from tests.support.court import Court, cut_off, new_history
from tests.support.gitrepo import ISOLATED
from tests.support.history import History

pytestmark = pytest.mark.no_cover  # very many calls of what other tests measure
CASES = int(os.environ.get("GITSIGN_TEST_REFERENCE_CASES", "500"))
FIRST = int(os.environ.get("GITSIGN_TEST_REFERENCE_FIRST", "0"))
BY_GIT = 25
"""One in so many cases is judged by the git program and with real signatures."""
NONE = "0" * 40
JUDGED = ("refs/heads/main", "refs/heads/x", "refs/heads/y", "refs/tags/t")
OTHERS = ("refs/pull/1/head", "refs/notes/n", "refs/remotes/o/main", "refs/changes/1")
Ask = Callable[[list[str]], int]


@dataclass
class Server:
    """A bare repository that has all objects; ``refs`` say what it has taken in, ``ask`` runs a hook."""

    path: Path
    refs: dict[str, str]
    patch: pytest.MonkeyPatch
    ask: Ask

    @classmethod
    def made(cls, court: Court, world: World, patch: pytest.MonkeyPatch, ask: Ask) -> "Server":
        refs = {"refs/heads/main": world.introduction}
        path = court.repository(world.history, refs)
        root = court.folder / "root.json"
        settings = {"trustedRoot": root, "policyMode": "history", "introduction": world.introduction}
        with (path / "config").open("a") as config:
            config.write("[gitsign]\n" + "".join(f"\t{key} = {value}\n" for key, value in settings.items()))
        patch.chdir(path)
        return cls(path, refs, patch, ask)

    def push(self, wanted: dict[str, str]) -> bool:
        """Have pre-receive judge, and move the refs when it lets the push in."""
        lines = "".join(f"{self.refs.get(name, NONE)} {new} {name}\n" for name, new in wanted.items())
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        accepted = self.ask(["pre-receive"]) == 0
        if accepted:
            self.put(wanted)
        return accepted

    def put(self, wanted: dict[str, str]) -> None:
        self.refs |= wanted
        History().write(self.path, wanted)


class Walks(DirectHistory):
    """Walks without a process, which know the one option more that hooks give git."""

    def list_ids(self, revisions: Sequence[str], options: Sequence[str], *, whole: bool) -> Iterator[str]:
        listed = super().list_ids(revisions, [one for one in options if one != "--boundary"], whole=whole)
        if "--boundary" not in options:
            return listed
        shown = dict.fromkeys(listed)
        beside = dict.fromkeys(parent for oid in shown for parent in self.parents(oid) if parent not in shown)
        return iter([*shown, *(f"-{oid}" for oid in beside)])


class WithoutGit(DulwichRepository):
    """A server's repository read without a process, whose ``world`` says what git alone would."""

    world: World

    @cached_property
    def direct(self) -> Direct:
        found = super().direct
        return found._replace(history=Walks(self._source.stored, lambda: self.cuts))

    def run(self, arguments: Sequence[str], **rest: Any) -> bytes:
        match arguments[0]:
            case "for-each-ref" | "symbolic-ref" | "config":  # symbolic refs, and another store of refs: there is none
                return b""
            case "rev-list" if arguments[1] == "--full-history":
                words = rest["stdin"].decode().split()
                behind = self._behind(word for word in words if not word.startswith("^"))
                known = self._behind(word[1:] for word in words if word.startswith("^"))
                return "\n".join(oid for oid in sorted(behind - known) if self._brings(oid)).encode()
        return super().run(arguments)

    def _behind(self, oids: Iterator[str]) -> set[str]:
        return set().union(*map(self.world.history.ancestors, oids))

    def _brings(self, oid: str) -> bool:
        """A policy that no parent has."""
        files = self.world.history.files
        parents = self.world.commits[oid].parents
        return all(files[oid].get(POLICY_PATH) != files[one].get(POLICY_PATH) for one in parents)


@contextmanager
def without_processes(court: Court, patch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """The hook in this process, by files, with what signatures have left."""

    def ask(arguments: list[str]) -> int:
        settings = hook._settings(argparse.Namespace(given=[], isolated=False))
        data = sys.stdin.buffer.read()
        try:
            call = Call(settings, arguments[0], [], data)
            return hook._judge(lambda _: Budget(math.inf, 0), call, Unfinished())
        except GitsignError as error:
            if error.reason == "git-needed":
                pytest.fail(str(error))
            return 1

    with patch.context() as inner:
        inner.setenv("PATH", "/nonexistent")
        inner.setattr(wiring, "repository", lambda _: WithoutGit())
        inner.setattr(auditing, "prepare", lambda *_, **__: auditing.AuditSetup(court.resources, "", ""))
        yield ask


def go_on(world: World, server: Server) -> tuple[int, int]:
    """Refs that nobody judges, lists of shallow commits, and three pushes; how many were let in and refused."""
    server.put({name: world.random.choice(world.history.order) for name in OTHERS if world.random.random() < 0.5})
    answers = []
    for _ in range(3):
        if world.random.random() < 0.3:
            cut_off(server.path, world.random.sample(world.history.order, world.random.randint(1, 3)))
        names = world.random.sample(JUDGED, world.random.choice((1, 1, 2)))
        answers.append(server.push({name: world.random.choice(world.history.order) for name in names}))
        for name in set(JUDGED) & set(server.refs):
            reference = Reference(world.commits, world.introduction, name)
            assert not first_refused(reference, [server.refs[name]]), name
    shutil.rmtree(server.path)
    return answers.count(True), answers.count(False)


def grown(case: int, history: History) -> World:
    return World(random.Random(case), history, breaks_signatures=False).grow(12)


@pytest.fixture
def court(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Court:
    for name, value in {**ISOLATED, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    return Court(tmp_path)


def test_pushes(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    let_in = refused = 0
    with without_processes(court, monkeypatch) as ask:
        for case in range(FIRST, FIRST + CASES):
            world = WithoutGit.world = grown(case, new_history())
            try:
                counted = go_on(world, Server.made(court, world, monkeypatch, ask))
            except AssertionError as error:
                raise AssertionError(case) from error
            let_in, refused = let_in + counted[0], refused + counted[1]
    assert let_in > CASES // 4
    assert refused > CASES // 4


@pytest.mark.unmeasured  # each hook is a fork of this large process, which would save what was measured in all of it
def test_pushes_by_git(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each case once with git and real signatures, and once without: the same is let in."""
    signer = BulkSigner(court.folder / "authority")
    (court.folder / "root.json").write_bytes(signer.trusted_root_json)
    for case in range(FIRST, FIRST + max(CASES // BY_GIT, 1)):
        world = grown(case, History(signer=signer.sign))
        counted = go_on(world, Server.made(court, world, monkeypatch, hook.run))
        world = WithoutGit.world = grown(case, new_history())
        with without_processes(court, monkeypatch) as ask:
            assert counted == go_on(world, Server.made(court, world, monkeypatch, ask)), case
