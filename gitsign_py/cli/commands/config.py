"""``gitsign-py config``: every setting, its value, and where it comes from."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitsign_py.cli import instance, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, GitsignError, veiled
from gitsign_py.host.config import HIDDEN, Resolved, Source, resolve_settings, show, unknown_names
from gitsign_py.host.git.config import GitConfig
from gitsign_py.host.repository import open_repository, read_config
from gitsign_py.host.settingvalues import Value
from gitsign_py.host.terminal import wants_colour

_DESCRIPTION = """Show every setting with its value and where it comes from. Settings are kept in git's settings
(git config gitsign.NAME VALUE) and in environment variables, which win. Secrets are not shown."""
_EPILOG = """examples:
  gitsign-py config                              all settings
  gitsign-py config --json                       the same for programs
  git config --global gitsign.rekorMode online   change one for all repositories

exit status: 0; 2 when a value cannot be used"""


def run(arguments: list[str]) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    settings = read_config(os.environ)
    found, unknown = resolve_settings(os.environ, settings), unknown_names(os.environ, settings)
    chosen = _endpoints(settings)
    _warn_unread()
    if options.json:
        named = {name: {"url": veiled(url), "source": veiled(by)} for name, (url, by) in chosen.items()}
        print(json.dumps({**as_json(found, unknown), "endpoints": named}, indent=2))
    else:
        colour = wants_colour(os.environ, is_terminal=sys.stdout.isatty())
        print("\n".join(as_lines(found, unknown, colour=colour)))
        for name, (url, by) in chosen.items():
            print(printable(f"signs with {name}: {veiled(url) or '-'}  ({veiled(by)})"))
    return 2 if any(one.error for one in found) else 0


def _endpoints(gitconfig: GitConfig) -> dict[str, tuple[str, str]]:
    """Whom a signature would ask, and what says so; nothing where a setting cannot be used, which is said above."""
    try:
        return instance.explained_endpoints(wiring.combined(dict(os.environ), gitconfig))
    except GitsignError:
        return {}


def _warn_unread() -> None:
    """Say that git does not use the repository here (safe.bareRepository, safe.directory), and so none of its settings
    either.
    """
    try:
        with open_repository(environment=dict(os.environ)) as repository:
            _ = repository.common_directory  # git is asked for it
    except ConfigError as error:
        unread = f"the settings of this repository are not among these: {error.message}; {error.hint}"
        print(printable(f"gitsign-py: warning: {unread}"), file=sys.stderr)
    except GitsignError:  # there is none, or no git program
        return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py config",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    return parser


def as_json(found: Sequence[Resolved], unknown: Sequence[Source]) -> Mapping[str, object]:
    """The whole configuration as JSON values; ``error`` is null or says what is wrong with a value."""
    return {
        "settings": [
            {
                "name": one.setting.name,
                "key": one.setting.key or None,
                "variables": list(one.setting.variables),
                "about": one.setting.about,
                "value": _json_value(one),
                "default": one.source.kind == "default",
                "source": _json_source(one.source),
                "error": one.error.message if one.error else None,
            }
            for one in found
        ],
        "unknown": [_json_source(source) for source in unknown],
    }


def as_lines(found: Sequence[Resolved], unknown: Sequence[Source], *, colour: bool) -> list[str]:
    """The same for people: name, value, source; then what is wrong, and names that are no settings."""
    width = max(len(one.setting.name) for one in found)
    lines = [_line(one, width, colour=colour) for one in found]
    lines += [f"error: {printable(one.error.message)}" for one in found if one.error]
    lines += [f"warning: {printable(source.name)} is not a setting ({printable(str(source))})" for source in unknown]
    return lines


def _line(one: Resolved, width: int, *, colour: bool) -> str:
    value = printable(show(one.setting, one.value)).replace("\n", "\\n") or "-"
    line = f"{one.setting.name:<{width}}  {value}  ({printable(str(one.source))})"
    return f"\x1b[2m{line}\x1b[0m" if colour and one.source.kind == "default" else line


def _json_value(one: Resolved) -> object:
    value: Value = one.value
    if one.setting.secret:
        return HIDDEN if value else None
    if isinstance(value, Path | str):
        return veiled(str(value))
    return [veiled(one) for one in value] if isinstance(value, tuple) else value


def _json_source(source: Source) -> Mapping[str, str]:
    return {"kind": source.kind, "name": veiled(source.name), "place": veiled(source.place)}
