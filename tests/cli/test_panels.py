"""Signing in from a panel, an editor or an agent: no terminal, a pipe for stderr, and git in between."""

import os
import re
import subprocess
import threading
from typing import Any

import pytest

from tests.support.waiting import wait_until
from tests.support.webform import fetch
from tests.support.workbench import Workbench

PLACES: dict[str, dict[str, str]] = {
    "VS Code": {"VSCODE_GIT_ASKPASS_NODE": "/usr/share/code/code", "TERM_PROGRAM": "vscode", "DISPLAY": ""},
    "VS Code over ssh": {"SSH_CONNECTION": "1 2 3 4", "VSCODE_IPC_HOOK_CLI": "/run/x.sock", "DISPLAY": ""},
    "cron": {"DISPLAY": "", "SHELL": "/bin/sh"},
}


@pytest.mark.parametrize("agent", ["off", "auto"])
@pytest.mark.parametrize("place", PLACES)
def test_the_code_of_a_device_reaches_the_panel_while_git_waits(bench: Workbench, place: str, agent: str) -> None:
    bench.configure("gitsign.tokenProvider=device", f"gitsign.agent={agent}", "gitsign.matchCommitter=false")
    env: dict[str, Any] = {**bench.env, **PLACES[place], "GIT_TERMINAL_PROMPT": "1", "GITSIGN_SIGN_IN_TIMEOUT": "60"}
    command = ["git", "commit", "-q", "--allow-empty", "-S", "-m", "from a panel"]
    with subprocess.Popen(
        command, cwd=bench.repo, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as git:
        assert git.stderr is not None
        seen: list[str] = []
        reader = threading.Thread(target=lambda: seen.extend(_pieces(git)), daemon=True)
        reader.start()
        wait_until(lambda: "or open" in "".join(seen), lambda: "".join(seen))
        said = dict(re.findall(r"^ +(address|code) +(\S+)$", "".join(seen), re.MULTILINE))
        fetch(said["address"]).press("allow", user_code=said["code"], email="alice@example.com")
        assert git.wait(60) == 0, seen
        reader.join(10)
    assert bench.verify("HEAD").returncode == 0
    bench.tool("agent", "stop")


def _pieces(git: "subprocess.Popen[bytes]") -> Any:
    assert git.stderr is not None
    while data := os.read(git.stderr.fileno(), 4096):
        yield data.decode()
