"""Windows of time in Sigstore's trust material (protobuf-specs, TimeRange), as JSON and as datetimes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitsign_py.core.encoding import format_rfc3339, parse_rfc3339
from gitsign_py.core.protojson import Message
from gitsign_py.errors import FormatError


@dataclass(frozen=True, slots=True)
class Validity:
    """A window of time, both ends inside it; None is no bound. Datetimes are aware."""

    start: datetime | None = None
    end: datetime | None = None

    def covers(self, time: datetime) -> bool:
        """Whether ``time`` (aware) lies in the window: "the end is inclusive" (sigstore_common.proto, TimeRange)."""
        return (self.start is None or self.start <= time) and (self.end is None or time <= self.end)


ALWAYS = Validity()


def read_validity(parent: Message, name: str = "validFor") -> Validity:
    """Read a TimeRange; one that is not there has no bounds. Raises FormatError ``time-...`` or ``json-...``."""
    message = parent.message(name, ("start", "end"))
    if message is None:
        return ALWAYS
    start, end = (parse_rfc3339(message.text(part)) if message.has(part) else None for part in ("start", "end"))
    if start is not None and end is not None and end < start:
        raise FormatError("time-range-invalid", f"{message.where} ends before it starts")
    return Validity(start, end)


def write_validity(validity: Validity) -> dict[str, Any]:
    """The TimeRange as protobuf JSON."""
    bounds = (("start", validity.start), ("end", validity.end))
    return {name: format_rfc3339(time) for name, time in bounds if time is not None}
