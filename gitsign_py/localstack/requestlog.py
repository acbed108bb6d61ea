"""A line for each request, for people or as JSON: id, service, client, identity, status, time; and their sums.

Nothing that a request carries is written but its method and path, and the identity that a certificate makes public.
"""

import json
import logging
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gitsign_py.core.printing import printable
from gitsign_py.localstack.service import Refusal

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram's classes in seconds, those that Prometheus has by default."""
_log = logging.getLogger("gitsign_py.localstack")
_notes: ContextVar[dict[str, str]] = ContextVar("notes")


def share_notes(notes: dict[str, str]) -> None:
    """What this thread's handler notes from now on belongs to the request of ``notes``."""
    _notes.set(notes)


def note_identity(identity: str) -> None:
    """Note whom a certificate was made for."""
    _notes.get({})["identity"] = printable(identity)


@dataclass(frozen=True, slots=True)
class Served:
    """A request that was answered."""

    id: str
    service: str
    client: str
    method: str
    path: str
    status: int
    seconds: float
    notes: Mapping[str, str]


def write(served: Served) -> None:
    """Write its line."""
    if not _log.isEnabledFor(logging.INFO):
        return
    path, milliseconds = printable(served.path), round(served.seconds * 1000, 1)
    fields = {
        "id": served.id,
        "service": served.service,
        "client": served.client,
        "method": served.method,
        "path": path,
        "status": served.status,
        "ms": milliseconds,
        **served.notes,
    }
    whose = "".join(f" {name}={value}" for name, value in served.notes.items())
    what = f"{served.service} {served.method} {path} {served.status} {milliseconds:.0f} ms"
    _log.info("%s", f"{what} {served.client} {served.id}{whose}", extra={"request": fields})


class JsonLines(logging.Formatter):
    """Each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, message, and the fields of a request; a trace as one text."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        value: dict[str, Any] = {"time": time, "level": record.levelname.lower()}
        fields = getattr(record, "request", None)
        value |= fields if isinstance(fields, dict) else {"message": record.getMessage()}
        if record.exc_info:
            value["trace"] = self.formatException(record.exc_info)
        return json.dumps(value)


@dataclass(slots=True)
class _Sum:
    count: int = 0
    seconds: float = 0.0
    classes: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))


class Meter:
    """Sums by service, method and status, for ``/metrics``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str, str], _Sum] = {}

    def count(self, served: Served) -> None:
        """Add a request. Methods and statuses are few, whatever clients send."""
        place = next((at for at, end in enumerate(BUCKETS) if served.seconds <= end), len(BUCKETS))
        with self._lock:
            one = self._sums.setdefault((served.service, served.method, str(served.status)), _Sum())
            one.count, one.seconds = one.count + 1, one.seconds + served.seconds
            one.classes[place] += 1

    def exposition(self, sizes: Mapping[str, int], *, damaged: int) -> bytes:
        """The text that Prometheus reads. Raises Refusal 501 without prometheus-client."""
        try:
            from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - for who asks
            from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily  # noqa: PLC0415
        except ImportError as error:
            raise Refusal(501, "metrics need the package prometheus-client") from error
        requests = HistogramMetricFamily(
            "gitsign_py_stack_request_seconds", "Requests and their times", labels=("service", "method", "status")
        )
        with self._lock:
            for labels, one in self._sums.items():
                requests.add_metric(labels, _cumulated(one.classes), one.seconds)
        entries = GaugeMetricFamily("gitsign_py_stack_log_entries", "Entries of each log", labels=("log",))
        for name, size in sizes.items():
            entries.add_metric((name,), size)
        broken = GaugeMetricFamily("gitsign_py_stack_damaged_logs", "Logs that sign nothing", value=damaged)
        registry = CollectorRegistry()
        registry.register(_Families((requests, entries, broken)))
        return bytes(generate_latest(registry))


@dataclass(frozen=True, slots=True, eq=False)  # registries keep collectors by their identity
class _Families:
    families: tuple[Any, ...]

    def collect(self) -> tuple[Any, ...]:
        """Give what is registered (prometheus_client's Collector)."""
        return self.families


def _cumulated(classes: list[int]) -> list[tuple[str, float]]:
    total, found = 0, []
    for end, count in zip((*map(str, BUCKETS), "+Inf"), classes, strict=True):
        total += count
        found.append((end, float(total)))
    return found
