"""A person at a Windows console, which Wine shows on a terminal (tmux): CONIN$ and CONOUT$, and Ctrl-C."""

from collections.abc import Iterator

import pytest

from tests.support.screen import NEEDED, Screen, opened, value
from tests.support.webform import fetch
from tests.support.windowskit import EMAIL, WindowsUser

pytestmark = NEEDED
COMMIT = 'wine git.exe commit -q --allow-empty -S -m signed; echo "status $?"'


@pytest.fixture
def screen(user: WindowsUser) -> Iterator[Screen]:
    user.git("config", "gitsign.signInTimeout", "60")
    with opened(user) as screen:
        yield screen


@pytest.mark.parametrize("agent", ["auto", "off"])
def test_the_device_flow(user: WindowsUser, screen: Screen, agent: str) -> None:
    user.git("config", "gitsign.agent", agent)
    user.git("config", "gitsign.tokenProvider", "device")
    screen.type(COMMIT)
    text = screen.wait("or open", 60)
    assert "Sign in on any device:" in text
    fetch(value(text, "address")).press("allow", user_code=value(text, "code"), email=EMAIL)
    text = screen.wait("status 0", 60)
    assert f"{EMAIL} will stand in the log of the Sigstore on this machine" in text
    assert f"gitsign-py: signed by {EMAIL}, vouched for by" in text
    raw = user.run("git.exe", "cat-file", "commit", "HEAD").stdout
    assert "\r" not in raw
    assert "will stand" not in raw
    assert user.git("log", "-1", "--format=%G?") == "U"


def test_a_pasted_code(user: WindowsUser, screen: Screen) -> None:
    user.git("config", "gitsign.agent", "off")
    user.git("config", "gitsign.tokenProvider", "oob")
    screen.type(COMMIT)
    text = screen.wait("Code from the page:", 60)
    page = fetch(value(text, "http")).press("allow", email=EMAIL)
    screen.type(page.text.partition('<code id="code">')[2].partition("<")[0])
    screen.wait("status 0", 60)
    assert user.git("log", "-1", "--format=%G?") == "U"


def test_another_address_is_asked_about(user: WindowsUser, screen: Screen) -> None:
    user.git("config", "gitsign.agent", "off")
    user.git("config", "gitsign.tokenProvider", "device")
    for word, status in (("n", "status 128"), ("y", "status 0")):
        screen.type(COMMIT)
        text = screen.wait("or open", 60)
        fetch(value(text, "address")).press("allow", user_code=value(text, "code"), email="alice@work.example")
        screen.wait("[y/N]", 60)
        screen.type(word)
        screen.wait(status, 60)
        screen.clear()
    assert user.git("log", "-1", "--format=%G?") == "U"


def test_ctrl_c_ends_the_sign_in_and_nothing_is_signed(user: WindowsUser, screen: Screen) -> None:
    """git ends as well: the groups of Windows have no foreground."""
    user.git("config", "gitsign.agent", "off")
    user.git("config", "gitsign.tokenProvider", "device")
    screen.type(COMMIT)
    screen.wait("or open", 60)
    screen.interrupt()
    text = screen.wait("status ", 60)
    assert "status 0" not in text
    assert "Traceback" not in text
    assert user.run("git.exe", "rev-parse", "HEAD").returncode != 0


def test_setup_asks_and_takes_no_for_an_answer(user: WindowsUser, screen: Screen) -> None:
    user.git("config", "--unset", "gpg.format")
    screen.type('wine gitsign-py.exe setup; echo "status $?"')
    screen.wait("Make these changes? [y/N]", 60)
    screen.type("n")
    screen.wait("Nothing was changed.", 60)
    assert user.run("git.exe", "config", "gpg.format").returncode == 1
    screen.clear()
    screen.type('wine gitsign-py.exe setup; echo "status $?"')
    screen.wait("Make these changes? [y/N]", 60)
    screen.type("y")
    screen.wait("status 0", 60)
    assert user.git("config", "gpg.format") == "x509"
