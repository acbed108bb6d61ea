"""A server's answer, and the errors that say in plain words why an answer is of no use."""

from datetime import UTC, datetime

from gitsign_py.core.encoding import load_json
from gitsign_py.core.frozen import field, frozen
from gitsign_py.errors import FormatError, ServiceError, veiled

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MESSAGE_LIMIT = 300  # characters of a server's own words in our messages
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@frozen
class Answer:
    """A server's answer. ``headers`` have lower-case names; ``url`` is where the answer came from in the end."""

    service: str
    method: str
    url: str
    status: int
    headers: "Mapping[str, str]"
    body: bytes = field(repr=False)

    def json(self) -> "Any":
        """Parse the body as strict JSON. Raises ServiceError ``service-answer-invalid``."""
        try:
            return load_json(self.body, max_bytes=len(self.body))
        except FormatError as error:
            raise self.invalid(error.message) from error

    def date(self) -> datetime | None:
        """Tell the server's time by its Date header (whole seconds, RFC 9110 §6.6.1); None without a usable one."""
        text = self.headers.get("date", "")
        return _imf_date(text) or _other_date(text) if text else None

    def invalid(self, why: str) -> ServiceError:
        """Make the error for an answer that cannot be used; ``why`` is a clause in plain words."""
        return ServiceError(
            "service-answer-invalid",
            f"{self.service} at {self.url} gave an answer that cannot be used: {one_line(why)}",
            hint="check that the URL is that service's; if it is, the service is faulty or something stands between",
            facts={"service": self.service, "url": self.url, "status": self.status},
        )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _imf_date(text: str) -> datetime | None:
    """RFC 9110 §5.6.7, the form that servers must use: ``Sun, 06 Nov 1994 08:49:37 GMT``."""
    parts = text.split()
    if len(parts) != 6 or parts[5] != "GMT" or parts[2] not in _MONTHS:
        return None
    numbers = [parts[3], parts[1], *parts[4].split(":")]
    if len(numbers) != 5 or not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in numbers):
        return None
    year, day, hour, minute, second = map(int, numbers)
    try:
        return datetime(year, _MONTHS.index(parts[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _other_date(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 10 ms, for a server that writes it otherwise

    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def one_line(text: str) -> str:
    """Make foreign text fit for one line: no tokens, no control characters, no direction overrides, a limit."""
    clean = "".join(letter if letter.isprintable() else " " for letter in veiled(text))
    clean = " ".join(clean.split())
    return clean if len(clean) <= MESSAGE_LIMIT else clean[: MESSAGE_LIMIT - 1] + "…"


def server_message(answer: Answer) -> str:
    """Return the server's own words about a failure, cleaned and cut; empty when it gave none.

    Understood are {"message"} (gRPC gateways, Rekor), {"error", "error_description"} (OAuth, RFC 6749 §5.2) and text.
    """
    text = answer.body[: 8 * MESSAGE_LIMIT].decode("utf-8", "replace")
    try:
        value = load_json(answer.body, max_bytes=len(answer.body))
    except FormatError:
        return "" if "<html" in text.lower() else one_line(text)
    if not isinstance(value, dict):
        return one_line(text)
    words = [value[name] for name in ("message", "error", "error_description") if isinstance(value.get(name), str)]
    return one_line(": ".join(words)) if words else one_line(text)


def status_error(answer: Answer, *, hint: str = "") -> ServiceError:
    """Make the error for a status that was not expected."""
    words = server_message(answer)
    location = answer.headers.get("location")
    if answer.status in REDIRECTS and location:
        words = f"redirect to {one_line(location)}, which is not followed"
    return ServiceError(
        "service-status",
        f"{answer.service} at {answer.url} answered {answer.status}" + (f": {words}" if words else ""),
        hint=hint or _status_hint(answer),
        facts={"service": answer.service, "url": answer.url, "status": answer.status, "message": words},
    )


def _status_hint(answer: Answer) -> str:
    if answer.status == 429:
        return "too many requests: wait a little and try again"
    if answer.status >= 500:
        return f"{answer.service} has trouble of its own: try again in a while, or look at its status page or its log"
    if answer.status in (404, 405, 501) or answer.status in REDIRECTS:
        return "check that the URL is that service's"
    return ""
