"""Test cases beside a policy, and the proposal of a first policy."""

import pytest

from gitsign_py.errors import PolicyError
from gitsign_py.policy.cases import parse_cases, run_cases
from gitsign_py.policy.model import Policy
from gitsign_py.policy.parse import parse_policy
from gitsign_py.policy.propose import Observed, propose
from tests.support.history import ISSUER

CASES = f"""\
[[cases]]
name = "carol may work"
identity = "carol@example.com"
issuer = "{ISSUER}"
committer = "carol@example.com"
expect = "verified"
rule = "main"

[[cases]]
name = "carol may not touch secrets"
identity = "carol@example.com"
issuer = "{ISSUER}"
committer = "carol@example.com"
paths = ["secrets/key"]
expect = "unauthorised"
reason = "rule-refuses"

[[cases]]
name = "bob has left"
identity = "bob@example.com"
issuer = "{ISSUER}"
committer = "bob@example.com"
time = 2024-07-01T00:00:00Z
expect = "unauthorised"

[[cases]]
name = "nobody unsigned"
signature = "unsigned"
committer = "carol@example.com"
expect = "unsigned"

[[cases]]
name = "forge"
signature = "unsigned"
merge = true
reproducible = true
author = "carol@example.com"
committer = "noreply@forge.example"
expect = "forge-merge"
"""


def test_cases_pass(team: Policy) -> None:
    results = list(run_cases(team, parse_cases(CASES.encode(), "t")))
    assert [(case.name, decision.verdict) for case, decision, good in results if not good] == []
    assert len(results) == 5


def test_wrong_expectation_is_found(team: Policy) -> None:
    text = CASES.replace('expect = "verified"', 'expect = "unsigned"').replace('"rule-refuses"', '"other"')
    assert [good for _, _, good in run_cases(team, parse_cases(text.encode(), "t"))] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "missing"),
        ("[[cases]]\nname='a'\n", "expect: is missing"),
        ("[[cases]]\nname='a'\nexpect='verified'\nidentiti='x'\n", "not a known key"),
        ("[[cases]]\nname='a'\nexpect='fine'\n", "must be one of"),
        ("[[cases]]\nname='a'\nexpect='verified'\ntime-sources=['tsa']\n", "t:4: .*knows log, timestamp, witness, not"),
        ("cases = 3", "array of tables"),
        ("=", "TOML"),
    ],
)
def test_cases_refused(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        parse_cases(text.encode(), "t")


def test_proposal_is_a_valid_policy() -> None:
    alice = Observed("alice@example.com", ISSUER, "sigstore")
    for email in ("alice@example.com", "a@users.example.net") * 2:
        alice.add("2024-01-01T00:00:00Z", email)
    twin = Observed("alice@example.org", ISSUER, "sigstore")
    for email in ("alice@example.org", "alice@example.com", "a@users.example.net"):  # addresses of the other one
        twin.add("", email)
    robot = Observed('https://ci.example/o/r/"build".yml@refs/heads/main', "https://ci.example", "sigstore")
    robot.add("2024-02-01T00:00:00Z", "bot@example.com")
    text = propose([alice, twin, robot], introduction="a" * 40, notes=["two\nlines"])
    policy = parse_policy(text.encode(), "proposal")
    assert policy.introduction == "a" * 40
    assert set(policy.principals) == {"alice", "alice-2", "build-yml"}
    assert policy.principals["alice"].emails == {"alice@example.com", "a@users.example.net"}
    assert policy.administrators == {"alice"}
    assert "# two lines" in text


def test_proposal_matches_committers_though_a_robot_has_none() -> None:
    """One signer without a committer of its own does not take the match from all others."""
    alice = Observed("alice@example.com", ISSUER, "sigstore")
    robot = Observed("https://ci.example/build.yml@refs/heads/main", "https://ci.example", "sigstore")
    for _ in range(2):
        robot.add("", "alice@example.com")
    alice.add("", "alice@example.com")
    text = propose([alice, robot], introduction="", notes=[])
    rule = parse_policy(text.encode(), "proposal").rules[0]
    assert rule.match == "committer"
    assert rule.allow == {"alice"}
    assert "# build-yml signed only what others committed" in text
    assert parse_policy(text.encode(), "proposal").administrators == {"alice"}


def test_proposal_hides_nothing_from_its_reader() -> None:
    """What does not show, turns the line around or ends it, is spelled out, in values and in comments."""
    key = Observed("", "", "openpgp", "A" * 40)
    key.add("", "bob@x\u202e\n\x07\x7f")
    unseen = Observed("", "", "openpgp", "B" * 40, is_verified=False)
    unseen.add("", "mallory@x\n[rules]\x1b\u2066")
    text = propose([key, unseen], introduction="", notes=[])
    assert all(line.isprintable() for line in text.split("\n"))
    policy = parse_policy(text.encode(), "proposal")
    assert policy.principals["bob"].emails == {"bob@x\u202e\n\x07\x7f"}


def test_proposal_says_what_a_forges_key_may_do() -> None:
    """The key with the most signatures is often that of a forge, which is nobody to change the policy."""
    forge, carol = Observed("", "", "openpgp", "A" * 40), Observed("", "", "openpgp", "C" * 40)
    for _ in range(9):
        forge.add("", "noreply@forge.example")
    carol.add("", "carol@example.com")
    text = propose([forge, carol], introduction="", notes=[])
    assert parse_policy(text.encode(), "proposal").administrators == {"carol"}
    assert "# A forge signs for whoever clicks." in text
    assert text.index("# A forge") < text.index("[people.noreply]") < text.index("[people.carol]")
