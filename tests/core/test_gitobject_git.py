"""The real git as the judge: what it would verify in an object is what this project verifies in it."""

from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import join_commit, join_tag, object_id, split_commit, split_object, split_tag
from gitsign_py.errors import FormatError
from tests.core.test_gitobject import ARMORED, COMMIT, HEAD, TAG
from tests.support.gitrepo import Capture, ScratchRepo

VECTORS = Path(__file__).parents[1] / "vectors" / "foreign"
PGP = b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
LONG = b"x" * 70_000
FOLDED = ARMORED[:-1].replace(b"\n", b"\n ")

COMMITS = {
    "plain": COMMIT,
    "no-final-newline": COMMIT[:-1],
    "crlf-message": HEAD + b"\nhello\r\nworld\r\n",
    "cr-in-author": COMMIT.replace(b" +0000\ncommitter", b" +0000\r\ncommitter"),
    "long-lines": HEAD + b"note " + LONG + b"\n\n" + LONG + b"\n" + LONG,
    "nul-in-message": HEAD + b"\nhello\0world\n",
    "not-utf8": HEAD + b"encoding ISO-8859-1\n\nh\xe9llo\n",
    "blank-lines": HEAD + b"\n\n\n\nlate\n\n",
    "no-body": HEAD,
    "empty-body": HEAD + b"\n",
    "gpgsig-in-message": HEAD + b"\ngpgsig x\n y\n",
    "mergetag": HEAD + b"mergetag " + (TAG + ARMORED)[:-1].replace(b"\n", b"\n ") + b"\n\nmerge\n",
}
SHAPES = {
    "other-hash-too": HEAD + b"gpgsig " + FOLDED + b"\ngpgsig-sha256 " + FOLDED + b"\n\nhello\n",
    "other-hash-first": HEAD + b"gpgsig-sha256 " + FOLDED + b"\ngpgsig " + FOLDED + b"\n\nhello\n",
    "signature-before-encoding": HEAD + b"gpgsig " + FOLDED + b"\nencoding x\n\nhello\n",
    "signature-ends-with-blank-line": HEAD + b"gpgsig " + FOLDED + b"\n \n\nhello\n",
}
TAGS = {
    "plain": TAG + ARMORED,
    "no-final-newline": TAG + ARMORED[:-1],
    "crlf-message": TAG + b"one\r\ntwo\r\n" + ARMORED,
    "nul-in-message": TAG + b"a\0b\n" + ARMORED,
    "long-line": TAG + LONG + b"\n" + ARMORED,
    "two-blocks": TAG + PGP + ARMORED,
    "two-blocks-other-way": TAG + ARMORED + PGP,
    "text-after": TAG + ARMORED + b"tail\n",
    "empty-message": TAG.replace(b"release\n", b"") + ARMORED,
    "no-blank-line": TAG.replace(b"\nrelease\n", b"") + ARMORED,
    "indented-marker": TAG + b" " + ARMORED + ARMORED,
    "other-hash-header": TAG.replace(b"\n\n", b"\ngpgsig-sha256 " + FOLDED + b"\n\n", 1) + ARMORED,
    "unsigned": TAG,
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> ScratchRepo:
    return ScratchRepo.init(tmp_path_factory.mktemp("objects"))


@pytest.fixture
def capture(repo: ScratchRepo, tmp_path: Path) -> Capture:
    return Capture(repo, tmp_path)


def same_as_git(capture: Capture, kind: str, data: bytes) -> None:
    oid = capture.repo.store(kind, data)
    assert oid == object_id(kind, data)
    found = split_object(kind, data, two_hashes=True)
    ours = None if found.signature is None else (found.payload, found.signature)
    assert capture.verify(kind, oid) == ours


@pytest.mark.parametrize("case", COMMITS)
def test_git_verifies_the_same_payload_and_signature_in_commits(case: str, capture: Capture) -> None:
    payload = COMMITS[case].replace(b"parent " + b"a" * 40 + b"\n", b"")  # git looks for the parents
    same_as_git(capture, "commit", join_commit(payload, ARMORED))
    assert split_commit(join_commit(payload, ARMORED)).payload == payload


@pytest.mark.parametrize("case", SHAPES)
def test_git_reads_commits_of_other_writers_as_we_do(case: str, capture: Capture) -> None:
    same_as_git(capture, "commit", SHAPES[case].replace(b"parent " + b"a" * 40 + b"\n", b""))


def test_git_finds_no_signature_in_an_unsigned_commit(capture: Capture) -> None:
    same_as_git(capture, "commit", COMMIT.replace(b"parent " + b"a" * 40 + b"\n", b""))


@pytest.mark.parametrize("case", TAGS)
def test_git_verifies_the_same_payload_and_signature_in_tags(case: str, capture: Capture) -> None:
    target = capture.repo.commit()
    same_as_git(capture, "tag", TAGS[case].replace(b"a" * 40, target.encode()))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_what_git_signs_is_what_is_joined(algorithm: str, tmp_path: Path) -> None:
    """A signer that answers with fixed armor: git's own object must be the one that join makes."""
    repo = ScratchRepo.init(tmp_path / "repo", f"--object-format={algorithm}")
    signer = tmp_path / "signer"
    signer.write_text(
        f"#!/bin/sh\ncat > {tmp_path}/payload\nprintf '\\n[GNUPG:] SIG_CREATED D\\n' >&2\ncat {tmp_path}/armor\n"
    )
    signer.chmod(0o755)
    (tmp_path / "armor").write_bytes(ARMORED)
    repo.git("config", "gpg.format", "x509")
    repo.git("config", "gpg.x509.program", str(signer))
    oid = repo.commit("hello", "-S")
    commit, payload = split_commit(repo.raw("commit", oid)), (tmp_path / "payload").read_bytes()
    assert (commit.algorithm, commit.payload, commit.signature) == (algorithm, payload, ARMORED)
    assert object_id("commit", join_commit(payload, ARMORED, commit.algorithm), commit.algorithm) == oid
    repo.git("tag", "-s", "-m", "release", "v1")
    tag, payload = split_tag(repo.raw("tag", "v1")), (tmp_path / "payload").read_bytes()
    assert (tag.algorithm, tag.payload, tag.signature, tag.target) == (algorithm, payload, ARMORED, oid)
    assert object_id("tag", join_tag(payload, ARMORED), tag.algorithm) == repo.git("rev-parse", "v1")


MALFORMED = {
    "no-tree": COMMIT.partition(b"\n")[2],
    "short-tree": COMMIT.replace(b"tree 4b", b"tree b"),
    "short-parent": COMMIT.replace(b"parent aa", b"parent a"),
    "two-authors": COMMIT.replace(b"\nauthor", b"\nauthor A <a@b> 1 +0000\nauthor"),
    "no-author": COMMIT.replace(b"\nauthor", b"\nautor"),
    "no-committer": COMMIT.replace(b"\ncommitter", b"\ncomitter"),
    "committer-first": COMMIT.replace(b"\nauthor", b"\ncommitter A <a@b> 1 +0000\nauthor"),
    "header-cut-off": HEAD[:-1],
    "nul-in-header": COMMIT.replace(b"\n\nhello", b"\nnote a\0b\n\nhello"),
    "gpgsig-first": b"gpgsig x\n" + COMMIT,
}


def let_in_by_fsck(path: Path, data: bytes) -> bool:
    """Whether git's check (fsck.c, ``fsck_commit``) finds no error in the form of the object."""
    repo = ScratchRepo.init(path)
    oid = repo.store("commit", data)
    lines = repo.run("fsck", "--no-dangling").stderr.decode().splitlines()
    return not any(line.startswith("error") and oid in line for line in lines)


@pytest.mark.parametrize("case", sorted({*COMMITS, *SHAPES} - {"cr-in-author"}))
def test_what_gits_check_lets_in_is_split(case: str, tmp_path: Path) -> None:
    data = {**COMMITS, **SHAPES}[case]
    assert let_in_by_fsck(tmp_path, data)
    assert split_commit(data, two_hashes=True).tree


@pytest.mark.parametrize("case", MALFORMED)
def test_what_gits_check_keeps_out_is_refused(case: str, tmp_path: Path) -> None:
    assert not let_in_by_fsck(tmp_path, MALFORMED[case])
    with pytest.raises(FormatError):
        split_commit(MALFORMED[case])


def vectors() -> list[Path]:
    return sorted([*VECTORS.glob("*/*.commit"), *VECTORS.glob("*/*.tag")])


def test_real_signatures_split_and_join_back_and_their_names_prove_the_bytes() -> None:
    assert len(vectors()) >= 20
    for path in vectors():
        kind, data = path.suffix[1:], path.read_bytes()
        found = split_object(kind, data)
        assert found.signature is not None
        joined = (
            join_commit(found.payload, found.signature)
            if kind == "commit"
            else join_tag(found.payload, found.signature)
        )
        assert joined == data
        if path.parent.name == "production":
            assert path.stem.endswith(object_id(kind, data))
