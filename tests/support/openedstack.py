"""A stack that is opened without its server: its handlers are called directly."""

import json

from gitsign_py.localstack.http import _handle
from gitsign_py.localstack.service import Request, Response
from gitsign_py.localstack.stack import Stack
from tests.support.rekor2kit import ENTRIES, proposal


def ask(stack: Stack, path: str, value: object = None) -> Response:
    """The answer to GET, or to POST with ``value`` as JSON, with errors as the service writes them."""
    method = "GET" if value is None else "POST"
    for service in stack.services:
        for route in service.routes:
            if (route.method, route.path) == (method, path):
                body = b"" if value is None else json.dumps(value).encode()
                return _handle(service, route, Request(method, path, body=body), stack.context.hook)
    raise AssertionError(path)


def log_an_entry(stack: Stack, number: int) -> Response:
    """Log a fresh entry in Rekor v2."""
    return ask(stack, ENTRIES, proposal(f"entry {number}".encode()))
