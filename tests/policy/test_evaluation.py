"""One commit, one policy: every question that can end in a refusal, and the one way through."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitsign_py.policy.evaluation import evaluate, evaluate_one, is_plainly_unsigned
from gitsign_py.policy.facts import CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.model import Policy
from gitsign_py.policy.surroundings import Stated
from tests.support.history import UNSIGNED, signed_by

MAIN = "refs/heads/main"
IN_TIME = datetime(2024, 3, 1, tzinfo=UTC)
CI = "https://forge.example/o/r/.ci/release.yml@refs/tags/v1.0"
CLAIMS = {"source_repository_uri": "https://forge.example/o/r", "source_repository_ref": "refs/tags/v1.0"}


def commit(email: str = "alice@example.com", author: str = "", **more: object) -> CommitFacts:
    return CommitFacts("a" * 40, author or email, email, **more)  # type: ignore[arg-type]


def outcome(decision: Decision) -> tuple[str, str, str]:
    return decision.verdict, decision.reason, decision.rule


def test_verified(team: Policy) -> None:
    assert outcome(evaluate(team, commit(), signed_by("alice"), MAIN)) == ("verified", "verified", "main")


def test_alias_counts_as_the_person(team: Policy) -> None:
    decision = evaluate(team, commit("bob@users.noreply.example.net"), signed_by("bob", IN_TIME), MAIN)
    assert outcome(decision)[0] == "verified"


@pytest.mark.parametrize("status", ["bad", "unsigned", "unchecked", "malformed"])
def test_what_is_not_good_keeps_its_own_verdict(team: Policy, status: str) -> None:
    facts = SignatureFacts(status, reason="why", message="because")  # type: ignore[arg-type]
    assert evaluate(team, commit(), facts, MAIN) == Decision(status, "why", "because")  # type: ignore[arg-type]


@pytest.mark.parametrize("parents", [0, 1, 2, 3])
@pytest.mark.parametrize("oid", ["a" * 40, "e" * 40])
@pytest.mark.parametrize("email", ["alice@example.com", "noreply@forge.example"])
@pytest.mark.parametrize("ref", [MAIN, "refs/heads/release/1", "refs/tags/v1", "refs/other"])
def test_what_is_plainly_unsigned_is_refused_for_that_alone(
    team: Policy, parents: int, oid: str, email: str, ref: str
) -> None:
    """Scans go by the short way, so it must never say more than the long one."""
    team = replace(team, forges=tuple(replace(forge, reproducible=True) for forge in team.forges))
    about = replace(commit(email), oid=oid, parents=("b" * 40,) * parents)
    decision = evaluate(team, about, UNSIGNED, ref, Stated())
    plainly = decision == Decision("unsigned", UNSIGNED.reason, UNSIGNED.message)
    assert plainly or not is_plainly_unsigned(team, oid, parents)
    assert is_plainly_unsigned(team, oid, parents) == (oid[0] == "a" and parents != 2)


def test_exempt_even_when_bad(team: Policy) -> None:
    decision = evaluate(team, replace(commit(), oid="e" * 40), SignatureFacts("bad", reason="x", message="y"), MAIN)
    assert outcome(decision) == ("exempt", "exempt", "exemptions")


@pytest.mark.parametrize(
    "facts",
    [
        signed_by("mallory"),
        signed_by("alice", issuer="https://accounts.example.org"),
        signed_by("alice", identity="Alice@example.com"),
        signed_by("alice", identity="alice@example.com.evil.org"),
        signed_by("alice", identity="\u0430lice@example.com"),
        SignatureFacts("good", "openpgp", key="0" * 40),
        SignatureFacts("good", "ssh", key="0123456789ABCDEF0123456789ABCDEF01234567"),
        SignatureFacts("good", "openpgp", key="0123456789ABCDEF0123456789ABCDEF0123456"),
    ],
)
def test_strangers(team: Policy, facts: SignatureFacts) -> None:
    assert outcome(evaluate(team, commit(), facts, MAIN))[:2] == ("unauthorised", "signer-unknown")


def test_committer_is_someone_else(team: Policy) -> None:
    decision = evaluate(team, commit("carol@example.com"), signed_by("alice"), MAIN)
    assert outcome(decision) == ("identity-mismatch", "committer-mismatch", "main")


def test_author_may_be_someone_else(team: Policy) -> None:
    decision = evaluate(team, commit("alice@example.com", "carol@example.com"), signed_by("alice"), MAIN)
    assert decision.verdict == "verified"


def test_match_author(team: Policy) -> None:
    by_author = replace(team, rules=(replace(team.rules[2], match="author"),))
    assert evaluate(by_author, commit("x@x", "alice@example.com"), signed_by("alice"), MAIN).verdict == "verified"
    refused = evaluate(by_author, commit("alice@example.com", "x@x"), signed_by("alice"), MAIN)
    assert outcome(refused)[:2] == ("identity-mismatch", "author-mismatch")


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC), "signed-too-early"),
        (datetime(2024, 1, 1, tzinfo=UTC), "verified"),
        (datetime(2024, 6, 30, 23, 59, 59, tzinfo=UTC), "verified"),
        (datetime(2024, 7, 1, tzinfo=UTC), "signed-too-late"),
    ],
)
def test_window_ends_are_inclusive(team: Policy, at: datetime, reason: str) -> None:
    assert evaluate(team, commit("bob@example.com"), signed_by("bob", at), MAIN).reason == reason


def test_backdated_by_a_person_who_left(team: Policy) -> None:
    """Every proven time counts: an early timestamp beside a late log entry does not help."""
    late = datetime(2025, 1, 1, tzinfo=UTC)
    facts = signed_by("bob", times=(("timestamp", IN_TIME), ("log", late)))
    assert evaluate(team, commit("bob@example.com"), facts, MAIN).reason == "signed-too-late"


def test_window_without_a_proven_time(team: Policy) -> None:
    facts = signed_by("bob", times=())
    assert evaluate(team, commit("bob@example.com"), facts, MAIN).reason == "time-unproven"


def test_workflow_by_claims(team: Policy) -> None:
    facts = signed_by("x", identity=CI, issuer="https://ci.example.com", claims=CLAIMS)
    assert evaluate(team, commit("bot@example.com"), facts, MAIN).verdict == "verified"
    for name, value in (
        ("source_repository_uri", "https://forge.example/o/fork"),
        ("source_repository_ref", "refs/heads/v1"),
    ):
        other = replace(facts, claims={**CLAIMS, name: value})
        assert evaluate(team, commit("bot@example.com"), other, MAIN).reason == "signer-unknown"
    assert evaluate(team, commit("bot@example.com"), replace(facts, claims={}), MAIN).reason == "signer-unknown"


def test_two_who_match_are_nobody(team: Policy) -> None:
    twin = replace(team.principals["release"], name="twin")
    policy = replace(team, principals={**team.principals, "twin": twin})
    facts = signed_by("x", identity=CI, issuer="https://ci.example.com", claims=CLAIMS)
    assert evaluate(policy, commit("bot@example.com"), facts, MAIN).reason == "signer-ambiguous"


def test_key_of_another_format(team: Policy) -> None:
    facts = SignatureFacts("good", "openpgp", key="0123456789ABCDEF0123456789ABCDEF01234567")
    assert evaluate(team, commit("dave@example.com"), facts, MAIN).verdict == "verified"


def test_ref_rules(team: Policy) -> None:
    times = (("timestamp", IN_TIME), ("log", IN_TIME))
    tag = CommitFacts("b" * 40, "alice@example.com", "alice@example.com", kind="tag", name="v1")
    assert evaluate(team, tag, signed_by("alice", times=times), "refs/tags/v1").verdict == "verified"
    assert evaluate(team, tag, signed_by("alice", times=times), "refs/tags/v2").reason == "tag-name-mismatch"
    assert evaluate(team, tag, signed_by("alice"), "refs/heads/main").verdict == "verified", "there it has no name"
    assert evaluate(team, tag, signed_by("alice"), "refs/tags/v1").reason == "time-missing"
    carol = signed_by("carol", times=times)
    assert outcome(evaluate(team, commit("carol@example.com"), carol, "refs/tags/v1"))[1:] == (
        "rule-refuses",
        "releases",
    )
    assert evaluate(team, commit(), signed_by("alice"), "refs/other/x").reason == "rule-missing"


def test_path_rules_each_path_must_pass(team: Policy) -> None:
    carol, own = signed_by("carol"), commit("carol@example.com")
    assert evaluate(team, own, carol, MAIN, Stated(paths=("src/a",))).verdict == "verified"
    refused = evaluate(team, own, carol, MAIN, Stated(paths=("src/a", "secrets/key")))
    assert outcome(refused) == ("unauthorised", "rule-refuses", "secrets")
    assert (
        evaluate(team, commit(), signed_by("alice"), MAIN, Stated(paths=("src/a", "secrets/k"))).verdict == "verified"
    )


def test_policy_is_for_administrators(team: Policy) -> None:
    paths = Stated(paths=(".gitsign/policy.toml",))
    assert evaluate(team, commit("carol@example.com"), signed_by("carol"), MAIN, paths).reason == "policy-change"
    assert evaluate(team, commit(), signed_by("alice"), MAIN, paths).verdict == "verified"


def test_evaluate_one_takes_the_worst_ref(team: Policy) -> None:
    facts = signed_by("carol")
    decision = evaluate_one(team, commit("carol@example.com"), facts, (MAIN, "refs/tags/v1"), Stated())
    assert decision.rule == "releases"
    assert evaluate_one(team, commit(), facts, (), Stated()).reason == "ref-missing"


MERGE = commit("noreply@forge.example", "alice@example.com", parents=("1" * 40, "2" * 40))
CLEAN = Stated(paths=("src/a",), reproducible=True, parents_accepted=True)


def test_forge_merge_reproduced(team: Policy) -> None:
    assert outcome(evaluate(team, MERGE, UNSIGNED, MAIN, CLEAN)) == ("forge-merge", "forge-reproduced", "forges.forge")


@pytest.mark.parametrize(
    ("merge", "around", "reason"),
    [
        (MERGE, replace(CLEAN, reproducible=False), "merge-not-reproducible"),
        (MERGE, replace(CLEAN, parents_accepted=False), "merged-not-accepted"),
        (MERGE, replace(CLEAN, paths=(".gitsign/policy.toml",)), "merge-changes-policy"),
        (replace(MERGE, author_email="mallory@example.com"), CLEAN, "merge-author-unknown"),
        (
            replace(MERGE, author_email="carol@example.com"),
            replace(CLEAN, paths=("secrets/k",)),
            "merge-author-refused",
        ),
    ],
)
def test_forge_merge_refused(team: Policy, merge: CommitFacts, around: Stated, reason: str) -> None:
    assert outcome(evaluate(team, merge, UNSIGNED, MAIN, around))[:2] == ("unauthorised", reason)


def test_forge_key(team: Policy) -> None:
    key = SignatureFacts("good", "openpgp", key="FFFF456789ABCDEF0123456789ABCDEF01234567")
    assert outcome(evaluate(team, MERGE, key, MAIN))[:2] == ("forge-merge", "forge-key")
    plain = replace(MERGE, parents=("1" * 40,))
    assert evaluate(team, plain, key, MAIN).reason == "forge-not-merge"


def test_a_bad_signature_is_no_forge_merge(team: Policy) -> None:
    assert evaluate(team, MERGE, SignatureFacts("bad", reason="x"), MAIN, CLEAN).verdict == "bad"


def test_committer_name_of_the_forge_alone_is_nothing(team: Policy) -> None:
    """Anybody can write the forge's address as committer."""
    plain = replace(MERGE, parents=("1" * 40,))
    assert evaluate(team, plain, UNSIGNED, MAIN, CLEAN).verdict == "unsigned"
