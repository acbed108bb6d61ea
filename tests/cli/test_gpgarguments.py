"""gpg's command line, as git and people write it."""

import pytest

from gitsign_py.cli.gpg.arguments import parse_gpg_arguments
from gitsign_py.errors import UsageError


@pytest.mark.parametrize(
    "line",
    [
        "--status-fd=2 -bsau KEY",
        "--status-fd 2 -b -s -a -u KEY",
        "-bsauKEY --status-fd=2",
        "--detach-sign --armor --local-user=KEY --status-fd=2",
        "--detach-sign --local-user KEY --armor --status-fd 2 --sign --batch",
        "-u KEY -sba --status-fd=2 --no-tty",
        "-bsau KEY --status-fd=2 --textmode --dry-run",
        "-bau KEY --status-fd 2 --batch --no-tty --output -",
        "-bsatnu KEY --status-fd=2",
    ],
)
def test_signing(line: str) -> None:
    command = parse_gpg_arguments(line.split())
    assert command.operation == "sign"
    assert command.options["local-user"] == "KEY"
    assert {"armor", "detach-sign"} <= command.options.keys()
    assert command.descriptor("status-fd") == 2
    assert command.operands == []


@pytest.mark.parametrize(
    "line",
    [
        "--status-fd=1 --verify SIG -",
        "--keyid-format=long --status-fd=1 --verify SIG -",
        "--verify SIG - --status-fd 1 --keyid-format long",
        "--status-fd=1 --verify -- SIG -",
    ],
)
def test_verifying(line: str) -> None:
    command = parse_gpg_arguments(line.split())
    assert (command.operation, command.operands) == ("verify", ["SIG", "-"])
    assert command.descriptor("status-fd") == 1


@pytest.mark.parametrize(
    "line", ["--list-keys", "-K", "--decrypt x", "--gen-key --batch", "-sbz", "--export=x", "--armor", "-e -r bob"]
)
def test_commands_of_the_real_gpg(line: str) -> None:
    assert parse_gpg_arguments(line.split()).operation == "foreign"


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("-bsau KEY --command-fd=0 --use-agent", "--command-fd"),
        ("--detach-sign -x", "-x"),
        ("--list-keys KEY", ""),
        ("--verify SIG - --enable-special-filenames", ""),
        ("-bsau KEY", ""),
    ],
)
def test_the_option_that_takes_a_signature_to_gpg_is_named(line: str, unknown: str) -> None:
    assert parse_gpg_arguments(line.split()).unknown == unknown


def test_a_key_named_with_blanks_stays_one_value() -> None:
    command = parse_gpg_arguments(["--status-fd=2", "-bsau", "Alice <alice@example.com>"])
    assert command.options["local-user"] == "Alice <alice@example.com>"
    assert parse_gpg_arguments(["--version"]).operation == "version"


@pytest.mark.parametrize("arguments", [["-bsau"], ["--status-fd"], ["--local-user"]])
def test_a_missing_value_is_named(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="wants a value"):
        parse_gpg_arguments(arguments)


@pytest.mark.parametrize("value", ["x", "-1", "", "9999999", "٣"])
def test_a_descriptor_is_a_number(value: str) -> None:
    with pytest.raises(UsageError, match="file descriptor"):
        parse_gpg_arguments([f"--status-fd={value}", "-s"]).descriptor("status-fd")
