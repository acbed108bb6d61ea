"""An approval of a commit is shown for a merge that has the commit's first parent and tree, and another side.

The attack: Bob approved Alice's change from P to T long ago, and a repair came in after it. Alice signs a merge of P
and the branch as it is, with the tree T. It is a fast-forward, and takes the repair back; nobody approved that.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from gitsign_py.audit.approvals import REF, Approvals
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.host.git.attestationrefs import SUFFIX
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.approvals import PREDICATE, WITHDRAWAL, change_of, predicate_about
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.facts import CommitFacts
from gitsign_py.policy.parse import parse_policy
from gitsign_py.policy.surroundings import InRepository, Submission
from gitsign_py.signing.attestation import statement_about
from tests.support.bundles import AT, ISSUER, BundleMaker
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History, signed_by

MAIN, BOB = "refs/heads/main", "bob@example.com"
POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[people.bob]
identities = [{{ subject = "{BOB}", issuer = "{ISSUER}" }}]
[[rules]]
name = "all"
allow = ["alice"]
approvals = 1
approvers = ["bob"]
"""


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> BundleMaker:
    return BundleMaker(tmp_path_factory.mktemp("sigstore"))


def statement(tree: str, fields: object, kind: str = PREDICATE) -> bytes:
    return statement_about("gitTree", tree, kind, fields)  # type: ignore[arg-type]


def reasons(
    folder: Path, maker: BundleMaker, history: History, said: Sequence[tuple[str, bytes]], judged: Sequence[str]
) -> list[str]:
    """Judge commits by Alice, where Bob signed what is ``said`` beside trees."""
    bob = maker.certified(BOB)
    bundles = [maker.attestation("hashedrekord 0.0.1", who=bob, payload=payload) for _, payload in said]
    files = {f"{tree}/approval-{n}.json{SUFFIX}": json.dumps(bundles[n]) for n, (tree, _) in enumerate(said)}
    repo = ScratchRepo.init(folder / "repository")
    history.write(repo.path / ".git", {REF: history.commit(files=files)})
    settings = VerifySettings(maker.trusted_root, AT + timedelta(days=1))
    policy, alice = parse_policy(POLICY.encode(), "policy.toml"), signed_by("alice", AT, issuer=ISSUER)
    with GitRepository(repo.path, environment=environment()) as repository:
        submission = Submission(approvals=Approvals(repository, lambda: settings))
        around = InRepository(history, history, lambda _oid: True, submission, None)
        return [evaluate(policy, history.commit_facts(oid), alice, MAIN, around).reason for oid in judged]


def repaired(history: History) -> tuple[str, str, str]:
    """Where the change began, the change, and the repair after it."""
    root = history.commit(files={"a": "0"})
    change = history.commit(root, files={"a": "1"})
    return root, change, history.commit(change, files={"a": "2"})


def about(commit: CommitFacts) -> dict[str, object]:
    return predicate_about(commit, MAIN)


def test_an_approved_commit_does_not_approve_a_merge(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    root, change, repair = repaired(history)
    beside = history.commit(root, files={"b": "1"})
    approved = history.commit_facts(change)
    back = history.commit(root, repair, files={"a": "1"})
    judged = [change, back, history.commit(root, root, files={"a": "1"})]
    judged.append(history.commit(root, repair, beside, files={"a": "1"}))
    said = [(approved.tree, statement(approved.tree, about(approved)))]
    assert reasons(tmp_path, maker, history, said, judged) == ["verified", *["approvals-missing"] * 3]


def test_an_approved_merge_approves_itself_alone(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    root, change, repair = repaired(history)
    beside = history.commit(root, files={"b": "1"})
    back = history.commit(root, repair, files={"a": "1"})
    merge = history.commit_facts(back)
    judged = [back, history.commit(root, repair, files={"a": "1"}, message="the same in other words"), change]
    judged += [history.commit(root, *others, files={"a": "1"}) for others in ((beside,), (repair, beside))]
    said = [(merge.tree, statement(merge.tree, about(merge)))]
    expected = ["verified", "verified", *["approvals-missing"] * 3]
    assert reasons(tmp_path, maker, history, said, judged) == expected


def test_a_withdrawal_is_about_the_same_merge(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    root, change, repair = repaired(history)
    back = history.commit(root, repair, files={"a": "1"})
    merge, plain = history.commit_facts(back), history.commit_facts(change)
    said = [(merge.tree, statement(merge.tree, about(one))) for one in (merge, plain)]
    said.append((merge.tree, statement(merge.tree, about(plain), WITHDRAWAL)))
    assert reasons(tmp_path, maker, history, said, [back, change]) == ["verified", "approvals-missing"]


@pytest.mark.parametrize("others", ["text", [1], [None], {}, [["x"]], None, 0, "", False])
def test_other_parents_that_are_none(tmp_path: Path, maker: BundleMaker, others: object) -> None:
    """A list that cannot be read proves nothing, also of a commit that has no other parent."""
    history = History()
    root, change, repair = repaired(history)
    approved = history.commit_facts(change)
    said = [(approved.tree, statement(approved.tree, {**about(approved), "mergedIDs": others}))]
    judged = [change, history.commit(root, repair, files={"a": "1"})]
    assert reasons(tmp_path, maker, history, said, judged) == ["approvals-missing"] * 2


def test_a_change_names_all_parents() -> None:
    history = History()
    root, change, repair = repaired(history)
    octopus = history.commit_facts(history.commit(root, repair, change))
    assert change_of(octopus) == (root, octopus.tree, repair, change)
    assert change_of(history.commit_facts(root))[0] == "0" * 40
    assert "mergedIDs" not in predicate_about(history.commit_facts(change), MAIN)
    assert predicate_about(octopus, MAIN)["mergedIDs"] == [repair, change]
