"""A pattern or a glob of a policy, or of a flag, that holds whoever matches it for ever.

``^(a+)+@example$`` and a name of forty letters, or ``*a*a*a*`` and a long one: Python's ``re`` tries all ways through.
Patterns are RE2's now, which has one way, and a policy that a pushed commit brings is not read before it is accepted.
"""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from gitsign_py.core.regexp import MAX_VALUE, RegexpError, check_regexp, matches_whole
from gitsign_py.errors import UsageError
from gitsign_py.policy.inclusion import MAX_STEPS, Steps
from gitsign_py.policy.model import POLICY_PATH
from gitsign_py.policy.parse import read_policy
from gitsign_py.policy.patterns import PatternError, anchored, glob_includes, glob_matches
from gitsign_py.verification.allowed import AllowedSigner
from gitsign_py.verification.identity import Expected
from tests.support.bulksigner import BulkSigner
from tests.support.doubling import check_linear, plain_work
from tests.support.gitrepo import environment
from tests.support.history import ISSUER
from tests.support.pushserver import POLICY, ROOT, make_server

# Very many steps, of which coverage would make a multiple.
pytestmark = pytest.mark.no_cover
EVIL = ["(a+)+", "(a|a)*", "(a|aa)+", "([a-z]+)*", "(.*a){25}", "(a?){40}a{40}", "(?:a*)*(?:a*)*b?"]


@pytest.mark.parametrize("pattern", EVIL)
def test_patterns_in_linear_time(pattern: str) -> None:
    for matches in (anchored(f"^{pattern}!$").matches, Expected(f"{pattern}!", is_pattern=True).matches):
        assert not any(matches("a" * letters) for letters in (40, 400, 4000, MAX_VALUE))
        check_linear(pattern, matches, lambda count: "a" * count, most=MAX_VALUE)


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?=b)b",  # look-ahead
        "a(?<!b)c",  # look-behind
        r"(a)\1",  # a reference to a group
        "(?>a+)b",  # atomic, and possessive
        "a++b",
        r"a\Z",  # Python's own
        "a{1001}",
        r"(?:\pL{1,30}){1,30}",  # more than it may cost
        "((a{30}){30}){30}",
        "a" * 5000,
        "\udcff",
    ],
)
def test_what_re2_does_not_read_is_refused_in_words(pattern: str) -> None:
    with pytest.raises(RegexpError):
        check_regexp(pattern)
    with pytest.raises(UsageError) as refused:
        Expected(pattern, is_pattern=True)
    assert refused.value.reason == "identity-pattern-invalid"
    with pytest.raises(PatternError, match=r"^pattern is "):
        anchored(f"^{pattern}$")


def test_policy_check_names_line_and_key(tmp_path: Path) -> None:
    before = 'identities = [{ subject = "bob@example.com"'
    policy = POLICY.replace(before, "identities = [{ subject-pattern = '^(?:(b)ob\\1|x(?=y))$'")
    line = policy.split("\n").index(next(line for line in policy.split("\n") if "subject-pattern" in line)) + 1
    (tmp_path / "policy.toml").write_text(policy)
    done = subprocess.run(
        [sys.executable, "-m", "gitsign_py", "policy", "check", "policy.toml"],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path), PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"policy.toml:{line}: people.bob.identities[1].subject-pattern: pattern is not a regular expression" in said
    assert "RE2" in said


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        (r"^\(?i\)?$", "i", True),  # "(?i" here is a parenthesis that may be missing
        ("^[(?i]$", "?", True),
        ("^[[:digit:]|]+$", "7|", True),
        (r"^a\\Qb$", r"a\Qb", True),
        ("^(?P<who>a|b)$", "b", True),
        ("^a.c$", "a\nc", False),
        ("^a$", "a\n", False),
        (r"^\d$", "\u0661", False),  # ASCII's digits alone, as in Go
        (r"^\w+$", "\u00e4", False),
    ],
)
def test_the_whole_value_in_re2s_meaning(pattern: str, value: str, matches: bool) -> None:
    assert anchored(pattern).matches(value) is matches


@pytest.mark.parametrize("pattern", [r"^\Qa|b\E$", "^(?i:a)$", "^(?s:a)$", "^(?U:a+)$", "^(?im)a$", "^(?i)a$"])
def test_what_people_misread_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        anchored(pattern)


def test_a_name_without_end_matches_nothing() -> None:
    assert matches_whole(".*", "a" * MAX_VALUE)
    assert not matches_whole(".*", "a" * (MAX_VALUE + 1))
    assert not matches_whole(".*", "\udcff")


GLOBS = [
    ("/" + "*a" * 1000 + "*b", "a"),
    ("/" + "**/a/" * 800 + "b", "a/"),
    ("/" + "**/*a*a/" * 400 + "b", "aaaa/"),
    ("/" + "?*" * 1000 + "b", "a"),
    ("/**/" + "*/" * 200 + "b", "a/"),
    ("/" + "*a" * 1000 + "/**", "a"),
]


@pytest.mark.parametrize(("glob", "unit"), GLOBS)
def test_globs_in_linear_time(glob: str, unit: str) -> None:
    most = 200_000 // len(unit)
    assert not glob_matches(glob, "/" + unit * most)
    check_linear(glob, partial(glob_matches, glob), lambda count: "/" + unit * count, most=most)


def test_allowed_signers_in_linear_time() -> None:
    signer = AllowedSigner("*a" * 2000 + "*b@example.com", ISSUER)
    assert not signer.matches("a" * 300_000 + "@example.com", ISSUER, "email")
    check_linear(
        "signer",
        lambda name: signer.matches(name, ISSUER, "email"),
        lambda count: "a" * count + "@example.com",
        most=300_000,
    )
    assert AllowedSigner("*a*a*@example.com", ISSUER).matches("xaxa@example.com", ISSUER, "email")
    assert not AllowedSigner("*a*a*@example.com", ISSUER).matches("xa@example.com", ISSUER, "email")
    assert not AllowedSigner("ab*ba@x.y", ISSUER).matches("aba@x.y", ISSUER, "email"), "the two ends may not overlap"


def test_whether_a_glob_hides_another_is_bounded() -> None:
    """Steps are counted; a step looks at all tokens of the wide glob at most."""
    assert not glob_includes("/" + "*a" * 2000 + "*b", "/" + "a" * 4000)
    assert not glob_includes("/" + "**/*a/" * 600 + "b", "/" + "**/a/" * 800)
    assert glob_includes("/" + "*a" * 1900, "/" + "xa" * 1900)
    steps = Steps()
    for number in range(MAX_STEPS // 50):
        glob_includes(f"refs/heads/*a{number % 100}", "refs/heads/" + "a" * 60, steps)
    assert steps.left < 0


PEOPLE = f'[people.alice]\nidentities = [{{ subject = "a@b.c", issuer = "{ISSUER}" }}]\n'
HEAD = 'version = 1\nadministrators = ["alice"]\n'
RULE = '[[rules]]\nname = "r"\nallow = ["alice"]\n'


def many(unit: str) -> str:
    """As many as fit a policy, each with its number."""
    return "".join(unit.replace("#", f"{number:06}") for number in range(240_000 // len(unit)))


SLOW_PATTERNS = many("[workflows.w#]\nissuer = 'x'\nsubject-pattern = '^(?:\\pL{1,30}){1,30}$'\n")


def grouped(count: int, line: str) -> str:
    """Groups that hold groups, down to one of Alice alone."""
    lines = "".join(line.format(this=number, next=number + 1) for number in range(count))
    return f'{HEAD}{PEOPLE}[groups]\n{lines}g{count} = ["alice"]\nh{count} = ["alice"]\n{RULE}'


def ruled(count: int, *globs: str) -> str:
    """Rules with globs, each with its number."""
    rule = f'[[rules]]\nname = "r#"\nrefs = {list(globs)}\nallow = ["alice"]\n'.replace("'", '"')
    return "".join(rule.replace("#", str(number)) for number in range(count))


POLICIES = {
    "groups of groups": grouped(60, 'g{this} = ["g{next}", "h{next}"]\nh{this} = ["g{next}", "h{next}"]\n'),
    "a chain of groups": grouped(9000, 'g{this} = ["g{next}"]\n'),
    "groups that hold all": f"{HEAD}{PEOPLE}[groups]\nall = [{many(chr(34) + 'p#' + chr(34) + ',')[:60_000]}]\n"
    + "".join(f'g{number} = ["all"]\n' for number in range(900))
    + RULE,
    "patterns": HEAD + PEOPLE + SLOW_PATTERNS + RULE,
    "globs": HEAD + PEOPLE + ruled(256, "refs/h*/*a*b#", "refs/" + "*a" * 90 + "#"),
    "unjudged": HEAD + "unjudged = [" + many('"refs/#",')[:200_000] + "]\n" + PEOPLE + ruled(90, "refs/b#"),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_policy_is_read_in_bounded_time(policy: str) -> None:
    began = time.thread_time()
    read_policy(policy.encode(), "policy.toml")
    assert time.thread_time() - began < 50 * plain_work(), "without bounds: minutes, or for ever"


def test_the_policy_of_a_pushed_commit_is_not_read(tmp_path: Path) -> None:
    """An unsigned branch of commits, each with a policy that takes its time: one refusal, by the policy in force."""
    server = make_server(tmp_path, BulkSigner(tmp_path / "authority"))
    introduction = server.history.commit(signed="alice", files={POLICY_PATH: POLICY})
    server.config("gitsign.policyMode", "history")
    server.config("gitsign.introduction", introduction)
    server.config("gitsign.hookTimeout", "40")
    assert server.push(f"{introduction}:refs/heads/main")[0] == 0
    tip = introduction
    for number in range(60):
        slow = f"{HEAD}{PEOPLE}# {number}\n{SLOW_PATTERNS}{RULE}"
        tip = server.history.commit(tip, by="mallory", files={POLICY_PATH: slow})
    status, said = server.push(f"{tip}:refs/heads/topic")
    assert status != 0
    assert "[hook-timeout]" not in said
    assert "60 commits or tags in this push to refs/heads/topic failed the checks" in said
