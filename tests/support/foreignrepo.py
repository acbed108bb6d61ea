"""A repository in which another signing program and ours sign in turns, on the bench of other people's programs."""

import os
import subprocess
import sys

from tests.support.foreign import EMAIL, ForeignBench
from tests.support.stack import ROOT


class ForeignRepo:
    """The bench's folder as a repository; ``ours`` and ``gitsign`` are programs for ``gpg.x509.program``."""

    def __init__(self, place: ForeignBench, gitsign: str) -> None:
        self.place, self.gitsign = place, gitsign
        program = place.folder / "gitsign-py"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m gitsign_py "$@"\n')
        program.chmod(0o755)
        self.ours = str(program)
        place.environment |= place.stack.environment() | {"XDG_RUNTIME_DIR": str(place.folder), "CI": "1"}
        place.good("git", "init", "-q", "-b", "main")
        for key, value in (("gpg.format", "x509"), ("user.name", "Alice"), ("user.email", EMAIL)):
            place.good("git", "config", key, value)

    def git(self, program: str, *arguments: str, good: bool = False, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run git with a program for signatures; with ``good`` it must succeed."""
        run = self.place.good if good else self.place.run
        return run("git", "-c", f"gpg.x509.program={program}", *arguments, **env)

    def sign(self, name: str, program: str, **env: str) -> None:
        """A signed commit with a branch of this ``name``, and a signed tag ``v-NAME`` of it."""
        self.git(program, "commit", "-q", "--allow-empty", "-S", "-m", f"by {name}", good=True, **env)
        self.git(program, "branch", name, good=True)
        self.git(program, "tag", "-s", "-m", f"tag by {name}", f"v-{name}", good=True, **env)

    def changed(self, name: str) -> str:
        """The commit with another message under the same signature; its id."""
        stored = self.place.good("git", "cat-file", "commit", name).stdout
        (self.place.folder / "changed").write_text(stored.replace(f"by {name}", f"no {name}"))
        made = self.place.good("git", "hash-object", "-t", "commit", "-w", os.fspath(self.place.folder / "changed"))
        return made.stdout.strip()
