"""``gitsign-py version``, and gpg's ``--version``: the version, the configuration, where values come from."""

import argparse
import json

from gitsign_py import __version__
from gitsign_py.cli import wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.core.printing import printable
from gitsign_py.host.config import resolve_settings, show


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py version``."""
    if _parser().parse_args(arguments).json:
        print(json.dumps({"version": __version__, "config": _values()}, indent=2))
        return 0
    return print_gpg_version()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py version",
        description="Print the version and the configuration.",
        epilog="example:\n  gitsign-py version --json",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def print_gpg_version() -> int:
    """Print what gpg prints in its first line, and the configuration as the Go client does."""
    print(f"gitsign-py {__version__}")
    for name, value in _values().items():
        print(f"  {name}: {printable(value)}")
    return 0


def _values() -> dict[str, str]:
    settings = wiring.load_settings()
    found = resolve_settings(settings.environment, settings.gitconfig)
    return {one.setting.name: show(one.setting, one.value) for one in found}
