"""Opening a browser: words without a shell, streams that are not lent, failure that is noticed."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from gitsign_py.errors import ConfigError
from gitsign_py.host.browser import can_open, default_command, open_url, opener_command

URL = "https://issuer.example/auth?a=1&b=$(touch x);`id`"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("firefox {{.URL}}", ["firefox", URL]),
        ("firefox {{ .URL }}", ["firefox", URL]),
        ("firefox", ["firefox", URL]),
        ("'/opt/My Browser/run' --url='{{.URL}}' -x", ["/opt/My Browser/run", f"--url={URL}", "-x"]),
        ('open -a "Google Chrome" {{.URL}}', ["open", "-a", "Google Chrome", URL]),
        ("sh -c 'echo $0' {{.URL}}", ["sh", "-c", "echo $0", URL]),
        ("b {{.URL}} {{.URL}}", ["b", URL, URL]),
    ],
)
def test_words_as_a_shell_splits_them(template: str, expected: list[str]) -> None:
    assert opener_command(template, URL) == expected


@pytest.mark.parametrize("template", ["firefox '{{.URL}}", "", "   "])
def test_an_opener_that_cannot_be_split_is_named(template: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opener_command(template, URL)
    assert caught.value.reason == "url-opener-invalid"


def test_the_opener_gets_the_url_unchanged_and_none_of_our_streams(tmp_path: Path) -> None:
    script = (
        "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps([sys.argv[2], "
        "[os.readlink(f'/proc/self/fd/{n}') for n in range(3)]]))"
    )
    out = tmp_path / "out"
    template = f'{sys.executable} -c "{script}" {out} {{{{.URL}}}}'
    assert open_url(URL, opener=template, environment=os.environ)
    url, streams = json.loads(out.read_text())
    assert url == URL
    if sys.platform == "linux":
        assert streams == ["/dev/null"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_browser_that_keeps_running_has_worked() -> None:
    started = time.monotonic()
    assert open_url("60", opener="sleep", environment=os.environ)
    assert time.monotonic() - started < 30


def test_an_opener_that_fails_or_is_missing_is_noticed() -> None:
    assert not open_url(URL, opener="false", environment=os.environ)
    assert not open_url(URL, opener="/nonexistent/browser {{.URL}}", environment=os.environ)
    assert not open_url(URL, opener="", environment={})


@pytest.mark.skipif(sys.platform != "linux", reason="the desktop of Linux")
def test_the_default_browser_of_linux(tmp_path: Path) -> None:
    for name in ("xdg-open", "wslview"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    path = {"PATH": str(tmp_path)}
    assert default_command("u", {**path, "DISPLAY": ":0"}) == ["xdg-open", "u"]
    assert default_command("u", {**path, "WAYLAND_DISPLAY": "wayland-0"}) == ["xdg-open", "u"]
    assert default_command("u", path) is None
    assert default_command("u", {"PATH": "/nowhere", "DISPLAY": ":0"}) is None
    assert default_command("u", {**path, "WSL_DISTRO_NAME": "Debian"}) == ["wslview", "u"]
    assert default_command("u", {"BROWSER": "lynx %s:w3m"}) == ["lynx", "u"]


@pytest.mark.skipif(sys.platform != "linux", reason="the desktop of Linux")
def test_an_ssh_session_looks_at_another_screen() -> None:
    assert not can_open("", {"SSH_CONNECTION": "1 2 3 4", "WAYLAND_DISPLAY": "wayland-0"})
    assert can_open("", {"SSH_CONNECTION": "1 2 3 4", "BROWSER": "/vscode/helpers/browser.sh"})  # an editor sets it
    assert can_open("", {"BROWSER": "firefox"})
    assert can_open("my-opener", {"SSH_CONNECTION": "1 2 3 4"})
    assert not can_open("", {})
