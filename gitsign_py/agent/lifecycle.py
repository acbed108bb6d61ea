"""Starting the agent on first use, and making sure that twenty clients at once start one."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from gitsign_py.agent.background import clean_environment
from gitsign_py.agent.client import ask
from gitsign_py.agent.endpoint import lock_beside, open_beside, prepare_directory
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.background import let_go, start_in_background
from gitsign_py.host.deadline import within
from gitsign_py.host.ownprogram import own_command

# One that ends is noticed at once; a machine that is busy with other things takes ten seconds for its start.
START_SECONDS = 30.0
READY = b"ready"
_MOMENT_SECONDS = 0.5


def is_running(path: str) -> bool:
    """Say whether our agent answers at ``path``."""
    reply = ask(path, "ping")
    return reply is not None and reply.get("status") == b"ok"


def ensure_running(path: str, environment: Mapping[str, str], seconds: float = START_SECONDS) -> bool:
    """Start the agent at ``path`` unless it runs; True when it answers within ``seconds``.

    Clients that come at the same time wait for the one that starts it. Raises ConfigError for a directory or socket
    that cannot be used, ServiceError ``agent-start-failed``; whoever only wants to sign goes on without.
    """
    if is_running(path):
        return True
    prepare_directory(Path(path).parent)
    lock = lock_beside(path, "start", seconds)
    if lock is None:
        return is_running(path)
    with closing(lock):
        return is_running(path) or _start(path, environment, seconds)


def _start(path: str, environment: Mapping[str, str], seconds: float) -> bool:
    process = spawn(path, environment)
    words = _first_words(process, seconds)
    if words is not None and words.startswith(READY):
        let_go(process)
        return True
    status = _ended(process)
    said = (words or b"").decode("utf-8", "replace").strip()
    silent = f"it was not ready within {seconds:g} s" if words is None else f"it ended with status {status}, no word"
    raise ServiceError(
        "agent-start-failed", f"the signing agent did not start: {said or silent}", hint=f"see {path}.log"
    )


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """Give it a moment to end by itself, else end it; its exit status, or a signal's number below zero."""
    try:
        return process.wait(_MOMENT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _first_words(process: "subprocess.Popen[bytes]", seconds: float) -> bytes | None:
    """Read what the new agent says: ``ready``, or why not; nothing when it ends without a word, None: not in time."""
    pipe = process.stdout
    assert pipe is not None  # noqa: S101 - for the type checker: it was asked for

    def line() -> bytes:
        with pipe:  # closed by whoever reads it, at its end at the latest
            return pipe.readline()

    try:
        return within(seconds, line)
    except TimeoutError:
        return None


def spawn(path: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the agent in the background, in /, its stdout a pipe on which it says that it is ready.

    ``-P`` keeps the working directory out of the module path, where a repository could plant a module. The things that
    belong to one commit or one job (git's variables, tokens) is not handed on.
    """
    log = open_beside(path, "log")
    try:
        os.ftruncate(log, 0)
        return start_in_background(
            [*own_command(), "agent", "run", "--socket", path, "--ready-fd", "1"],
            environment=clean_environment(environment),
            directory="/",
            stdout=subprocess.PIPE,
            stderr=log,
        )
    except OSError as error:
        raise ConfigError("agent-start-failed", f"cannot start {sys.executable}: {error.strerror}") from error
    finally:
        os.close(log)
