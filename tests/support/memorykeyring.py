"""A keyring as the system's are, in memory."""

import time

from keyring.backend import KeyringBackend


class Memory(KeyringBackend):
    """A keyring as the system's are, in memory."""

    priority = 1.0
    delay = 0.0
    calls = 0
    trouble: Exception | None = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def _act(self) -> None:
        self.calls += 1
        time.sleep(self.delay)
        if self.trouble:
            raise self.trouble

    def get_password(self, service: str, username: str) -> str | None:
        self._act()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._act()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._act()
        del self.kept[service, username]
