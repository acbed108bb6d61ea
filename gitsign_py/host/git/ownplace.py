"""A git directory of our own over a repository's objects, for whatever git computes instead of reading.

Merges run merge drivers and filters, verdicts about signatures run gpg: in the repository its own configuration,
attributes and hooks would say which programs that are, and its shallow file and grafts which parents a commit has
(gitattributes(5), git-config(1), gitrepository-layout(5)). Here there are none but ours.
"""

import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Mapping
from pathlib import Path

from gitsign_py.core.git.gitobject import HashAlgorithm, object_id
from gitsign_py.host.git.program import NOWHERE

_KEPT = ("GIT_EXEC_PATH", "GIT_TRACE")  # where git itself lies, and what a person asked it to tell
_CONFIG = """\
[core]
\trepositoryformatversion = {version}
\tbare = true
\tcommitGraph = false
\tattributesFile = {nothing}
\thooksPath = {nothing}
\tfsmonitor = false
[gpg "x509"]
\tprogram = {nothing}
"""
_SHA256 = "[extensions]\n\tobjectFormat = sha256\n"


class OwnPlace:
    """Such a directory, gone with this object. ``objects`` is the repository's folder of objects (the quarantine in a
    hook), and what its ``environment`` names beside it counts too.
    """

    def __init__(self, environment: Mapping[str, str], objects: Path, algorithm: HashAlgorithm) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="gitsign-git-"))
        weakref.finalize(self, _remove, self.path, os.getpid())
        for folder in ("objects", "refs"):
            (self.path / folder).mkdir()
        (self.path / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
        (self.path / "config").write_text(_config(algorithm), encoding="ascii")
        self.environment = _environment(environment, self.path, objects)
        self._algorithm = algorithm

    def commit(self, tree: str, *parents: str) -> str:
        """Write a commit of a tree here, and give its id."""
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"{name} nobody <> 0 +0000" for name in ("author", "committer")]
        data = "\n".join([*lines, "", ""]).encode("ascii")
        oid = object_id("commit", data, self._algorithm)
        file = self.path / "objects" / oid[:2] / oid[2:]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(zlib.compress(b"commit %d\0" % len(data) + data))
        return oid


def _remove(path: Path, owner: int) -> None:
    """A forked process has a copy of the object, and must not take the directory away from its parent."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def _config(algorithm: HashAlgorithm) -> str:
    own = _CONFIG.format(version=1 if algorithm == "sha256" else 0, nothing=NOWHERE)
    return own + (_SHA256 if algorithm == "sha256" else "")


def _environment(environment: Mapping[str, str], place: Path, objects: Path) -> Mapping[str, str]:
    """git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES: separated as PATH is, quoted where a path may hold a separator."""
    kept = {name: value for name, value in environment.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    quoted = '"' + str(objects).replace("\\", "\\\\").replace('"', '\\"') + '"'
    others = environment.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
    return {
        **kept,
        "GIT_DIR": str(place),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(filter(None, (quoted, others))),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
    }
