"""Signing in on Windows: by a browser, kept in the system's credentials; by a token; with nobody there to ask."""

import pytest

from tests.support.stack import ROOT
from tests.support.windowskit import EMAIL, WindowsUser, windows

_BROWSER = """import sys
sys.path.insert(0, {root!r})
from tests.support.webform import fetch
with open({record!r}, "a") as record:
    record.write(sys.argv[1] + "\\n")
fetch(sys.argv[1]).press("allow", email=sys.argv[2])
"""


@pytest.fixture
def person(user: WindowsUser) -> WindowsUser:
    """A token needs a person, whom a browser finds."""
    browser = user.directory / "browser.py"
    browser.write_text(_BROWSER.format(root=windows(ROOT), record=windows(user.directory / "browser.log")))
    user.git("config", "gitsign.tokenProvider", "interactive")
    python = windows(user.kit.folder / "python" / "python.exe")
    user.git("config", "--global", "gitsign.urlOpener", f'{python} "{windows(browser)}" {{{{.URL}}}} {EMAIL}')
    user.variables["GITSIGN_LOG"] = windows(user.directory / "log")
    return user


def sign_ins(user: WindowsUser) -> int:
    record = user.directory / "browser.log"
    return len(record.read_text().splitlines()) if record.exists() else 0


def test_a_sign_in_outlives_the_agent_in_the_systems_credentials_and_ends_with_logout(person: WindowsUser) -> None:
    assert "remembered in the system's keyring" in person.gitsign("login", "--remember")
    person.gitsign("agent", "stop")
    assert "remembered in the system's keyring" in person.gitsign("whoami")
    person.commit("one")
    person.gitsign("agent", "stop")
    person.commit("two")
    assert sign_ins(person) == 1
    assert f"Signed out: {EMAIL}" in person.gitsign("logout")
    assert person.tool("whoami").returncode == 1
    log = person.directory / "log"
    assert not log.exists() or "keyring" not in log.read_text()


def test_one_sign_in_for_several_commits_without_an_agent_asks_each_time(person: WindowsUser) -> None:
    person.git("config", "gitsign.agent", "off")
    person.commit("one")
    person.commit("two")
    assert sign_ins(person) == 2
    assert person.git("log", "--format=%G?").split() == ["U", "U"]


def test_a_token_in_a_file_or_a_variable_needs_nobody(user: WindowsUser) -> None:
    user.git("config", "gitsign.agent", "off")
    file = user.directory / "töken"
    file.write_text(user.stack.token() + "\r\n")
    user.commit("by a file", GITSIGN_TOKEN_FILE=windows(file))
    bob = "bob@example.com"
    user.commit("by a variable", SIGSTORE_ID_TOKEN=user.stack.token(bob), GIT_COMMITTER_EMAIL=bob)
    shown = user.gitsign("audit", "--format", "text", "--verbose")
    assert bob in shown
    assert EMAIL in shown


def test_without_a_console_nobody_is_asked_and_no_file_is_made(user: WindowsUser) -> None:
    user.git("config", "gitsign.tokenProvider", "device")
    user.git("config", "gitsign.signInTimeout", "1")
    done = user.run("git.exe", "commit", "-q", "--allow-empty", "-S", "-m", "one")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert user.git("status", "--porcelain") == ""
    assert [path.name for path in user.repository.iterdir()] == [".git"]


def test_a_spiffe_agent_is_out_of_reach_in_one_line(user: WindowsUser) -> None:
    done = user.run(
        "git.exe", "-c", "gitsign.tokenProvider=spiffe", "-c", "gitsign.agent=off", "commit", "--allow-empty", "-S",
        "-m", "one", SPIFFE_ENDPOINT_SOCKET="unix:///tmp/api.sock", GITSIGN_LOG=windows(user.directory / "log"),
    )  # fmt: skip
    assert done.returncode != 0
    assert "no Unix sockets" in (user.directory / "log").read_text() + done.stderr
