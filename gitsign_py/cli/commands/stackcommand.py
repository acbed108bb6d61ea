"""The parts that the commands of ``stack`` share: their parser, the directory, the extra of the package that servers
need.
"""

import argparse
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.paths import data_directory
from gitsign_py.localstack import process
from gitsign_py.localstack.process import StackInfo

Action = Callable[[argparse.Namespace], int]
_FORM = "application/x-www-form-urlencoded"


def command(commands: Any, name: str, action: Action, text: str) -> argparse.ArgumentParser:
    """Add a command of ``stack``; each takes ``--dir``."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument(
        "--dir", type=Path, default=None, metavar="DIR", help="directory of the stack (default: in the user's data)"
    )
    parser.set_defaults(action=action)
    return parser


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Add ``--actions``."""
    parser.add_argument(
        "--actions",
        default="",
        metavar="OWNER/NAME",
        help="also the variables by which a job of GitHub Actions in this repository asks for its tokens",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed`` and ``--time``."""
    parser.add_argument(
        "--seed",
        default="",
        metavar="TEXT",
        help="keys, serial numbers and times that are the same each time, for golden files; in a new directory",
    )
    parser.add_argument(
        "--time", default="", metavar="T", help="with --seed: the time of every answer (2026-01-01T00:00:00Z)"
    )


def directory_of(options: argparse.Namespace) -> Path:
    """The directory that ``--dir`` names, or the one in the user's data."""
    given: Path | None = options.dir
    return given.absolute() if given else data_directory() / "stack"


def starting(directory: Path) -> str:
    """The command that starts the stack of this directory."""
    where = "" if directory == data_directory() / "stack" else f" --dir {shlex.quote(str(directory))}"
    return f"gitsign-py stack up --detach{where}"


@contextmanager
def installed(what: str = "the local Sigstore") -> Iterator[None]:
    """Say in plain words that the extra of the package is missing, which ``what`` needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            "stack-not-installed",
            f"{what} needs the package {error.name}",
            hint="install the extra [local] of the wheel or the checkout: pip install 'WHEEL[local]' (README, Install)",
        ) from error


def need_info(directory: Path, *, live: bool) -> StackInfo:
    """The contents of stack.json. Raises ServiceError ``stack-not-running`` without it, or with ``live`` without a
    server, ConfigError ``stack-directory-unusable``.
    """
    info = process.running(directory) if live else process.read_info(directory)
    if info is None:
        process.require_reach(directory)
        raise ServiceError(
            "stack-not-running",
            f"no local Sigstore {'runs' if live else 'was ever started'} in {directory}",
            hint=f"start it with: {starting(directory)}",
        )
    return info


def ask_for_token(info: StackInfo, order: Mapping[str, str]) -> str:
    """A token of the stack's issuer. Raises ServiceError ``stack-...``."""
    form = {"grant_type": "client_credentials", "client_id": "sigstore", **order}
    body = urlencode({name: value for name, value in form.items() if value}).encode()
    return _token_of(*process.exchange(info, "POST", "/token", body=body, media_type=_FORM))


def _token_of(status: int, answer: bytes) -> str:
    try:
        value = json.loads(answer)
        if status == 200:
            return str(value["id_token"])
        why = str(value["error_description"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceError("stack-answer-invalid", f"the local issuer answered {status} without a token") from error
    raise ServiceError("stack-token-refused", f"the local issuer gave no token: {why}")


def port_number(text: str) -> int:
    """A port by its digits."""
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text} is not a port number")
    return int(text)
