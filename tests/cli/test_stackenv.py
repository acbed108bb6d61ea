"""``stack env`` in every shell's words, of a stack that is down; its port at the next start; what a refused
connection says.
"""

import argparse
import json
import shlex
import subprocess
from pathlib import Path

import pytest

from gitsign_py.cli.commands.stackplace import DEFAULT_PORT, add_place, place_of
from gitsign_py.clients.http.request import Request, unreachable
from gitsign_py.localstack.process import StackInfo
from tests.support.gitrepo import environment
from tests.support.inprocess import Said, run_here

ODD = 'it\'s a \\ \u2019$HOME\u2019 "x" `y`'


@pytest.fixture
def down(tmp_path: Path) -> Path:
    """The directory of a stack that was stopped, with a name that no shell likes."""
    directory = tmp_path / ODD
    directory.mkdir()
    files = {"trusted_root.json": str(directory / "trusted_root.json")}
    info = StackInfo("http://127.0.0.1:23456", 23456, 1, directory, "", files)
    (directory / "stack.json").write_text(json.dumps(info.to_json()))
    return directory


def env(directory: Path, *options: str) -> Said:
    return run_here(directory, environment(), "stack", "env", "--dir", str(directory), *options)


def test_a_stack_that_is_down_is_said_beside_the_exports(down: Path) -> None:
    said = env(down)
    assert said.status == 0
    assert "export GITSIGN_FULCIO_URL='http://127.0.0.1:23456'" in said.lines
    assert said.err.count("\n") == 1
    start = "start it with: gitsign-py stack up --detach --dir"
    assert said.err.endswith(f"is not running; {start} {shlex.quote(str(down))}\n")
    other = down.parent / "never"
    assert (
        f"{start} {other} [stack-not-running]" in run_here(down, environment(), "stack", "env", "--dir", str(other)).err
    )
    assert env(down, "--format", "shell").out == said.out


def test_every_form_gives_the_path_whole(down: Path) -> None:
    path = str(down / "trusted_root.json")
    assert json.loads(env(down, "--format", "json").out)["GITSIGN_TRUSTED_ROOT"] == path
    for form in ("dotenv", "github-env"):
        assert f"GITSIGN_TRUSTED_ROOT={path}" in env(down, "--format", form).lines
    by_shell = subprocess.run(
        ["sh", "-c", env(down).out + '\nprintf %s "$GITSIGN_TRUSTED_ROOT"'], capture_output=True, text=True, check=True
    )
    assert by_shell.stdout == path
    fish = next(one for one in env(down, "--format", "fish").lines if "GITSIGN_TRUSTED_ROOT" in one)
    assert fish.startswith("set -gx GITSIGN_TRUSTED_ROOT '")
    assert fish.endswith("it\\'s a \\\\ \u2019$HOME\u2019 \"x\" `y`/trusted_root.json'")
    powershell = next(one for one in env(down, "--format", "powershell").lines if "GITSIGN_TRUSTED_ROOT" in one)
    assert powershell.startswith("$env:GITSIGN_TRUSTED_ROOT = '")
    assert powershell.endswith("it''s a \\ \u2019\u2019$HOME\u2019\u2019 \"x\" `y`/trusted_root.json'")


def test_a_value_of_two_lines_adds_no_variable_to_a_job(tmp_path: Path) -> None:
    directory = tmp_path / "a\nPATH=evil"
    directory.mkdir()
    info = StackInfo("http://127.0.0.1:1", 1, 1, directory, "", {"trusted_root.json": str(directory / "t")})
    (directory / "stack.json").write_text(json.dumps(info.to_json()))
    lines = env(directory, "--format", "github-env").lines
    at = next(number for number, line in enumerate(lines) if line.startswith("GITSIGN_TRUSTED_ROOT<<"))
    end = lines[at].partition("<<")[2]
    assert lines[at + 1 : at + 4] == [f"{tmp_path}/a", "PATH=evil/t", end]


@pytest.mark.parametrize(
    ("words", "port"),
    [([], 23456), (["--port", "0"], 0), (["--port", "5"], 5), (["--config", "file.toml"], 77)],
)
def test_up_remembers_its_port(down: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], port: int) -> None:
    monkeypatch.chdir(down)
    (down / "file.toml").write_text("port = 77")
    parser = argparse.ArgumentParser()
    add_place(parser)
    parser.set_defaults(seed="", fault_control=False)
    assert place_of(parser.parse_args(words), down).port == port
    assert place_of(parser.parse_args([]), down / "new").port == DEFAULT_PORT


@pytest.mark.parametrize("down_here", [True, False])
def test_a_refused_connection_on_this_machine_says_stack_up(*, down_here: bool) -> None:
    url = "http://127.0.0.1:23456" if down_here else "https://fulcio.example.com"
    request = Request("Fulcio", "GET", url, None, {}, (200,), 1)
    hint = unreachable(request, ConnectionRefusedError(111, "Connection refused")).hint
    assert ("gitsign-py stack up --detach" in hint) == down_here
    assert "stack up" not in unreachable(request, OSError(113, "No route to host")).hint
