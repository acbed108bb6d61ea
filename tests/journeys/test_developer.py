"""A developer's day: what did the others sign, may they, and what does git say of it?"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.history import ISSUER
from tests.support.inprocess import Said, run_here
from tests.support.pushserver import POLICY
from tests.support.signedrepo import SignedRepo

ESCAPE = re.compile("\x1b\\[[0-9;]*m")


class Day:
    """A clone with four commits of a morning, the newest first: by Alice, by Bob, by Alice, unsigned."""

    def __init__(self, folder: Path) -> None:
        self.made = SignedRepo.make(folder, BulkSigner(folder / "authority"))
        history = self.made.history
        base = history.commit(message="base", files={"a": "0"})
        tests = history.commit(base, signed="alice", message="tests", files={"a": "1"})
        typo = history.commit(tests, by="bob", signed="bob", message="fix typo", files={"a": "2"})
        parser = history.commit(typo, signed="alice", message="add the parser " + "and more of it " * 9)
        self.oids = {"base": base, "tests": tests, "typo": typo, "parser": parser}
        self.made.write(heads__main=parser, tags__v1=history.tag("v1", tests, signed="alice"))

    def run(self, *arguments: str, **how: bool) -> Said:
        return run_here(self.made.repo.path, environment(**self.made.variables), *arguments, **how)

    def short(self, name: str) -> str:
        return self.oids[name][:7]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("day"))


@pytest.fixture
def allowed(day: Day) -> Iterator[Day]:
    """With Alice as the one allowed signer."""
    day.made.repo.git("config", "gitsign.allowedSigner", f"alice@example.com {ISSUER}")
    yield day
    day.made.repo.git("config", "--unset-all", "gitsign.allowedSigner")


def test_a_range_is_one_line_each_and_a_total(allowed: Day) -> None:
    said = allowed.run("verify", "main~3..")
    assert said.lines == [
        "(trust: gitsign.allowedSigner)",
        f"{allowed.short('parser')} ok       alice@example.com  2024-01-01 00:04  {('add the parser ' + 'and more of it ' * 9).strip()}",  # noqa: E501
        f"{allowed.short('typo')} REFUSED  bob@example.com is not an allowed signer  fix typo",
        f"{allowed.short('tests')} ok       alice@example.com  2024-01-01 00:02  tests",
        "2 of 3 verified.",
    ]
    assert said.status == 1
    assert "--isolated" in said.err  # the repository itself says who is allowed


def test_on_a_terminal_lines_have_colours_and_its_width(allowed: Day) -> None:
    said = allowed.run("verify", "main~3..", "main~3", "v1", terminal=True)
    plain = [ESCAPE.sub("", line) for line in said.lines]
    assert max(map(len, plain)) == 80
    assert "\x1b[32mok\x1b[0m " in said.lines[1]
    assert "\x1b[1;31mREFUSED\x1b[0m " in said.lines[2]
    assert plain[4].split() == [allowed.short("base"), "REFUSED", "no", "signature", "base"]
    assert plain[5].endswith("tag v1: v1")
    assert plain[-1] == "3 of 5 verified."
    without = allowed.run("verify", "main~3..", "main~3", "v1", terminal=True, colour=False)
    assert without.lines == plain


def test_signatures_of_other_programs_are_a_row_each_and_one_line_says_what_to_do(allowed: Day) -> None:
    """A forge signs merges by OpenPGP, by the hundred."""
    pgp = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----\n"
    repo = allowed.made.repo
    unsigned = repo.raw("commit", allowed.oids["base"])
    merges = [repo.store("commit", unsigned.replace(b"\n\nbase", b"\n%s\nmerge %d" % (pgp, n))) for n in range(2)]
    said = allowed.run("verify", *merges, "main")
    assert said.status == 3
    assert said.lines[1:3] == [
        f"{oid[:7]} unchecked  is signed in another format (openpgp)  merge {n}" for n, oid in enumerate(merges)
    ]
    assert said.lines[4] == (
        "2 signed in another format: git verify-commit and git verify-tag check OpenPGP and SSH signatures, "
        "gitsign-py audit judges all [signature-format-unsupported]"
    )
    assert said.lines[5:] == ["1 of 3 verified."]


def test_steps_are_shown_for_who_asks(allowed: Day) -> None:
    said = allowed.run("verify", "-v", "main")
    assert f"  commit {allowed.oids['parser']}" in said.lines
    assert any(line.startswith("  6.1  ok") for line in said.lines)
    assert allowed.run("verify", "-q", "main").out.count("\n") == 1


def test_nobody_named_is_said_with_what_to_add(day: Day) -> None:
    said = day.run("verify", "main~3..")
    assert (said.status, said.out) == (2, "")
    for words in ("gitsign.allowedSigner", "gitsign.policy", "--certificate-identity", "--any-identity"):
        assert words in said.err
    anybody = day.run("verify", "--any-identity", "main~3..")
    assert anybody.status == 0
    assert [line.split()[1] for line in anybody.lines[1:4]] == ["good"] * 3
    assert anybody.lines[-1] == "0 of 3 verified: 3 good signatures, and nothing says who may sign."


def test_a_policy_counts_as_for_git_itself(day: Day) -> None:
    (day.made.folder / "policy.toml").write_text(POLICY)
    day.made.repo.git("config", "gitsign.policy", str(day.made.folder / "policy.toml"))
    try:
        said = day.run("verify", "main~3..")
        by_git = [day.made.git("verify-commit", day.oids[name]).returncode for name in ("parser", "typo", "tests")]
    finally:
        day.made.repo.git("config", "--unset", "gitsign.policy")
    assert [line.split()[1] for line in said.lines[1:] if line.startswith(tuple(o[:7] for o in day.oids.values()))] == [
        "ok",
        "REFUSED",
        "ok",
    ]
    assert by_git == [0, 1, 0]
    assert "(trust: gitsign.policy)" in said.out
    assert "rule-refuses" in said.out
    assert said.lines[-1] == "2 of 3 verified."


def test_git_warns_where_nobody_said_who_may_sign(day: Day) -> None:
    done = day.made.git("-c", "gpg.format=x509", "log", "-1", "--format=%G?", "--show-signature", "main")
    text = done.stdout.decode()
    assert "Good signature by alice@example.com" in text
    assert "WARNING: this signer is not known to be allowed" in text
    assert text.splitlines()[-1] == "U"


def test_git_warns_of_nothing_where_the_signer_is_allowed(allowed: Day) -> None:
    done = allowed.made.git("-c", "gpg.format=x509", "log", "-1", "--format=%G?", "--show-signature", "main")
    assert b"WARNING" not in done.stdout
    assert done.stdout.splitlines()[-1] == b"G"
