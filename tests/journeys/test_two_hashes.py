"""A repository of two hash algorithms (extensions.compatObjectFormat): signed, verified, audited and pushed.

git signs each object twice there, and both signatures stand in it. Git 2.45 is the first that does; CI runs this with
the newest git that can be had.
"""

import json
import os
from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.host.git.program import git_version
from tests.support.alonepolicy import ALICE_ALONE
from tests.support.stack import RunningStack
from tests.support.workbench import Workbench

_TOOLS = Path(os.environ.get("GITSIGN_PY_TEST_TOOLS", "/nowhere")) / "newest-git" / "bin"


@pytest.fixture
def bench(tmp_path: Path, stack: RunningStack) -> Workbench:
    path = next((one for one in (os.environ["PATH"], f"{_TOOLS}:{os.environ['PATH']}") if _is_new(one)), "")
    if not path:
        pytest.skip("git before 2.45 knows no compatObjectFormat, and .ci/newest-git has put no newer one here")
    made = Workbench(tmp_path, stack, {"PATH": path})
    made.init("--object-format=sha256")
    _two_hashes(made, made.repo)
    return made


def _is_new(path: str) -> bool:
    return (git_version({**os.environ, "PATH": path})[1] or (0, 0)) >= (2, 45)


def _two_hashes(bench: Workbench, repo: Path) -> None:
    bench.git("config", "core.repositoryFormatVersion", "1", cwd=repo)
    bench.git("config", "extensions.compatObjectFormat", "sha1", cwd=repo)


def _reasons(bench: Workbench, *revisions: str) -> list[tuple[str, str]]:
    done = bench.tool("audit", "--no-policy", "--offline", "--format=json", *revisions)
    return [(record["verdict"], record["reason"]) for record in json.loads(done.stdout)["records"]]


def test_both_signatures_are_made_verified_and_judged(bench: Workbench) -> None:
    first, second = bench.commit("first"), bench.commit("second")
    bench.git("tag", "-s", "-m", "a release", "v1")
    signed = split_commit(bench.raw("commit", second), two_hashes=True)
    assert signed.signature != signed.other_signature
    for command in (["verify-commit", first, second], ["verify-tag", "v1"]):
        bench.git(*command)
    for revision in (first, second, "v1"):
        done = bench.verify(revision)
        assert done.returncode == 0, done.stdout
    assert [verdict for verdict, _ in _reasons(bench, "--tags", "main")] == ["good", "good", "good"]
    assert [verdict for verdict, _ in _reasons(bench, "--tags", "main")] == ["good", "good", "good"], "by the cache"

    forged = _forged(bench, first, second)
    bench.git("verify-commit", forged)  # git's own command sees the first signature alone
    done = bench.verify(forged)
    assert (done.returncode, b"signature-second-wrong" in done.stdout) == (1, True), done.stdout
    assert _reasons(bench, forged)[0] == ("bad", "signature-second-wrong")

    server = _server(bench)
    for oid, status in ((first, 0), (forged, 1), (second, 0)):
        pushed = bench.run(["git", "push", str(server), f"{oid}:refs/heads/main"])
        assert pushed.returncode == status, pushed.stderr.decode()
    assert b"signature-second-wrong" in bench.run(["git", "push", str(server), f"{forged}:refs/heads/x"]).stderr


def _forged(bench: Workbench, first: str, second: str) -> str:
    """The second commit with the other signature of the first: a good one, over something else."""
    other = split_commit(bench.raw("commit", first), two_hashes=True).other_signature or b""
    raw = bench.raw("commit", second)
    own = split_commit(raw, two_hashes=True).other_signature or b""
    made = raw.replace(own.rstrip(b"\n").replace(b"\n", b"\n "), other.rstrip(b"\n").replace(b"\n", b"\n "))
    assert made != raw
    return bench.store("commit", made)


def _server(bench: Workbench) -> Path:
    server = bench.init("--bare", "--object-format=sha256", path=bench.folder / "server.git")
    _two_hashes(bench, server)
    (bench.folder / "policy.toml").write_text(ALICE_ALONE.format(email="alice@example.com", issuer=bench.stack.url))
    bench.git("config", "gitsign.policy", str(bench.folder / "policy.toml"), cwd=server)
    installed = bench.tool("hooks", "install", "--server", cwd=server)
    assert installed.returncode == 0, installed.stderr
    return server
