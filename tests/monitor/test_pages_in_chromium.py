"""The pages about logs in a real Chromium: on a phone and a screen, dark and light, on paper, by keyboard, with axe."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.webdriver import AVAILABLE, Chromium, chromium
from tests.support.workbench import EMAIL, Workbench

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="chromium and chromedriver are not installed")
AXE = Path(os.environ.get("GITSIGN_PY_TEST_TOOLS", "/nowhere")) / "node_modules/axe-core/axe.min.js"
PAGES = ("/", "/log/entry?log=1&index={index}", "/log/search?q={email}", "/log/people?log=1", "/log/search?q=")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path) as found:
        yield found


def set_media(browser: Chromium, width: int, scheme: str, kind: str = "screen") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    for command, parameters in (
        ("Emulation.setDeviceMetricsOverride", size),
        ("Emulation.setEmulatedMedia", {"media": kind, "features": features}),
    ):
        tell(browser, command, parameters)


def tell(browser: Chromium, command: str, parameters: dict[str, Any]) -> Any:
    return browser.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})


def complaints(browser: Chromium) -> list[str]:
    """What axe-core has to say; nothing where it is not installed."""
    if not AXE.is_file():
        return []
    browser.script(AXE.read_text())
    found = browser.call(
        "POST",
        "/execute/async",
        {"script": "const done = arguments[0]; axe.run().then((found) => done(found.violations));", "args": []},
    )
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]


def test_the_pages_fit_every_reader(bench: Workbench, browser: Chromium) -> None:
    for number in range(3):
        bench.commit(f"commit {number}")
    newest = bench.tool("log", "search", "--commit", "HEAD").stdout.split()[0].decode()
    for page in PAGES:
        for width, scheme in ((390, "dark"), (1280, "light"), (390, "light"), (1280, "dark")):
            set_media(browser, width, scheme)
            browser.open(bench.stack.url + page.format(index=newest, email=EMAIL))
            assert browser.script("return document.documentElement.scrollWidth") <= width, page
            ground = browser.script("return getComputedStyle(document.documentElement).colorScheme")
            assert ground == "light dark"
            narrow = "Math.min(1000, ...[...document.querySelectorAll('caption')].map((one) => one.offsetWidth))"
            assert browser.script(f"return {narrow}") > 60, "no caption is squeezed into a column"
            assert complaints(browser) == [], (page, width, scheme)
        assert browser.script("return document.scripts.length") == 0


def test_a_keyboard_reaches_an_entry_and_paper_has_it_all(bench: Workbench, browser: Chromium) -> None:
    oid = bench.commit("by keyboard")
    set_media(browser, 390, "light")
    browser.open(f"{bench.stack.url}/")
    tab, enter = "\ue004", "\ue007"
    press(browser, tab)
    assert browser.script("return document.activeElement.textContent") == "Skip to the content"
    press(browser, tab, tab)
    assert browser.script("return document.activeElement.id") == "q"
    press(browser, *EMAIL, enter)
    browser.shows("an e-mail address")
    browser.click("td a")
    text = browser.shows("Does it verify?")
    assert EMAIL in text
    assert oid not in text, "an entry holds no commit"
    set_media(browser, 700, "dark", "print")
    assert browser.script("return getComputedStyle(document.querySelector('form')).display") == "none"
    printed = tell(browser, "Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    assert len(printed["data"]) > 10_000


def press(browser: Chromium, *keys: str) -> None:
    steps = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
    browser.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})
