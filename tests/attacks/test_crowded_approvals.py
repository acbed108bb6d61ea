"""Somebody hides a withdrawal among what is stored beside it: a copy of it elsewhere, or junk that comes before it.

The attack: Carol approved Bob's change and took it back. Bob may push to ``refs/attestations/trees``. He puts a copy of
the withdrawal's bundle beside another tree, which is looked at first and where it says nothing; or he stores so much
junk before the withdrawal, and the approval once more under an early name, that the withdrawal is not looked at.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gitsign_py.audit import approvals as module
from gitsign_py.audit.approvals import MAX_LOOKED_AT, REF, Approvals
from gitsign_py.audit.attested import AttestedObjects
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.host.git.attestationrefs import MAX_FOLDER_BYTES, MAX_LIST_BYTES, SUFFIX, store
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.approvals import PREDICATE, WITHDRAWAL
from gitsign_py.policy.facts import CommitFacts
from gitsign_py.ports import RawObject
from gitsign_py.signing.attestation import statement_about
from gitsign_py.verification.renewal import Renew
from tests.support.bundles import AT, BundleMaker
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History

MAIN, CAROL = "refs/heads/main", "carol@example.com"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> BundleMaker:
    return BundleMaker(tmp_path_factory.mktemp("sigstore"))


def bundle(maker: BundleMaker, commit: CommitFacts, kind: str) -> str:
    fields = {"targetRef": MAIN, "fromID": commit.parents[0], "targetID": commit.tree}
    said = statement_about("gitTree", commit.tree, kind, fields)
    return json.dumps(maker.attestation("hashedrekord 0.0.1", who=maker.certified(CAROL), payload=said))


@contextmanager
def read(
    folder: Path, maker: BundleMaker, history: History, files: dict[str, str], renew: Renew | None = None
) -> Iterator[Approvals]:
    repo = ScratchRepo.init(folder / "repository")
    stored = {f"{name}.json{SUFFIX}": text for name, text in files.items()}
    history.write(repo.path / ".git", {REF: history.commit(files=stored)})
    settings = VerifySettings(maker.trusted_root, AT + timedelta(days=1))
    with GitRepository(repo.path, environment=environment()) as repository:
        yield Approvals(repository, lambda: settings, renew)


def two(history: History) -> tuple[CommitFacts, CommitFacts]:
    root = history.commit(files={"a": "0"})
    first = history.commit(root, files={"a": "1"})
    second = history.commit(first, files={"a": "2"})
    return history.commit_facts(first), history.commit_facts(second)


def test_a_copy_beside_another_tree(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    first, second = two(history)
    given, taken = (bundle(maker, second, kind) for kind in (PREDICATE, WITHDRAWAL))
    files = {f"{second.tree}/approval-{name}": text for name, text in (("0-a", given), ("0-b", taken))}
    with read(tmp_path, maker, history, {**files, f"{first.tree}/approval-0-c": taken}) as approvals:
        assert approvals.approvals(first) == []
        assert [one.is_withdrawn for one in approvals.approvals(second)] == [False, True]


def test_junk_before_a_withdrawal(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    first, second = two(history)
    given, taken = (bundle(maker, second, kind) for kind in (PREDICATE, WITHDRAWAL))
    junk = {f"{second.tree}/approval-1-{number:04}": "junk" for number in range(MAX_LOOKED_AT)}
    files = {f"{second.tree}/approval-0": given, f"{second.tree}/approval-2": taken}
    with read(tmp_path, maker, history, {**junk, **files}) as approvals:
        assert approvals.approvals(first) == []
        with pytest.raises(UncheckedError) as refused:
            approvals.approvals(second)
    assert refused.value.reason == "approvals-too-many"


def test_a_withdrawal_by_an_authority_that_an_old_trust_root_lacks(tmp_path: Path, maker: BundleMaker) -> None:
    """The approval is from before the instance took a new CA, the withdrawal from after: it is looked for once more."""
    history = History()
    _, second = two(history)
    newer = BundleMaker(tmp_path / "newer")
    given, taken = bundle(maker, second, PREDICATE), bundle(newer, second, WITHDRAWAL)
    files = {f"{second.tree}/approval-0": given, f"{second.tree}/approval-1": taken}
    asked: list[str] = []

    def renew(error: GitsignError) -> TrustedRoot:
        asked.append(error.reason)
        return newer.trusted_root

    with read(tmp_path, maker, history, files, renew) as approvals:
        assert [one.is_withdrawn for one in approvals.approvals(second)] == [False, True]
    assert len(asked) == 1


class Counted(GitRepository):
    """A repository that counts how often each object is read."""

    def read(self, oid: str) -> RawObject:
        reads[oid] += 1
        return super().read(oid)


reads: Counter[str] = Counter()


def listed(history: History, folders: dict[str, str], names: int) -> str:
    """A commit whose tree has these folders, and so many others before them that hold nothing."""
    empty = bytes.fromhex(history.add("tree", b""))
    junk = b"".join(b"40000 %040x\0%s" % (number, empty) for number in range(names))
    own = b"".join(b"40000 %s\0%s" % (tree.encode(), bytes.fromhex(oid)) for tree, oid in sorted(folders.items()))
    tree = history.add("tree", junk + own)
    person = "bob <bob@example.com> 1700000000 +0000"
    return history.add("commit", f"tree {tree}\nauthor {person}\ncommitter {person}\n\nx\n".encode())


@contextmanager
def counted(folder: Path, maker: BundleMaker, history: History, tip: str) -> Iterator[Approvals]:
    repo = ScratchRepo.init(folder / "repository")
    history.write(repo.path / ".git", {REF: tip})
    settings = VerifySettings(maker.trusted_root, AT + timedelta(days=1))
    reads.clear()
    with Counted(repo.path, environment=environment()) as repository:
        yield Approvals(repository, lambda: settings)


def reason_of(approvals: Approvals, commit: CommitFacts) -> str:
    with pytest.raises(UncheckedError) as refused:
        approvals.approvals(commit)
    return refused.value.reason


def test_the_list_of_trees_is_read_once(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    first, second = two(history)
    name = "approval-0.json" + SUFFIX
    said = history.tree({name: bundle(maker, second, PREDICATE)})
    tip = listed(history, {second.tree: said, first.tree: history.tree({})}, 30_000)
    with counted(tmp_path, maker, history, tip) as approvals:
        assert [len(approvals.approvals(one)) for one in (first, second) * 20] == [0, 1] * 20
    assert [reads[oid] for oid in (tip, history.read(tip).data[5:45].decode())] == [1, 1]


def test_a_list_of_more_trees_than_are_read(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    first, second = two(history)
    folder = history.tree({"approval-0.json" + SUFFIX: bundle(maker, second, PREDICATE)})
    tip = listed(history, {second.tree: folder}, MAX_LIST_BYTES // 67 + 1)
    with counted(tmp_path, maker, history, tip) as approvals:
        assert {reason_of(approvals, one) for one in (first, second) * 20} == {"attestations-too-many"}
    assert max(reads.values()) == 1
    opened = GitRepository(tmp_path / "repository", environment=environment())
    with opened as repository, pytest.raises(UncheckedError) as refused:
        store(repository, REF, first.tree, {"a": b"1"}, message="a writer would only make it larger")
    assert refused.value.reason == "attestations-too-many"


def test_one_folder_of_very_many_files_for_each_tree(tmp_path: Path, maker: BundleMaker) -> None:
    history = History()
    first, second = two(history)
    blob = bytes.fromhex(history.add("blob", b""))
    folder = history.add("tree", b"".join(b"100644 %032x\0%s" % (n, blob) for n in range(MAX_FOLDER_BYTES // 60 + 1)))
    with counted(tmp_path, maker, history, listed(history, {first.tree: folder, second.tree: folder}, 0)) as approvals:
        assert [reason_of(approvals, one) for one in (first, second)] == ["attestations-too-many"] * 2


def test_as_much_junk_beside_each_tree_as_is_looked_at(
    tmp_path: Path, maker: BundleMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_USELESS", 5)
    history = History()
    first, second = two(history)
    junk = {f"{one.tree}/approval-0-{number}": f"junk {number}" for one in (first, second) for number in range(3)}
    with read(
        tmp_path, maker, history, {**junk, f"{second.tree}/approval-1": bundle(maker, second, PREDICATE)}
    ) as found:
        assert found.approvals(first) == []
        assert reason_of(found, second) == "approvals-too-many"
        assert found.approvals(first) == [], "what was looked at is known"


def test_a_list_of_either_hash_algorithm(tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path / "repository", "--object-format=sha256")
    oid, other = "ab" * 32, "cd" * 32
    with GitRepository(repo.path, environment=environment()) as repository:
        store(repository, REF, oid, {"approval-1": b"1"}, message="x")
        store(repository, REF, other, {"approval-2": b"2"}, message="x")
        store(repository, REF, oid, {"approval-3": b"3"}, message="x")
        found = AttestedObjects(repository, REF)
        assert [name for name, _ in found.files(oid)] == [b"approval-1", b"approval-3"]
        assert [repository.read(blob).data for _, blob in found.files(other)] == [b"2"]
        assert [list(found.files(name)) for name in ("ef" * 32, "ab" * 20, "no id", "")] == [[], [], [], []]
