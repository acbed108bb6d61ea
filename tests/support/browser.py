"""A browser for flows that open one: it follows the address that the terminal shows, and does what a test says."""

import threading
from collections.abc import Callable

from tests.support.person import Person
from tests.support.waiting import SECONDS
from tests.support.webform import WebPage, fetch


class Browser:
    """Opens the address that the terminal shows, in a thread, and does what ``act`` says with the login page."""

    def __init__(self, act: Callable[[WebPage], WebPage]) -> None:
        self.person = Person(on_show=self._shown)
        self.last: WebPage | None = None
        self.address = ""
        self._act = act
        self._thread: threading.Thread | None = None

    def _shown(self, text: str) -> None:
        if "http" not in text or self._thread:
            return
        self.address = text.rsplit(maxsplit=1)[-1]
        self._thread = threading.Thread(target=self._browse)
        self._thread.start()

    def _browse(self) -> None:
        self.last = self._act(fetch(self.address))

    def close(self) -> WebPage:
        assert self._thread is not None
        self._thread.join(SECONDS)
        assert self.last is not None
        return self.last
