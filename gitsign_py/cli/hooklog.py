"""gitsign.logPath on a server: lines of JSON for each push, what it changed and what was refused; rotated when long.

A log that cannot be written stops the push, like everything that cannot be done.
"""

import getpass
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitsign_py.audit.record import Record, as_object
from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli import wiring
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.facts import Pusher

MAX_LOG_BYTES = 10 << 20
KEPT = 3
"""So many older files are kept: PATH.1 is the newest of them."""

# The pusher: GitLab, Gitea and Forgejo, GitHub Enterprise, gitolite, a web server (git-http-backend(1)), the system's.
_PUSHER = (
    *("GL_USERNAME", "GITEA_PUSHER_NAME", "GITHUB_USER_LOGIN", "GL_USER", "REMOTE_USER"),
    *("USER", "LOGNAME", "USERNAME"),
)


class HookLog:
    """Writes the lines of one push; without a path it writes nothing."""

    def __init__(self, path: Path | None, environment: Mapping[str, str], pusher: Pusher | None = None) -> None:
        self._path = path
        self._head = {"pusher": pusher_name(environment)}
        signature = pusher.signature if pusher else None
        if signature is not None:
            self._head |= {"signed_push_by": signature.identity, "signed_push_issuer": signature.issuer}
        if path is not None:
            _turn(path)

    def refused(self, record: Record) -> None:
        """One commit or tag that may not stay."""
        self._write({"event": "refused", **as_object(record)})

    def pushed(self, repository: GitRepository, updates: Sequence[RefUpdate], *, accepted: bool) -> None:
        """The outcome for each ref of the push."""
        for update in updates if self._path is not None else ():
            change = {"ref": update.ref, "old": update.old, "new": update.new, "change": _change(repository, update)}
            self._write({"event": "push", "accepted": accepted, **change})

    def _write(self, value: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        line = {"at": wiring.now().isoformat(), **self._head, **value}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise _unwritable(self._path, error) from error


def pusher_name(environment: Mapping[str, str]) -> str:
    """The server's name for who pushes, else the account that the hook runs as; never empty."""
    name = next(filter(None, map(environment.get, _PUSHER)), "")
    if name:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's number without a name, Windows without USERNAME
        return "unknown"


def _change(repository: GitRepository, update: RefUpdate) -> str:
    """created, deleted, updated or forced (which leaves commits behind)."""
    if not update.new.strip("0"):
        return "deleted"
    if not update.old.strip("0"):
        return "created"
    try:
        return "updated" if graph_of(repository).is_ancestor(update.old, update.new) else "forced"
    except GitsignError:  # a tag of a tree, or what is not here
        return "replaced"


def _turn(path: Path) -> None:
    """Put a long log aside. Another push may do so at the same time: a name that is gone is no fault."""
    try:
        if path.is_file() and path.stat().st_size >= MAX_LOG_BYTES:
            for number in range(KEPT, 0, -1):
                older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
                if older.exists():
                    older.replace(path.with_name(f"{path.name}.{number}"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError("log-unwritable", f"the log {path} cannot be written: {error.strerror}")
