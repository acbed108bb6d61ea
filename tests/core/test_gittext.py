"""What objects say to people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.git.gittext import Person, split_person, subject_line


@pytest.mark.parametrize(
    ("line", "person"),
    [
        (b"Alice <a@b.c> 17 +0200", Person(b"Alice", b"a@b.c", 17, b"+0200")),
        (b"<a@b.c> 17 -0000", Person(b"", b"a@b.c", 17, b"-0000")),
        (b"A <B> C <d@e> 1 +0000", Person(b"A", b"B", 1, b"+0000")),
        (b"Alice <a@b.c>", Person(b"Alice", b"a@b.c", None, b"")),
        (b"Alice <a@b.c> soon", Person(b"Alice", b"a@b.c", None, b"")),
        (b"Alice a@b.c", Person(b"Alice a@b.c", b"", None, b"")),
        (b"Alice <a@b.c> " + b"9" * 30 + b" +0000", Person(b"Alice", b"a@b.c", None, b"")),
        (b"", Person(b"", b"", None, b"")),
    ],
)
def test_person_lines_are_read_as_git_reads_them(line: bytes, person: Person) -> None:
    assert split_person(line) == person


@pytest.mark.parametrize(
    ("message", "encoding", "subject"),
    [
        (b"one\n", "utf-8", "one"),
        (b"\n\none\ntwo\n\nbody", "utf-8", "one two"),
        (b"", "utf-8", ""),
        (b"h\xc3\xa9", "UTF-8", "h\u00e9"),
        (b"h\xe9", "ISO-8859-1", "h\u00e9"),
        (b"h\xe9", "utf-8", "h\ufffd"),
        (b"h", "iso-8859-99", "h"),
        (b"plain", "rot13", "plain"),
        (b"\\x41", "unicode_escape", "\\x41"),
        (b"a" * 5000, "utf-8", "a" * 4096),
    ],
)
def test_the_subject_is_the_first_paragraph_on_one_line(message: bytes, encoding: str, subject: str) -> None:
    assert subject_line(message, encoding) == subject


@given(st.binary(), st.text())
def test_no_message_and_no_encoding_fails(message: bytes, encoding: str) -> None:
    assert "\n" not in subject_line(message, encoding)
