"""Each caller of git that has no terminal of its own, as it calls git, with each way to come by a token.

Arguments, streams and variables are those of the callers' sources: VS Code (extensions/git), JetBrains (git4idea),
GitHub Desktop (dugite), lazygit with overrideGpg, magit (with-editor), cron, and jj, which calls the signing program
itself as it would call gpgsm. docs/sign-in.md has this table.
"""

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.docs import DOCS
from tests.support.waiting import SECONDS, wait_until
from tests.support.webform import fetch, write_browser
from tests.support.workbench import EMAIL, Workbench, program

SHORT = "/usr/bin:/bin"
BY_STDIN = ("commit", "--quiet", "--allow-empty-message", "--file", "-")


@dataclass(frozen=True)
class Caller:
    """``words`` follow ``git``; ``stdin`` says whether the message goes there; ``pseudo`` gives it a terminal."""

    words: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    stdin: bool = False
    pseudo: bool = False
    own_browser: bool = False


_CODE = {
    "GIT_ASKPASS": "/usr/share/code/resources/app/extensions/git/dist/askpass.sh",
    "VSCODE_GIT_ASKPASS_NODE": "/usr/share/code/code",
    "VSCODE_GIT_IPC_HANDLE": "/run/user/1000/vscode-git-0.sock",
    "VSCODE_GIT_COMMAND": "commit",
    "LC_ALL": "C.UTF-8",
    "GIT_PAGER": "cat",
}
CALLERS = {
    "VS Code": Caller(BY_STDIN, _CODE, stdin=True),
    "VS Code, Remote-SSH": Caller(
        BY_STDIN,
        {**_CODE, "SSH_CONNECTION": "1 2 3 4", "VSCODE_IPC_HOOK_CLI": "/run/x.sock"},
        stdin=True,
        own_browser=True,
    ),
    "VS Code, devcontainer": Caller(
        BY_STDIN, {**_CODE, "REMOTE_CONTAINERS": "true", "USER": "vscode"}, stdin=True, own_browser=True
    ),
    "JetBrains": Caller(
        (
            "-c",
            "credential.helper=",
            "-c",
            "core.quotepath=false",
            "-c",
            "log.showSignature=false",
            "commit",
            "-F",
            "MSG",
        ),
        {"GIT_ASKPASS": "/tmp/intellij-git-askpass-local.sh", "LC_ALL": "C.UTF-8", "PATH": SHORT},
    ),
    "GitHub Desktop": Caller(
        ("commit", "-F", "-"),
        {"GIT_TERMINAL_PROMPT": "0", "TERM": "dumb", "PREFIX": "/usr", "PATH": SHORT},
        stdin=True,
    ),
    "lazygit": Caller(("commit", "-m", "from a panel"), {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}),
    "magit": Caller(
        (
            "--no-pager",
            "--literal-pathspecs",
            "-c",
            "log.showSignature=false",
            "-c",
            "color.ui=false",
            "commit",
            "-m",
            "m",
        ),
        {"TERM": "dumb", "INSIDE_EMACS": "29.1,magit", "GIT_EDITOR": "emacsclient"},
        pseudo=True,
    ),
    "cron": Caller(("commit", "-q", "-m", "nightly"), {"PATH": SHORT, "SHELL": "/bin/sh"}),
    "jj": Caller(("-abu", EMAIL), {}, stdin=True),
}
FLOWS = ("handed", "browser", "device", "nobody")
_JJ = """#!/bin/bash
# jj pipes all three streams of its signing program, and shows its stderr when that has failed. Its own streams stay as
# they are, as in bash (dash turns its own stderr for the time of the command).
{program} "$@" < payload > signature 2> said || {{ cat said >&2; exit 1; }}
"""


class Call:
    """One commit by a caller, on its way; ``said`` is what its stderr, or its terminal, has shown so far."""

    def __init__(self, bench: Workbench, caller: Caller, *, name: str, **more: str) -> None:
        self.said = ""
        self._reader, writer = os.openpty() if caller.pseudo else os.pipe()
        words = ["git", *caller.words, "--allow-empty", "-S"]
        if name == "jj":
            words = [str(_jj(bench)), *caller.words]
        (bench.repo / "MSG").write_text("from a file")
        plain = {key: value for key, value in bench.env.items() if key not in ("DISPLAY", "BROWSER", "SSH_CONNECTION")}
        self.process = subprocess.Popen(
            ["setsid", "-c", *words] if caller.pseudo else words,
            cwd=bench.repo,
            env=plain | caller.variables | more,
            stdin=subprocess.PIPE if caller.stdin else writer if caller.pseudo else subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            start_new_session=not caller.pseudo,
        )
        os.close(writer)
        if self.process.stdin is not None:
            self.process.stdin.write(b"from a panel")
            self.process.stdin.close()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._reader, 4096)
            except OSError:  # a terminal that nobody has open any more
                return
            if not piece:
                return
            self.said += piece.decode("utf-8", "replace")

    def end(self) -> int:
        status = self.process.wait(SECONDS)
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "it would read on from whatever has the number next"
        os.close(self._reader)
        return status


def _jj(bench: Workbench) -> Path:
    """A process of that name, since who keeps our stderr is known by it; made once."""
    script = bench.folder / "jj"
    script.write_text(_JJ.format(program=shlex.quote(str(program(bench.folder)))))
    script.chmod(0o755)
    (bench.repo / "payload").write_bytes(b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
        b"author A <alice@example.com> 1 +0000\ncommitter A <alice@example.com> 1 +0000\n\nby jj\n")  # fmt: skip
    return script


@contextmanager
def opener(bench: Workbench, caller: Caller) -> Iterator[dict[str, str]]:
    """A browser with somebody who signs in: the caller's own by BROWSER, else the person's by gitsign.urlOpener."""
    command = f"{write_browser(bench.folder)} {{{{.URL}}}} {EMAIL}"
    if caller.own_browser:
        yield {"BROWSER": command.replace("{{.URL}}", "%s")}
        return
    bench.configure(f"gitsign.urlOpener={command}")
    yield {}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("name", CALLERS)
def test_a_commit_by_each_caller(bench: Workbench, name: str, flow: str) -> None:
    """It signs, or it is refused at once with what to do; a code or an address is seen while git waits for it."""
    caller = CALLERS[name]
    bench.configure("gitsign.matchCommitter=false")
    more: dict[str, str] = {"GITSIGN_SIGN_IN_TIMEOUT": "60"}
    if flow == "handed":
        (bench.folder / "token").write_text(bench.stack.token())
        more["GITSIGN_TOKEN_FILE"] = str(bench.folder / "token")
    else:
        bench.configure(f"gitsign.tokenProvider={'device' if flow == 'device' else 'interactive'}")
    if flow == "browser":
        with opener(bench, caller) as found:
            call = Call(bench, caller, name=name, **more, **found)
    else:
        call = Call(bench, caller, name=name, **more)
    if flow == "device" or flow == "nobody":
        wait_until(lambda: re.search(r"address +\S+|http://\S+/auth\S+", call.said) or call.process.poll() is not None,
                   lambda: call.said)  # fmt: skip
        _sign_in(call.said, flow)
    assert call.end() == 0, call.said
    _is_signed(bench, name)


def _sign_in(said: str, flow: str) -> None:
    """The person reads what the panel shows: a code and its page, or the address of the sign-in page."""
    if flow == "nobody":
        page = fetch(re.findall(r"http://\S+/auth\S+", said)[-1])
        assert page.fields["email"] == EMAIL, "the page offers the committer's address"
        page.press("allow")
        return
    shown = dict(re.findall(r"^ *(address|code) +(\S+)\s*$", said, re.MULTILINE))
    fetch(shown["address"]).press("allow", user_code=shown["code"], email=EMAIL)


def _is_signed(bench: Workbench, name: str) -> None:
    if name == "jj":
        assert (bench.repo / "signature").read_bytes().startswith(b"-----BEGIN SIGNED MESSAGE-----")
    else:
        assert bench.raw("commit", "HEAD").count(b"BEGIN SIGNED MESSAGE") == 1


@pytest.mark.parametrize("provider", ["device", "interactive"])
def test_where_nobody_reads_it_the_sign_in_is_refused_at_once(bench: Workbench, provider: str) -> None:
    """A caller that throws git's words away: the sign-in would wait for somebody who is shown nothing."""
    bench.configure("gitsign.matchCommitter=false", f"gitsign.tokenProvider={provider}")
    with Path(os.devnull).open("wb") as nowhere:
        done = subprocess.run(
            ["git", "commit", "-q", "--allow-empty", "-S", "-m", "x"],
            cwd=bench.repo,
            env=bench.env | {"GITSIGN_SIGN_IN_TIMEOUT": "3600"},
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            timeout=120,
            check=False,
            start_new_session=True,
        )
    assert done.returncode == 128


def test_a_sign_in_held_by_the_agent_serves_every_caller(bench: Workbench) -> None:
    """The advice for all of them: sign in once in a terminal."""
    bench.configure("gitsign.matchCommitter=false", "gitsign.tokenProvider=interactive", "gitsign.agent=on")
    with opener(bench, CALLERS["cron"]):
        login = bench.tool("login")
        assert login.returncode == 0, login.stderr
    bench.git("config", "--global", "--unset-all", "gitsign.urlOpener")
    try:
        for name, caller in CALLERS.items():
            call = Call(bench, caller, name=name)
            assert call.end() == 0, (name, call.said)
            _is_signed(bench, name)
    finally:
        bench.tool("agent", "stop")


def test_the_page_has_every_caller_and_flow() -> None:
    text = (DOCS / "sign-in.md").read_text()
    header = next(line for line in text.splitlines() if line.startswith("| caller |"))
    assert header.count("|") == len(FLOWS) + 2
    for name in CALLERS:
        assert f"\n| {name} |" in text, name
