"""``gitsign-py hooks install | uninstall | status``: the hooks of a repository, and never another program's."""

import argparse
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gitsign_py.cli.commands.hook import CHAINED, HOOKS, add_given
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.hookcall import FAILED
from gitsign_py.cli.hookfile import MARK, SERVER_HOOKS, hooks_folder, is_ours
from gitsign_py.cli.ownconfig import add_isolated
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, UsageError
from gitsign_py.host.git.program import with_settings
from gitsign_py.host.ownprogram import NAME, own_program
from gitsign_py.host.privatefile import put_in_place

SERVER = ("pre-receive",)
AFTERWARDS = "post-receive"
LOCAL = ("pre-push", "post-merge", "post-rewrite")
_EPILOG = (
    """examples:
  gitsign-py hooks install --server              in a server's repository: pre-receive; post-receive too where
                                                 gitsign.publish, sourceURI or sourceAttester is set
  gitsign-py hooks install --local               in your clone: pre-push, post-merge, post-rewrite
  gitsign-py hooks install --server --chain      keep a hook that is there, and run it first
  gitsign-py hooks install --server --attest     post-receive too: it signs source provenance (gitsign-py source)
  gitsign-py hooks install --hook update         one of: """
    + ", ".join(HOOKS)
    + """
  gitsign-py hooks status

exit status: 0 done, 1 (status) every push would be refused, 2 something is in the way (nothing was changed)"""
)


def shim(name: str, program: str = "gitsign-py", options: Sequence[str] = ()) -> str:
    """The whole hook: five lines. No program, or one that is killed, is a no; a chained hook would be beside it."""
    call = shlex.join(["hook", *options, name])
    return (
        "#!/bin/sh\n"
        f"{MARK}{name}\n"
        f'p={shlex.quote(program)}; export GITSIGN_HOOK_FOLDER="$(dirname "$0")"\n'
        f'command -v "$p" >/dev/null 2>&1 && {{ "$p" {call} "$@"; s=$?; [ $s -lt 126 ] && exit $s; }}\n'
        f'echo "gitsign-py: {FAILED.get(name, "refused")}: $p cannot be run, or was killed (status ${{s:-127}}); '
        'install it, give it more memory, or ask the owner to" >&2; exit 1\n'
    )


def run(arguments: list[str]) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace, Path], int] = options.action
    return action(options, hooks_folder())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py hooks",
        description="Install the hooks that judge signatures, remove them, or list them.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="install | uninstall | status")
    install = commands.add_parser("install", help="write the hooks; refuses where another hook is")
    install.add_argument("--chain", action="store_true", help="keep another hook and run it before ours")
    install.add_argument("--attest", action="store_true", help=f"{AFTERWARDS} too, which signs source provenance")
    install.add_argument("--program", metavar="PATH", help="the gitsign-py to call (default: this one)")
    add_isolated(install)
    add_given(install)
    install.set_defaults(action=_install)
    uninstall = commands.add_parser("uninstall", help="remove our hooks, and restore chained ones")
    uninstall.set_defaults(action=_uninstall)
    for command in (install, uninstall):
        command.add_argument(
            "--server", action="store_true", help=f"{', '.join(SERVER)}; {AFTERWARDS} where settings ask"
        )
        command.add_argument("--local", action="store_true", help=f"{', '.join(LOCAL)}")
        command.add_argument("--hook", action="append", choices=HOOKS, default=[], metavar="NAME", help="this one")
    commands.add_parser("status", help="list the hooks").set_defaults(action=_status)
    return parser


def _chosen(options: argparse.Namespace) -> list[str]:
    afterwards = (AFTERWARDS,) if getattr(options, "attest", False) else ()
    names = [*(SERVER if options.server else ()), *afterwards, *(LOCAL if options.local else ()), *options.hook]
    return list(dict.fromkeys(names))


def _hook_options(options: argparse.Namespace) -> list[str]:
    """The arguments that the hooks are called with."""
    given = [word for pair in options.given for word in ("-c", "=".join(pair))]
    return [*(["--isolated"] if options.isolated else []), *given]


def _install(options: argparse.Namespace, folder: Path) -> int:
    names = _chosen(options)
    if not names:
        raise UsageError("hooks-none", "say which hooks: --server, --local or --hook NAME")
    if _asks_for_more(options):
        names = list(dict.fromkeys((*names, AFTERWARDS)))
    program = options.program or _own_program()
    for name in names:  # look at all of them first, so that nothing is left half done
        _check_free(folder / name, chain=options.chain)
    if judging := [name for name in names if name in SERVER_HOOKS]:
        _check_ready(options, judging[0], program)
    for name in names:
        path = folder / name
        with _changing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if _is_foreign(path):
                path.rename(_chained(path))
            _write(path, shim(name, program, _hook_options(options)))
        print(f"installed {printable(str(path))}" + (" (runs the old hook first)" if _chained(path).exists() else ""))
    return 0


def _check_ready(options: argparse.Namespace, hook: str, program: str) -> None:
    """Leave no server whose first push must fail, by the settings that the hook will see."""
    from gitsign_py.cli import wiring  # noqa: PLC0415 - policies and trust roots, for a server alone
    from gitsign_py.cli.servercheck import check_ready  # noqa: PLC0415

    settings = wiring.load_settings(with_settings(os.environ, options.given), isolated=options.isolated)
    check_ready(settings, hook, program)


def _asks_for_more(options: argparse.Namespace) -> bool:
    """Tell whether the settings that the hooks will see ask for post-receive beside the others.

    Raises ConfigError ``source-unconfigured`` where it is to state provenance and could state nothing.
    """
    if not (options.server or options.attest or AFTERWARDS in options.hook):
        return False
    from gitsign_py.cli import wiring  # noqa: PLC0415 - as above
    from gitsign_py.cli.sourcerefs import check_configured, wants_statements  # noqa: PLC0415

    settings = wiring.load_settings(with_settings(os.environ, options.given), isolated=options.isolated)
    states = options.attest or wants_statements(settings.config.server)
    if states:
        check_configured(settings.config.server)
    return states or bool(settings.config.server.publish)


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            "hooks-unwritable",
            f"hooks cannot be changed in {folder}: {error.strerror}",
            hint="see where they are: git config --show-origin core.hooksPath",
        ) from error


def _check_free(path: Path, *, chain: bool) -> None:
    if not _is_foreign(path):
        return
    if not chain:
        raise ConfigError(
            "hook-foreign",
            f"{path} is another program's hook, which is never overwritten",
            hint="--chain keeps it and runs it before ours",
        )
    if _chained(path).exists():
        raise ConfigError("hook-foreign", f"{_chained(path)} is there already, so {path.name} cannot be kept beside it")


def _uninstall(options: argparse.Namespace, folder: Path) -> int:
    afterwards = [AFTERWARDS] if options.server else []
    for name in dict.fromkeys([*_chosen(options), *afterwards]) or HOOKS:
        path = folder / name
        if not is_ours(path):
            continue
        with _changing(folder):
            path.unlink()
            if _chained(path).exists():
                _chained(path).rename(path)
        print(f"removed {printable(str(path))}" + (" (the old hook is back)" if path.exists() else ""))
    return 0


def _status(_options: argparse.Namespace, folder: Path) -> int:
    nowhere = ", which is no folder: git runs none" if folder.exists() and not folder.is_dir() else ""
    print(f"hooks in {printable(str(folder))}{nowhere}")
    for name in HOOKS:
        path = folder / name
        words = "none"
        if is_ours(path):
            words = "ours" if os.access(path, os.X_OK) else "ours, but not executable: git passes over it"
        elif _is_foreign(path):
            words = "another program's"
        chained = ", runs the old hook first" if is_ours(path) and _chained(path).exists() else ""
        print(f"  {name:<22} {words}{chained}")
    return _server_status(folder) if any(is_ours(folder / name) for name in SERVER_HOOKS) else 0


def _server_status(folder: Path) -> int:
    """The obstacles that a push would meet, a line each; exit status 1 where it would be refused for nothing that it
    brings.
    """
    from gitsign_py.cli import wiring  # noqa: PLC0415 - as above
    from gitsign_py.cli.servercheck import server_findings  # noqa: PLC0415

    settings = wiring.load_settings()
    failed = False
    with wiring.repository(settings) as repository:
        for finding in server_findings(settings, repository, folder):
            failed = failed or finding.outcome == "fail"
            print(f"  {finding.outcome:<5} {finding.name}: {printable(finding.message)}")
            if finding.advice and finding.outcome != "ok":
                print(f"        -> {printable(finding.advice)}")
    return 1 if failed else 0


def _is_foreign(path: Path) -> bool:
    return (path.exists() or path.is_symlink()) and not is_ours(path)


def _chained(path: Path) -> Path:
    return path.with_name(path.name + CHAINED)


def _write(path: Path, text: str) -> None:
    """Appear whole: a push may run the hook at this very moment."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8", newline="\n")  # a shell reads it, on Windows too
    fresh.chmod(fresh.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    put_in_place(fresh, path)


def _own_program() -> str:
    """The program that was called, by its full path: git's servers have a PATH of their own."""
    own = own_program()
    return NAME if own is None else own.resolve().as_posix()  # a shell reads it, to which a backslash is none of a path
