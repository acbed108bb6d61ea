"""Findings on their way to people: outputs that hang, lose what was found, or spoil another file.

The attack: a program of ``--exec`` that hangs stayed for ever, one more with each try, and hid the alarm's exit status;
a state that was made anew counted from 1, and a journal that had higher numbers took nothing more; a unit ran the words
of an option as options of its own.
"""

import json
import os
import shlex
from pathlib import Path

import pytest

from gitsign_py.cli.agentside.units import systemd_argument
from gitsign_py.cli.commands.monitor import _unit
from gitsign_py.errors import ConfigError
from gitsign_py.monitor import outputs
from gitsign_py.monitor.findings import Finding
from gitsign_py.monitor.outputs import Journal


def finding(name: str) -> Finding:
    return Finding("log-forked", "log", name, "words", 1_700_000_000, {})


def names(path: Path) -> list[str]:
    return [json.loads(line)["subject"] for line in path.read_text().splitlines()]


def test_a_journal_goes_on_when_the_state_was_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    Journal(path).append([(number, finding(f"old {number}")) for number in range(1, 9)])
    new = [(1, finding("new 1")), (2, finding("new 2"))]
    Journal(path).append(new)
    Journal(path).append(new)
    assert names(path)[8:] == ["new 1", "new 2"]


@pytest.mark.parametrize(
    "text",
    ["a letter without an end", '{"facts": {}}\n', "[1]\n", '{"facts": {"a": 1}, "number": "x"}\n', "5\nhalf"],
)
def test_another_file_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Journal(path).append([(1, finding("one"))])
    assert caught.value.reason == "output-unwritable"
    assert path.read_text() == text


def test_a_line_without_end_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.truncate(1 << 32)
    with pytest.raises(ConfigError):
        Journal(path).append([(1, finding("one"))])
    assert path.stat().st_size == 1 << 32


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "EXEC_SECONDS", 0.5)
    pid, pipe = tmp_path / "pid", tmp_path / "pipe"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ConfigError) as caught:
        outputs.notify(
            f"exec 9>{shlex.quote(str(pipe))}; sleep 600 & echo $! > {shlex.quote(str(pid))}; wait", finding("one")
        )
    assert caught.value.reason == "monitor-exec-failed"
    os.set_blocking(held, True)
    assert os.read(held, 1) == b"", "nobody holds the pipe any more"
    os.close(held)
    assert int(pid.read_text()) > 0
    outputs.notify("exit 0", Finding("log-forked", "log", "s", "x" * 1_000_000, 1, {}))  # reads nothing


@pytest.mark.parametrize("word", ['mail -s "log" root@localhost', "50%", "$HOME", "a\nExecStartPre=/bin/false", "\\"])
def test_a_word_of_a_unit_stays_one_word(word: str) -> None:
    unit = _unit(["unit", "--follow", "--exec", word, "--identity", "unit"])
    (line,) = (line for line in unit.splitlines() if line.startswith("Exec"))
    assert line.endswith(f' "--exec" {systemd_argument(word)} "--identity" "unit"')
    assert line.count("--follow") == 1
    spoken = shlex.split(line)[4].replace("%%", "%").replace("$$", "$").replace("\\n", "\n")
    assert spoken == word
