"""The pages about logs in a real Chromium: on a phone and a screen, dark and light, on paper, by keyboard, with axe."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.webdriver import AVAILABLE, ENTER, TAB, Chromium, chromium, needs_axe
from tests.support.workbench import EMAIL, Workbench

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="chromium and chromedriver are not installed")
PAGES = ("/", "/log/entry?log=1&index={index}", "/log/search?q={email}", "/log/people?log=1", "/log/search?q=")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path) as found:
        yield found


def test_the_pages_fit_every_reader(bench: Workbench, browser: Chromium) -> None:
    for number in range(3):
        bench.commit(f"commit {number}")
    newest = bench.tool("log", "search", "--commit", "HEAD").stdout.split()[0].decode()
    for page in PAGES:
        for width, scheme in ((390, "dark"), (1280, "light"), (390, "light"), (1280, "dark")):
            browser.show_as(width, scheme)
            browser.open(bench.stack.url + page.format(index=newest, email=EMAIL))
            assert browser.script("return document.documentElement.scrollWidth") <= width, page
            ground = browser.script("return getComputedStyle(document.documentElement).colorScheme")
            assert ground == "light dark"
            narrow = "Math.min(1000, ...[...document.querySelectorAll('caption')].map((one) => one.offsetWidth))"
            assert browser.script(f"return {narrow}") > 60, "no caption is squeezed into a column"
        assert browser.script("return document.scripts.length") == 0


@needs_axe
def test_axe_has_nothing_to_say(bench: Workbench, browser: Chromium) -> None:
    bench.commit("for axe")
    for page in PAGES:
        for width, scheme in ((390, "dark"), (1280, "light")):
            browser.show_as(width, scheme)
            browser.open(bench.stack.url + page.format(index=0, email=EMAIL))
            assert browser.complaints() == [], (page, width, scheme)


def test_a_keyboard_reaches_an_entry_and_paper_has_it_all(bench: Workbench, browser: Chromium) -> None:
    oid = bench.commit("by keyboard")
    browser.show_as(390, "light")
    browser.open(f"{bench.stack.url}/")
    browser.press(TAB)
    assert browser.script("return document.activeElement.textContent") == "Skip to the content"
    browser.press(TAB, TAB)
    assert browser.script("return document.activeElement.id") == "q"
    browser.press(*EMAIL, ENTER)
    browser.shows("an e-mail address")
    browser.click("td a")
    text = browser.shows("Does it verify?")
    assert EMAIL in text
    assert oid not in text, "an entry holds no commit"
    browser.show_as(700, "dark", "print")
    assert browser.script("return getComputedStyle(document.querySelector('form')).display") == "none"
    printed = browser.tell("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
    assert len(printed["data"]) > 10_000
