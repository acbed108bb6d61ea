"""A push of a few kilobytes that holds more than anybody can look at, or more than fits into memory.

Trees of ten folders that are the same, ten deep, hold ten thousand million paths in ten objects.
"""

from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import ISSUER, History
from tests.support.measured import Used, run_measured

pytestmark = pytest.mark.unmeasured  # the same lines very often
MEGABYTES = 200
ALL = """[[rules]]
name = "rest"
allow = ["alice", "bob"]
"""
POLICY = f"""\
version = 1
administrators = ["bob"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]
[[rules]]
name = "somewhere"
paths = ["GLOB"]
allow = ["bob"]
"""
PERSON = b"Alice <alice@example.com> 1704067200 +0000\n"
LETTERS = b"abcdefghij"


@pytest.fixture
def history(signer: BulkSigner) -> History:
    return History(signer=signer.sign)


def commit(history: History, tree: str, *parents: str, message: bytes = b"x\n") -> str:
    lines = [b"tree " + tree.encode() + b"\n", *(b"parent " + parent.encode() + b"\n" for parent in parents)]
    payload = b"".join(lines) + b"author " + PERSON + b"committer " + PERSON + b"\n" + message
    return history.add("commit", history._sign(payload, "alice", history.clock))


def entries(history: History, kind: bytes, oid: str, names: list[bytes]) -> str:
    return history.add("tree", b"".join(kind + b" " + name + b"\0" + bytes.fromhex(oid) for name in names))


def ten_deep(history: History, blob: str = "1" * 40) -> str:
    tree = entries(history, b"100644", blob, [LETTERS[at : at + 1] for at in range(10)])
    for _ in range(9):
        tree = entries(history, b"40000", tree, [LETTERS[at : at + 1] for at in range(10)])
    return tree


def push(folder: Path, signer: BulkSigner, history: History, tip: str, glob: str) -> Used:
    """What pre-receive says of a push of everything, by a policy with a rule for a path."""
    bare = ScratchRepo.init(folder / "server.git", "--bare")
    history.write(bare.path, {})
    (folder / "root.json").write_bytes(signer.trusted_root_json)
    (folder / "policy.toml").write_text(POLICY.replace("GLOB", glob) + ALL)
    bare.git("config", "gitsign.trustedRoot", str(folder / "root.json"))
    bare.git("config", "gitsign.policy", str(folder / "policy.toml"))
    used = run_measured(bare.path, "hook", "pre-receive", stdin=f"{'0' * 40} {tip} refs/heads/main\n".encode())
    assert "internal error" not in used.text
    assert ("refused" in used.text) == (used.status != 0)
    assert used.megabytes < MEGABYTES
    return used


@pytest.mark.parametrize("glob", ["/secrets/**", "/**/secrets/**", "/**/*.md", "/a/*/a/*/*/a/x"])
def test_more_paths_than_anybody_can_list(tmp_path: Path, signer: BulkSigner, history: History, glob: str) -> None:
    used = push(tmp_path, signer, history, commit(history, ten_deep(history)), glob)
    assert used.status == 0, used.text


def test_the_first_that_decides_ends_it(tmp_path: Path, signer: BulkSigner, history: History) -> None:
    used = push(tmp_path, signer, history, commit(history, ten_deep(history)), "/**/j")
    assert used.status == 1
    assert "rule-refuses" in used.text
    assert "a/a/a/a/a/a/a/a/a/j" in used.text


def test_a_merge_of_them(tmp_path: Path, signer: BulkSigner, history: History) -> None:
    """Three sides in which each file is another one, and a fourth in which it has the value of one of them."""
    root = commit(history, ten_deep(history))
    sides = [commit(history, ten_deep(history, digit * 40), root) for digit in "23"]
    used = push(tmp_path, signer, history, commit(history, ten_deep(history, "2" * 40), *sides, root), "/**/*.md")
    assert used.status == 0, used.text


def test_folders_that_differ_everywhere_come_to_an_end(tmp_path: Path, signer: BulkSigner, history: History) -> None:
    """No two folders are the same, so nothing stands for anything: the bound ends it, and says so."""
    names = [b"%07d" % number for number in range(25_000)]
    folders = [entries(history, b"100644", f"{number:040d}", names) for number in range(21)]
    listed = b"".join(b"40000 d%02d\0" % number + bytes.fromhex(oid) for number, oid in enumerate(folders))
    used = push(tmp_path, signer, history, commit(history, history.add("tree", listed)), "/**/*.md")
    assert used.status == 1
    assert "changes-too-many" in used.text


def test_a_folder_of_very_many_files(tmp_path: Path, signer: BulkSigner, history: History) -> None:
    tree = entries(history, b"100644", "1" * 40, [b"%06d" % number for number in range(400_000)])
    used = push(tmp_path, signer, history, commit(history, tree), "/**/*.md")
    assert used.status == 0, used.text


def test_folders_too_large_for_the_memory(tmp_path: Path, signer: BulkSigner, history: History) -> None:
    name = b"n" * 600_000
    tree = entries(history, b"100644", "1" * 40, [b"%02d" % number + name for number in range(28)])
    for _ in range(4):
        more = b"".join(b"100644 %02d" % number + name + b"\0" + bytes(20) for number in range(28))
        tree = history.add("tree", more + b"40000 x\0" + bytes.fromhex(tree))
    used = push(tmp_path, signer, history, commit(history, tree), "/**/*.md")
    assert used.status == 1
    assert "tree-too-large" in used.text


def test_commits_of_many_megabytes(tmp_path: Path, signer: BulkSigner, history: History) -> None:
    tree = history.tree({"a": "1"})
    tip = commit(history, tree)
    for _ in range(30):
        tip = commit(history, tree, tip, message=b"x" * (7 << 20))
    assert push(tmp_path, signer, history, tip, "/**/*.md").status == 0


def test_a_commit_that_is_larger_than_any(tmp_path: Path, signer: BulkSigner, history: History) -> None:
    tip = commit(history, history.tree({"a": "1"}), message=b"x" * (24 << 20))
    used = push(tmp_path, signer, history, tip, "/**/*.md")
    assert used.status == 1
    assert "object-too-large" in used.text
