"""``gitsign-py stack unit``: a stack as a system service, as little privileged as systemd can make it."""

import argparse
from pathlib import Path
from typing import Any

import gitsign_py.data
from gitsign_py.cli.agentside.units import systemd_word
from gitsign_py.cli.commands.stackcommand import command
from gitsign_py.cli.commands.stackplace import add_place, arguments_of, place_of
from gitsign_py.host.ownprogram import NAME, own_program

_UNIT = Path(gitsign_py.data.__file__).parent / "stackunit" / "gitsign-py-stack.service"


def add_unit(commands: Any) -> None:
    """Add the command."""
    text = "print a systemd unit for a stack with these options"
    parser = command(commands, "unit", _unit, text)
    add_place(parser)
    parser.set_defaults(seed="", fault_control=False)


def _unit(options: argparse.Namespace) -> int:
    place_of(options)  # a service that could not start is said here
    words = " ".join(systemd_word(word) for word in ["--log-format=json", *arguments_of(options)])
    unit = _UNIT.read_text(encoding="utf-8")
    print(unit.replace("@PROGRAM@", systemd_word(str(own_program() or NAME))).replace("@OPTIONS@", words), end="")
    return 0
