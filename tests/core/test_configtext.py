"""The text of settings, as git reads it: what git config --list says of each of these was written down."""

import pytest

from gitsign_py.core.git.configtext import parse_config

READ: list[tuple[bytes, list[tuple[str, str | None]]]] = [
    (b"", []),
    (b"\xef\xbb\xbf[a]\n\tb = c\n", [("a.b", "c")]),
    (b"[A]\r\n\tB-1 = C\r\n", [("a.b-1", "C")]),
    (b'[a "B.c\\"\\\\\\x"] d = 1', [('a.B.c"\\x.d', "1")]),
    (b"[a.B] c\n", [("a.b.c", None)]),
    (b'[a ""]\nb=\n', [("a..b", "")]),
    (b'[ "x"]\nb=1', [(".x.b", "1")]),
    (b"[a] b = 1 [c]\n d = 2 # e\n[a] b = 3 ; f", [("a.b", "1 [c]"), ("a.d", "2"), ("a.b", "3")]),
    (b'[a]\n b = "  x # y "  z  \n c = x"y"z', [("a.b", "  x # y   z"), ("a.c", "xyz")]),
    (b'[a]\n b = \\"x\\n\\t\\b\\\\ \\\n  y', [("a.b", '"x\n\t\b\\   y')]),
    (b"[a]\n b = x\\\n", [("a.b", "x")]),
    (b"[a]\n b = \\", [("a.b", "")]),
    (b"[a]\n b = x\x0by\xff", [("a.b", "x\x0by\udcff")]),
    (b"# [a\n; b = 1\n \t[a] # x\n", []),
    (b"[a]\n b = x\r", [("a.b", "x")]),
]
REFUSED = (
    *(
        b"[",
        b"[a",
        b"[]",
        b"[a]\n b = 'x\" y",
        b"[a b]",
        b'[a "b]',
        b'[a "b" ]',
        b'[a\n"b"]',
        b'[a "b\n"]',
        b'[a "b\\\n"]',
    ),
    *(
        b"[a]\n1b = 2",
        b"[a]\n-b",
        b"[a]\nb c",
        b"[a]\nb_c = 1",
        b"b = 1",
        b"[a]\nb = \\q",
        b"[a]\n\x0c",
        b"[a]\nb = x\0y",
    ),
    *(b"[\xc3\xa4]\nb=1", b"\xef\xbb[a]\nb=1", b"]", b"[a] = b", b"[a]\n\xe2\x80\x8bb = 1"),
)


@pytest.mark.parametrize(("data", "settings"), READ)
def test_settings(data: bytes, settings: list[tuple[str, str | None]]) -> None:
    assert list(parse_config(data)) == settings


@pytest.mark.parametrize("data", REFUSED)
def test_what_git_refuses_or_reads_in_part(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(line \d+ is no setting|there is a NUL in it)$"):
        list(parse_config(data))
