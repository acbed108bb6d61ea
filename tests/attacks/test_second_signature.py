"""Anybody adds a second signature header to a signed commit.

Attack: append ``gpgsig-sha256 <any text>`` to the header of a commit that Alice signed (or ``gpgsig`` in a SHA-256
repository, or either in the header of a tag whose signature stands in its body). git leaves both headers out of the
payload, so her signature still verifies: a new id, still hers by every check, with content that nobody signed.
"""

import json
from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import split_object
from gitsign_py.errors import FormatError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import has_two_hashes, split_stored
from tests.support.alonepolicy import ALICE_ALONE
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.history import ISSUER
from tests.support.signedrepo import WHO, SignedRepo

OWN = {"sha1": b"gpgsig", "sha256": b"gpgsig-sha256"}
OTHER = {"sha1": b"gpgsig-sha256", "sha256": b"gpgsig"}
BLOCK = b"-----BEGIN SIGNED MESSAGE-----\nMIII\n-----END SIGNED MESSAGE-----".replace(b"\n", b"\n ")
TEXTS = {"text": b"run this instead", "lines": b"one\n two\n three", "block": BLOCK}


def with_header(data: bytes, header: bytes) -> bytes:
    """The object with one more header, last or (for a commit) right after the committer."""
    head, body = data.split(b"\n\n", 1)
    return head + b"\n" + header + b"\n\n" + body


def forgeries(kind: str, data: bytes, algorithm: str) -> dict[str, bytes]:
    """The object with what a payload leaves out, or what could be taken for it."""
    made = {name: with_header(data, OTHER[algorithm] + b" " + text) for name, text in TEXTS.items()}
    made["own-again"] = with_header(data, OWN[algorithm] + b" again")
    made["unknown"] = with_header(data, b"gpgsig-sha512 x")
    made["no-dash"] = with_header(data, b"gpgsigx y")
    made["both"] = with_header(with_header(data, OTHER[algorithm] + b" x"), OTHER[algorithm] + b" y")
    if kind == "commit":
        first = b"\n" + OWN[algorithm] + b" "
        made["above"] = data.replace(first, b"\n" + OTHER[algorithm] + b" x" + first, 1)
        made["mergetag"] = with_header(data, b"mergetag object 0\n type commit")
        made["encoding"] = with_header(data, b"encoding latin-1")
        made["continued"] = data.replace(b"\n\n", b"\n one line more\n\n", 1)
    return made


@pytest.fixture(params=["sha1", "sha256"])
def signed(request: pytest.FixtureRequest, tmp_path: Path) -> SignedRepo:
    """One commit and one tag by Alice, in a repository of each kind."""
    made = SignedRepo.make(tmp_path, BulkSigner(tmp_path / "authority"), request.param)
    commit = made.history.commit(signed="alice", files={"a": "1"})
    made.write(heads__main=commit, tags__v1=made.history.tag("v1", commit, signed="alice"))
    return made


def test_no_command_accepts_what_nobody_signed(signed: SignedRepo) -> None:
    good = {"commit": signed.repo.git("rev-parse", "main"), "tag": signed.repo.git("rev-parse", "v1")}
    assert signed.tool("verify", "--offline", *WHO, "main", "v1").returncode == 0
    made: dict[str, str] = {}
    for kind, oid in good.items():
        for name, data in forgeries(kind, signed.history.objects[oid].data, signed.history.algorithm).items():
            made[signed.history.add(kind, data)] = f"{kind} {name}"  # type: ignore[arg-type]
    signed.write()
    done = signed.tool("verify", "--offline", "--json", *WHO, *made)
    assert done.returncode == 1, done.stderr
    assert {made[one["oid"]] for one in json.loads(done.stdout) if one["verdict"] == "verified"} == set()
    audited = signed.tool("audit", "--offline", "--tags", "--format=json", *made)
    assert audited.returncode == 1, audited.stderr
    verdicts = {one["oid"]: one["verdict"] for one in json.loads(audited.stdout)["records"]}
    assert {made[oid] for oid in made if verdicts[oid] not in ("malformed", "bad")} == set()


@pytest.mark.parametrize("text", TEXTS)
def test_the_reason_is_the_second_header(signed: SignedRepo, text: str) -> None:
    algorithm = signed.history.algorithm
    for name, kind in (("main", "commit"), ("v1", "tag")):
        data = signed.history.objects[signed.repo.git("rev-parse", name)].data
        forged = signed.history.add(
            kind,  # type: ignore[arg-type]
            with_header(data, OTHER[algorithm] + b" " + TEXTS[text]),
        )
        signed.write()
        for command in (("verify", *WHO), ("verify", "--any-identity"), ("show",), ("show", "--verify")):
            done = signed.tool(command[0], "--offline", *command[1:], forged)
            assert done.returncode == 1, (command, done.stdout, done.stderr)
            assert "header beside its signature" in done.stdout + done.stderr, command
        audited = signed.tool("audit", "--offline", "--tags", "--format=json", forged)
        found = {one["oid"]: one["reason"] for one in json.loads(audited.stdout)["records"]}
        assert found[forged] == "signature-second"
        exported = signed.tool("bundle", "export", "--offline", "--output", "-", forged)
        assert exported.returncode == 1
        assert "[signature-second]" in exported.stderr


def test_hooks_refuse_it(tmp_path: Path) -> None:
    made = SignedRepo.make(tmp_path, BulkSigner(tmp_path / "authority"))
    server = made.serve(ALICE_ALONE.format(email="alice@example.com", issuer=ISSUER))
    good = made.history.commit(signed="alice", files={"a": "1"})
    evil = made.history.add("commit", with_header(made.history.objects[good].data, b"gpgsig-sha256 x"))
    assert made.push(server, f"{good}:refs/heads/main")[0] == 0
    status, said = made.push(server, f"{evil}:refs/heads/other")
    assert status != 0
    assert "[signature-second]" in said


def test_a_signature_for_the_other_hash_alone_is_unchecked_everywhere(signed: SignedRepo) -> None:
    """It is no signature here, and no absence of one: verify called it unsigned, audits unchecked."""
    own, other = OWN[signed.history.algorithm], OTHER[signed.history.algorithm]
    data = signed.history.objects[signed.repo.git("rev-parse", "main")].data
    moved = signed.history.add("commit", data.replace(b"\n" + own + b" ", b"\n" + other + b" ", 1))
    signed.write()
    verified = signed.tool("verify", "--offline", "--json", *WHO, moved)
    audited = signed.tool("audit", "--offline", "--format=json", moved)
    [first], [second] = json.loads(verified.stdout), json.loads(audited.stdout)["records"]
    assert (first["verdict"], first["reason"]) == (second["verdict"], second["reason"])
    assert (verified.returncode, audited.returncode, second["reason"]) == (3, 3, "signature-other-hash")


def test_gits_own_command_hands_over_neither_header(signed: SignedRepo) -> None:
    """What docs/verification.md says: git's front sees the payload alone, so nothing there can tell."""
    data = signed.history.objects[signed.repo.git("rev-parse", "main")].data
    evil = signed.history.add("commit", with_header(data, OTHER[signed.history.algorithm] + b" x"))
    signed.write()
    assert signed.git("verify-commit", evil).returncode == signed.git("verify-commit", "main").returncode == 0


@pytest.mark.parametrize(
    ("config", "two"),
    [
        ("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tcompatObjectFormat = sha256\n", True),
        ("[core]\n\trepositoryformatversion = 0\n[extensions]\n\tcompatObjectFormat = sha256\n", False),
        ("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tcompatObjectFormat = sha1\n", False),
        ("[core]\n\trepositoryformatversion = 1\n; compatObjectFormat = sha256\n", False),
        ("[core]\n\trepositoryformatversion = 1\n[include]\n\tpath = compatobjectformat\n", False),
    ],
)
def test_only_a_repository_of_two_hashes_has_both(tmp_path: Path, config: str, two: bool) -> None:
    """git 2.39 opens no such repository, so its config is put there after git has said where it is."""
    made = SignedRepo.make(tmp_path, BulkSigner(tmp_path / "authority"))
    commit = made.history.commit(signed="alice", files={"a": "1"})
    data = made.history.objects[commit].data
    oid = made.history.add("commit", with_header(data, b"gpgsig-sha256 " + BLOCK))
    junk = made.history.add("commit", with_header(data, b"gpgsig-sha256 any text"))
    made.write()
    with GitRepository(made.repo.path, environment=environment()) as repository:
        stored, other = repository.read(oid), repository.read(junk)
        assert repository.algorithm == "sha1"
        (made.repo.path / ".git/compatobjectformat").write_text("[extensions]\n\tcompatObjectFormat = sha256\n")
        (made.repo.path / ".git/config").write_text(config)
        assert has_two_hashes(repository) is two
        if two:
            assert split_stored(repository, stored).signature == split_object("commit", data).signature
        else:
            with pytest.raises(FormatError, match="gpgsig-sha256 header beside its signature"):
                split_stored(repository, stored)
        with pytest.raises(FormatError):
            split_stored(repository, other)
