"""Words for people reach the terminal, else stderr, and the log; never stdout."""

import os
import pty
import select
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.host.consent import Dialogue
from gitsign_py.host.console import PosixTerminal
from gitsign_py.host.terminal import Terminal, for_terminal, open_terminal, wants_colour
from tests.support.waiting import SECONDS

AT = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
_SETUP = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from gitsign_py.host.terminal import open_terminal
if name := os.environ.get("TEST_TERMINAL"):
    os.close(os.open(name, os.O_RDWR))  # the first terminal that a session leader opens is its own: tty_ioctl(4)
log = Path(sys.argv[1]) if sys.argv[1:] else None
terminal = open_terminal(os.environ, log_path=log, now=lambda: datetime(2026, 11, 20, tzinfo=UTC))
"""


def command(body: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", _SETUP + body, *arguments]


class Screen:
    """A pseudo-terminal that a program has as its controlling terminal; its streams are pipes, as under git."""

    def __init__(self, body: str, *arguments: str, **env: str) -> None:
        self.master, self._slave = pty.openpty()
        self.process = subprocess.Popen(
            command(body, *arguments),
            cwd=ROOT,
            env={**os.environ, "TEST_TERMINAL": os.ttyname(self._slave), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.seen = b""

    def wait_for(self, text: bytes) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def tell(self, line: str) -> None:
        """Give the program a line on its stdin, which is no terminal."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self) -> tuple[str, str]:
        out, errors = self.process.communicate(timeout=SECONDS)
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 4096)
        os.close(self._slave)
        os.close(self.master)
        return out.decode(), errors.decode()


def test_a_terminal_is_a_dialogue() -> None:
    def takes(dialogue: Dialogue) -> bool:
        return dialogue.interactive

    assert not takes(Terminal(None, log_path=None, now=lambda: AT))


def test_with_a_terminal_words_go_there_and_the_streams_stay_clean(tmp_path: Path) -> None:
    log = tmp_path / "log"
    screen = Screen("terminal.show('hello\\x1b[31m')\nprint(terminal.interactive)", str(log))
    screen.wait_for(b"hello")
    assert screen.end() == ("True\n", "")
    assert screen.seen == b"hello\\x1b[31m\r\n"
    assert log.read_text() == f"2026-11-20T00:00:00Z [{screen.process.pid}] hello\\x1b[31m\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(("keys", "answer"), [(b"y\n", True), (b"YES\n", True), (b"n\n", False), (b"\n", False)])
def test_a_question_is_asked_on_the_terminal(keys: bytes, answer: bool) -> None:
    screen = Screen("print(terminal.confirm('Really?'))")
    screen.wait_for(b"Really? [y/N] ")
    screen.type(keys)
    assert screen.end() == (f"{answer}\n", "")


def test_what_was_typed_before_the_question_does_not_answer_it() -> None:
    screen = Screen("terminal.show('ready')\nsys.stdin.readline()\nprint(terminal.confirm('Really?'))")
    screen.wait_for(b"ready")
    screen.type(b"y\n")
    screen.wait_for(b"y\r\n")  # the terminal has it, which shows it
    screen.tell("typed")
    screen.wait_for(b"Really? [y/N] ")
    screen.type(b"n\n")
    assert screen.end() == ("False\n", "")


def test_a_line_of_text_is_read_from_the_terminal() -> None:
    screen = Screen("print(repr(terminal.prompt('Code: ')), repr(terminal.prompt('More: ')))")
    screen.wait_for(b"Code: ")
    screen.type(b"  abc-d\xc3\xa9f \n")
    screen.wait_for(b"More: ")
    screen.type(b"\x04")  # end of file
    assert screen.end() == ("'abc-d\u00e9f' ''\n", "")


def test_a_terminal_that_hangs_up_leaves_stderr() -> None:
    screen = Screen(
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nterminal.show('ready')\n"
        "sys.stdin.read()\nterminal.show('after')\nprint(terminal.interactive, repr(terminal.prompt('x')))"
    )
    screen.wait_for(b"ready")
    os.close(screen._slave)
    os.close(screen.master)
    out, errors = screen.process.communicate(timeout=SECONDS)
    assert (out, errors) == (b"False ''\n", b"after\n")


def test_a_terminal_that_cannot_be_read_answers_nothing() -> None:
    screen = Screen(
        "from gitsign_py.host.terminal import Terminal\n"
        "from gitsign_py.host.console import PosixTerminal\n"
        "only = Terminal(PosixTerminal(os.open('/dev/tty', os.O_WRONLY)), log_path=None, now=lambda: None)\n"
        "print(only.interactive, only.attached, repr(only.prompt('Code: ')))"
    )
    screen.wait_for(b"Code: ")
    assert screen.end() == ("True True ''\n", "")


@pytest.mark.parametrize("no", ["0", "false", "No", "OFF", ""])
def test_git_terminal_prompt_keeps_it_from_the_terminal(no: str) -> None:
    screen = Screen(
        "terminal.show('hello')\nprint(terminal.interactive)\nfrom gitsign_py.cli.gpg import front\nfront._tell(b'x')",
        GIT_TERMINAL_PROMPT=no,
    )
    assert screen.end() == ("False\n", "hello\n")
    assert screen.seen == b""


def test_a_process_in_the_background_does_not_ask() -> None:
    body = (
        "import signal\nsignal.signal(signal.SIGTTOU, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child == 0:\n    os.setpgid(0, 0)\n    terminal.show(repr((terminal.interactive, terminal.confirm('x'))))\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\nprint(terminal.interactive)"
    )
    screen = Screen(body)
    screen.wait_for(b"(False, False)")
    assert screen.end() == ("True\n", "")


def test_with_no_terminal_words_go_to_stderr_and_nobody_answers(tmp_path: Path) -> None:
    body = "terminal.show('one\\ntwo')\nprint(terminal.interactive, terminal.confirm('x'), repr(terminal.prompt('y')))"
    log = tmp_path / "log"
    done = subprocess.run(command(body, str(log)), cwd=ROOT, capture_output=True, start_new_session=True, check=True)
    assert (done.stdout, done.stderr) == (b"False False ''\n", b"one\ntwo\n")
    assert [line.split("] ")[1] for line in log.read_text().splitlines()] == ["one", "two"]


def test_the_log_grows_and_an_existing_one_keeps_its_mode(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    log.chmod(0o640)
    with Terminal(None, log_path=log, now=lambda: AT) as terminal:
        terminal.show("a")
        terminal.log("b")
    pid = os.getpid()
    assert log.read_text() == f"before\n2026-11-20T12:00:00Z [{pid}] a\n2026-11-20T12:00:00Z [{pid}] b\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    assert capfd.readouterr() == ("", "a\n")


def test_a_log_that_cannot_be_written_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(None, log_path=tmp_path / "no" / "log", now=lambda: AT)
    terminal.show("a")
    terminal.show("b")
    lines = capfd.readouterr().err.splitlines()
    assert lines == [f"gitsign-py: cannot write to the log {tmp_path}/no/log: no such file or directory", "a", "b"]


def test_a_closed_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "closed").open("w") as file:
        pass
    monkeypatch.setattr(sys, "stderr", file)
    Terminal(None, log_path=None, now=lambda: AT).show("x")


def test_something_that_is_no_terminal_is_not_interactive(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    with Terminal(PosixTerminal(descriptor), log_path=None, now=lambda: AT) as terminal:
        assert not terminal.interactive
        terminal.show("x")
    assert (tmp_path / "file").read_text() == "x\n"
    terminal.close()


def test_what_does_not_print_is_spelled_out() -> None:
    assert for_terminal("a\tb\n\x9b\u202e\ud800\u00e9") == "a\\tb\n\\x9b\\u202e\\ud800\u00e9"


@pytest.mark.parametrize(
    ("env", "is_terminal", "colour"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
    ],
)
def test_colours_are_for_terminals_that_know_them_and_never_with_no_color(
    env: dict[str, str], is_terminal: bool, colour: bool
) -> None:
    assert wants_colour(env, is_terminal=is_terminal) is colour


def test_opening_without_a_controlling_terminal_gives_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gitsign_py.host.console.TERMINAL", tmp_path / "none")
    assert not open_terminal({}, log_path=None, now=lambda: AT).interactive
