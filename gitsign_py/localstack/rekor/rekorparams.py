"""Parameters of Rekor v1's requests, refused as the real server's validation refuses them: 422 and the rule's code.

The codes are those of the library behind it (go-openapi/errors).
"""

from typing import Any

from gitsign_py.errors import FormatError
from gitsign_py.localstack.service import Refusal, Request

MAX_RETRIEVE = 10
TYPE, REQUIRED, PATTERN, ENUM, MINIMUM, TOO_MANY = 601, 602, 605, 606, 609, 611


def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises Refusal (400)."""
    try:
        return request.json_object()
    except FormatError as error:
        raise Refusal(400, error.message) from error


def read_items(body: dict[str, Any], name: str) -> list[Any]:
    """A list of at most 10 items, empty when it is missing or null."""
    found = body.get(name) or []
    if not isinstance(found, list):
        raise Refusal(422, f"{name} in body must be of type array", code=TYPE)
    if len(found) > MAX_RETRIEVE:
        raise Refusal(422, f"{name} in body should have at most {MAX_RETRIEVE} items", code=TOO_MANY)
    return found


def as_text(value: object, name: str) -> str:
    """An item that must be a text."""
    if not isinstance(value, str):
        raise Refusal(422, f"{name} in body must be of type string", code=TYPE)
    return value


def as_index(value: object) -> int:
    """An item that must be a log index."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal(422, "logIndexes in body must be of type int64", code=TYPE)
    if value < 0:
        raise Refusal(422, "logIndexes in body should be greater than or equal to 0", code=MINIMUM)
    return value


def query_number(request: Request, name: str, *, minimum: int, default: int | None = None) -> int:
    """A whole number of the query, at least ``minimum``; without a ``default`` it is required."""
    text = request.query.get(name)
    if text is None:
        if default is not None:
            return default
        raise Refusal(422, f"{name} in query is required", code=REQUIRED)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise Refusal(422, f'{name} in query must be of type int64: "{text}"', code=TYPE)
    if int(text) < minimum:
        raise Refusal(422, f"{name} in query should be greater than or equal to {minimum}", code=MINIMUM)
    return int(text)
