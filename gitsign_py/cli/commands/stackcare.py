"""Commands of ``stack`` that take care of one: new keys, a check of everything, a copy and a stack from a copy."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsign_py.cli.commands.stackcommand import command, directory_of, installed, need_info
from gitsign_py.core.printing import printable
from gitsign_py.localstack import process

if TYPE_CHECKING:
    from gitsign_py.localstack.fsck import Findings

_ROTATIONS = ("ca", "rekor", "rekor2", "ctlog", "tsa", "tsa-root", "tuf-root", "idp")


def _add_rotate(commands: Any) -> None:
    text = "give a service a new key; the old one's window is closed and clients carry on"
    parser = command(commands, "rotate", _rotate, text)
    parser.add_argument("what", choices=_ROTATIONS, help="whose key")
    parser.add_argument(
        "--key", default="", metavar="KIND", help="kind of the new key: ecdsa-p256, ecdsa-p384 (tsa), ed25519 (rekor2)"
    )


def _add_fsck(commands: Any) -> None:
    command(commands, "fsck", _fsck, "check every entry, hash and key of the stack; exit status 1 when one is wrong")


def _add_backup(commands: Any) -> None:
    text = "copy database and keys, also while the stack runs, and check the copy"
    parser = command(commands, "backup", _backup, text)
    parser.add_argument(
        "target", type=Path, metavar="DIR|FILE", help="a new directory, or a .tar, .tar.gz or .tgz file"
    )


def _add_restore(commands: Any) -> None:
    text = "make a stack from a backup, in a new directory; it begins new logs"
    parser = command(commands, "restore", _restore, text)
    parser.add_argument("source", type=Path, metavar="DIR|FILE", help="the file or folder that backup wrote")


def _rotate(options: argparse.Namespace) -> int:
    info = need_info(directory_of(options), live=False)
    with installed():
        from gitsign_py.localstack import rotate  # noqa: PLC0415 - as in _up
    key = rotate.rotate(info.directory, info.url, options.what, options.key, info.services)
    print(f"{options.what} has a new key ({key.kind}, SHA-256 {key.key_id.hex()}); the client files say so")
    return 0


def _fsck(options: argparse.Namespace) -> int:
    directory = directory_of(options)
    with installed():
        from gitsign_py.localstack import fsck  # noqa: PLC0415 - as in _up
    findings = fsck.check(directory)
    for fault in findings.faults:
        print(printable(fault))
    print(f"{directory}: {_sum(findings)}: {_number(len(findings.faults), 'fault')}")
    return 1 if findings.faults else 0


def _backup(options: argparse.Namespace) -> int:
    target: Path = options.target.absolute()
    with installed():
        from gitsign_py.localstack import backup  # noqa: PLC0415 - as in _up
    print(f"{target}: {_sum(backup.backup(directory_of(options), target))}, copied and checked; keep it private")
    return 0


def _restore(options: argparse.Namespace) -> int:
    directory = directory_of(options)
    if process.is_locked(directory):
        raise process.already_running(directory)
    with installed():
        from gitsign_py.localstack import backup  # noqa: PLC0415 - as in _up
    print(f"{directory}: {_sum(backup.restore(options.source.absolute(), directory))}, restored; new logs begin")
    return 0


def _sum(findings: "Findings") -> str:
    parts = ((findings.entries, "entry", "entries"), (findings.logs, "log", ""), (findings.keys, "key", ""))
    entries, logs, keys = (_number(*part) for part in parts)
    return f"{entries} in {logs}, {keys}"


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


COMMANDS = (_add_rotate, _add_fsck, _add_backup, _add_restore)
