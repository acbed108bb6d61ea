"""Rules over pushes: a ref that takes signed pushes alone, from those whom the rule allows."""

from datetime import timedelta

import pytest

from gitsign_py.errors import PolicyError
from gitsign_py.policy.facts import Pusher, SignatureFacts
from gitsign_py.policy.model import Policy
from gitsign_py.policy.parse import parse_policy
from gitsign_py.policy.pushes import judge_push
from tests.support.history import ISSUER, START, signed_by

MAIN = "refs/heads/main"
POLICY = f"""\
version = 1
administrators = ["alice"]
unjudged = ["refs/notes/**"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]
until = 2023-06-30
[people.carol]
identities = [{{ subject = "carol@example.com", issuer = "{ISSUER}" }}]
[[rules]]
name = "secrets"
paths = ["/secrets/**"]
allow = ["carol"]
[[rules]]
name = "main"
refs = ["refs/heads/main"]
allow = ["alice", "bob"]
times = ["log"]
require-signed-push = true
[[rules]]
name = "rest"
allow = ["alice", "carol"]
"""


def policy(text: str = POLICY) -> Policy:
    return parse_policy(text.encode(), "policy.toml")


@pytest.mark.parametrize(
    ("pusher", "reason"),
    [
        (Pusher(signature=signed_by("alice")), ""),
        (Pusher(signature=signed_by("bob", START - timedelta(days=300))), ""),
        (None, "push-unsigned"),
        (Pusher("alice"), "push-unsigned"),
        (Pusher(judged=True), "push-unsigned"),
        (Pusher(signature=SignatureFacts("bad", "sigstore", "alice@example.com", ISSUER)), "push-unsigned"),
        (Pusher(signature=signed_by("mallory")), "signer-unknown"),
        (Pusher(signature=signed_by("alice", issuer="https://evil.example.com")), "signer-unknown"),
        (Pusher(signature=signed_by("bob")), "signed-too-late"),
        (Pusher(signature=signed_by("carol")), "rule-refuses"),
        (Pusher(signature=signed_by("alice", times=(("timestamp", START),))), "time-missing"),
        (Pusher(signature=signed_by("alice", times=())), "time-missing"),
    ],
)
def test_who_may_push(pusher: Pusher | None, reason: str) -> None:
    decision = judge_push(policy(), MAIN, pusher)
    assert (decision.reason if decision else "") == reason
    assert decision is None or not decision.accepted


@pytest.mark.parametrize("ref", ["refs/heads/topic", "refs/tags/v1", "refs/heads/main/x", "refs/notes/x"])
def test_other_refs_take_any_push(ref: str) -> None:
    assert judge_push(policy(), ref, None) is None


def test_the_first_rule_that_wants_it_decides() -> None:
    text = POLICY.replace('name = "rest"', 'name = "rest"\nrequire-signed-push = true')
    carol = Pusher(signature=signed_by("carol"))
    assert judge_push(policy(text), MAIN, carol) is not None, "by the rule for main"
    assert judge_push(policy(text), "refs/heads/topic", carol) is None
    assert judge_push(policy(text), "refs/notes/x", None) is None, "what is not judged takes any push"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('paths = ["/secrets/**"]', 'paths = ["/secrets/**"]\nrequire-signed-push = true'), "has no paths"),
        (("require-signed-push = true", 'require-signed-push = "yes"'), "require-signed-push"),
    ],
)
def test_a_policy_that_cannot_be_meant_so(change: tuple[str, str], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        policy(POLICY.replace(*change))
