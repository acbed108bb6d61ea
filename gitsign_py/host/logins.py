"""The sign-ins of this user: a small file of the state directory, without secrets.

It says which issuers a refresh token was stored for, so that nobody else's keyring is ever asked (and maybe hung on)
for nothing, and it lets ``whoami`` answer without a server.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from gitsign_py.core.encoding import load_json
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import FormatError, ServiceError
from gitsign_py.host.filelock import hold
from gitsign_py.host.privatefile import read_whole, write_whole
from gitsign_py.ports import SecretStore

FILE_NAME = "logins.json"
LOCK_NAME = "logins.lock"
_MAX_BYTES = 1 << 20


@frozen
class LoginRecord:
    """One sign-in: ``identity`` (an e-mail address or a subject), when (RFC 3339), and whether it is remembered."""

    issuer: str
    client_id: str
    identity: str
    when: str
    remembered: bool

    @property
    def secret_name(self) -> str:
        """The refresh token's name in the keyring."""
        return secret_name(self.issuer, self.client_id)


def secret_name(issuer: str, client_id: str) -> str:
    """Name the refresh token of an issuer and a client in the keyring."""
    return f"refresh-token {client_id} {issuer}"


@frozen
class LoginBook:
    """The records in ``path``; what cannot be read counts as none. Written whole, mode 0600."""

    path: Path

    def all(self) -> tuple[LoginRecord, ...]:
        """Return every record."""
        try:
            value = load_json(read_whole(self.path), max_bytes=_MAX_BYTES)
        except (OSError, FormatError):
            return ()
        return tuple(record for record in map(_record, value) if record) if isinstance(value, list) else ()

    def find(self, issuer: str, client_id: str) -> LoginRecord | None:
        """Return the record of that issuer and client."""
        return next((one for one in self.all() if (one.issuer, one.client_id) == (issuer, client_id)), None)

    def put(self, record: LoginRecord) -> None:
        """Add a record in place of an older one."""
        self._write([*self._others(record.issuer, record.client_id), record])

    def remove(self, issuer: str, client_id: str) -> None:
        """Remove a record; one that is not there is no error."""
        if self.find(issuer, client_id):
            self._write(self._others(issuer, client_id))

    @contextlib.contextmanager
    def turn(self, seconds: float = 10.0) -> Iterator[None]:
        """Be the only one who uses a refresh token: issuers replace it at each use, and refuse one that comes twice.

        Whoever cannot have his turn, for want of a directory or of patience, goes on without.
        """
        lock = None
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = hold(self.path.with_name(LOCK_NAME), seconds)
        try:
            yield
        finally:
            if lock is not None:
                lock.close()

    def _others(self, issuer: str, client_id: str) -> list[LoginRecord]:
        return [one for one in self.all() if (one.issuer, one.client_id) != (issuer, client_id)]

    def _write(self, records: list[LoginRecord]) -> None:
        names = LoginRecord.__dataclass_fields__
        value = [{name: getattr(record, name) for name in names} for record in records]
        with contextlib.suppress(OSError):  # only comfort is lost with it
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self.path, json.dumps(value, indent=1).encode())


def forget(store: SecretStore, book: LoginBook, record: LoginRecord, *, warn: Callable[[str], None]) -> bool:
    """Forget a sign-in: False, with a warning and the record kept, when the keyring does not give up its token.

    The token goes first: a record without a token is a lie that does no harm, the other way it does.
    """
    if record.remembered:
        try:
            store.delete(record.secret_name)
        except ServiceError as error:
            warn(f"{record.identity} is still remembered: {error.message}")
            return False
    book.remove(record.issuer, record.client_id)
    return True


def _record(value: object) -> LoginRecord | None:
    if not isinstance(value, dict):
        return None
    issuer, client_id, identity, when = (value.get(name) for name in ("issuer", "client_id", "identity", "when"))
    flag = value.get("remembered")
    if not (isinstance(issuer, str) and isinstance(client_id, str) and isinstance(identity, str)):
        return None
    return (
        LoginRecord(issuer, client_id, identity, when, flag)
        if isinstance(when, str) and flag in (True, False)
        else None
    )
