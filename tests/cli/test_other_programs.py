"""Programs that make and check signed commits without git, or call the signing program with arguments of their own."""

import time

from dulwich.objects import Commit
from dulwich.repo import Repo

from tests.support.workbench import EMAIL, Workbench


def committed_by_dulwich(bench: Workbench) -> str:
    """A commit that dulwich writes, with the signature as the program gave it: as its porcelain does."""
    made = Commit()
    made.tree = bench.git("hash-object", "-t", "tree", "-w", "/dev/null").encode()
    made.author = made.committer = f"Alice <{EMAIL}>".encode()
    made.author_time = made.commit_time = int(time.time())
    made.author_timezone = made.commit_timezone = 0
    made.message = b"by dulwich\n"
    made.gpgsig = bench.tool("--detach-sign", "--armor", stdin=made.as_raw_string()).stdout
    with Repo(str(bench.repo)) as repo:
        repo.object_store.add_object(made)
    return str(made.id.decode())


def test_a_commit_by_dulwich_or_libgit2_verifies(bench: Workbench) -> None:
    """Both write the signature's last newline as an empty line of the header."""
    oid = committed_by_dulwich(bench)
    assert b"\n -----END SIGNED MESSAGE-----\n \n\n" in bench.raw("commit", oid)
    bench.git("verify-commit", oid)
    assert bench.verify(oid).returncode == 0
    assert bench.git("log", "-1", "--format=%G? %GS", oid) == f"U {EMAIL}"
    changed = bench.store("commit", bench.raw("commit", oid).replace(b"by dulwich", b"by nobody"))
    assert bench.try_git("verify-commit", changed).returncode == 1
