"""``gitsign-py setup``: write the git configuration that turns signing on, and take it back."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gitsign_py.cli import instance, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.services import named_by_repository
from gitsign_py.clients.instances import Instance, find_instance
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, GitsignError, UsageError
from gitsign_py.host.git import setup as gitsetup
from gitsign_py.host.git.config import GitConfig, read_git_config
from gitsign_py.host.git.program import run_git
from gitsign_py.host.git.setup import Change, ConfigFile, Scope
from gitsign_py.host.ownprogram import NAME, own_program
from gitsign_py.host.programs import find_program
from gitsign_py.host.settings import SETTINGS
from gitsign_py.host.terminal import open_terminal

Values = tuple[str | None, ...]
_DESCRIPTION = """\
Write the git configuration that turns signing on: gpg.format and gpg.x509.program, with --sign-all commit.gpgSign and
tag.gpgSign, with --instance the services to sign with. setup keeps the old values, and --undo restores them. It leaves
gpg.program as it is, so that GnuPG still checks OpenPGP signatures."""
_EPILOG = """\
examples:
  gitsign-py setup                                this repository: git commit -S and git tag -s sign
  gitsign-py setup --global --sign-all            all repositories of this user, every commit and tag
  gitsign-py setup --instance ~/.local/share/gitsign-py/stack          sign with a local stack
  gitsign-py setup --dry-run --instance staging   only show the changes
  gitsign-py setup --undo                         restore the old values

exit status: 0 done, 2 usage or configuration
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py setup``."""
    options = _parser().parse_args(arguments)
    file = ConfigFile(_scope(options), dict(os.environ))
    if options.undo:
        return _undo(file, options)
    instance = find_instance(options.instance, os.environ, wiring.now()) if options.instance else None
    wanted = _wanted(options, file, instance)
    changes = gitsetup.plan(file, wanted)
    _warn_overridden(file, wanted)
    if not changes:
        print(f"Nothing to change in git's {file.scope} settings.")
    else:
        _show(file, [(change.key, change.old, _after(change)) for change in changes])
        if not _agreed(options):
            return 0
        gitsetup.apply(file, changes)
        _remember_services(file)
        print(f"Done. To restore the old values: {NAME} setup --{file.scope} --undo")
    if not options.dry_run:
        _warn_included(file, wanted)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py setup",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--global", dest="scope", action="store_const", const="global", help="for all repositories")
    scope.add_argument("--local", dest="scope", action="store_const", const="local", help="for this one (the default)")
    parser.add_argument("--sign-all", action="store_true", help="sign every commit and every annotated tag")
    parser.add_argument(
        "--instance",
        metavar="NAME",
        help="public-good, staging, the URL of an initialized TUF mirror, or a directory with trusted_root.json and "
        "signing_config.json (a local stack's)",
    )
    parser.add_argument("--program", metavar="PATH", help="the program that git runs (default: this one)")
    parser.add_argument("--undo", action="store_true", help="restore the old values before")
    parser.add_argument("--dry-run", action="store_true", help="only show the changes")
    parser.add_argument("--yes", action="store_true", help="do not ask at the terminal")
    return parser


def _scope(options: argparse.Namespace) -> Scope:
    if options.undo and (options.sign_all or options.instance or options.program):
        raise UsageError("undo-alone", "--undo puts everything back and goes with no other change")
    if options.scope == "global":
        return "global"
    try:
        run_git(["rev-parse", "--git-dir"], environment=os.environ)
    except UsageError as error:
        if error.reason != "repository-missing":
            raise
        raise UsageError(error.reason, "there is no git repository here", hint="give --global, or go to one") from error
    return "local"


def _wanted(options: argparse.Namespace, file: ConfigFile, instance: Instance | None) -> dict[str, str | None]:
    """Every key that the options speak of, with its value; None where the inherited one or the default will do."""
    wanted: dict[str, str | None] = {"gpg.format": "x509", "gpg.x509.program": program(options.program)}
    if options.sign_all:
        wanted |= {"commit.gpgSign": "true", "tag.gpgSign": "true"}
    if instance is not None:
        config = read_git_config(os.environ)
        for key, value in instance.values.items():
            inherited = _inherited(config, key, file.scope)
            follows = instance.follows and inherited is None
            wanted[key] = _beside_what_follows(key, value) if follows else _least(key, value, inherited)
    return wanted


def _beside_what_follows(key: str, value: str) -> str | None:
    """No URL where the trust root brings them, or a log's new shard would never be written to; but which version."""
    return value if (key, value) == ("gitsign.rekorVersion", "1") else None


# The values that an instance means by leaving a key out, for keys that cannot be empty.
_DEFAULTS = {
    "gitsign.fulcio": "https://fulcio.sigstore.dev",
    "gitsign.rekor": "https://rekor.sigstore.dev",
    "gitsign.rekorVersion": "1",
    "gitsign.issuer": "https://oauth2.sigstore.dev/auth",
}


def _least(key: str, value: str, inherited: str | None) -> str | None:
    """The value to write so that it counts: none at all when it does already."""
    needed = value or _DEFAULTS.get(key, "")
    present = _DEFAULTS.get(key, "") if inherited is None else inherited
    return None if needed == present else needed


def _inherited(config: GitConfig, key: str, scope: Scope) -> str | None:
    below = ("system",) if scope == "global" else ("system", "global")
    values = [value.text or "" for value in config.all(key) if value.scope in below]
    return values[-1] if values else None


def program(given: str | None) -> str:
    """The value of gpg.x509.program: an absolute path, since panels and cron start git with a short PATH.

    Raises ConfigError ``program-unknown``, UsageError ``program-missing``.
    """
    if given is not None:
        found = find_program(given)
        if found is None:
            raise UsageError("program-missing", f"{given} is not a program that can be run")
        return given if Path(given).name == given else str(Path(given).absolute())
    own = own_program()
    if own is None:
        raise ConfigError(
            "program-unknown",
            f"the program {NAME} was not found, neither beside this Python nor on PATH",
            hint=f"install the package, or give --program /path/to/{NAME}",
        )
    return str(own)


def _show(file: ConfigFile, changes: Sequence[tuple[str, Values, Values]]) -> None:
    print(f"Changes in git's {file.scope} settings:")
    width = max(len(key) for key, _, _ in changes)
    for key, before, after in changes:
        print(printable(f"  {key:<{width}}  {_shown(before)}  ->  {_shown(after)}"))


def _shown(values: Values) -> str:
    return ", ".join('""' if value == "" else "true" if value is None else value for value in values) or "(not set)"


def _agreed(options: argparse.Namespace) -> bool:
    """Ask where somebody can answer; a script has said all there is to say."""
    if options.dry_run:
        print("Nothing was changed (--dry-run).")
        return False
    if options.yes:
        return True
    sys.stdout.flush()
    with open_terminal(os.environ, log_path=None, now=wiring.now) as terminal:
        if not terminal.interactive or terminal.confirm("Make these changes?"):
            return True
    print("Nothing was changed.")
    return False


def _remember_services(file: ConfigFile) -> None:
    """Settings that this person has just written are agreed to, and counts without variables too."""
    if file.scope == "global":
        return
    variables = {name for setting in SETTINGS for name in setting.variables}
    with suppress(GitsignError):  # a setting that cannot be used is said where it is used
        settings = wiring.load_settings({name: value for name, value in os.environ.items() if name not in variables})
        for named in named_by_repository(settings, instance.endpoints(settings)):
            wiring.consent_book().remember_named(named)


def _undo(file: ConfigFile, options: argparse.Namespace) -> int:
    if not gitsetup.noted(file):
        print(f"There is nothing to undo in git's {file.scope} settings.")
        return 0
    back, kept = gitsetup.undo_plan(file)
    if back:
        _show(file, [(note.key, _after(note), note.old) for note in back])
        if not _agreed(options):
            return 0
    for note in kept:
        print(printable(f"Left alone, since it was changed after the set-up: {note.key}"))
    if not options.dry_run:
        gitsetup.undo(file)
        print("Done." if back else "There was nothing left to put back.")
    return 0


def _after(change: Change) -> Values:
    return () if change.new is None else (change.new,)


def _warn_overridden(file: ConfigFile, wanted: "dict[str, str | None]") -> None:
    """A setting nearer to the repository, or a variable, wins over what was written."""
    try:
        config = read_git_config(os.environ)
    except GitsignError:
        return
    above = ("worktree", "command") if file.scope == "local" else ("local", "worktree", "command")
    variables = {setting.key: setting.variables for setting in SETTINGS}
    for key, value in wanted.items():
        last = config.last(key)
        if value is not None and last is not None and last.scope in above and last.text != value:
            _warn(f"{key} is {last.text!r} in the {last.scope} settings, which win here ({last.origin})")
        for name in variables.get(key, ()):
            if os.environ.get(name) and os.environ[name] != value:
                _warn(f"the environment variable {name} is set, and wins over {key}")


def _warn_included(file: ConfigFile, wanted: "dict[str, str | None]") -> None:
    """A file that is included below what was written wins over it; git tells which value counts once it is written."""
    config = read_git_config(os.environ)
    for key, value in wanted.items():
        last = config.last(key)
        if last is not None and last.scope == file.scope and last.text != value:
            _warn(f"{key} is {last.text!r} in an included file, which wins here ({last.origin}); change it there")


def _warn(line: str) -> None:
    print(printable(f"gitsign-py: {line}"), file=sys.stderr)
