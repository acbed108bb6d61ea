"""A witness that answers: ``serve`` blocks, a ``with`` block serves from a thread."""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from gitsign_py.localstack import http, server
from gitsign_py.localstack.context import Hook, system_clock
from gitsign_py.localstack.placement import Placement
from gitsign_py.localstack.witness.identity import RECORD, WitnessIdentity, read_identity
from gitsign_py.localstack.witness.record import Record
from gitsign_py.localstack.witness.service import KnownLog, Witness, service

_PLACE = Placement()


class WitnessServer:
    """Opens the directory and a port (0: any free one).

    Raises ConfigError ``witness-missing``, ``witness-unusable``, ``witness-record-unusable``, ``stack-port-...``.
    """

    def __init__(
        self,
        directory: Path,
        logs: Iterable[KnownLog],
        *,
        port: int = 0,
        place: Placement = _PLACE,
        clock: Callable[[], datetime] = system_clock,
    ) -> None:
        with ExitStack() as undo:
            self.identity: WitnessIdentity = read_identity(directory)
            record = undo.enter_context(Record(directory / RECORD))
            self._socket = undo.enter_context(server.bind(place.host, port))
            self.url = place.url_at(self._socket.getsockname()[1])
            witness = Witness(self.identity, record, logs, clock)
            self._server = server.make(http.application((service(witness),), Hook(), place), place.limits)
            self._closing = undo.pop_all()
        self._thread: threading.Thread | None = None

    @property
    def line(self) -> str:
        """The witness's line in a policy file (tlog-policy)."""
        return f"witness {self.identity.key.name} {self.identity.key} {self.url}"

    def serve(self) -> None:
        """Answer requests until it is told to end; then let go of everything."""
        with self._closing:
            server.run(self._server, self._socket)

    def __enter__(self) -> "WitnessServer":
        self._thread = threading.Thread(target=self.serve, name="witness", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
