"""A repository with one of each verdict, signed for real, and a way to audit it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.audited import Audited
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import History


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> BulkSigner:
    """One authority for all tests of this folder."""
    return BulkSigner(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def make(tmp_path: Path, signer: BulkSigner) -> Callable[[History, str], Audited]:
    """Write a history into a repository with ``main`` at a commit."""

    def made(history: History, tip: str, *options: str) -> Audited:
        repo = ScratchRepo.init(tmp_path / "repo", *options)
        history.write(repo.path / ".git", {"refs/heads/main": tip})
        return Audited(repo, history, signer.trusted_root)

    return made


@pytest.fixture
def every(make: Callable[[History, str], Audited], signer: BulkSigner) -> Audited:
    """One commit for each verdict."""
    history = History(signer=signer.sign)
    named = {}
    named["verified"] = tip = history.commit(signed="alice", files={"a": "1"})
    named["unsigned"] = tip = history.commit(tip, by="alice", files={"a": "2"})
    named["unauthorised"] = tip = history.commit(tip, by="mallory", signed="mallory", files={"a": "3"})
    named["identity-mismatch"] = tip = history.commit(tip, by="bob", signed="alice", files={"a": "4"})
    named["exempt"] = tip = history.commit(tip, by="carol", files={"a": "5"})
    good = history.objects[history.commit(tip, signed="alice", files={"a": "6"}, message="good")].data
    named["bad"] = tip = history.add("commit", good.replace(b"\n\ngood\n", b"\n\nevil\n"))
    history.files[tip] = {"a": "6"}
    broken = good.replace(b"author ", b"author X <x@x> 1 +0000\nauthor ", 1)
    named["malformed"] = history.add("commit", broken.replace(b"parent ", f"parent {tip}\nparent ".encode(), 1))
    # The rest stands on what can be read: the language walks its own histories.
    tip = history.order[-1]
    left = history.commit(tip, signed="alice", files={"b": "1"})
    right = history.commit(tip, by="bob", signed="bob", files={"c": "1"})
    named["forge-merge"] = tip = history.merge(left, right, by="noreply@forge.example", author="alice")
    pgp = "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----"
    lines = history.objects[tip].data.split(b"\n\n", 1)
    unchecked = (
        lines[0].replace(b"noreply@forge.example", b"dave@example.com")
        + b"\ngpgsig "
        + pgp.replace("\n", "\n ").encode()
    )
    named["unchecked"] = tip = history.add("commit", unchecked + b"\n\n" + lines[1])
    audited = make(history, named["unchecked"])
    history.write(
        audited.repo.path / ".git", {"refs/heads/merged": named["forge-merge"], "refs/heads/bad": named["malformed"]}
    )
    audited.named = named
    return audited
