"""The program: a command's name leads to one module, and that module alone is imported. Internal: its interface is
the command line (docs/cli).

A call that begins with an option is git speaking to its gpg program and goes to ``front``. A command's module has
``run(arguments) -> int`` and raises GitsignError for what fails; here, and only here, errors become one line on
stderr and an exit status:

0 done; 1 not verified, or the policy says no; 2 usage or configuration; 3 could not be checked, or a server failed;
70 an error of ours; 130 interrupted.
"""

import gc
import os
import sys
from io import TextIOWrapper

import gitsign_py.cli.ownmodules  # noqa: F401 - first, since the others load by it
from gitsign_py.cli.commands import COMMANDS
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.core.digests import choose_light
from gitsign_py.errors import ConfigError, GitsignError, UsageError, veiled

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from typing import NoReturn, TextIO

_EINVAL = 22
_SHORT = ("verify", "verify-commit", "verify-tag", "show")  # what people and scripts run for one object
_GARBAGE = 50_000
"""Objects until the garbage collector looks through all that the imports made, which is none: 700 by default."""
_GIT_DIR = "--git-dir"
_OWN_OPTIONS = {"--help": "help", "-h": "help", "help": "help"}


def main(arguments: list[str] | None = None) -> int:
    """Run the program with ``arguments``; gives the exit status.

    Without ``arguments`` this is the whole process: it takes them from ``sys.argv``, and ends in the short way where
    git waits for each single run.
    """
    if arguments is not None:
        return _run_guarded(arguments)
    gc.set_threshold(_GARBAGE)
    given = sys.argv[1:]
    short = bool(given) and (given[0].startswith("-") or given[0] in _SHORT)
    if short:
        choose_light()
    status = _run_guarded(given)
    if short:
        _end(status)
    return status


def _run_guarded(given: list[str]) -> int:
    _open_closed_streams()
    stderr, sys.stderr = sys.stderr, _VeiledStream(sys.stderr)
    try:
        return _guarded(given)
    finally:
        sys.stderr = stderr


def _end(status: int) -> "NoReturn":
    """End the process without taking it apart, module by module: 3 to 5 ms for nothing, as nothing is left to close.

    What is written is flushed by now (:func:`_guarded`); stderr keeps nothing back. The work that was left for the end
    is done.
    """
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()  # noqa: SLF001 - as the interpreter would
    os._exit(status)


class _VeiledStream:
    """Standard error without tokens and keys: argparse repeats what it does not know, Python prints errors' values."""

    def __init__(self, stream: "TextIO") -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, what looks like a token taken out; of argparse's words, which repeat an argument, more of it."""
        return self._stream.write(veiled(text, guess=": error: " in text))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _guarded(given: list[str]) -> int:
    if sys.platform == "win32":
        from gitsign_py.host.windows import prepare  # noqa: PLC0415

        prepare()
    elif isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has it: what the locale lacks is spelled out
    try:
        status = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        return _unread()
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except GitsignError as error:
        _complain(line_of(error))
        return exit_status(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: never a traceback
        if _is_unread(error):
            return _unread()
        return _of_the_system(error) if isinstance(error, OSError) else _internal(error)
    return status


def _open_closed_streams() -> None:
    """Give what was started with a closed stream one that leads nowhere.

    Else the next file that is opened takes its number, and git's or our own output goes into that file; and Python
    prints what is for a missing stderr to stdout.
    """
    if sys.stdin is not None and sys.stdout is not None and sys.stderr is not None:
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - pathlib costs 10 ms
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _run(arguments: list[str]) -> int:
    arguments = _without_git_dir(arguments)
    name = arguments[0] if arguments else "--help"
    if _OWN_OPTIONS.get(name) == "help":
        from gitsign_py.cli.overview import print_overview  # noqa: PLC0415 - one module for each command

        print_overview(arguments[1:])
        return 0
    if name.startswith("-"):
        from gitsign_py.cli.gpg import front  # noqa: PLC0415

        return front.run(arguments)
    if name not in COMMANDS:
        raise UsageError("command-unknown", f"there is no command {name}", hint="see gitsign-py --help")
    from importlib import import_module  # noqa: PLC0415 - half a millisecond of every commit, if it stood above

    rest = ["--tags-only", *arguments[1:]] if name == "verify-tag" else arguments[1:]
    status: int = import_module(f"gitsign_py.cli.commands.{COMMANDS[name][0]}").run(rest)
    return status


def _without_git_dir(arguments: list[str]) -> list[str]:
    """Take ``--git-dir DIR``, before the command or after it, as git(1) does: every command knows it by GIT_DIR.

    git asks for it in bare repositories where safe.bareRepository is explicit. What stands after ``--``, and the
    command that ``stack run`` starts, are others' words; so are the words of gpg.
    """
    if not arguments or (arguments[0].startswith("-") and not arguments[0].startswith(_GIT_DIR)):
        return arguments
    kept: list[str] = []
    rest = list(arguments)
    while rest and rest[0] != "--" and kept[:1] != ["stack"]:
        word = rest.pop(0)
        if word != _GIT_DIR and not word.startswith(f"{_GIT_DIR}="):
            kept.append(word)
            continue
        folder = word[len(_GIT_DIR) + 1 :] or (rest.pop(0) if word == _GIT_DIR and rest else "")
        if not folder:
            raise UsageError("git-dir-missing", f"{_GIT_DIR} wants a directory")
        os.environ["GIT_DIR"] = os.path.abspath(folder)  # noqa: PTH100 - pathlib costs 10 ms
    return [*kept, *rest]


def _complain(line: str) -> None:
    try:  # noqa: SIM105 - contextlib costs 3 ms of every commit
        print(f"gitsign-py: {line}", file=sys.stderr)
    except OSError:
        pass  # nobody listens; the exit status still tells


def _is_full(error: OSError) -> bool:
    import errno  # noqa: PLC0415 - only for what has failed

    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _of_the_system(error: OSError) -> int:
    import errno  # noqa: PLC0415 - as above

    if _is_full(error):
        return _unwritable(error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
        from gitsign_py.host.paths import out_of_reach  # noqa: PLC0415 - only for what has failed

        denied = out_of_reach(error)
        _complain(line_of(denied))
        return exit_status(denied)
    if error.errno == errno.ENOENT and not error.filename and _is_nowhere():
        nowhere = UsageError("path-unusable", "the working directory is gone", hint="cd to a directory that is there")
        _complain(line_of(nowhere))
        return exit_status(nowhere)
    return _no_path(error) if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else _internal(error)


def _is_nowhere() -> bool:
    """Whether somebody removed the working directory."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib costs 10 ms
    except FileNotFoundError:
        return True
    return False


def _no_path(error: OSError) -> int:
    """A name that no file can have: an argument or a setting has something else in the place of a path."""
    told = UsageError(
        "path-unusable", f"{str(error.filename)[:80]} is no path: {error.strerror}", hint="give the path of a file"
    )
    _complain(line_of(told))
    return exit_status(told)


def _is_unread(error: Exception) -> bool:
    """EINVAL is what Windows says of a pipe that nobody reads; what is still buffered for it fails once more."""
    if sys.platform != "win32" or not isinstance(error, OSError) or error.errno != _EINVAL:
        return False
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _unread() -> int:
    """The reader of our output went away: nothing left to say, and nobody to say it to."""
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 1
    )  # for what is buffered: Python's own end would fail over it, status 120
    sys.stderr.close()
    return 141


def _unwritable(error: OSError) -> int:
    """A full disk is no error of ours. The buffered rest would fail once more at the program's end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    where = f" to {error.filename}" if error.filename else ""
    full = ConfigError("output-unwritable", f"cannot write{where}: {error.strerror}", hint="free some space there")
    _complain(line_of(full))
    return exit_status(full)


def _internal(error: Exception) -> int:
    from gitsign_py.core.printing import printable  # noqa: PLC0415 - not needed where nothing fails

    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = (
            f"{trace.tb_frame.f_code.co_filename.replace(os.sep, '/').rpartition('gitsign_py/')[2]}:{trace.tb_lineno}"
        )
        trace = trace.tb_next
    _complain(
        printable(
            f"internal error at {where}: {type(error).__name__}: {error}; "
            "please report this line and the output of gitsign-py version [internal-error]"
        )
    )
    return 70
