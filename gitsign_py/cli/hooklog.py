"""gitsign.logPath on a server: lines of JSON for each push, what it changed and what was refused; rotated when long.

A log that cannot be written stops the push, like everything that cannot be done. A push whose judging was ended from
outside has a line as well.
"""

import getpass
import json
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsign_py.audit.record import Record, as_object
from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli import wiring
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.objects import GitRepository

if TYPE_CHECKING:
    from gitsign_py.cli.pusher import PushedBy
    from gitsign_py.core.trust.root import TrustedRoot

MAX_LOG_BYTES = 10 << 20
_SHARED = 1 << 16
_LENGTH = struct.Struct("I")
KEPT = 3
"""So many older files are kept: PATH.1 is the newest of them."""

# The pusher: GitLab, Gitea and Forgejo, GitHub Enterprise, gitolite, a web server (git-http-backend(1)), the system's.
_PUSHER = (
    *("GL_USERNAME", "GITEA_PUSHER_NAME", "GITHUB_USER_LOGIN", "GL_USER", "REMOTE_USER"),
    *("USER", "LOGNAME", "USERNAME"),
)


class HookLog:
    """Writes the lines of one push; without a path it writes nothing."""

    def __init__(self, path: Path | None, environment: Mapping[str, str]) -> None:
        self.path = path
        self.head = {"pusher": pusher_name(environment)}
        if path is not None:
            _turn(path)

    def signed(self, by: "PushedBy | None") -> None:
        """Who signed the push, for all lines from now on."""
        if by is not None and by.signature is not None:
            self.head |= {"signed_push_by": by.signature.identity, "signed_push_issuer": by.signature.issuer}
        if by is not None and by.certificate is not None:
            self.head |= {"pushee": by.certificate.pushee, "trusted_root": by.trusted_root}

    def judged_by(self, root: "TrustedRoot | None") -> None:
        """By which trust root, for all lines from now on."""
        if root is not None:
            self.head |= {"trusted_root": root.digest}

    def refused(self, record: Record) -> None:
        """One commit or tag that may not stay."""
        self._write({"event": "refused", **as_object(record)})

    def pushed(
        self,
        repository: GitRepository,
        updates: Sequence[RefUpdate],
        *,
        accepted: bool,
        refused: Mapping[RefUpdate, GitsignError],
    ) -> None:
        """The outcome for each ref of the push; ``refused`` are changes that may not be as pushes."""
        for update in updates if self.path is not None else ():
            change = {"ref": update.ref, "old": update.old, "new": update.new, "change": _change(repository, update)}
            why = {"reason": refused[update].reason} if update in refused else {}
            self._write({"event": "push", "accepted": accepted, **change, **why})

    def _write(self, value: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        line = {"at": wiring.now().isoformat(), **self.head, **value}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise _unwritable(self.path, error) from error


class Unfinished:
    """The line of a push whose judging does not come to its end: killed, out of time, or by an error.

    Another process may judge and be ended with all that it knows, so it says beforehand where its log is and who
    pushes, in memory that it shares with the one that waits.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _SHARED)

    def expect(self, log: HookLog, updates: Sequence[RefUpdate]) -> None:
        """A log is there, and no line in it yet; of a push with very many refs only who pushes is told."""
        if log.path is None:
            return
        brief: list[dict[str, str]] = [{}]
        for changes in ([{"ref": one.ref, "old": one.old, "new": one.new} for one in updates], brief):
            told = json.dumps([str(log.path), log.head, changes]).encode("ascii")
            if len(told) <= _SHARED - _LENGTH.size:
                self._shared[_LENGTH.size : _LENGTH.size + len(told)] = told
                self._shared[: _LENGTH.size] = _LENGTH.pack(len(told))  # last: half a text is none
                return

    def forget(self) -> None:
        """The push has its lines."""
        self._shared[: _LENGTH.size] = _LENGTH.pack(0)

    def write(self, reason: str) -> None:
        """Write the lines, if some are expected. Nothing waits here: whoever pushes is owed an answer."""
        (length,) = _LENGTH.unpack(self._shared[: _LENGTH.size])
        if not length:
            return
        path, head, changes = json.loads(self._shared[_LENGTH.size : _LENGTH.size + length])
        self.forget()
        head |= {"event": "push", "accepted": False, "reason": reason}
        lines = [json.dumps({"at": wiring.now().isoformat(), **head, **change}) for change in changes]
        with suppress(OSError):
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
            try:
                os.write(file, "".join(f"{line}\n" for line in lines).encode("ascii"))
            finally:
                os.close(file)


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
