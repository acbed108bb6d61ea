"""The system's keyring, held at arm's length: three seconds, one warning, and life goes on without it.

A Secret Service without a desktop hangs in D-Bus, a locked one waits for a dialogue nobody sees, many machines have
none. Signing must not depend on any of that. Only a refresh token is ever kept here, and only when the user said so.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitsign_py.errors import ServiceError
from gitsign_py.host.deadline import within

SERVICE = "gitsign-py"
TIMEOUT_SECONDS = 3.0
_REFUSED_MODULES = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


class KeyringStore:
    """A :class:`gitsign_py.ports.SecretStore` over the ``keyring`` package.

    Every call ends within ``timeout`` seconds; after one that did not, the store answers at once. Raises ServiceError
    ``keyring-unavailable`` or ``keyring-timeout``.
    """

    def __init__(self, *, timeout: float | None = None) -> None:
        self._timeout = TIMEOUT_SECONDS if timeout is None else timeout
        self._broken = False

    def get(self, name: str) -> str | None:
        """Return the secret of that name, or None when there is none."""
        value = self._call(lambda backend: backend.get_password(SERVICE, name))
        return value if isinstance(value, str) else None

    def set(self, name: str, value: str) -> None:
        """Store the secret, replacing what was there."""
        self._call(lambda backend: backend.set_password(SERVICE, name, value))

    def delete(self, name: str) -> None:
        """Forget the secret; one that is not there is no error."""

        def forget(backend: Any) -> None:
            if backend.get_password(SERVICE, name) is not None:
                backend.delete_password(SERVICE, name)

        self._call(forget)

    def describe(self) -> str:
        """Name the backend, as people know it."""
        return str(self._call(lambda backend: backend.name))

    def _call(self, action: Callable[[Any], object]) -> object:
        """Run ``action(backend)`` with an end: Python cannot interrupt a D-Bus call, only leave it behind."""
        if self._broken:
            raise _timed_out(self._timeout)
        try:
            return within(self._timeout, lambda: action(_backend()))
        except TimeoutError as error:
            self._broken = True
            raise _timed_out(self._timeout) from error
        except Exception as error:
            raise _unavailable(error) from error  # backends raise whatever their system has


def _backend() -> Any:
    import keyring  # noqa: PLC0415  looking for backends takes 200 ms, and happens inside the time limit

    backend = keyring.get_keyring()
    module = type(backend).__module__
    if module.startswith(_REFUSED_MODULES):
        raise LookupError(f"no keyring of the system, only {module}")
    return backend


def _timed_out(seconds: float) -> ServiceError:
    return ServiceError(
        "keyring-timeout",
        f"the system's keyring did not answer within {seconds:g} s",
        hint="unlock it, or sign in without --remember",
    )


def _unavailable(error: Exception) -> ServiceError:
    words = " ".join(str(error).split())[:200] or type(error).__name__
    return ServiceError(
        "keyring-unavailable",
        f"the system's keyring cannot be used: {words}",
        hint="install or unlock one (Secret Service, Keychain, Credential Locker), or sign in without --remember",
    )


def remembered(store: KeyringStore, name: str, *, warn: Callable[[str], None], stamp: Path | None = None) -> str | None:
    """Look a secret up and carry on without it: a keyring in trouble is one warning, and None.

    ``stamp`` is a file that remembers which warning was given, so that it is not repeated at every commit; a keyring
    that answers again takes it away.
    """
    try:
        secret = store.get(name)
    except ServiceError as error:
        if _first_time(stamp, error.reason):
            warn(f"{error.message}; going on without it")
        return None
    if stamp is not None:
        with contextlib.suppress(OSError):  # a stamp that stays only keeps one warning back
            stamp.unlink(missing_ok=True)
    return secret


def _first_time(stamp: Path | None, reason: str) -> bool:
    if stamp is None:
        return True
    try:
        if stamp.read_text(encoding="utf-8") == reason:
            return False
    except OSError:
        pass  # never written, or unreadable: warn
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stamp.write_text(reason, encoding="utf-8")
    except OSError:
        pass  # a state directory that cannot be written to only means a second warning
    return True
