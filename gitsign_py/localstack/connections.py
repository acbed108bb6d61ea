"""Connections that cannot hold the server: each request is whole in time, and there are only so many connections.

Clients that send half a request, read no answer or never ask take a place each. The one that has waited longest gives
its place to a new one when all are taken, so that however many there are, others are served. Neither they nor
malformed requests may fill the log.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from gitsign_py.localstack.placement import Limits

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # it is compiled; where it is missing h11 does the same work, and takes longer
    HTTPTOOLS = False
else:
    HTTPTOOLS = True

MAX_HEAD = 1 << 16
"""Bytes of a request's line and headers, as h11 has it."""
_RESERVED_FILES = 128  # of the process's descriptors: database, key files, what libraries open


def open_files_allow(wanted: int) -> int:
    """As many connections as ``wanted``, or as the descriptors of this process allow."""
    if sys.platform == "win32":
        return wanted
    import resource  # noqa: PLC0415 - POSIX alone

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(16, min(wanted, soft - _RESERVED_FILES))


class _Places:
    """The connections, and those that keep the server waiting, longest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._here: set[Bounded] = set()
        self._waiting: dict[Bounded, None] = {}

    def enter(self, one: "Bounded") -> None:
        self._here.add(one)
        if len(self._here) > self._most:
            put_out = next(iter(self._waiting), one)
            self.leave(put_out)
            put_out.transport.abort()

    def leave(self, one: "Bounded") -> None:
        self._here.discard(one)
        self._waiting.pop(one, None)

    def wait(self, one: "Bounded") -> None:
        if one in self._here:
            self._waiting.setdefault(one)

    def serve(self, one: "Bounded") -> None:
        self._waiting.pop(one, None)


class Bounded(asyncio.Protocol):
    """A connection that is watched while it waits for its client; mixed into one of uvicorn's, which has the rest."""

    limits: Limits
    places: _Places
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    flow: Any
    cycle: Any
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn's
        """A place is taken, and the request must come."""
        super().connection_made(transport)
        self.places.enter(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The place is free."""
        self._served()
        self.places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Once the request is whole, and while answers are read, the client has nothing to do."""
        super().data_received(data)
        if self._asked() and not self.flow.write_paused:
            self._served()
        elif not self.transport.is_closing():
            self._watch()

    def on_response_complete(self) -> None:
        """The client may ask again, or give its place away."""
        super().on_response_complete()  # type: ignore[misc] # uvicorn's
        if not self._asked():  # else it sent its next request before it had this answer
            self.places.wait(self)  # idle: uvicorn closes it in time

    def pause_writing(self) -> None:
        """The client must read."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """It did."""
        super().resume_writing()
        self._served()

    def _asked(self) -> bool:
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _watch(self) -> None:
        """The client must do something now."""
        self.places.wait(self)
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.request_seconds, self.transport.abort)

    def _served(self) -> None:
        """It is the server's turn."""
        self.places.serve(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


if HTTPTOOLS:

    class ByHttptools(Bounded, HttpToolsProtocol):
        """Read by httptools, which keeps a head of any length."""

        _unread = 0
        """Bytes since the request, or the last part of its body, began; trailers are among them."""

        def data_received(self, data: bytes) -> None:
            """End a connection whose head has no end; it is noticed with the part after the last that is allowed."""
            self._unread += len(data)
            super().data_received(data)
            if self._unread > MAX_HEAD and not self._asked() and not self.transport.is_closing():
                self.send_400_response("Invalid HTTP request received.")

        def on_message_begin(self) -> None:
            """Count anew."""
            self._unread = 0
            super().on_message_begin()

        def on_body(self, body: bytes) -> None:
            """Count anew: what the body has is counted where it is read."""
            self._unread = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            """Count anew."""
            self._unread = 0
            super().on_message_complete()


def protocol(limits: Limits, *, httptools: bool = HTTPTOOLS) -> type[Bounded]:
    """The protocol class of one server, for uvicorn."""
    bases = (ByHttptools,) if httptools else _by_h11()
    return type("Served", bases, {"limits": limits, "places": _Places(open_files_allow(limits.connections))})


def _by_h11() -> tuple[type, ...]:
    """Read by h11, which bounds the head of a request itself."""
    from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415 - 25 ms for those without httptools

    return Bounded, H11Protocol


class Rarely(logging.Filter):
    """Lets the same message through a few times in a minute, and says then how often it was not."""

    def __init__(self, most: int = 5, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most, self._seconds, self._clock = most, seconds, clock
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is written."""
        now = self._clock()
        began, count = self._seen.get(str(record.msg), (now, 0))
        if now - began > self._seconds:
            self._note(record, count - self._most)
            began, count = now, 0
        self._seen[str(record.msg)] = began, count + 1
        if len(self._seen) > 256:
            self._seen.clear()
        return count < self._most

    def _note(self, record: logging.LogRecord, kept_back: int) -> None:
        if kept_back > 0:
            record.msg = f"{record.msg} (and {kept_back} times more before)"


def keep_the_log_short() -> None:
    """Let clients write no more than a few lines of each kind in a minute, through uvicorn or asyncio."""
    for name in ("uvicorn.error", "asyncio"):
        logger: Any = logging.getLogger(name)
        if not any(isinstance(one, Rarely) for one in logger.filters):
            logger.addFilter(Rarely())
