"""The gpg-compatible front: what git calls for every signature that it makes or checks.

git gives a payload on stdin and reads status lines (gpg's doc/DETAILS) from a descriptor; stdout belongs to the
signature alone. Only the standard library's lightest parts are imported here, so that a running agent can answer
before Python has loaded anything of weight; without one, ``gitsigning`` or ``gitchecking`` do the work.
"""

import os
import sys

from gitsign_py.agent import client
from gitsign_py.cli.gpg.arguments import GpgCommand, parse_gpg_arguments
from gitsign_py.errors import FormatError, UsageError
from gitsign_py.sizes import MAX_OBJECT_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SIGNATURE_FILE = 2 << 20
_HANDED_OVER = "GITSIGN_PY_HANDED_OVER"
_MANY = frozenset((b"log", b"show", b"rev-list", b"reflog", b"whatchanged"))
_BYTES = getattr(os, "O_BINARY", 0)  # Windows would change line ends, and stop at Ctrl-Z


def run(arguments: list[str]) -> int:
    """Do what gpg was asked to do; gives gpg's exit status."""
    command = parse_gpg_arguments(arguments)
    if command.operation == "version":
        from gitsign_py.cli.commands.version import print_gpg_version

        return print_gpg_version()
    if command.operation == "sign":
        return _sign(command)
    if command.operation == "verify" and len(command.operands) == 2:
        return _verify(command, arguments)
    return hand_over(arguments, command)


def _sign(command: GpgCommand) -> int:
    if "detach-sign" not in command.options:
        raise UsageError("sign-attached", "only detached signatures are made", hint="add --detach-sign, as git does")
    status = command.descriptor("status-fd")
    payload = _read_file(command.operands[0] if command.operands else "-", MAX_OBJECT_BYTES)
    from gitsign_py.host.foreground import OwnForeground

    foreground = OwnForeground()
    try:
        with foreground:
            reply = _signed(payload, command.options.get("local-user", ""), command.options.get("token"))
    except KeyboardInterrupt:
        return _interrupted(payload, git_lives=foreground.taken)
    if text := _shown(reply.get("text", b"")):
        _tell(text)
    signature = reply["signature"]
    if "armor" not in command.options:
        from gitsign_py.core.git.armor import dearmor

        signature = dearmor(signature)
    _write_output(command.options.get("output", "-"), signature)
    if status is not None:
        _write(status, reply["status_lines"])
    return 0


def _shown(text: bytes) -> bytes:
    """An agent's lines for the person; in a rebase there is one for all of its commits, and it comes at the end."""
    if not _may_be_rebase():
        return text
    from gitsign_py.host.git.rebase import line_of_rebase, rebase_directory

    first, newline, warnings = text.partition(b"\n")
    if not first.startswith(b"gitsign-py: signed by ") or not (directory := rebase_directory(os.environ)):
        return text
    line = line_of_rebase(directory, first.decode("utf-8", "replace")).encode("utf-8", "replace")
    return (line + newline + warnings).strip(b"\n")


def _may_be_rebase() -> bool:
    """Whether there is anything to load ``host/git/rebase.py`` for; a linked worktree is looked at there."""
    git = os.environ.get("GIT_DIR") or ".git"
    return os.path.isfile(git) or any(os.path.isdir(f"{git}/rebase-{name}") for name in ("merge", "apply"))


def _interrupted(payload: bytes, *, git_lives: bool) -> int:
    """Say so once: to git, where it lives on and shows our stderr, else past git."""
    from gitsign_py.host.git.rebase import rebase_directory, resume
    from gitsign_py.host.git.stderr import is_shown

    line = b"gitsign-py: interrupted, nothing was signed"
    if directory := rebase_directory(os.environ):
        line += f"; this rebase goes on with: {resume(directory, payload)}".encode()
    if not (is_shown(os.environ) if git_lives else os.isatty(2)):
        _tell(line)
    _write(2, line + b"\n")
    return 130


def _signed(payload: bytes, signer: str, token: str | None) -> "Mapping[str, bytes]":
    """By the agent where one runs, else here: with the token that it was brought, if it died over that."""
    reply: Mapping[str, bytes] | None = None
    brought: client.Fields = {}
    path = client.socket_path(os.environ)
    if token is None and os.path.exists(path):
        request = client.context(os.environ, os.getcwd()) | {"payload": payload, "signer": os.fsencode(signer)}
        reply = client.try_sign(path, request, answer=client.noting(_answer_need, brought))
        token = brought["token"].decode("ascii") if reply is None and "token" in brought else None
    if reply is None or reply.get("status") != b"ok":
        from gitsign_py.cli.gpg.signing import sign_for_git

        reply = sign_for_git(payload, reply, token=token, signer=signer)
    return reply


def _tell(text: bytes) -> None:
    """Show the agent's line to the person; host.terminal does the same for what is said here, at 20 ms more."""
    if os.environ.get("GIT_TERMINAL_PROMPT", "1").lower() in ("", "0", "false", "no", "off"):
        return
    if sys.platform == "win32":
        from gitsign_py.host.console import say

        say(text)
        return
    try:
        terminal = os.open("/dev/tty", os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    except OSError:
        return  # the agent has written the log file
    try:
        os.write(terminal, text + b"\n")
    except OSError:
        pass  # the terminal hung up: the signature is what counts
    finally:
        os.close(terminal)


def _answer_need(need: client.Fields) -> client.Fields:
    """Answer the agent when it asks back, which a warm one does not: only then is this worth its 200 ms."""
    from gitsign_py.cli.agentside.answers import answer_need

    return answer_need(need)


def _verify(command: GpgCommand, arguments: list[str]) -> int:
    status = command.descriptor("status-fd")
    try:
        signature = _read_file(command.operands[0], MAX_SIGNATURE_FILE)
    except FormatError:
        from gitsign_py.core.git import gpgstatus

        if status is not None:  # git aborts on %GT when no verdict comes at all
            _write(status, gpgstatus.bad("", ""))
        raise
    if b"-----BEGIN PGP " in signature[:200]:
        return hand_over(arguments, command)
    payload = _read_file(command.operands[1], MAX_OBJECT_BYTES)
    path = client.socket_path(os.environ)
    reply: Mapping[str, bytes] | None = None
    if not os.path.exists(path):
        path = client.helper_path(path)
    if os.path.exists(path):
        fields = client.context(os.environ, os.getcwd())
        reply = client.try_verify(path, fields | {"payload": payload, "signature": signature})
    alone = reply is None
    if reply is None or reply.get("status") != b"ok":
        from gitsign_py.cli.gpg.checking import check_for_git

        reply = check_for_git(payload, signature)
    if status is not None:
        _write(status, reply["status_lines"])
    _write(2, reply["text"] + b"\n")
    if alone and reply.get("stay", b"0") != b"0" and _more_may_come():
        from gitsign_py.cli.agentside.verifyhelper import stay

        stay(client.helper_path(path), int(reply["stay"]))
    return int(reply["exit_status"])


def _more_may_come() -> bool:
    """Whether git is at a command that shows many signatures. It starts a program for each of them."""
    if sys.platform != "linux":  # elsewhere a fork is not safe, or there is none, and nothing says what git does
        return False
    try:
        descriptor = os.open(f"/proc/{os.getppid()}/cmdline", os.O_RDONLY)
        words = os.read(descriptor, 4096).split(b"\0")
        os.close(descriptor)
    except OSError:
        return False
    return os.path.basename(words[0]) == b"git" and not _MANY.isdisjoint(words)


def hand_over(arguments: list[str], command: GpgCommand) -> int:
    """Become the real gpg, unchanged arguments and streams; without one, say so and ERRSIG.

    Whoever wanted a signature by this program reads why gpg answers, and about keys: which option it was.
    """
    program = _real_gpg()
    if program is not None and _HANDED_OVER not in os.environ:
        if command.unknown:
            from gitsign_py.core.printing import printable

            line = f"{command.unknown} is an option of GnuPG alone, so {program} is asked to sign"
            _write(2, f"gitsign-py: {printable(line)}\n".encode("utf-8", "replace"))
        return _become(program, arguments)
    if command.operation == "verify" and (status := command.descriptor("status-fd")) is not None:
        from gitsign_py.core.git import gpgstatus

        _write(status, gpgstatus.unchecked("", None, gpgstatus.ERROR_UNKNOWN_ALGORITHM))
    task = "this is a task for GnuPG (an OpenPGP signature or a key command)"
    if command.unknown:
        task = f"{command.unknown} is an option of GnuPG alone"
    raise UsageError(
        "gpg-missing",
        f"{task}, and there is no gpg on PATH",
        hint="install GnuPG, or set gpg.openpgp.program to another program",
    )


def _become(program: str, arguments: list[str]) -> int:
    """Windows has no exec: what Python calls so ends this process at once, and git would read that as the answer."""
    environment = {**os.environ, _HANDED_OVER: "1"}
    if sys.platform != "win32":
        os.execve(program, [program, *arguments], environment)
    import subprocess

    return subprocess.run([program, *arguments], env=environment, check=False).returncode


def _real_gpg() -> str | None:
    """The first gpg on PATH that is not this very program under another name."""
    own = os.path.realpath(sys.argv[0])
    names = ("gpg.exe", "gpg2.exe") if sys.platform == "win32" else ("gpg", "gpg2")
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for name in names:
            candidate = os.path.join(directory, name)
            if os.access(candidate, os.X_OK) and os.path.isfile(candidate) and os.path.realpath(candidate) != own:
                return candidate
    return None


def _read_file(name: str, limit: int) -> bytes:
    """All of a file, or of stdin for ``-``. Raises UsageError ``file-unreadable``, FormatError ``input-too-large``."""
    try:
        descriptor = 0 if name == "-" else os.open(name, os.O_RDONLY | _BYTES)
        parts: list[bytes] = []
        size = 0
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise FormatError("input-too-large", f"{name} has more than {limit} bytes")
    except OSError as error:
        raise UsageError("file-unreadable", f"{name} cannot be read: {error.strerror}") from error
    return b"".join(parts)


def _write_output(name: str, data: bytes) -> None:
    """Write the signature to a file, or to stdout for ``-``. Raises UsageError ``file-unwritable``."""
    if name == "-":
        _write(1, data)
        return
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BYTES, 0o644)
        try:
            _write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError("file-unwritable", f"{name} cannot be written: {error.strerror}") from error


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
