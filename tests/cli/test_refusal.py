"""The refusal that a pusher reads: what it names helps, for each cause."""

import pytest

from gitsign_py.audit.record import Record
from gitsign_py.cli.refusal import explain_refusals
from gitsign_py.cli.repairbase import RepairBase
from gitsign_py.policy.approvals import MAX_AT_ONCE
from gitsign_py.policy.parse import parse_policy
from tests.support.history import ALICE_AND_BOB, ISSUER
from tests.support.reports import record

MAIN = "refs/heads/main"
POLICY = parse_policy(
    f"""\
{ALICE_AND_BOB}[robots.bot]
issuer = "{ISSUER}"
uri = "https://ci.example.com/bot"
emails = ["bot@example.com"]
[forges.forge]
committer = "noreply@forge.example"
reproducible = true
[[rules]]
name = "main"
allow = ["alice", "bob", "bot"]
approvals = 1
""".encode(),
    "policy.toml",
)


def repairs(*records: Record) -> list[str]:
    lines = explain_refusals(records, len(records), RepairBase(None), POLICY)  # type: ignore[arg-type]
    return [line.split("): ", 1)[1] for line in lines if "to repair (" in line]


def missing(number: int, rule: str = "main") -> Record:
    return record(number, "unauthorised", reason="approvals-missing", ref=MAIN, rule=rule, principal="bob")


def test_all_that_lack_approvals_are_approved_at_once() -> None:
    newest, oldest = missing(2), missing(1)
    [command] = repairs(newest, oldest)
    assert f" --ref {MAIN} {oldest.oid} {newest.oid} && git push" in command
    [command] = repairs(*map(missing, range(100, 0, -1)))
    assert f"{missing(MAX_AT_ONCE).oid} && git push" in command, "as many as one command takes, the oldest first"


def test_no_robot_is_asked_to_approve() -> None:
    [command] = repairs(missing(1))
    assert command.startswith("have others of alice, bob approve it")


def test_a_merge_with_content_of_its_own_is_approved_too() -> None:
    one = missing(1, rule="forges.forge")
    [command] = repairs(one)
    assert command.startswith("have others who may approve it")
    assert f"gitsign-py approve --join origin --ref {MAIN} {one.oid}" in command


@pytest.mark.parametrize(
    ("verdict", "reason", "words"),
    [
        ("unauthorised", "head-not-accepted", "others approve the commit that is named (gitsign-py approve"),
        ("unauthorised", "merged-not-accepted", "mend what it merges first"),
        ("unauthorised", "merge-not-reproducible", "git merge --no-ff -S"),
        ("unauthorised", "merge-author-refused", "git merge --no-ff -S"),
        ("unauthorised", "pusher-not-author", "have the author of the merge push it"),
        ("unchecked", "pusher-unknown", "git push --signed"),
        ("unchecked", "log-unreachable", "push again later"),
        ("unauthorised", "merge-author-unknown", "ask an administrator of the policy (alice)"),
    ],
)
def test_what_a_forge_made_rests_on_something_else(verdict: str, reason: str, words: str) -> None:
    [command] = repairs(record(1, verdict, reason=reason, ref=MAIN, rule="forges.forge"))
    assert words in command
