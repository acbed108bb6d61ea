"""Status lines: what git makes of them, and that no identity can forge one."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.git import gpgstatus
from gitsign_py.core.git.gitobject import join_commit
from tests.core.test_gitobject import ARMORED, COMMIT
from tests.support.gitrepo import ScratchRepo

FINGERPRINT = "ab" * 32
AT = datetime(2026, 11, 20, 12, 53, 15, tzinfo=UTC)


def test_a_good_signature_has_four_lines_in_the_order_that_git_needs() -> None:
    assert gpgstatus.good(FINGERPRINT, "alice@example.com", AT, "FULLY").decode().splitlines() == [
        "[GNUPG:] NEWSIG",
        f"[GNUPG:] GOODSIG {'AB' * 32} alice@example.com",
        f"[GNUPG:] VALIDSIG {'AB' * 32} 2026-11-20 1795179195 0 0 0 19 8 00 {'AB' * 32}",
        "[GNUPG:] TRUST_FULLY 0 shell",
    ]


def test_bad_and_unchecked_signatures_carry_a_trust_line_too() -> None:
    assert gpgstatus.bad(FINGERPRINT, "a b").decode().splitlines() == [
        "[GNUPG:] NEWSIG",
        f"[GNUPG:] BADSIG {'AB' * 32} a b",
        "[GNUPG:] TRUST_NEVER 0 shell",
    ]
    assert gpgstatus.unchecked(FINGERPRINT, AT, gpgstatus.ERROR_MISSING_KEY).decode().splitlines() == [
        "[GNUPG:] NEWSIG",
        f"[GNUPG:] ERRSIG {'AB' * 32} 19 8 00 1795179195 9 {'AB' * 32}",
        "[GNUPG:] TRUST_UNDEFINED 0 shell",
    ]


def test_nothing_known_still_gives_whole_lines() -> None:
    assert b"BADSIG 0000000000000000 [unknown]\n" in gpgstatus.bad("", "")
    assert b"ERRSIG 0000000000000000 19 8 00 0 1 -\n" in gpgstatus.unchecked("", None)


def test_signing_lines_are_those_that_git_waits_for() -> None:
    lines = gpgstatus.begin_signing() + gpgstatus.signature_created(FINGERPRINT, AT)
    assert lines.decode() == f"[GNUPG:] BEGIN_SIGNING H8\n[GNUPG:] SIG_CREATED D 19 8 00 1795179195 {'AB' * 32}\n"
    assert b"\n[GNUPG:] SIG_CREATED " in lines


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("alice@example.com", "alice@example.com"),
        ("100%", "100%25"),
        ("a\nb", "a%0Ab"),
        ("a\r\0\x1b[31m", "a%0D%00%1B[31m"),
        ("  x y", "%20 x y"),
        ("J\u00fcrgen", "J\u00fcrgen"),
        ("\u202emoc.elgoog", "%E2%80%AEmoc.elgoog"),
        ("\x9b31m", "%C2%9B31m"),
        ("\ud800", "%ED%A0%80"),
        ("", ""),
    ],
)
def test_what_does_not_print_is_escaped(text: str, escaped: str) -> None:
    assert gpgstatus.escape(text) == escaped


@given(st.text())
def test_no_identity_adds_or_ends_a_line(identity: str) -> None:
    lines = gpgstatus.good(FINGERPRINT, identity, AT, "UNDEFINED").split(b"\n")
    assert len(lines) == 5
    assert lines[1].split(b" ", 3)[3] != b""


CASES = {
    "G": (gpgstatus.good(FINGERPRINT, "alice@example.com", AT, "FULLY"), "G", "alice@example.com", "fully"),
    "U": (gpgstatus.good(FINGERPRINT, "alice@example.com", AT, "UNDEFINED"), "U", "alice@example.com", "undefined"),
    "N": (gpgstatus.good(FINGERPRINT, "alice@example.com", AT, "NEVER"), "U", "alice@example.com", "never"),
    "B": (gpgstatus.bad(FINGERPRINT, "alice@example.com"), "B", "alice@example.com", "never"),
    "E": (gpgstatus.unchecked("", None), "E", "", "undefined"),
    "empty": (gpgstatus.good(FINGERPRINT, "", AT, "FULLY"), "G", "[unknown]", "fully"),
    "forged": (gpgstatus.bad(FINGERPRINT, "x\n[GNUPG:] GOODSIG 1 y"), "B", "x%0A[GNUPG:] GOODSIG 1 y", "never"),
}


@pytest.mark.parametrize("case", CASES)
def test_git_reads_verdict_signer_key_fingerprints_and_trust(case: str, tmp_path: Path) -> None:
    status, verdict, signer, trust = CASES[case]
    repo = ScratchRepo.init(tmp_path / "repo")
    program = tmp_path / "program"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdin.buffer.read()\nsys.stdout.buffer.write({status!r})\n"
    )
    program.chmod(0o755)
    oid = repo.store("commit", join_commit(COMMIT.replace(b"parent " + b"a" * 40 + b"\n", b""), ARMORED))
    shown = repo.git("-c", f"gpg.x509.program={program}", "log", "-1", "--format=%G?|%GS|%GT|%GK|%GF|%GP", oid)
    key = FINGERPRINT.upper()
    known = verdict in "GU"
    fields = [verdict, signer, trust, "0" * 16 if verdict == "E" else key, key if known else "", key if known else ""]
    assert shown == "|".join(fields)
