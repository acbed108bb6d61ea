"""Paths and the routes that they lead to."""

import pytest

from gitsign_py.localstack.routing import Router, router
from gitsign_py.localstack.service import Request, Response, Route, Service, plain_errors


def routed(*paths: str) -> Router:
    def handler(_: Request) -> Response:
        return Response()

    return router([Service("a", tuple(Route("GET", path, handler) for path in paths), plain_errors)])


LOG = routed(
    "/log", "/log/{number}", "/log/{number}/key", "/{shard}/tile/{place:path}", "/log/tile/{place:path}", "/a.b"
)


@pytest.mark.parametrize(
    ("path", "route", "parts"),
    [
        ("/log", "/log", {}),
        ("/log/1", "/log/{number}", {"number": "1"}),
        ("/log/1/key", "/log/{number}/key", {"number": "1"}),
        ("/log/tile/0/x001", "/log/tile/{place:path}", {"place": "0/x001"}),
        ("/other/tile/0/x001", "/{shard}/tile/{place:path}", {"shard": "other", "place": "0/x001"}),
        ("/other/tile/", "/{shard}/tile/{place:path}", {"shard": "other", "place": ""}),
    ],
)
def test_a_path_leads_to_its_route(path: str, route: str, parts: dict[str, str]) -> None:
    found = LOG.find(path)
    assert found
    assert (found[0]["GET"][1].path, dict(found[1])) == (route, parts)


@pytest.mark.parametrize("path", ["", "/", "/log/", "/log/1/", "/log//key", "/log\n", "/axb", "/LOG", "/log/1/key\n"])
def test_another_path_leads_nowhere(path: str) -> None:
    assert LOG.find(path) is None
