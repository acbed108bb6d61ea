"""The armor has one spelling, and two documented tolerances."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.git.armor import MAX_ARMORED_BYTES, armor, dearmor
from gitsign_py.core.git.gitobject import split_object
from gitsign_py.errors import FormatError

VECTORS = Path(__file__).parents[1] / "vectors" / "foreign"
DER = bytes(range(256))
ARMORED = armor(DER)
BEGIN, END = b"-----BEGIN SIGNED MESSAGE-----\n", b"-----END SIGNED MESSAGE-----\n"


@given(st.binary(min_size=1, max_size=500))
def test_dearmor_undoes_armor(der: bytes) -> None:
    assert dearmor(armor(der)) == der


def test_lines_have_64_columns_and_end_with_lf() -> None:
    lines = ARMORED.split(b"\n")
    assert (lines[0] + b"\n", lines[-2] + b"\n", lines[-1]) == (BEGIN, END, b"")
    assert [len(line) for line in lines[1:-2]] == [64] * 5 + [24]


def test_the_newline_after_the_end_line_may_be_missing() -> None:
    assert dearmor(ARMORED[:-1]) == DER


def test_one_empty_line_may_follow_the_end_line() -> None:
    """As libgit2 and dulwich write it in a commit's header."""
    assert dearmor(ARMORED + b"\n") == DER


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "armor-label"),
        (b"\n" + ARMORED, "armor-label"),
        (b"hello\n" + ARMORED, "armor-label"),
        (ARMORED.replace(b"SIGNED MESSAGE", b"CMS"), "armor-label"),
        (b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n", "armor-label"),
        (ARMORED + b"\n\n", "armor-invalid"),
        (ARMORED + b" \n", "armor-invalid"),
        (ARMORED[:-1] + b"\r\n\n", "armor-invalid"),
        (ARMORED + b"\ntail", "armor-invalid"),
        (ARMORED + b"tail\n", "armor-invalid"),
        (ARMORED + ARMORED, "armor-invalid"),
        (ARMORED.replace(b"\n", b"\r\n"), "armor-invalid"),
        (ARMORED.replace(b"-----\n", b"----- \n", 1), "armor-invalid"),
        (BEGIN + b"Version: 1\n\n" + ARMORED[len(BEGIN) :], "armor-invalid"),
        (ARMORED.replace(b"\n", b"\n\n", 1), "armor-invalid"),
        (BEGIN + b"QQ==\n", "armor-invalid"),
        (BEGIN + END, "armor-invalid"),
        (BEGIN[:-1] + END, "armor-invalid"),
        (BEGIN + b"QQ\n" + END, "armor-invalid"),
        (BEGIN + b"QR==\n" + END, "armor-invalid"),
        (BEGIN + b"Q Q==\n" + END, "armor-invalid"),
        (BEGIN + b"QUFB\nQUFB\n" + END, "armor-invalid"),
        (BEGIN + b"QUFB\n" * 400_000 + END, "armor-too-large"),
    ],
)
def test_every_other_spelling_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        dearmor(text)
    assert caught.value.reason == reason


def test_the_size_limit_is_exact() -> None:
    base64_room = (MAX_ARMORED_BYTES - len(BEGIN) - len(END)) // 65 * 65
    largest = armor(b"x" * (base64_room // 65 * 48))
    assert MAX_ARMORED_BYTES - 65 < len(largest) <= MAX_ARMORED_BYTES
    assert armor(dearmor(largest)) == largest
    with pytest.raises(FormatError, match="at most 1048576"):
        dearmor(armor(dearmor(largest) + b"x" * 48))


@given(st.integers(0, len(ARMORED) - 1), st.integers(0, 255))
def test_no_changed_byte_gives_the_same_signature(at: int, value: int) -> None:
    changed = ARMORED[:at] + bytes([value]) + ARMORED[at + 1 :]
    if changed == ARMORED:
        return
    try:
        found = dearmor(changed)
    except FormatError:
        return
    assert found != DER


@given(st.binary(max_size=200))
def test_any_bytes_give_der_or_a_format_error(noise: bytes) -> None:
    for text in (noise, BEGIN + noise, BEGIN + noise + END):
        try:
            found = dearmor(text)
        except FormatError:
            continue
        assert armor(found) in (text, text + b"\n", text.removesuffix(b"\n"))


def test_openssl_reads_the_base64_as_we_write_it() -> None:
    body = ARMORED[len(BEGIN) : -len(END)]
    decoded = subprocess.run(["openssl", "base64", "-d"], input=body, capture_output=True, check=True)
    assert decoded.stdout == DER


def test_real_signatures_have_this_spelling() -> None:
    paths = [*VECTORS.glob("*/*.commit"), *VECTORS.glob("*/*.tag")]
    assert len(paths) >= 20
    for path in paths:
        signature = split_object(path.suffix[1:], path.read_bytes()).signature
        assert signature is not None
        assert armor(dearmor(signature)) == signature
