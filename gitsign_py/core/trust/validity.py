"""Windows of time in Sigstore's trust material (protobuf-specs, TimeRange), as JSON and as datetimes."""

from datetime import UTC, datetime
from typing import Any

from gitsign_py.core.encoding import format_rfc3339, parse_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.protojson import Message
from gitsign_py.errors import FormatError


@frozen
class Validity:
    """A window of time, both ends inside it; None is no bound. Datetimes are aware."""

    start: datetime | None = None
    end: datetime | None = None

    def covers(self, time: datetime) -> bool:
        """Whether ``time`` (aware) lies in the window: "the end is inclusive" (sigstore_common.proto, TimeRange)."""
        return (self.start is None or self.start <= time) and (self.end is None or time <= self.end)


ALWAYS = Validity()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_validity(parent: Message, name: str = "validFor", *, required: bool = False) -> Validity:
    """Read a TimeRange; one that is not there has no bounds, unless it is ``required``.

    One that is there needs its start (sigstore_common.proto), lest a lost field widen what is believed.
    Raises FormatError ``time-range-missing``, ``time-range-invalid``, ``time-...`` or ``json-...``.
    """
    message = parent.message(name, ("start", "end"))
    if message is None and not required:
        return ALWAYS
    if message is None or not message.has("start"):
        raise FormatError("time-range-missing", f"{parent.path(name)} has no start of validity")
    start, end = (parse_rfc3339(message.text(part)) if message.has(part) else None for part in ("start", "end"))
    if start is not None and end is not None and end < start:
        raise FormatError("time-range-invalid", f"{message.where} ends before it starts")
    return Validity(start, end)


def write_validity(validity: Validity) -> dict[str, Any]:
    """The TimeRange as protobuf JSON; the start, which must be there, is 1970 where there is no bound."""
    bounds = (("start", validity.start or _EPOCH), ("end", validity.end))
    return {name: format_rfc3339(time) for name, time in bounds if time is not None}
