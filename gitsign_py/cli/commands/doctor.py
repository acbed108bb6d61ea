"""``gitsign-py doctor``: look for what is wrong, and say what to do."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from gitsign_py import __version__
from gitsign_py.cli import wiring
from gitsign_py.cli.commands.doctorservices import service_findings
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.hookfile import hooks_folder
from gitsign_py.cli.servercheck import server_findings
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, GitsignError, UsageError, veiled
from gitsign_py.host.checkup import Finding, check_git, failure, found, machine_findings
from gitsign_py.host.git.config import GitConfig, read_git_config
from gitsign_py.host.terminal import open_terminal, wants_colour

_DESCRIPTION = """\
Look at git, its settings, the program that it runs, terminal, browser, keyring, agent, trust root, services and clock,
and try a signature. Nothing is changed. A test signature is made only with a Sigstore on this machine, or with --sign,
since a public log keeps it for ever."""
_EPILOG = """\
examples:
  gitsign-py doctor
  gitsign-py doctor --offline       without any network
  gitsign-py doctor --sign          with a test signature, whatever the log
  gitsign-py doctor --json

exit status: 0 nothing failed (there may be warnings), 1 something failed, 2 usage
"""
_COLOURS = {"ok": "32", "warn": "33", "fail": "31", "skip": "2"}


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py doctor``."""
    options = _parser().parse_args(arguments)
    colour = wants_colour(os.environ, is_terminal=sys.stdout.isatty())
    findings: list[Finding] = []
    for finding in _findings(options):
        findings.append(finding)
        if not options.json:
            print("\n".join(_lines(finding, colour=colour)), flush=True)
    failed = any(finding.outcome == "fail" for finding in findings)
    if options.json:
        value = {"version": __version__, "ok": not failed, "findings": [_object(finding) for finding in findings]}
        print(json.dumps(value, indent=2, ensure_ascii=False))
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py doctor",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--offline", action="store_true", help="never touch the network")
    way.add_argument("--sign", action="store_true", help="make a test signature, even with a public log or a sign-in")
    return parser


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    environment = dict(os.environ)
    git = found("git", lambda: check_git(environment))
    yield git
    if git.outcome == "fail":
        return
    try:
        gitconfig = read_git_config(environment)
    except GitsignError as error:
        yield failure("settings", error)
        return
    settings = _settings(environment, gitconfig)
    config = None if settings is None else settings.config
    log_path = None if settings is None else wiring.log_path(settings)
    place = _place(settings)
    bare = place is True
    with open_terminal(environment, log_path=log_path, now=wiring.now) as terminal:
        yield from machine_findings(
            gitconfig, config, environment, version=__version__, attached=terminal.attached, bare=bare
        )
        if settings is not None:
            yield from service_findings(settings, terminal, offline=options.offline, wanted=options.sign)
    if isinstance(place, GitsignError):
        yield failure("repository", place)
    if settings is not None and bare:
        with wiring.repository(settings) as repository:
            yield from server_findings(settings, repository, hooks_folder())


def _place(settings: wiring.Settings | None) -> bool | GitsignError:
    """Is this a bare repository, as servers have them? An error where there is one that git does not use."""
    if settings is None:
        return False
    try:
        with wiring.repository(settings) as repository:
            return repository.is_bare
    except UsageError:  # no repository here
        return False
    except ConfigError as error:
        return error


def _settings(environment: dict[str, str], gitconfig: GitConfig) -> wiring.Settings | None:
    """The settings, None when one cannot be used: that is a finding of its own."""
    try:
        return wiring.combined(environment, gitconfig)
    except ConfigError:
        return None


def _lines(finding: Finding, *, colour: bool) -> Iterator[str]:
    mark = f"{finding.outcome:<4}"
    mark = f"\x1b[{_COLOURS[finding.outcome]}m{mark}\x1b[0m" if colour else mark
    yield f"{mark}  {finding.name:<12} {printable(finding.message)}"
    if finding.advice and finding.outcome != "ok":
        yield f"{'':<18} -> {printable(finding.advice)}"


def _object(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "outcome": finding.outcome,
        "message": veiled(finding.message),
        "advice": veiled(finding.advice),
        "facts": {name: veiled(fact) if isinstance(fact, str) else fact for name, fact in finding.facts.items()},
    }
