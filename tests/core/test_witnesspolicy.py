"""Witness policies (C2SP tlog-policy): the document's example, its rules one by one, and bounds."""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.tlog.vkey import ECDSA, ED25519, parse_vkey
from gitsign_py.core.tlog.witnesspolicy import MAX_BYTES, WitnessPolicy, parse_policy
from gitsign_py.errors import ConfigError, FormatError
from tests.support.smalltree import PUBLIC
from tests.support.witnesskit import LOG, A, B, C, Cosigner, policy, vkey

EXAMPLE_GROUPS = (
    "group X-witnesses 2 X1 X2 X3",
    "group Y-witnesses any Y1 Y2 Y3",
    "group X-and-Y all X-witnesses Y-witnesses",
    "quorum X-and-Y",
)
SIX = [Cosigner(f"{letter}{number}", 10 * at + number) for at, letter in ((1, "X"), (2, "Y")) for number in (1, 2, 3)]


def refused(*lines: str, end: str = "\n") -> tuple[str, int | None]:
    """Reason and line."""
    return refused_bytes(("\n".join(lines) + end).encode())


def refused_bytes(data: bytes) -> tuple[str, int | None]:
    with pytest.raises(ConfigError) as caught:
        parse_policy(data)
    line = caught.value.facts["line"]
    assert line is None or isinstance(line, int)
    return caught.value.reason.removeprefix("witness-policy-"), line


def example() -> WitnessPolicy:
    return policy(f"log {LOG}", *EXAMPLE_GROUPS, witnesses=SIX)


@pytest.mark.parametrize(
    ("witnesses", "met"),
    [("X1 X2 Y3", True), ("X1 X2 X3", False), ("X1 Y1 Y2 Y3", False), ("X3 X2 Y1 Y2", True), ("", False), ("Z", False)],
)
def test_the_document_s_example_asks_for_two_of_one_group_and_one_of_the_other(witnesses: str, met: bool) -> None:
    assert example().is_met_by(witnesses.split()) is met


def test_what_the_lines_say_is_read() -> None:
    found = policy(f"log {LOG} https://log.example.com/", "quorum none", witnesses=[A])
    assert [(str(one.key), one.url) for one in found.logs] == [(str(LOG), "https://log.example.com/")]
    assert [(one.name, one.key, one.url) for one in found.witnesses] == [("a", A.key, "")]
    assert not found.requires
    assert found.is_met_by(())


def test_white_space_comments_and_octets_are_as_the_document_has_them() -> None:
    text = f"\t# a comment \u00e9\n\n  witness\t\u212a {A.key}  \nquorum \u212a"
    found = parse_policy(text.encode() + b" \n")
    assert found.is_met_by(["\u212a"])
    assert not found.is_met_by(["K"])
    assert parse_policy(b"witness \xff %b\nquorum \xff\n" % str(A.key).encode()).requires


@pytest.mark.parametrize(
    ("lines", "reason", "line"),
    [
        ((A.line, "quorum b"), "name", 2),
        ((A.line,), "quorum", None),
        ((A.line, "quorum a", "quorum a"), "quorum", 3),
        ((A.line, "quorum"), "malformed", 2),
        ((A.line, "quorum a a"), "malformed", 2),
        (("wittness a b", "quorum none"), "malformed", 1),
        (("witness none " + str(A.key), "quorum none"), "duplicate", 1),
        ((A.line, f"witness a {B.key}", "quorum a"), "duplicate", 2),
        ((A.line, f"witness b {A.key}", "quorum a"), "duplicate", 2),
        ((A.line, f"witness b {vkey('other.example', A.number)}", "quorum a"), "duplicate", 2),
        ((f"log {LOG}", f"log {vkey('other.example', 200, ED25519)}", "quorum none"), "duplicate", 2),
        ((A.line, "group g any a", "group h any a", "quorum h"), "duplicate", 3),
        ((A.line, "group g all a a", "quorum g"), "duplicate", 2),
        ((A.line, "group a any a", "quorum a"), "duplicate", 2),
        ((A.line, "group g any g", "quorum g"), "name", 2),
        ((A.line, "group g any none", "quorum g"), "name", 2),
        ((A.line, "group g 2 a", "quorum g"), "quorum", 2),
        ((A.line, "group g 0 a", "quorum g"), "quorum", 2),
        ((A.line, "group g 01 a", "quorum g"), "quorum", 2),
        ((A.line, "group g some a", "quorum g"), "quorum", 2),
        ((A.line, "group g any", "quorum g"), "malformed", 2),
        ((f"witness a {LOG}", "quorum a"), "key", 1),
        ((f"log {A.key}", "quorum none"), "key", 1),
        (("witness a nothing", "quorum a"), "key", 1),
        ((A.line, "quorum a\x7f"), "malformed", 2),
        ((A.line, "quorum a\r"), "malformed", 2),
    ],
)
def test_a_line_against_the_document_is_refused_with_its_number(
    lines: tuple[str, ...], reason: str, line: int | None
) -> None:
    assert refused(*lines) == (reason, line)


def test_a_file_that_was_cut_off_is_refused() -> None:
    """``quorum all`` may have been cut from ``quorum all-of-them``."""
    assert refused(A.line, "quorum a", end="") == ("malformed", 2)


def test_bounds() -> None:
    many = [f"group g{number} any a" if number == 0 else f"group g{number} any g{number - 1}" for number in range(101)]
    assert refused(A.line, *many[:100], "quorum g98", "quorum g1")[0] == "quorum"
    assert refused(A.line, *many, "quorum g98") == ("malformed", 102)
    assert refused_bytes(b"#" * MAX_BYTES + b"\n") == ("malformed", None)


def test_what_a_policy_of_the_wrong_file_holds_is_refused() -> None:
    assert refused_bytes(b"") == ("malformed", 1)
    assert refused_bytes(b"\x00\n") == ("malformed", 1)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    with suppress(ConfigError):
        assert parse_policy(data).digest == hashlib.sha256(data).hexdigest()


@given(st.sets(st.sampled_from([one.name for one in SIX])), st.sampled_from([one.name for one in SIX]))
def test_one_cosignature_more_never_unmakes_a_quorum(names: set[str], more: str) -> None:
    assert example().is_met_by({*names, more}) >= example().is_met_by(names)


def test_verifier_keys_are_read_strictly() -> None:
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert str(parse_vkey(text)) == text
    ecdsa = f"rekor.example+{PUBLIC.key_id[:4].hex()}+"
    assert parse_vkey(str(type(LOG)("rekor.example", ECDSA, PUBLIC.spki))).public_key == PUBLIC
    for spoiled in (
        text[:-1],
        text.upper(),
        "no" + text,
        text.replace("033d", "033e"),
        "",
        "a+b",
        ecdsa,
        f"{ecdsa}Ag==",
    ):
        with pytest.raises(FormatError, match="malformed"):
            parse_vkey(spoiled)
    with pytest.raises(FormatError) as caught:
        parse_vkey("ct.example+00000000+BQAA")
    assert caught.value.reason == "vkey-unsupported"


def test_a_third_witness_is_named_by_its_own_line() -> None:
    assert policy("group two 2 a b c", "quorum two").is_met_by({A.name, C.name})


def test_two_keys_that_no_signature_line_tells_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint has 32 bits: another key with the name and hint of a witness is found by trying."""
    monkeypatch.setattr(type(LOG), "hint", property(lambda _: bytes(4)))
    lines = (f"witness a {vkey('same.example', 1)}", f"witness b {vkey('same.example', 2)}", "quorum a")
    assert refused(*lines) == ("duplicate", 2)
