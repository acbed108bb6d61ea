"""``gitsign-py stack env``: the variables by which clients find the stack, as the shell that reads them wants them."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from gitsign_py.cli.commands.stackcommand import (
    add_actions,
    ask_for_token,
    command,
    directory_of,
    installed,
    need_info,
    starting,
)
from gitsign_py.localstack import clientenv, process
from gitsign_py.localstack.process import StackInfo

_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"
"""PowerShell ends a string in single quotes at each of these; a doubled one stands for itself."""


def add_env(commands: Any) -> None:
    """Add ``stack env``."""
    parser = command(commands, "env", _env, "print the exports that clients need")
    parser.add_argument(
        "--format",
        choices=tuple(_FORMS),
        metavar="FORMAT",
        default="sh",
        help="sh (default; shell is the same), fish, powershell, github-env for $GITHUB_ENV, dotenv, json",
    )
    add_actions(parser)


def _env(options: argparse.Namespace) -> int:
    """Print them; what they lead to may be down, which goes to stderr: stdout is for ``eval``."""
    directory = directory_of(options)
    info = need_info(directory, live=bool(options.actions))
    variables = clientenv.environment(info)
    if options.actions:
        variables |= clientenv.actions_environment(info.url, _request_token(info, options.actions))
    print(_FORMS[options.format](variables))
    if process.running(directory) is None:
        line = f"the local Sigstore in {directory} is not running; start it with: {starting(directory)}"
        print(f"gitsign-py: warning: {line}", file=sys.stderr)
    return 0


def _request_token(info: StackInfo, repository: str) -> str:
    """The token that lets a job of GitHub Actions in this repository ask for its tokens."""
    with installed():
        from gitsign_py.localstack.idp.actions import REQUEST_SECONDS, workflow_claims  # noqa: PLC0415 - as `up` does
        from gitsign_py.localstack.idp.issuer import REQUEST_AUDIENCE  # noqa: PLC0415
    claims = workflow_claims(repository)
    order = {"subject": claims["sub"], "audience": REQUEST_AUDIENCE, "ttl": str(REQUEST_SECONDS)}
    return ask_for_token(info, order | {"claims": json.dumps(claims)})


def _lines(write: Callable[[str, str], str]) -> Callable[[Mapping[str, str]], str]:
    return lambda variables: "\n".join(write(name, value) for name, value in variables.items())


def _sh(name: str, value: str) -> str:
    quoted = value.replace("'", "'\\''")
    return f"export {name}='{quoted}'"


def _fish(name: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{quoted}'"


def _powershell(name: str, value: str) -> str:
    quoted = "".join(letter * 2 if letter in _POWERSHELL_QUOTES else letter for letter in value)
    return f"$env:{name} = '{quoted}'"


def _dotenv(name: str, value: str) -> str:
    return f"{name}={value}"


def _github_env(name: str, value: str) -> str:
    """A value of several lines stands between two lines that it does not have (GitHub's multiline strings)."""
    if "\n" not in value and "\r" not in value:
        return _dotenv(name, value)
    end = f"end_{sha256(value.encode()).hexdigest()[:16]}"
    return f"{name}<<{end}\n{value}\n{end}"


def _json(variables: Mapping[str, str]) -> str:
    return json.dumps(dict(variables), indent=2)


_FORMS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "sh": _lines(_sh),
    "shell": _lines(_sh),
    "fish": _lines(_fish),
    "powershell": _lines(_powershell),
    "github-env": _lines(_github_env),
    "dotenv": _lines(_dotenv),
    "json": _json,
}
