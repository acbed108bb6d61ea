"""Settings for one URL, ``http.<url>.NAME``, found as git finds them (git-config(1), ``http.<url>.*``; its urlmatch.c).

Here and not by ``git config --get-urlmatch``: that starts git for each URL, and takes the value of a repository's own
configuration where it should be passed over for the person's.
"""

import re
from collections.abc import Iterator

from gitsign_py.core.frozen import frozen
from gitsign_py.host.git.config import GitConfig, GitValue

_WHOLE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)")
_AUTHORITY = re.compile(r"(?:([^@]*)@)?([A-Za-z0-9._*-]+|\[[0-9A-Fa-f:.*]+\])(?::(\d{0,9}))?\Z")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})|(.)", re.DOTALL)
_RESERVED = ":/?#[]@!$&'()*+,;="
_UNSAFE = ' <>"%{}|\\^`'
_PORTS = {"http": "80", "https": "443", "ftp": "21", "ftps": "990"}
_Rank = tuple[int, int, bool]


@frozen
class _Place:
    """A URL in its normal form; a host may have ``*`` for a whole label in a setting."""

    scheme: str
    user: str | None
    host: str
    port: str
    path: str


def for_url(config: GitConfig, name: str, url: str) -> tuple[str, GitValue] | None:
    """The key and the value of ``http.NAME`` that count for ``url``: the most exact one, of two alike the later."""
    place = _place(url)
    best: tuple[_Rank, str, GitValue] | None = None
    for key, pattern, value in _named(config, name):
        rank = (0, 0, False) if pattern is None else _match(place, _place(pattern))
        if rank is not None and (best is None or rank >= best[0]):
            best = (rank, key, value)
    return None if best is None else best[1:]


def _named(config: GitConfig, name: str) -> Iterator[tuple[str, str | None, GitValue]]:
    end = f".{name.lower()}"
    for key, values in config.entries.items():
        if key.startswith("http.") and key.endswith(end) and values:
            pattern = key[len("http.") : -len(end)] if len(key) > len("http") + len(end) else None
            yield f"http.{pattern}.{name}" if pattern is not None else f"http.{name}", pattern, values[-1]


def _place(url: str) -> _Place | None:
    whole = _WHOLE.match(url)
    found = _AUTHORITY.match(whole[2]) if whole is not None else None
    if whole is None or found is None:
        return None
    scheme, user, port = whole[1].lower(), found[1], (found[3] or "").lstrip("0")
    path = _resolved(_normal(whole[3]))
    if path is None or (found[3] and (not port or int(port) > 65535)):
        return None
    named = None if user is None else _normal(user.partition(":")[0])
    return _Place(scheme, named, found[2].lower(), "" if port == _PORTS.get(scheme) else port, path)


def _normal(text: str) -> str:
    """Percent-encoding as RFC 3986 §6.2.2 has it: what needs none has none."""

    def put(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16)) if match[1] else match[2]
        if " " < char < "\x7f" and char not in _UNSAFE and not (match[1] and char in _RESERVED):
            return char
        return "".join(f"%{byte:02X}" for byte in ([ord(char)] if match[1] else char.encode("utf-8", "replace")))

    return _ESCAPED.sub(put, text)


def _resolved(path: str) -> str | None:
    """Without ``.`` and ``..`` (RFC 3986 §5.2.4); None for one that leads above the root."""
    parts: list[str] = []
    for part in path.split("/")[1:]:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def _match(place: _Place | None, pattern: _Place | None) -> _Rank | None:
    """How exactly a setting's URL fits, None where it does not."""
    if place is None or pattern is None or (place.scheme, place.port) != (pattern.scheme, pattern.port):
        return None
    if pattern.user is not None and pattern.user != place.user:
        return None
    labels, wanted = place.host.split("."), pattern.host.split(".")
    if len(labels) != len(wanted) or any(w not in ("*", have) for have, w in zip(labels, wanted, strict=True)):
        return None
    prefix = pattern.path.removesuffix("/")
    if place.path != prefix and not place.path.startswith(f"{prefix}/"):
        return None
    return len(pattern.host), len(prefix) + 1, pattern.user is not None
