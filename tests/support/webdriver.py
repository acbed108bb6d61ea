"""A real headless Chromium, driven over the WebDriver protocol (W3C) with nothing but HTTP."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_ports

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver §11: the key of an element's reference
_AXE = Path(os.environ.get("GITSIGN_PY_TEST_TOOLS", "/nowhere")) / "node_modules/axe-core/axe.min.js"
TAB, ENTER = "\ue004", "\ue007"
AVAILABLE = bool(shutil.which("chromedriver") and (shutil.which("chromium") or shutil.which("google-chrome")))
needs_axe = pytest.mark.skipif(
    not AVAILABLE or not _AXE.is_file(), reason="chromium, chromedriver or axe-core is not installed"
)


@dataclass
class Chromium:
    """One session."""

    url: str

    def call(self, method: str, path: str, value: object = None) -> Any:
        data = None if method == "GET" else json.dumps(value if value is not None else {}).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json"} if data else {}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()) from None

    def open(self, url: str) -> None:
        self.call("POST", "/url", {"url": url})

    def _element(self, selector: str) -> str:
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return f"/element/{found[_ELEMENT]}"

    def type(self, selector: str, text: str) -> None:
        """In the place of what stands in the field: the sign-in offers an address."""
        field = self._element(selector)
        self.call("POST", f"{field}/clear")
        self.call("POST", f"{field}/value", {"text": text})

    def click(self, selector: str) -> None:
        self.call("POST", self._element(selector) + "/click")

    def text(self, selector: str = "body") -> str:
        return str(self.call("GET", self._element(selector) + "/text"))

    def shows(self, words: str, *, seconds: float = 20) -> str:
        """Wait until the page shows ``words`` (a click returns before its page is there); gives its text."""

        def seen() -> str:
            try:
                text = self.text()
            except AssertionError:  # between two pages
                return ""
            return text if words in text else ""

        return str(wait_for(seconds, seen))

    def address(self) -> str:
        return str(self.call("GET", "/url"))

    def script(self, code: str, *arguments: object) -> Any:
        return self.call("POST", "/execute/sync", {"script": code, "args": list(arguments)})

    def windows(self) -> list[str]:
        return list(self.call("GET", "/window/handles"))

    def switch(self, window: str) -> None:
        self.call("POST", "/window", {"handle": window})

    def tell(self, command: str, **parameters: Any) -> Any:
        """Send one command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def show_as(self, width: int, scheme: str, kind: str = "screen") -> None:
        """Be a screen (or paper) of that width, with a person who likes it ``light`` or ``dark``."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.tell("Emulation.setEmulatedMedia", media=kind, features=features)

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        steps = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})

    def complaints(self) -> list[str]:
        """What axe-core has to say: for tests with the mark ``needs_axe``."""
        self.script(_AXE.read_text())
        code = "const done = arguments[0]; axe.run().then((found) => done(found.violations));"
        found = self.call("POST", "/execute/async", {"script": code, "args": []})
        return [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"][:3]]


@contextmanager
def chromium(directory: Path) -> Iterator[Chromium]:
    """Start a browser whose files are in ``directory``; end it with the block."""
    (port,) = free_ports(1)  # of those that it takes itself, IPv6 may not have the one of IPv4: it ends then
    said = directory / "chromedriver.log"
    with said.open("wb") as log:
        driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=log, stderr=log, cwd=directory)
    try:
        wait_for(60, lambda: b"started successfully" in said.read_bytes() or driver.poll() is not None)
        assert driver.poll() is None, said.read_text()
        browser = _connect(f"http://127.0.0.1:{port}", directory)
        try:
            yield browser
        finally:
            browser.call("DELETE", "")
    finally:
        driver.terminate()
        driver.wait(20)


def _connect(base: str, directory: Path) -> Chromium:
    options = {
        "binary": shutil.which("chromium") or shutil.which("google-chrome"),
        "args": ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory / 'profile'}"],
    }
    capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
    created = Chromium(base).call("POST", "/session", {"capabilities": capabilities})
    return Chromium(f"{base}/session/{created['sessionId']}")


def wait_for(seconds: float, true: Any) -> Any:
    """Wait until ``true()`` is; gives its value."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value
