"""Which route is a path's: no request, no answer, only the paths of all services."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitsign_py.localstack.service import Route, Service

Table = dict[str, tuple[Service, Route]]
"""The routes of one path by method."""
_PART = re.compile(r"\{([a-z]+)(:path)?\}")
_NO_PARTS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Router:
    """Paths without variable parts win over those with, longer ones over shorter ones."""

    exact: Mapping[str, Table]
    patterns: tuple[tuple[re.Pattern[str], Table], ...]

    def find(self, path: str) -> tuple[Table, Mapping[str, str]] | None:
        """The routes of a path, and its variable parts; None for a path that has none."""
        table = self.exact.get(path)
        if table is not None:
            return table, _NO_PARTS
        for pattern, one in self.patterns:
            if match := pattern.fullmatch(path):
                return one, match.groupdict()
        return None


def router(services: Iterable[Service]) -> Router:
    """The paths of all services. Two of them must not claim the same method and path."""
    tables: dict[str, Table] = {}
    for service in services:
        for route in service.routes:
            table = tables.setdefault(route.path, {})
            if route.method in table:
                raise ValueError(f"{route.method} {route.path} is claimed twice")
            table[route.method] = (service, route)
    variable = sorted((path for path in tables if "{" in path), key=lambda path: (path.count("{"), -len(path), path))
    exact = {path: table for path, table in tables.items() if "{" not in path}
    return Router(exact, tuple((_compiled(path), tables[path]) for path in variable))


def _compiled(path: str) -> re.Pattern[str]:
    """``{name}`` is one part of a path, ``{name:path}`` any number of them."""
    made, end = "", 0
    for match in _PART.finditer(path):
        made += re.escape(path[end : match.start()]) + f"(?P<{match[1]}>{'.*' if match[2] else '[^/]+'})"
        end = match.end()
    return re.compile(made + re.escape(path[end:]), re.DOTALL)
