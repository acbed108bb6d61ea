"""The HTML report: in a real browser, for every reader, and with one script of its own."""

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gitsign_py.audit.reports.html import HtmlReport
from gitsign_py.core.frozen import replace
from tests.support.reports import HEADING, all_records, record, write
from tests.support.webdriver import AVAILABLE, ENTER, TAB, chromium, needs_axe


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_html_in_a_real_browser(tmp_path: Path) -> None:
    """Opens in Chromium with no console message, runs its script, and nothing out of a commit becomes markup."""
    text, _ = write(HtmlReport, all_records())
    assert "http://" not in text.replace("http://www.w3.org", "")
    page = tmp_path / "audit.html"
    page.write_text(text)
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
            f"--user-data-dir={tmp_path / 'profile'}",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    dom, said = done.stdout.decode(), done.stderr.decode()
    assert "CONSOLE" not in said, said
    assert "14 of 14 shown" in dom
    assert dom.count("<script") == 2
    assert "alert(1)&lt;/script&gt;" in dom


@pytest.mark.skipif(not AVAILABLE, reason="chromium and chromedriver are not installed")
def test_html_is_readable_at_every_width(tmp_path: Path) -> None:
    """No line of a verdict is broken, nothing is cut off on a phone, and it sorts and filters."""
    wide = "x" * 200
    more = [record(500 + n, "identity-mismatch", subject=wide, identity=wide, issuer=wide, ref=wide) for n in range(3)]
    path = tmp_path / "audit.html"
    heading = replace(HEADING, notices=(f"gitsign.trustedRoot (sha256 {'a' * 64}) is said by this repository",))
    path.write_text(write(HtmlReport, [*all_records(), *more], heading)[0])
    with chromium(tmp_path) as browser:
        for width in (360, 390, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})
            browser.open(path.as_uri())
            assert browser.script("return document.documentElement.scrollWidth") <= width
            all_verdicts = "[...document.querySelectorAll('.commits td:nth-child(2) bdi')]"
            lines = f"return {all_verdicts}.map((one) => one.getClientRects().length)"
            assert set(browser.script(lines)) == {1}
            colours = "[...document.querySelectorAll(`.causes .${arguments[0]} td:nth-child(2)`)]"
            script = f"return {colours}.map((one) => getComputedStyle(one).color)"
            unchecked, refused = (set(browser.script(script, kind)) for kind in ("unchecked", "bad"))
            assert (len(unchecked), len(refused), unchecked & refused) == (1, 1, set())
            browser.click("button[data-column='1']")
            assert browser.text("tbody#body tr:first-child").split()[1] == "bad"
            browser.type("#search", "identity-mis")
            assert browser.text("#shown") == "4 of 4 shown"
            browser.open(path.as_uri())
            browser.script("document.querySelector(`a[data-cause='unsigned unsigned']`).focus()")
            browser.script("document.activeElement.click()")  # what the key Enter does to a link
            assert browser.text("#shown") == "2 of 2 shown"
            browser.click("#every")
            assert browser.text("#shown") == "17 of 17 shown"


@pytest.mark.skipif(not AVAILABLE, reason="chromium and chromedriver are not installed")
def test_html_is_for_every_reader(tmp_path: Path) -> None:
    """By keyboard, and on paper."""
    path = tmp_path / "audit.html"
    path.write_text(write(HtmlReport, [*all_records(), *(record(600 + n, "unsigned") for n in range(300))])[0])
    with chromium(tmp_path) as browser:
        browser.show_as(1280, "dark")
        browser.open(path.as_uri())
        focused = "return document.activeElement.{}"
        for _ in range(20):
            browser.press(TAB)
            if browser.script(focused.format("dataset.cause")) == "unsigned unsigned":
                break
        browser.press(ENTER)
        assert browser.text("#shown").endswith("of 302 shown")
        assert browser.script(focused.format("id")) == "commits", "the keyboard goes where the link leads"
        while browser.script(focused.format("dataset.column")) != "1":
            browser.press(TAB)
        browser.press(ENTER)
        assert browser.script("return document.activeElement.closest('th').ariaSort") == "ascending"
        browser.open(path.as_uri())
        printed = browser.tell("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        assert len(printed["data"]) > 10_000
        assert browser.script("return document.querySelectorAll('#body tr').length") == 314, "paper has every row"
        browser.show_as(700, "dark", "print")
        assert browser.script("return getComputedStyle(document.querySelector('form.filter')).display") == "none"
        white = "rgb(255, 255, 255)"
        ground = "return getComputedStyle(document.documentElement).colorScheme"
        assert browser.script(ground) == "light", f"ink on {white} paper, whatever the screen is"


@needs_axe
def test_html_has_nothing_for_axe(tmp_path: Path) -> None:
    """On a phone and a screen, light and dark; a page with a fault shows that axe looks."""
    path = tmp_path / "audit.html"
    path.write_text(write(HtmlReport, all_records())[0])
    with chromium(tmp_path) as browser:
        for width, scheme in ((390, "dark"), (1280, "light"), (390, "light"), (1280, "dark")):
            browser.show_as(width, scheme)
            browser.open(path.as_uri())
            assert browser.complaints() == [], (width, scheme)
        browser.script("document.body.append(document.createElement('img'))")
        assert [one.partition(":")[0] for one in browser.complaints()][:1] == ["image-alt"]


def test_the_picture_shows_each_figure_apart() -> None:
    """What nothing judged is another part of the bar than what the policy accepted, and than what is verified."""
    shown = ["verified"] * 2 + ["forge-merge"] * 3 + ["exempt"] * 5 + ["unchecked", "bad"]
    text, rollup = write(HtmlReport, [record(0, verdict, oid=f"{n:040x}") for n, verdict in enumerate(shown)])
    assert "2 verified, 3 accepted otherwise, 5 exempt, not judged, 1 not checked, 1 refused, of 12</title>" in text
    bar = re.findall(r'<rect class="(\w+)" [^>]*height="([0-9.]+)"', text)
    whole = sum(float(height) for _, height in bar)
    parts = {kind: round(12 * float(height) / whole) for kind, height in bar}
    assert parts == {"verified": 2, "accepted": 3, "exempt": 5, "unchecked": 1, "rest": 1}
    accepted = parts["verified"] + parts["accepted"] + parts["exempt"]
    assert (parts["verified"], accepted, 12 - parts["exempt"]) == (rollup.verified, rollup.accepted, rollup.judged)


def test_html_leaves_out_accepted_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.audit.reports.html.MAX_ROWS", 3)
    text, _ = write(HtmlReport, [*(record(number) for number in range(5)), record(9, "bad")])
    assert "2 more accepted commits are not listed" in text
    assert f"{9:040x}" in text


def test_the_page_runs_its_own_script_alone() -> None:
    """The policy of the page names one script and one style by their digests (CSP 3, hash sources)."""
    text, _ = write(HtmlReport, all_records())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "unsafe" not in policy[1]
    for pattern in (r"<style>(.*?)</style>", r"<script>(.*?)</script>"):
        [body] = re.findall(pattern, text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
