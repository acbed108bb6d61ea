"""Random servers and pushes: whatever the hook lets in, everything on a judged ref is what the plain reference accepts.

The refs of a server that nobody judges hold anything. Pushes move branches and tags to any commit, old or new, one at a
time or two; signatures are real.
"""

import io
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.cli.commands import hook
from tests.reference.plain import Reference, first_refused
from tests.reference.randomly import World
from tests.support.bulksigner import BulkSigner
from tests.support.court import Court
from tests.support.gitrepo import ISOLATED
from tests.support.history import History

CASES = int(os.environ.get("GITSIGN_TEST_REFERENCE_CASES", "500"))
FIRST = int(os.environ.get("GITSIGN_TEST_REFERENCE_FIRST", "0"))
NONE = "0" * 40
JUDGED = ("refs/heads/main", "refs/heads/x", "refs/heads/y", "refs/tags/t")
OTHERS = ("refs/pull/1/head", "refs/notes/n", "refs/remotes/o/main", "refs/changes/1")


@dataclass
class Server:
    """A bare repository that has all objects; ``refs`` say what it has taken in."""

    path: Path
    refs: dict[str, str]
    patch: pytest.MonkeyPatch

    @classmethod
    def made(cls, folder: Path, world: World, signer: BulkSigner, patch: pytest.MonkeyPatch) -> "Server":
        refs = {"refs/heads/main": world.introduction}
        path = Court(folder).repository(world.history, refs)
        (folder / "root.json").write_bytes(signer.trusted_root_json)
        settings = {"trustedRoot": folder / "root.json", "policyMode": "history", "introduction": world.introduction}
        with (path / "config").open("a") as config:
            config.write("[gitsign]\n" + "".join(f"\t{key} = {value}\n" for key, value in settings.items()))
        for name, value in {**ISOLATED, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}.items():
            patch.setenv(name, value)
        patch.chdir(path)
        return cls(path, refs, patch)

    def push(self, wanted: dict[str, str]) -> bool:
        """Have pre-receive judge, and move the refs when it lets the push in."""
        lines = "".join(f"{self.refs.get(name, NONE)} {new} {name}\n" for name, new in wanted.items())
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        accepted = hook.run(["pre-receive"]) == 0
        if accepted:
            self.put(wanted)
        return accepted

    def put(self, wanted: dict[str, str]) -> None:
        self.refs |= wanted
        History().write(self.path, wanted)


def test_pushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = BulkSigner(tmp_path / "authority")
    let_in = refused = 0
    for case in range(FIRST, FIRST + max(CASES // 20, 1)):
        world = World(random.Random(case), History(signer=signer.sign), breaks_signatures=False).grow(12)
        server = Server.made(tmp_path / str(case), world, signer, monkeypatch)
        server.put({name: world.random.choice(world.history.order) for name in OTHERS if world.random.random() < 0.5})
        for _ in range(3):
            names = world.random.sample(JUDGED, world.random.choice((1, 1, 2)))
            accepted = server.push({name: world.random.choice(world.history.order) for name in names})
            let_in, refused = let_in + accepted, refused + (not accepted)
            for name in set(JUDGED) & set(server.refs):
                reference = Reference(world.commits, world.introduction, name)
                assert not first_refused(reference, [server.refs[name]]), (case, name)
    assert let_in
    assert refused
