"""A rebase that signs: the command that leaves a signed commit after a failure, and one line for all that it signed.

git's sequencer keeps its state in ``rebase-merge``, ``git am`` in ``rebase-apply``, and either removes it at the end
(git's sequencer.c and builtin/am.c), so what is noted there lasts as long as the rebase. A pick that was not signed is
committed, and signed, by ``git rebase --continue`` itself, before git 2.43; ``git commit --amend`` is refused then, or
(in ``rebase-apply``) would change the commit before it. Where an amendment was not signed (--exec, fixup, squash,
reword) it is the other way round. tests/host/test_rebase.py runs each of them.

This loads nothing: it stands in the way of every commit.
"""

import os

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNED = "gitsign-py-signed"
_MOST = 1 << 20
_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Never into what a link leads to, and without waiting for the reader of a pipe."""
_AMEND = "git commit --amend --no-edit -S && git rebase --continue"
_CONTINUE = "git rebase --continue (and git rebase --skip, where git then calls that commit empty)"
_SQUASH = (
    'git commit --amend -S -e --cleanup=strip -F "$(git rev-parse --git-path rebase-merge/message-squash)" && '
    "git rebase --continue"
)
_REWORD = "git commit --amend -S && git rebase --continue"
_EXEC = "run the command of --exec again, then git rebase --continue"
_AGAIN = "git rebase --abort, and the same rebase again"
_IDLE = ("label", "l", "reset", "t", "update-ref", "u", "noop", "drop", "d", "break", "b")
"""Commands of a todo list that make no commit (git-rebase(1))."""


def rebase_directory(environment: "Mapping[str, str]") -> str:
    """Find the state of a rebase in progress, as a program that git started sees it; empty without one."""
    git = environment.get("GIT_DIR") or ".git"
    if os.path.isfile(git):  # a linked worktree (gitrepository-layout(5))
        git = _text(git).removeprefix("gitdir: ").strip()
    for name in ("rebase-merge", "rebase-apply"):
        if os.path.isdir(found := os.path.join(git, name)):
            return found
    return ""


def _goes_on_after_a_pick() -> bool:
    """Whether ``git rebase --continue`` commits what a failed pick has staged: git 2.43 and later refuse to.

    To commit it by hand is no way either: the pick is in the list once more, and stops as an empty one.
    """
    from gitsign_py.errors import GitsignError  # noqa: PLC0415 - after a failure alone
    from gitsign_py.host.git.program import git_version  # noqa: PLC0415 - as above

    try:
        _, version = git_version(os.environ)
    except GitsignError:
        return False
    return version is not None and version < (2, 43)


def resume(directory: str, payload: bytes) -> str:
    """Say in one command how the rebase goes on after ``payload`` was not signed."""
    if directory.endswith("rebase-apply"):
        return "git rebase --continue"
    lines = _lines(directory, "done")
    command = lines[-1].partition(" ")[0] if lines else ""
    head = _head(directory)
    if head and _text(os.path.join(directory, "squash-onto")).strip() == head:  # git would keep it below the first
        return _AGAIN
    if not _amends(head, command, payload):
        return _EXEC if command in ("exec", "x") else _CONTINUE if _goes_on_after_a_pick() else _AGAIN
    if command in ("squash", "s", "fixup", "f") and not os.path.exists(os.path.join(directory, "message-fixup")):
        return _SQUASH
    return _REWORD if command in ("reword", "r") else _AMEND


def _head(directory: str) -> str:
    """Where the rebase stands; empty where that is in no file (reftable)."""
    head = _text(os.path.join(os.path.dirname(directory), "HEAD")).strip()
    return "" if set(head) - set("0123456789abcdef") else head


def _amends(head: str, command: str, payload: bytes) -> bool:
    """Whether the commit takes the place of HEAD, and does not stand upon it."""
    if not head:
        return command in ("exec", "x", "squash", "s", "fixup", "f")
    header = payload.partition(b"\n\n")[0].decode("ascii", "replace").split("\n")
    return f"parent {head}" not in header


def line_of_rebase(directory: str, line: str) -> str:
    """Note that a commit was signed; gives the line to show: none before the last commit, then one for them all.

    Where nothing can be noted it is ``line`` itself.
    """
    place = os.path.join(directory, _SIGNED)
    try:
        descriptor = os.open(place, _APPENDING, 0o600)
        try:
            os.write(descriptor, line.encode("utf-8", "replace") + b"\n")
        finally:
            os.close(descriptor)
    except OSError:
        return line
    if _more_to_come(directory):
        return ""
    return "\n".join(_summaries(_lines(directory, _SIGNED)))


def _summaries(lines: list[str]) -> list[str]:
    """One line for each signer: how many, and where the last of them stands in the log."""
    counts: dict[str, int] = {}
    last: dict[str, str] = {}
    for line in lines:
        signer, _, index = line.rpartition(", ")
        counts[signer], last[signer] = counts.get(signer, 0) + 1, index
    return [
        f"{signer.replace('signed', f'{count} commits of this rebase signed', 1)}, last {last[signer]}"
        if count > 1
        else f"{signer}, {last[signer]}"
        for signer, count in counts.items()
    ]


def _more_to_come(directory: str) -> bool:
    """Whether a later command of the rebase may sign; of those that run programs the ones with git in them may."""
    if directory.endswith("rebase-apply"):
        return _text(os.path.join(directory, "next")).strip() != _text(os.path.join(directory, "last")).strip()
    for line in _lines(directory, "git-rebase-todo"):
        command, _, rest = line.strip().partition(" ")
        idle = not command or command.startswith("#") or command in _IDLE
        if not idle and (command not in ("exec", "x") or "git" in rest):
            return True
    return False


def _lines(directory: str, name: str) -> list[str]:
    return _text(os.path.join(directory, name)).splitlines()


def _text(path: str) -> str:
    """The beginning of a regular file; nothing of what is none, such as a pipe that would keep us waiting."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            return os.read(descriptor, _MOST).decode("utf-8", "replace") if os.path.isfile(path) else ""
        finally:
            os.close(descriptor)
    except OSError:
        return ""
