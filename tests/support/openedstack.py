"""A stack that is opened without its server: its handlers are called directly."""

import json

from gitsign_py.localstack.http import _handle
from gitsign_py.localstack.service import Request, Response
from gitsign_py.localstack.stack import Stack
from tests.support.rekor2kit import ENTRIES, proposal


def ask(stack: Stack, path: str, value: object = None) -> Response:
    """The answer to GET, or to POST with ``value`` as JSON, with errors as the service writes them."""
    method = "GET" if value is None else "POST"
    return answer_to(stack, Request(method, path, body=b"" if value is None else json.dumps(value).encode()))


def answer_to(stack: Stack, request: Request) -> Response:
    """The answer to a request for a path without variable parts."""
    for service in stack.services:
        for route in service.routes:
            if (route.method, route.path) == (request.method, request.path):
                return _handle(service, route, request, stack.context.hook)
    raise AssertionError(request.path)


def answer_by(stack: Stack, path: str, **parts: str) -> Response:
    """The answer to a GET by the route ``path``, with these variable parts."""
    for service in stack.services:
        for route in service.routes:
            if (route.method, route.path) == ("GET", path):
                return _handle(service, route, Request("GET", path, parts), stack.context.hook)
    raise AssertionError(path)


def log_an_entry(stack: Stack, number: int) -> Response:
    """Log a fresh entry in Rekor v2."""
    return ask(stack, ENTRIES, proposal(f"entry {number}".encode()))
