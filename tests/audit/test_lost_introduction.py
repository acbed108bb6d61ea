"""A shallow clone without the introduction: a fixed policy judges what is here, and accepts nothing for its age."""

from pathlib import Path

import pytest

from tests.support.gitrepo import ScratchRepo
from tests.support.governed import MAIN, Governed, policy


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(files={"f": "0"})
    return made


def shallow(governed: Governed, *signers: str | None) -> tuple[list[str], ScratchRepo]:
    """Three commits after the introduction, and a clone of the last two, in which a fixed policy judges."""
    commits = [governed.introduction]
    for number, signer in enumerate(signers):
        commits.append(governed.history.commit(commits[-1], signed=signer, files={"f": str(number + 1)}))
    text = policy("alice").replace("version = 1", f'version = 1\nintroduction = "{governed.introduction}"', 1)
    (governed.folder / "policy.toml").write_text(text)
    clone = governed.clone(governed.repository("origin", {MAIN: commits[-1]}), "--depth=2")
    clone.git("config", "gitsign.policyMode", "fixed")
    clone.git("config", "gitsign.policy", str(governed.folder / "policy.toml"))
    return commits, clone


def test_what_is_signed_needs_no_introduction(governed: Governed) -> None:
    """As in CI, where checkouts are shallow."""
    commits, clone = shallow(governed, "alice", "alice", "alice")
    for words in (["HEAD"], ["HEAD~1..HEAD"]):
        status, found, said = governed.audit(clone, *words)
        assert (status, set(found.values())) == (0, {("verified", "verified")}), said
    assert governed.run(clone, "policy", "explain", "--offline", "HEAD").returncode == 0
    assert "TRUST_FULLY" in governed.git_says(clone, commits[-1])


def test_what_is_refused_may_be_older(governed: Governed) -> None:
    """Nobody can tell, so it is neither accepted nor refused; the line says what to do."""
    commits, clone = shallow(governed, "alice", None, "bob")
    status, found, said = governed.audit(clone, "HEAD")
    assert (status, set(found)) == (3, set(commits[-2:]))
    assert set(found.values()) == {("unchecked", "introduction-missing")}
    assert "fetch the whole history" in said
    assert governed.run(clone, "policy", "explain", "--offline", "HEAD").returncode == 3
    assert "ERRSIG" in governed.git_says(clone, commits[-1])


def test_a_wrong_introduction_in_a_whole_clone(governed: Governed) -> None:
    """Nothing is missing there, so the id is wrong."""
    _, clone = shallow(governed, "alice", "alice", "alice")
    clone.git("fetch", "-q", "--unshallow")
    text = (governed.folder / "policy.toml").read_text().replace(governed.introduction, "1" * 40)
    (governed.folder / "policy.toml").write_text(text)
    status, _, said = governed.audit(clone, "HEAD")
    assert status == 2
    assert "[introduction-missing]" in said


def test_explain_names_what_is_older(governed: Governed) -> None:
    """As the audit does."""
    older = governed.introduction
    governed.introduction = governed.history.commit(older, files={"f": "x"})
    commits, clone = shallow(governed, "alice")
    clone.git("fetch", "-q", "--unshallow")
    for oid, reason in ((older, "before-introduction"), (commits[0], "introduction"), (commits[-1], "verified")):
        done = governed.run(clone, "policy", "explain", "--offline", oid)
        assert (done.returncode, f"[{reason}]" in done.stdout) == (0, True), done.stderr
        assert governed.audit(clone, "HEAD")[1][oid][1] == reason
