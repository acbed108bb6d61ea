"""A real Secret Service (GNOME's) on a bus of its own, unlocked with a password; and buses that never answer."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.processes import ending
from tests.support.waiting import wait_until

_PASSWORD = b"correct horse"
_SERVICE = "org.freedesktop.secrets"
_COLLECTION = "/org/freedesktop/secrets/collection/login"


class SecretService:
    """The service at the bus that ``environment`` names; its default collection is ``login``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.address = environment["DBUS_SESSION_BUS_ADDRESS"]
        self._environment = environment
        self._daemon: subprocess.Popen[bytes] | None = None

    def call(self, path: str, method: str, *arguments: str, destination: str = _SERVICE) -> str:
        command = ["dbus-send", f"--bus={self.address}", "--print-reply", f"--dest={destination}", path, method]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=20)
        return done.stdout

    def lock(self) -> None:
        self.call("/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock", f"array:objpath:{_COLLECTION}")

    def unlock(self) -> None:
        """Start it with the password on its stdin, as a log-in does."""
        self.end()
        self._daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground"],
            env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._daemon.stdin is not None
        self._daemon.stdin.write(_PASSWORD)
        self._daemon.stdin.close()
        wait_until(lambda: not self._locked())

    def _locked(self) -> bool:
        """Ask the bus first: a call to a service that is not there would make it start one of its own, locked."""
        bus = ("/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner", f"string:{_SERVICE}")
        if "boolean true" not in self.call(*bus, destination="org.freedesktop.DBus"):
            return True
        return "boolean false" not in self.get("Locked")

    def end(self) -> None:
        if self._daemon is not None:
            self._daemon.terminate()  # it writes its files first
            self._daemon.wait(20)
            self._daemon = None

    def get(self, name: str) -> str:
        """A property of the collection."""
        words = ("string:org.freedesktop.Secret.Collection", f"string:{name}")
        return self.call(_COLLECTION, "org.freedesktop.DBus.Properties.Get", *words)

    def secrets(self) -> list[str]:
        """The items of the collection, as object paths."""
        return [line.split('"')[1] for line in self.get("Items").splitlines() if 'object path "' in line]


@contextmanager
def secret_service(variables: Mapping[str, str]) -> Iterator[SecretService]:
    """Run the service for a user with these variables."""
    with ending(subprocess.Popen(
        ["dbus-daemon", "--session", "--print-address", "--nofork", "--nopidfile"],
        env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )) as bus:  # fmt: skip
        assert bus.stdout is not None
        service = SecretService({**variables, "DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip()})
        try:
            service.unlock()
            yield service
        finally:
            service.end()
            bus.terminate()


@contextmanager
def silent_bus(path: Path, *, speaks: bool) -> Iterator[str]:
    """A bus at ``path`` that takes connections and never answers; with ``speaks`` it authenticates them first."""
    clients: list[socket.socket] = []

    def greet(client: socket.socket) -> None:
        """The server's half of D-Bus's SASL exchange (D-Bus specification, "Authentication Protocol")."""
        with suppress(OSError):
            while line := client.recv(4096):
                if b"AUTH" in line:
                    client.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
                if b"NEGOTIATE_UNIX_FD" in line:
                    client.sendall(b"AGREE_UNIX_FD\r\n")

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                clients.append(client)
                if speaks:
                    threading.Thread(target=greet, args=(client,), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(50)
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        yield f"unix:path={path}"
        listening.shutdown(socket.SHUT_RDWR)
    for client in clients:
        client.close()


SERVICE = pytest.mark.skipif(
    not all(map(shutil.which, ("dbus-daemon", "dbus-send", "gnome-keyring-daemon"))),
    reason="dbus-daemon, dbus-send and gnome-keyring-daemon are not installed (apt: dbus, gnome-keyring)",
)
