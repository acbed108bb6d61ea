"""``gitsign-py stack run -- COMMAND``: a stack as long as a command runs, which finds it in its environment."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from gitsign_py.cli.commands.stackcommand import add_actions, add_seed, command, installed, port_number
from gitsign_py.errors import UsageError

_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK")
_FROM_KEYBOARD = ("SIGINT", "SIGQUIT")
_BY_SIGNAL = 128
"""A shell's status for a command that signal N ended is 128 + N."""


def _add_run(commands: Any) -> None:
    text = "run a command beside a stack of its own; the exit status is that of the command"
    parser = command(commands, "run", _run, text)
    parser.usage = "gitsign-py stack run [OPTIONS] -- COMMAND [ARGUMENT ...]"
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help="misbehave, as `stack up` says; repeatable"
    )
    parser.add_argument("--port", type=port_number, default=0, metavar="N", help="port (default: any free one)")
    add_actions(parser)
    add_seed(parser)
    parser.add_argument("run_command", nargs="+", metavar="COMMAND", help="the command and its arguments, after --")


def _run(options: argparse.Namespace) -> int:
    words: list[str] = options.run_command
    program = shutil.which(words[0])
    if program is None:
        raise UsageError("command-not-found", f"there is no program {words[0]}", hint="give its path, or set PATH")
    with installed():
        from gitsign_py.localstack.embedded import local_sigstore  # noqa: PLC0415 - the servers, for this alone
    directory: Path | None = options.dir and options.dir.absolute()
    with (
        _scratch(directory) as place,
        local_sigstore(
            place, faults=options.fault, seed=options.seed, time=options.time, port=options.port
        ) as sigstore,
    ):
        environment = dict(os.environ) | sigstore.environment()
        if options.actions:
            environment |= sigstore.actions_environment(options.actions)
        return _status([program, *words[1:]], environment)


@contextmanager
def _scratch(directory: Path | None) -> Iterator[Path]:
    if directory:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="gitsign-py-stack-", ignore_cleanup_errors=True) as made:
        yield Path(made, "stack")


def _status(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command; signals go on to it, and those that the keyboard sends to both come once."""
    pending: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if child is None:
            pending.append(number)
        elif not (number in keyboard and _in_foreground()):
            child.send_signal(number)

    keyboard = {getattr(signal, name) for name in _FROM_KEYBOARD if hasattr(signal, name)}
    numbers = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        child = subprocess.Popen(words, env=environment)
        for number in pending:
            child.send_signal(number)
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else _BY_SIGNAL - status


def _in_foreground() -> bool:
    """Whether a key that ends programs reaches us and the command alike: both are the terminal's foreground group."""
    if sys.platform == "win32":
        return True  # Ctrl-C goes to every process of the console
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


COMMANDS = (_add_run,)
