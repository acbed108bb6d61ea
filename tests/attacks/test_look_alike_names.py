"""A path rule is passed by under a name that git tells apart and a checkout on macOS or Windows does not.

The same for the policy's own folder, and for a file, link or submodule in the place of a folder that has a rule.
"""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

from gitsign_py.policy.model import POLICY_PATH
from tests.support.court import Court, new_history
from tests.support.history import ALICE_AND_BOB, History

MAIN = "refs/heads/main"
POLICY = f"""\
{ALICE_AND_BOB}[[rules]]
name = "ours"
paths = ["/secrets/**", "/CODEOWNERS", "/.github/workflows/*.yml", "/*/keys/**", "/Schlüssel/**", "/1990/**",
  "/🔒/**"]
allow = ["alice"]
[[rules]]
name = "docs"
paths = ["/docs/**"]
allow = ["alice", "bob"]
[[rules]]
name = "rest"
allow = ["alice"]
"""
LENIENT = POLICY.replace('name = "rest"\nallow = ["alice"]', 'name = "rest"\nallow = ["alice", "bob"]')
KIND = {"file": b"100644", "link": b"120000", "submodule": b"160000", "program": b"100755"}


Case = tuple[str, str]
"""A path, and what Bob puts there."""


def commit_at(history: History, start: str, path: str, kind: str) -> str:
    """A commit by Bob, byte by byte: the language of histories knows text files alone."""
    parts = path.encode("utf-8", "surrogateescape").split(b"/")
    oid = start if kind == "submodule" else history.add("blob", b"x")
    entry = KIND[kind] + b" " + parts[-1] + b"\0" + bytes.fromhex(oid)
    for part in reversed(parts[:-1]):
        entry = b"40000 " + part + b"\0" + bytes.fromhex(history.add("tree", entry))
    tree = history.add("tree", history.read(history.commit_facts(start).tree).data + entry)
    person = b"Bob <bob@example.com> 1704067200 +0000\n"
    payload = f"tree {tree}\nparent {start}\n".encode() + b"author " + person + b"committer " + person + b"\nx\n"
    tip = history.add("commit", history._sign(payload, "bob", history.clock))
    history.facts[tip] = history._facts("bob", history.clock)
    return tip


def reasons(folder: Path, policy: str, cases: Iterable[Case]) -> dict[tuple[str, Case], str]:
    """What becomes of a commit for each case, by the policy as a file and by the one in the history."""
    court, history = Court(folder), new_history()
    start = history.commit(signed="alice", files={"a": "1", POLICY_PATH: policy})
    tips = {commit_at(history, start, *case): case for case in cases}
    refs = {f"refs/heads/b{number}": tip for number, tip in enumerate(tips)}
    made = court.repository(history, {MAIN: start, **refs})
    fixed = court.audit(made, refs, policy=policy)
    own = court.audit(made, refs, introduction=start, in_history=True)
    return {
        (mode, case): found[tip].reason
        for mode, found in (("fixed", fixed), ("own", own))
        for tip, case in tips.items()
    }


def check(folder: Path, policy: str, cases: Iterable[Case], reason: str) -> None:
    found = reasons(folder, policy, cases)
    assert {case: was for case, was in found.items() if was != reason} == {}
    assert found


def test_a_rule_is_not_passed_by(tmp_path: Path) -> None:
    paths = [
        *("Secrets/key", "secrets./key", "secrets /key", "se\u200bcrets/key", "\u200dsecrets/key", "\u017fecrets/key"),
        *("secrets::$INDEX_ALLOCATION/key", "secrets:x/key", "SECRET~1/key", "SE0A1B~1/key", "secrets\\key"),
        *("codeowners", "CODEOWNERS.", "CODEOWNERS::$DATA", "CODEOW~1", "CO0A1B~2", "Codeowner\u017f"),
        *(".GitHub/workflows/x.yml", ".github/WORKFLOWS/x.yml", ".github/workflows/x.YML", "GITHUB~1/WORKFL~1/x.yml"),
        *("x/Keys/a", "x/keys./a"),
    ]
    check(tmp_path, LENIENT, [(path, "file") for path in paths], "rule-refuses")


def test_nor_by_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    """git for Windows writes a checkout's file for them all the same: as Latin-1, as hex digits, from two halves."""
    names = [
        b"Schl\xfcssel/a",
        b"SCHL\xdcSSEL/a",
        b"Schl\xfcssel./a",
        b"1\x990/a",
        b"19\x90",
        b"\xed\xa0\xbd\xed\xb4\x92/a",
    ]
    check(tmp_path, LENIENT, [(name.decode("utf-8", "surrogateescape"), "file") for name in names], "rule-refuses")
    others = [b"docs/\xfc", b"\xed\xa0\xbd/a", b"1\x80/a"]
    (tmp_path / "others").mkdir()
    cases = [(name.decode("utf-8", "surrogateescape"), "file") for name in others]
    check(tmp_path / "others", LENIENT, cases, "verified")


def test_nor_by_what_takes_the_place_of_its_folder(tmp_path: Path) -> None:
    paths = ["secrets", "SECRETS", "secrets.", ".github", ".github/workflows", "x/keys", "SECRET~1"]
    check(tmp_path, LENIENT, product(paths, KIND), "rule-refuses")


def test_nor_reached_by_one_that_allows_more(tmp_path: Path) -> None:
    check(tmp_path, POLICY, product(["Docs/x", "DOCS/x", "docs./x", "DOCS~1/x"], ["file"]), "rule-refuses")


def test_nor_the_policys_own_folder(tmp_path: Path) -> None:
    paths = [
        *(".GITSIGN/policy.toml", ".gitsign./x", ".gitsign\\policy.toml", "GI0A1B~1/policy.toml", "GITSI~10/x"),
        *(".g\u200bitsign/policy.toml", ".../.gitsign/policy.toml", ".Gitsign"),
    ]
    check(tmp_path, LENIENT, product(paths, KIND), "policy-change")


def test_other_names_are_left_alone(tmp_path: Path) -> None:
    paths = ["docs/x", "src/secrets.c", "secret/x", "docs/README~1", "CODEOWNERS.md", "x/monkeys/a"]
    check(tmp_path, LENIENT, product(paths, ["file", "program"]), "verified")
