"""Text of others on its way to a person: nothing that moves a cursor, and nothing that looks like a token or a key."""

from gitsign_py.errors import veiled


def printable(text: str) -> str:
    """A setting, a path, a server's words, for one line of a terminal, a log or a page."""
    return escaped(veiled(text))


def escaped(text: str, *, keep: str = "") -> str:
    """Spell out what does not print, the characters of ``keep`` excepted: it could move the cursor or end the line."""
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )


def without_password(url: str, instead: str = "") -> str:
    """A URL with ``instead`` in the place of the name and password of who asks there; these may hold an ``@``."""
    scheme, slashes, rest = url.partition("//")
    authority, slash, path = rest.partition("/")
    _, at, host = authority.rpartition("@")
    return f"{scheme}{slashes}{instead if at else ''}{host}{slash}{path}"
