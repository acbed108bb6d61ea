"""The sign-in page and our own, seen by a real browser."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home, living
from tests.support.stack import RunningStack
from tests.support.webdriver import AVAILABLE, Chromium, chromium, wait_for

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="chromium and chromedriver are not installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def home(tmp_path: Path, stack: RunningStack) -> Iterator[Home]:
    (tmp_path / "u").mkdir(mode=0o700)
    with living(tmp_path / "u", stack) as home:
        note = home.directory / "opener.py"
        note.write_text(
            "import os, sys\nurl, path = sys.argv[1:]\n"
            "open(path + '.new', 'w').write(url)\nos.rename(path + '.new', path)\n"
        )
        home.git("config", "gitsign.tokenProvider", "interactive")
        home.git("config", "gitsign.signInTimeout", "30")  # a failed test ends in time
        home.git(
            "config",
            "--global",
            "gitsign.urlOpener",
            f"{sys.executable} {note} {{{{.URL}}}} {home.directory / 'address'}",
        )
        yield home


def begin(home: Home, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command, cwd=home.repository, env=home.variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def address(home: Home) -> str:
    path = home.directory / "address"
    wait_for(30, path.exists)
    return path.read_text()


def test_git_commit_signs_after_a_sign_in_in_the_browser(home: Home, browser: Chromium) -> None:
    with begin(home, "git", "commit", "-q", "--allow-empty", "-S", "-m", "signed in a browser") as process:
        browser.open(address(home))
        assert browser.text("h1") == "Sign in to the local Sigstore"
        browser.type("#email", "not an address")
        browser.click("button[value=allow]")
        assert browser.text("h1") == "Sign in to the local Sigstore"  # the browser itself refuses
        browser.script("document.querySelector('#email').value = ''")
        browser.type("#email", "alice@example.com")
        browser.click("button[value=allow]")
        browser.shows("You are signed in as alice@example.com")
        assert browser.address().startswith("http://localhost:")
        out, errors = process.communicate(timeout=60)
    shown = f"Sign in with your browser:\n    {address(home)}\n"  # there is no terminal: git's stderr has it
    assert (process.returncode, out, errors) == (0, "", shown)
    assert home.signers()[0][0] == "U"


def test_the_last_page_closes_itself_where_the_browser_allows_it(home: Home, browser: Chromium) -> None:
    home.git("config", "gitsign.autocloseTimeout", "1")
    first = browser.windows()[0]
    with begin(home, str(home.program), "login", "--no-agent") as process:
        browser.script("window.open(arguments[0])", address(home))
        wait_for(10, lambda: len(browser.windows()) == 2)
        browser.switch(next(one for one in browser.windows() if one != first))
        browser.type("#email", "alice@example.com")
        browser.click("button[value=allow]")
        wait_for(10, lambda: browser.windows() == [first])
        browser.switch(first)
        out, _ = process.communicate(timeout=60)
    assert "Signed in as alice@example.com" in out


def test_a_refusal_in_the_browser_is_said_in_both_places(home: Home, browser: Chromium) -> None:
    with begin(home, str(home.program), "login", "--no-agent") as process:
        browser.open(address(home))
        browser.click("button[value=deny]")
        browser.shows("Sign-in failed")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert errors.splitlines()[-1].startswith("gitsign-py: the sign-in was refused on the issuer's page")


def test_the_device_page_works_in_the_browser(home: Home, browser: Chromium) -> None:
    with begin(home, str(home.program), "login", "--no-agent", "--device") as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(4)]
        browser.open(lines[1].split()[-1])
        browser.type("#user_code", lines[2].split()[-1].lower())
        browser.type("#email", "bob@example.com")
        browser.click("button[value=allow]")
        browser.shows("Go back to your terminal")
        out, _ = process.communicate(timeout=60)
    assert "Signed in as bob@example.com" in out
