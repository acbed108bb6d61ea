"""``gitsign-py attest`` in a real repository: made, stored where the Go client stores it, verified again."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitsign_py.core.dsse import parse_statement
from gitsign_py.core.encoding import b64_decode
from tests.support.faultystack import FaultyStack
from tests.support.samplerepo import fake_git
from tests.support.workbench import EMAIL, Workbench

COMMITS, TREES = "refs/attestations/commits", "refs/attestations/trees"
TYPE = "https://example.com/review/v1"


def predicate(bench: Workbench, name: str = "review.json", text: str = '{"result": "approved"}') -> str:
    path = bench.folder / name
    path.write_text(text)
    return str(path)


def attest(bench: Workbench, *arguments: str, cwd: Path | None = None) -> None:
    done = bench.tool("attest", "--type", TYPE, "-f", predicate(bench), *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr


def check(bench: Workbench, *arguments: str, cwd: Path | None = None, status: int = 0) -> str:
    done = bench.tool("attest", "--verify", *arguments, cwd=cwd)
    assert done.returncode == status, (done.stdout, done.stderr)
    return (done.stdout + done.stderr).decode()


def test_a_commit_is_attested_and_verified(bench: Workbench) -> None:
    oid = bench.commit()
    attest(bench)
    assert bench.git("rev-parse", "HEAD") == oid
    names = bench.git("ls-tree", "-r", "--name-only", COMMITS).splitlines()
    assert names == [f"{oid}/review.json", f"{oid}/review.json.sig", f"{oid}/review.json.sigstore.json"]
    assert f"review.json: verified: {TYPE}, by {EMAIL}" in check(bench, *bench.who)
    assert check(bench, "--any-identity", "HEAD")


def test_the_envelope_is_what_the_go_client_writes(bench: Workbench) -> None:
    oid = bench.commit()
    attest(bench)
    envelope = json.loads(bench.git("show", f"{COMMITS}:{oid}/review.json.sig"))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    statement = parse_statement(b64_decode(envelope["payload"]))
    assert dict(statement.subjects[0].digests) == {"gitCommit": oid}
    assert (statement.predicate_type, statement.predicate) == (TYPE, {"result": "approved"})


def test_a_tree_is_attested_whatever_commit_has_it(bench: Workbench) -> None:
    bench.commit("one")
    attest(bench, "--objtype", "tree")
    bench.commit("two, same tree")
    assert check(bench, *bench.who, "--objtype", "tree")
    assert bench.git("ls-tree", "--name-only", TREES) == bench.git("rev-parse", "HEAD^{tree}")
    assert "attestation-missing" in check(bench, *bench.who, status=1)


@pytest.mark.parametrize("options", [["--object-format=sha256"], []])
def test_sha256_and_rekor_2_with_a_timestamp(bench: Workbench, options: list[str]) -> None:
    repo = bench.init(*options, path=bench.folder / "other")
    url = f"{bench.stack.url}/api/v1/timestamp"
    bench.configure("gitsign.rekorVersion=2", f"gitsign.timestampServerURL={url}", cwd=repo)
    bench.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "x", cwd=repo)
    unset = ("SIGSTORE_REKOR_PUBLIC_KEY", "GITSIGN_FULCIO_ROOT", "SIGSTORE_ROOT_FILE")
    for name in unset:
        bench.env.pop(name)
    attest(bench, cwd=repo)
    assert check(bench, *bench.who, cwd=repo)


def test_several_attestations_stand_beside_each_other(bench: Workbench) -> None:
    first = bench.commit("one")
    attest(bench)
    bench.commit("two")
    attest(bench)
    other = predicate(bench, "sbom.json", "{}")
    assert bench.tool("attest", "-f", other, "--type", "spdx", first).returncode == 0
    said = check(bench, *bench.who, first)
    assert "sbom.json: verified: https://spdx.dev/Document" in said
    assert "review.json: verified" in said
    assert bench.git("rev-list", "--count", COMMITS) == "3"


def test_nothing_is_written_over_without_leave(bench: Workbench) -> None:
    bench.commit()
    attest(bench)
    size = bench.stack.get("/api/v1/log").json()["treeSize"]
    done = bench.tool("attest", "-f", predicate(bench), "--type", TYPE)
    assert done.returncode == 2
    assert b"[attestation-exists]" in done.stderr
    assert bench.stack.get("/api/v1/log").json()["treeSize"] == size
    attest(bench, "--force")
    assert check(bench, *bench.who)


def test_somebody_else_another_commit_and_changed_bytes_are_refused(bench: Workbench) -> None:
    first = bench.commit("one")
    attest(bench)
    other = ["--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", bench.stack.url]
    assert "[6.1 identity-mismatch]" in check(bench, *other, status=1)
    second = bench.commit("two")
    genuine = bench.git("rev-parse", COMMITS)
    _move(bench, first, second)
    assert "[3.3 statement-other-artifact]" in check(bench, *bench.who, second, status=1)
    bench.git("update-ref", COMMITS, genuine)
    _move(bench, first, first, changed=True)
    assert "not verified" in check(bench, *bench.who, first, status=1)


def _move(bench: Workbench, source: str, target: str, changed: bool = False) -> None:
    """Put the bundle of one commit into another's folder, as anybody with write access could."""
    data = bench.run(["git", "show", f"{COMMITS}:{source}/review.json.sigstore.json"]).stdout
    if changed:
        value = json.loads(data)
        value["dsseEnvelope"]["payload"] = value["dsseEnvelope"]["payload"].replace("a", "b", 1)
        data = json.dumps(value).encode()
    blob = bench.store("blob", data)
    folder = bench.run(["git", "mktree"], stdin=f"100644 blob {blob}\treview.json.sigstore.json\n".encode()).stdout
    row = f"040000 tree {folder.decode().strip()}\t{target}\n".encode()
    tree = bench.run(["git", "mktree"], stdin=row).stdout.decode().strip()
    bench.git("update-ref", COMMITS, bench.git("commit-tree", "-m", "x", tree))


def test_what_the_go_client_stored_is_named_as_unchecked(bench: Workbench) -> None:
    oid = bench.commit()
    blob = bench.store("blob", b"{}")
    rows = f"100644 blob {blob}\ta.json\n100644 blob {blob}\ta.json.sig\n".encode()
    folder = bench.run(["git", "mktree"], stdin=rows).stdout.decode().strip()
    tree = bench.run(["git", "mktree"], stdin=f"040000 tree {folder}\t{oid}\n".encode()).stdout.decode().strip()
    bench.git("update-ref", COMMITS, bench.git("commit-tree", "-m", "x", tree))
    assert "attestation-without-bundle" in check(bench, *bench.who, status=3)


def test_bare_repositories_and_clones(bench: Workbench) -> None:
    bench.commit()
    attest(bench)
    bare = bench.folder / "bare.git"
    bench.git("clone", "-q", "--bare", str(bench.repo), str(bare))
    bench.git("push", "-q", str(bare), "refs/attestations/*:refs/attestations/*")
    assert check(bench, *bench.who, cwd=bare)


def test_at_the_same_time(bench: Workbench) -> None:
    oids = [bench.commit(f"number {number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda oid: attest(bench, oid), oids))
    for oid in oids:
        assert check(bench, *bench.who, oid)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "file-missing"),
        (["-f", "/nowhere/file.json"], "file-unreadable"),
        (["-f", "LIST"], "predicate-malformed"),
        (["-f", "BROKEN"], "predicate-malformed"),
        (["-f", "GOOD", "--type", "nothing like it"], "predicate-type"),
        (["-f", "GOOD", "HEAD~5"], "revision-unknown"),
        (["-f", "GOOD", "--any-identity"], "attest-or-verify"),
        (["--verify"], "identity-missing"),
        (["--verify", "--any-identity", "-f", "GOOD"], "attest-or-verify"),
    ],
)
def test_what_cannot_be_attested(bench: Workbench, arguments: list[str], reason: str) -> None:
    bench.commit()
    texts = {"LIST": "[1]", "BROKEN": "{", "GOOD": "{}"}
    given = [predicate(bench, f"{word}.json", texts[word]) if word in texts else word for word in arguments]
    done = bench.tool("attest", *given)
    assert done.returncode == 2, done.stderr
    assert reason.encode() in done.stderr
    assert bench.try_git("rev-parse", "--verify", "-q", COMMITS).returncode == 1


def test_a_log_that_lies_leaves_nothing_behind(bench: Workbench, faulty: FaultyStack) -> None:
    bench.env |= faulty.environment()
    bench.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "x")
    faulty.break_it("rekor:wrong-proof")
    done = bench.tool("attest", "-f", predicate(bench), "--type", TYPE)
    assert done.returncode == 3
    assert b"[attestation-unverifiable]" in done.stderr
    assert bench.try_git("rev-parse", "--verify", "-q", COMMITS).returncode == 1


def test_what_others_put_on_top_of_ours_is_no_reason_to_try_again(bench: Workbench, tmp_path: Path) -> None:
    """Another process moves the ref on in the moment after we moved it: the git that we run does so here."""
    oid = bench.commit()
    real = shutil.which("git")
    script = (
        f'{real} "$@" || exit\n'
        f'case " $* " in *" update-ref "*" {COMMITS} "*) ;; *) exit 0 ;; esac\n'
        f"new=$({real} commit-tree -p {COMMITS} -m more '{COMMITS}^{{tree}}')\n"
        f"{real} update-ref {COMMITS} $new\n"
    )
    before, bench.env = bench.env, bench.env | fake_git(tmp_path / "bin", script)
    attest(bench)
    bench.env = before
    assert bench.git("log", "--format=%s", COMMITS).splitlines() == ["more", "gitsign-py attest review.json"]
    assert check(bench, *bench.who, oid)
