"""HOME, XDG directories and a stack that belong to somebody else: sudo without -H, a service's user, a shared machine.

Python's Path.exists raises for what may not be looked at, so each of these was an internal error.
"""

import os
from pathlib import Path

import pytest

from gitsign_py.cli import main
from gitsign_py.cli.commands.stackcommand import need_info
from gitsign_py.errors import ConfigError
from gitsign_py.host.checkup import check_directories, found
from gitsign_py.host.filelock import is_held
from gitsign_py.host.network import tls_context, tls_trust
from gitsign_py.localstack.directory import prepare_directory
from tests.support.inprocess import run_here
from tests.support.outofreach import put_out_of_reach


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody else, by HOME and by what follows from it."""
    home = tmp_path / "theirs"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    put_out_of_reach(monkeypatch, home)
    return home


def test_the_check_of_the_directories_is_a_finding(theirs: Path) -> None:
    finding = found("directories", check_directories)
    assert (finding.outcome, finding.facts["reason"]) == ("fail", "file-unreadable")
    assert f"{theirs}/.local/share/gitsign-py cannot be used: permission denied" in finding.message


def test_nobody_is_known_to_hold_a_lock_out_of_reach(theirs: Path) -> None:
    assert not is_held(theirs / "stack.lock")


@pytest.mark.parametrize("live", [True, False])
def test_a_stack_out_of_reach_is_not_called_one_that_never_was(theirs: Path, live: bool) -> None:
    with pytest.raises(ConfigError) as caught:
        need_info(theirs / "stack", live=live)
    assert caught.value.reason == "stack-directory-unusable"
    with pytest.raises(ConfigError) as caught:
        prepare_directory(theirs / "stack")
    assert caught.value.reason == "stack-directory-unusable"


@pytest.mark.parametrize(
    "arguments", [["doctor", "--offline"], ["stack", "status"], ["stack", "down"], ["stack", "env"], ["stack", "fsck"]]
)
def test_no_command_calls_it_an_internal_error(tmp_path: Path, theirs: Path, arguments: list[str]) -> None:
    environment = {"HOME": str(theirs), "PATH": os.environ["PATH"]}
    said = run_here(tmp_path, environment, *arguments)
    assert said.status in (1, 2), said.err
    assert "internal error" not in said.err
    assert "permission denied" in (said.out + said.err).lower()


def test_a_trust_root_out_of_reach_is_not_called_missing(tmp_path: Path, theirs: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "GITSIGN_TRUSTED_ROOT": f"{theirs}/root.json"}
    said = run_here(tmp_path, environment, "doctor", "--offline")
    assert f"GITSIGN_TRUSTED_ROOT names {theirs}/root.json, which this user may not read: permission denied" in said.out


def test_authorities_out_of_reach_are_not_called_missing(theirs: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        tls_context(tls_trust({"SSL_CERT_FILE": f"{theirs}/ca.pem"}))
    assert caught.value.reason == "tls-authorities-unreadable"
    assert caught.value.message.endswith("cannot be used: permission denied")


def test_a_working_directory_that_is_gone_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["--git-dir", "x.git", "audit"]) == 2
    assert "the working directory is gone; cd to a directory that is there" in capsys.readouterr().err
