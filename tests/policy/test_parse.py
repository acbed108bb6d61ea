"""A policy is read whole or refused whole; what is wrong is named with its line and key."""

from datetime import UTC, datetime

import pytest

from gitsign_py.errors import PolicyError
from gitsign_py.policy.model import Policy
from gitsign_py.policy.parse import parse_policy, read_policy
from tests.support.team import TEAM

SMALL = """\
version = 1
administrators = ["alice"]

[people.alice]
identities = [{ subject = "alice@example.com", issuer = "https://accounts.example.com" }]

[[rules]]
name = "all"
allow = ["alice"]
"""


def test_reads_everything(team: Policy) -> None:
    bob = team.principals["bob"]
    assert bob.emails == {"bob@example.com", "bob@users.noreply.example.net"}
    assert bob.window.start == datetime(2024, 1, 1, tzinfo=UTC)
    assert bob.window.end == datetime(2024, 6, 30, 23, 59, 59, 999999, tzinfo=UTC)
    assert team.rules[2].allow == {"alice", "bob", "carol", "release", "dave"}
    assert team.keys["dave-pgp"].fingerprint == "0123456789ABCDEF0123456789ABCDEF01234567"
    assert team.rules_for("refs/heads/a/b") == (0, 2)
    assert team.rules_for("refs/tags/v1") == (0, 1)
    assert team.exemptions == {"e" * 40: "made before the laptop was set up"}


def test_digest_is_of_the_bytes() -> None:
    one, two = parse_policy(SMALL.encode(), "a"), parse_policy(SMALL.encode() + b"\n", "a")
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("version = 1", "version = 2", 1, "version", "must be 1"),
        ("version = 1", "version = true", 1, "version", "must be 1"),
        ("version = 1\n", "", 1, "version", "must be 1"),
        ('["alice"]\n\n[people', '["mallory"]\n\n[people', 2, "administrators", "neither a person"),
        ("administrators", "administrator", 2, "administrator", "not a known key"),
        ("subject =", "subjekt =", 5, "people.alice.identities[1].subjekt", "not a known key"),
        (", issuer = ", ", isuer = ", 5, "people.alice.identities[1].isuer", "not a known key"),
        ("subject =", "subject-pattern =", 5, "people.alice.identities[1].subject-pattern", "not anchored"),
        ('name = "all"\n', "", 7, "rules[1].name", "is missing"),
        ('allow = ["alice"]', "allow = []", 9, "rules[1].allow", "empty array: name"),
        ('allow = ["alice"]', 'allow = ["alice"', 9, "", "Unclosed array"),
        ("version = 1", "\ufeffversion = 1", 1, "", "byte order mark"),
        ('allow = ["alice"]', 'allow = ["alice", "alice"]', 9, "rules[1].allow", "twice"),
        ('allow = ["alice"]', 'allow = ["alice"]\nrefs = ["main"]', 10, "rules[1].refs", "refs/heads/main"),
        ('allow = ["alice"]', 'allow = ["alice"]\npaths = ["src/**"]', 10, "rules[1].paths", "not anchored"),
        ('allow = ["alice"]', 'allow = ["alice"]\npaths = ["/a/../b"]', 10, "rules[1].paths", ".."),
        ('allow = ["alice"]', 'allow = ["alice"]\npaths = ["/a**"]', 10, "rules[1].paths", "stand alone"),
        ('allow = ["alice"]', 'allow = ["alice"]\npaths = ["/[ab]"]', 10, "rules[1].paths", "alone"),
        ('allow = ["alice"]', 'allow = ["alice"]\nmatch = "commiter"', 10, "rules[1].match", "must be one of"),
        ('allow = ["alice"]', 'allow = ["alice"]\ntimes = ["clock"]', 10, "rules[1].times", "not clock"),
        ("[[rules]]", "[people.alice.more]\n[[rules]]", 7, "people.alice.more", "not a known key"),
        ("[[rules]]", "[groups]\na = ['b']\nb = ['a']\n[[rules]]", 8, "groups.a", "contains itself"),
        ("[[rules]]", "[groups]\nalice = ['alice']\n[[rules]]", 8, "groups.alice", "as well"),
        ("[[rules]]", "[workflows.alice]\nissuer = 'i'\nsubject = 's'\n[[rules]]", 7, "workflows.alice", "as well"),
        ("[[rules]]", "[keys.k]\nfingerprint = 'AB'\n[[rules]]", 8, "keys.k.fingerprint", "full OpenPGP"),
        ("[[rules]]", f"[keys.k]\nfingerprint = '{'A' * 40}'\n[[rules]]", 7, "keys.k", "belongs to nobody"),
        ("[[rules]]", "[keys.k]\nformat = 'ssh'\npublic = 'ssh-rsa AAAA'\n[[rules]]", 9, "keys.k.public", "SSH public"),
        ("[[rules]]", "[forges.f]\ncommitter = 'f@f'\n[[rules]]", 7, "forges.f.reproducible", "must be true"),
        (
            "[[rules]]",
            "[[exemptions]]\nreason='r'\ncommits=['abc']\n[[rules]]",
            9,
            "exemptions[1].commits",
            "full object",
        ),
        ("[[rules]]", f"[[exemptions]]\ncommits=['{'a' * 40}']\n[[rules]]", 7, "exemptions[1].reason", "missing"),
        ("[people.alice]", "[people.alice]\nuntil = 2024-01-01T00:00:00", 5, "people.alice.until", "time zone"),
        ("[people.alice]", "[people.alice]\nuntil = '2024-01-01'", 5, "people.alice.until", "without quotes"),
        ("[people.alice]", "[people.alice]\nfrom = 2024-02-01\nuntil = 2024-01-01", 6, "people.alice.until", "before"),
        ("[people.alice]", "[people.alice]\nkeys = ['gone']", 5, "people.alice.keys", "not in [keys]"),
    ],
)
def test_names_line_and_key(old: str, new: str, line: int, key: str, words: str) -> None:
    """Each mistake by itself is found on its own line."""
    assert old in SMALL
    policy, problems = read_policy(SMALL.replace(old, new, 1).encode(), "policy.toml")
    assert policy is None
    assert next((one.line, one.key) for one in problems if words in one.message) == (line, key), problems


FORGES = '[forges.{}]\ncommitter = "{}"\nreproducible = true\n'


@pytest.mark.parametrize(
    ("more", "key", "words"),
    [
        ('[[rules]]\nname = "late"\nallow = ["alice"]\n', "rules[2]", "can never decide"),
        ('[[rules]]\nname = "late"\nrefs = ["refs/heads/main"]\nallow = ["alice"]\n', "rules[2]", "can never decide"),
        (
            FORGES.format("f", "same@forge.example") + FORGES.format("g", "same@forge.example"),
            "forges.g.committer",
            "is that of f as well",
        ),
        (
            '[people.al]\nidentities = [{ subject = "alice@example.com", issuer = "https://accounts.example.com" }]\n',
            "people.al",
            "same identity",
        ),
        (
            '[people.al]\nidentities = [{ subject = "x", issuer = "y" }]\nemails = ["alice@example.com"]\n',
            "people.al.emails",
            "belongs to alice",
        ),
    ],
)
def test_refuses_contradictions(more: str, key: str, words: str) -> None:
    """Two parts that are fine by themselves and not together."""
    policy, problems = read_policy((SMALL + more).encode(), "p")
    assert policy is None
    assert [one.key for one in problems if words in one.message] == [key], problems


def test_a_rule_below_a_wider_one_is_a_contradiction() -> None:
    text = SMALL + 'refs = ["refs/heads/**", "refs/tags/v*"]\n'
    for refs, decides in (
        ("refs/heads/rel-*", False),
        ("refs/tags/v?", False),
        ("refs/heads/*", False),
        ("refs/tags/*", True),
    ):
        later = f'[[rules]]\nname = "late"\nallow = ["alice"]\nrefs = ["{refs}"]\n'
        _, problems = read_policy((text + later).encode(), "p")
        assert [one.key for one in problems if "can never decide" in one.message] == ([] if decides else ["rules[2]"])


def test_rule_for_unjudged_ref_is_a_contradiction() -> None:
    text = SMALL.replace("version = 1", 'version = 1\nunjudged = ["refs/notes/*"]') + 'refs = ["refs/notes/review"]\n'
    _, problems = read_policy(text.encode(), "p")
    assert "unjudged" in problems[0].message


def test_signer_without_email_needs_match_none() -> None:
    text = SMALL.replace("alice@example.com", "https://ci.example/build")
    _, problems = read_policy(text.encode(), "p")
    assert "no e-mail" in problems[0].message
    assert read_policy((text + 'match = "none"\n').encode(), "p")[1] == ()


def test_error_is_one_line_with_a_count() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(SMALL.replace("subject", "subjekt").replace("allow", "alow").encode(), "p.toml")
    assert caught.value.reason == "policy-invalid"
    assert caught.value.message.startswith("p.toml:5: people.alice.identities[1].")
    assert "more)" in caught.value.message


@pytest.mark.parametrize("data", [b"\xff", b"version = ", b"a" * (1024 * 1024 + 1), b"[" * 100_000])
def test_not_toml(data: bytes) -> None:
    policy, problems = read_policy(data, "p")
    assert policy is None
    assert problems


def test_all_of_the_shared_policy_is_needed() -> None:
    """Dropping any single character never makes the reader fail in another way than by a list of problems."""
    for at in range(0, len(TEAM), 7):
        policy, problems = read_policy((TEAM[:at] + TEAM[at + 1 :]).encode(), "p")
        assert (policy is None) == bool(problems)


def test_a_claim_of_tomorrow_can_be_pinned_by_its_number() -> None:
    pinned = SMALL.replace("issuer =", 'claims = { "1.3.6.1.4.1.57264.1.25" = "x" }, issuer =')
    (identity,) = parse_policy(pinned.encode(), "policy").principals["alice"].identities
    assert [name for name, _ in identity.claims] == ["1.3.6.1.4.1.57264.1.25"]
    for wrong in ("1.3.6.1.4.1.57264.1.25.1", "1.3.6.1.4.1.57264.2.25", "1.3.6.1.4.1.57264.1.7"):
        with pytest.raises(PolicyError, match="is not a Fulcio claim"):
            parse_policy(pinned.replace("1.3.6.1.4.1.57264.1.25", wrong).encode(), "policy")
