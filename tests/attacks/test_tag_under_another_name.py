"""The signed tag v1.0 passes for v2.0.

Attack: whoever serves a repository points refs/tags/v2.0 at the tag object that Alice signed as v1.0. Its signature is
good, and ``verify-tag v2.0`` said so: an old release with known holes passed for the new one.
"""

import json
from pathlib import Path

import pytest

from gitsign_py.errors import VerificationError
from gitsign_py.verification import check_tag_name
from tests.support.alonepolicy import ALICE_ALONE
from tests.support.bulksigner import BulkSigner
from tests.support.history import ISSUER
from tests.support.signedrepo import WHO, SignedRepo


@pytest.fixture
def moved(tmp_path: Path) -> SignedRepo:
    """v1.0 where it belongs, and below other names."""
    made = SignedRepo.make(tmp_path, BulkSigner(tmp_path / "authority"))
    commit = made.history.commit(signed="alice", files={"a": "1"})
    tag = made.history.tag("v1.0", commit, signed="alice")
    made.write(heads__main=commit, remotes__origin__tags__v1=tag, odd__x=tag)
    for ref in ("tags/v1.0", "tags/v2.0", "tags/rel/v1.0", "remotes/origin/tags/v1.0", "mirror/v1.0", "mirror/v2.0"):
        made.repo.git("update-ref", f"refs/{ref}", tag)
    made.repo.git("symbolic-ref", "refs/tags/latest", "refs/tags/v1.0")
    (made.repo.path / ".git" / "v3.0").write_text(f"{tag}\n")
    return made


@pytest.mark.parametrize(
    "word",
    [
        "v2.0",
        "tags/v2.0",
        "refs/tags/v2.0",
        "v2.0^{tag}",
        "v2.0^{object}",
        "rel/v1.0",
        "latest",
        "v3.0",
        "mirror/v2.0",
        "refs/odd/x",
        "origin/tags/v1",
    ],
)
def test_verify_refuses_a_tag_below_another_name(moved: SignedRepo, word: str) -> None:
    for command in ("verify", "verify-tag"):
        done = moved.tool(command, "--offline", "--json", *WHO, word)
        assert done.returncode == 1, (word, done.stdout, done.stderr)
        [found] = json.loads(done.stdout)
        assert (found["verdict"], found["reason"], found["facts"]["got"]) == (
            "not-verified",
            "tag-name-mismatch",
            "v1.0",
        )


@pytest.mark.parametrize(
    "word", ["v1.0", "tags/v1.0", "refs/tags/v1.0", "v1.0^{tag}", "origin/tags/v1.0", "refs/mirror/v1.0", "id", "short"]
)
def test_verify_accepts_a_tag_by_its_own_name_or_id(moved: SignedRepo, word: str) -> None:
    tag = moved.repo.git("rev-parse", "refs/tags/v1.0")
    done = moved.tool("verify", "--offline", *WHO, {"id": tag, "short": tag[:9]}.get(word, word))
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_show_and_bundle_refuse_it_too(moved: SignedRepo) -> None:
    shown = moved.tool("show", "--verify", "--offline", "v2.0")
    assert shown.returncode == 1
    assert json.loads(shown.stdout)["predicate"]["verification"]["reason"] == "tag-name-mismatch"
    exported = moved.tool("bundle", "export", "--offline", "--output", str(moved.folder / "b.json"), "v2.0")
    assert exported.returncode == 1
    assert "[tag-name-mismatch]" in exported.stderr
    assert not (moved.folder / "b.json").exists()


def test_audits_refuse_it_without_a_policy(moved: SignedRepo) -> None:
    for words in (("--all",), ("v1.0",), ("v1.0", "v2.0"), ("v2.0^{tag}", "v1.0")):
        done = moved.tool("audit", "--offline", "--format=json", "--tags", *words)
        assert done.returncode == 1, done.stderr
        tags = {one["ref"]: one["reason"] for one in json.loads(done.stdout)["records"] if one["kind"] == "tag"}
        assert tags["refs/tags/v1.0"] == "good"
        assert tags["refs/tags/v2.0"] == "tag-name-mismatch"


def test_a_tag_of_a_tag_answers_for_its_own_name(moved: SignedRepo) -> None:
    inner = moved.repo.git("rev-parse", "refs/tags/v1.0")
    data = moved.history.objects[inner].data
    head, _, _ = data.partition(b"\n\n")
    payload = head.replace(head.split(b"\n")[0], b"object " + inner.encode()).replace(b"type commit", b"type tag")
    payload = payload.replace(b"tag v1.0", b"tag v1.0-mirrored") + b"\n\nmirrored\n"
    assert moved.history.signer is not None
    outer = moved.history.add("tag", payload + moved.history.signer("alice@example.com", payload, moved.history.clock))
    moved.write(**{"tags__v1.0-mirrored": outer, "tags__v9": outer})
    assert moved.tool("verify", "--offline", *WHO, "v1.0-mirrored").returncode == 0
    done = moved.tool("verify", "--offline", *WHO, "v9")
    assert done.returncode == 1
    assert "tag calls itself v1.0-mirrored, and is no v9; ask for the tag by its own name" in done.stdout


def test_hooks_refuse_it(moved: SignedRepo) -> None:
    server = moved.serve(ALICE_ALONE.format(email="alice@example.com", issuer=ISSUER))
    tag = moved.repo.git("rev-parse", "refs/tags/v1.0")
    status, said = moved.push(server, "main:refs/heads/main", f"{tag}:refs/tags/v1.0")
    assert status == 0, said
    for ref in ("refs/tags/v2.0", "refs/odd/v2.0"):
        status, said = moved.push(server, f"{tag}:{ref}")
        assert status != 0, ref
        assert "[tag-name-mismatch]" in said


@pytest.mark.parametrize(
    ("ref", "fits"),
    [
        ("refs/tags/v1", True),
        ("refs/tags/v2", False),
        ("refs/tags/a/v1", False),
        ("refs/tags/V1", False),
        ("refs/remotes/o/tags/v1", True),
        ("refs/remotes/o/tags/xv1", False),
        ("refs/namespaces/n/refs/tags/v2", False),
    ],
)
def test_the_library_compares_names(ref: str, fits: bool) -> None:
    if fits:
        check_tag_name("v1", ref)
        return
    with pytest.raises(VerificationError) as caught:
        check_tag_name("v1", ref)
    assert caught.value.reason == "tag-name-mismatch"
