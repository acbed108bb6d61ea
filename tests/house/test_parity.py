"""docs/coming-from-gitsign.md holds every name of the Go client, agrees with the settings, and names real tests."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gitsign_py.cli.commands import COMMANDS
from gitsign_py.cli.gpg.arguments import parse_gpg_arguments
from gitsign_py.cli.grammar import parser_of
from gitsign_py.host.settings import SETTINGS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coming-from-gitsign.md").read_text()
PARITY = ROOT.parent / "shared" / "reference" / "gitsign-parity.md"
_FLAGS = re.compile(r"`(--[a-z][a-z-]+)`")


def rows(title: str) -> list[list[str]]:
    """The table below a heading, without its head."""
    section = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def go_module() -> Path:
    """The Go client's module, in the module cache, where .ci/run builds it from."""
    default = Path(os.environ.get("GOPATH", str(Path.home() / "go"))) / "pkg/mod"
    module = Path(os.environ.get("GOMODCACHE", str(default))) / "github.com/sigstore/gitsign@v0.14.0"
    if not module.is_dir():
        pytest.skip("the Go client's module is not here (go mod download github.com/sigstore/gitsign@v0.14.0)")
    return module


def table(text: str, heading: str) -> list[list[str]]:
    """The first table below a heading, without its head."""
    lines = text.split(f"\n### {heading}\n", 1)[1].split("\n#", 1)[0].splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")][2:]


def names_of_the_module() -> tuple[set[str], set[str]]:
    """Those of the Go client's README, where a mark stands for the prefix SIGSTORE_ too, and the keys that it reads."""
    module = go_module()
    readme = (module / "README.md").read_text()
    variables = set()
    for name, mark, *_ in table(readme, "Environment Variables"):
        variables.add(name)
        if mark == "\N{WHITE HEAVY CHECK MARK}":
            variables.add(name.replace("GITSIGN_", "SIGSTORE_"))
    read = re.findall(r'EqualFold\(k, "gitsign\.(\w+)"\)', (module / "internal/config/config.go").read_text())
    return {row[0] for row in table(readme, "File config")} | set(read), variables


def names_of_the_reference() -> tuple[set[str], set[str]]:
    """Keys and variables of a reference beside this project, its shorthands spelled out."""
    if not PARITY.exists():
        pytest.skip("the reference of the Go client is not here")
    section = PARITY.read_text().split("## Configuration\n", 1)[1].split("\n## ", 1)[0]
    section = section.partition("\n")[2].split("Defaults:")[0]  # the first line explains the notation
    variables = set(re.findall(r"\b(?:GITSIGN|SIGSTORE|TUF)_[A-Z][A-Z_]*[A-Z]", section))
    for name in re.findall(r"(?:GITSIGN_/SIGSTORE_|…_)([A-Z_]+)", section):
        variables |= {f"GITSIGN_{name}", f"SIGSTORE_{name}"}
    keys = set(re.findall(r"(?:^|; )([a-z][A-Za-z]+)(?= ·|;| \()", section.replace("\n", " ")))
    return keys, variables


@pytest.mark.parametrize("names", [names_of_the_reference, names_of_the_module])
def test_every_key_and_variable_of_the_go_client_is_a_setting_and_on_the_page(
    names: Callable[[], tuple[set[str], set[str]]],
) -> None:
    keys, variables = names()
    assert {"fulcio", "fulcioRoot", "connectorID", "autoclose", "timestampCertChain"} <= keys  # it is read whole
    assert {"SIGSTORE_OIDC_ISSUER", "GITSIGN_CONNECTOR_ID", "GITSIGN_LOG", "GITSIGN_REKOR_MODE"} <= variables
    assert len(keys) >= 14
    assert len(variables) >= 25
    listed = rows("Settings")
    assert {f"gitsign.{key}" for key in keys} <= {setting.key for setting in SETTINGS} & {row[0] for row in listed}
    assert variables <= {variable for setting in SETTINGS for variable in setting.variables}
    assert variables <= {name for row in listed for name in row[1].split(", ")}


def test_the_page_agrees_with_the_settings() -> None:
    """Each row names one setting, with its variables in their order of precedence."""
    by_name = {setting.name: setting for setting in SETTINGS}
    for key, variables, here in rows("Settings"):
        setting = by_name[key or variables]
        assert ", ".join(setting.variables) == variables
        assert here
    own = PAGE.split("Settings that gitsign does not have:", 1)[1].split("`gitsign-py config`")[0]
    named = {row[0] or row[1] for row in rows("Settings")} | set(re.findall(r"gitsign\.\w+|GITSIGN_\w+", own))
    assert {setting.name for setting in SETTINGS} == named


def test_every_flag_on_the_page_is_one() -> None:
    known = {name for command in COMMANDS for name in re.findall(r"--[a-z][a-z-]+", parser_of(command).format_help())}
    known |= {"--verify", "--sign", "--armor", "--detach-sign", "--local-user", "--status-fd", "--include-certs"}
    for row in rows("Commands"):
        for flag in _FLAGS.findall(" ".join(row)):
            assert flag in known | {"--version"}, flag


@pytest.mark.parametrize("flags", [["-bsau", "K"], ["--detach-sign", "--armor", "--local-user", "K", "--sign"]])
def test_the_gpg_flags_of_the_go_client_sign(flags: list[str]) -> None:
    assert parse_gpg_arguments(["--status-fd=2", "--include-certs=-2", *flags]).operation == "sign"


def test_every_command_of_the_go_client_is_there() -> None:
    for name in ("verify", "verify-tag", "show", "attest", "initialize", "version", "debug"):
        assert name in COMMANDS
    listed = PAGE.split("New commands:", 1)[1].split("## ", 1)[0]
    theirs = {"verify", "verify-tag", "show", "attest", "initialize", "version", "debug", "agent"}
    assert set(re.findall(r"`([a-z-]+)`", listed)) == set(COMMANDS) - theirs


def test_every_row_names_tests_that_exist() -> None:
    table = rows("Faults of gitsign, and the tests that show our behaviour")
    if PARITY.exists():
        failing = PARITY.read_text().split("## Where the peer fails", 1)[1]
        theirs = [line.split("|")[1].strip() for line in failing.splitlines() if line.startswith("|")][2:]
        assert [row[0] for row in table] == theirs
    for row in table:
        for name in row[3].split(", "):
            path, _, function = name.partition("::")
            assert f"\ndef {function}(" in (ROOT / path).read_text(), name
