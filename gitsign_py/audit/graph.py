"""Merge bases and merges by git itself, for the policy (port ``MergeGraph``). The repository is not written to.

The commit-graph file is not believed, as in the walk: it could show other parents than the commits have.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gitsign_py.errors import UncheckedError
from gitsign_py.host.gitprogram import run_git
from gitsign_py.host.repository import GitRepository

_NO_GRAPH = ("-c", "core.commitGraph=false")


class GitGraph:
    """Answers from the repository that git finds from ``directory`` with ``environment``."""

    def __init__(self, repository: GitRepository, environment: Mapping[str, str], directory: Path | None) -> None:
        self._repository = repository
        self._environment = environment
        self._directory = directory

    def merge_bases(self, commits: tuple[str, ...]) -> tuple[str, ...]:
        """All best common ancestors; exit status 1 says that there is none."""
        out = self._repository.run([*_NO_GRAPH, "merge-base", "--all", "--octopus", *commits], accept=(0, 1))
        return tuple(out.decode("ascii").split())

    def merge_tree(self, ours: str, theirs: str) -> str:
        """The tree of a merge without conflict, else empty. Its objects go to a folder that is thrown away.

        That folder is the worktree as well: the .gitattributes of what happens to be checked out would choose how
        files are merged (gitattributes(5), merge).
        """
        with tempfile.TemporaryDirectory(prefix="gitsign-merge-") as folder:
            environment = {**self._environment, **self._redirected(Path(folder))}
            out = run_git(
                [*_NO_GRAPH, "merge-tree", "--write-tree", ours, theirs],
                environment=environment,
                directory=Path(folder),
                accept=(0, 1),
            )
        lines = out.decode("ascii", "replace").split("\n")
        # Exit status 1 is a conflict, and then the first line is followed by what is in conflict.
        return lines[0] if lines[1:] == [""] else ""

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether ``newer`` comes after ``older``, or is it."""
        try:
            self._repository.run([*_NO_GRAPH, "merge-base", "--is-ancestor", older, newer])
        except UncheckedError as error:
            if error.facts.get("status") == 1:
                return False
            raise
        return True

    def _redirected(self, folder: Path) -> dict[str, str]:
        """git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES: colon-separated, quoted where a path holds a colon."""
        common = self._repository.common_directory
        here = (self._directory or Path()).absolute()
        objects = str(here / (self._environment.get("GIT_OBJECT_DIRECTORY") or common / "objects"))
        others = self._environment.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
        quoted = '"' + objects.replace("\\", "\\\\").replace('"', '\\"') + '"'
        alternates = os.pathsep.join(filter(None, (quoted, others)))
        return {
            "GIT_DIR": str(common),
            "GIT_WORK_TREE": str(folder),
            "GIT_OBJECT_DIRECTORY": str(folder),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates,
        }
