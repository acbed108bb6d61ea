"""OpenPGP and SSH signatures by real keys, on commits and tags: git itself checks them, the policy says whose count."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.audit.gitverdicts import _read_gpg, _read_ssh
from tests.support.audited import ROOT_OF_TESTS
from tests.support.bulksigner import BulkSigner
from tests.support.foreignkeys import SshKey, gpg_home
from tests.support.gitrepo import ScratchRepo
from tests.support.history import History
from tests.support.mixedrepo import Mixed

pytestmark = pytest.mark.skipif(
    shutil.which("gpg") is None or shutil.which("ssh-keygen") is None, reason="gpg or ssh-keygen is not installed"
)


@pytest.fixture(scope="module", params=["sha1", "sha256"])
def mixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    folder = tmp_path_factory.mktemp("mixed")
    signer = BulkSigner(folder / "authority")
    (folder / "root.json").write_bytes(signer.trusted_root_json)
    with gpg_home() as gpg:
        repo = ScratchRepo.init(folder / "repo", f"--object-format={request.param}")
        made = Mixed(folder, repo, gpg)
        history = History(algorithm=request.param, signer=signer.sign)
        first = history.commit(signed="alice", files={"a": "1"})
        tag = history.tag("sigstore", first, signed="alice")
        history.write(repo.path / ".git", {"refs/heads/main": first, "refs/tags/sigstore": tag})
        made.remember("sigstore")
        fill(made)
        (folder / "policy.toml").write_text(made.policy())
        yield made


def fill(made: Mixed) -> None:
    gpg, folder = made.gpg, made.folder
    past = gpg.wrapper("gpg-in-2020", "--faked-system-time", "20200601T000000")
    keys = {name: gpg.make(f"{name}@example.com") for name in ("pat", "stranger", "gone", "revoked", "subkey")}
    keys["expired"] = gpg.make("expired@example.com", "--faked-system-time", "20200101T000000", expires="1y")
    gpg.gpg("--quick-add-key", keys["subkey"], "ed25519", "sign", "never")
    by_subkey = gpg.fingerprints("subkey@example.com")[1]
    ssh = {name: SshKey.make(folder / name) for name in ("sam", "unlisted")}
    made.openpgp("pgp-good", keys["pat"])
    made.spoil("pgp-bad", "pgp-good")
    made.openpgp("pgp-unlisted", keys["stranger"])
    made.openpgp("pgp-key-gone", keys["gone"])
    gpg.forget(keys["gone"])
    made.openpgp("pgp-revoked", keys["revoked"])
    gpg.revoke(keys["revoked"])
    made.openpgp("pgp-expired-key", keys["expired"], str(past))
    made.openpgp("pgp-subkey", f"{by_subkey}!")
    made.ssh("ssh-good", ssh["sam"])
    made.spoil("ssh-bad", "ssh-good")
    made.ssh("ssh-unlisted", ssh["unlisted"])
    made.keys = {name: keys[name] for name in ("pat", "gone", "revoked", "expired", "subkey")}
    made.keys["sam"] = ssh["sam"].public


EXPECTED = {
    "sigstore": ("verified", "verified"),
    "pgp-good": ("verified", "verified"),
    "pgp-bad": ("bad", "signature-invalid"),
    "pgp-unlisted": ("unauthorised", "signer-unknown"),
    "pgp-key-gone": ("unchecked", "key-missing"),
    "pgp-revoked": ("bad", "key-revoked"),
    "pgp-expired-key": ("unchecked", "key-expired"),
    "pgp-subkey": ("verified", "verified"),
    "ssh-good": ("verified", "verified"),
    "ssh-bad": ("bad", "signature-invalid"),
    "ssh-unlisted": ("unauthorised", "signer-unknown"),
}


def test_commits_and_tags_under_a_policy(mixed: Mixed) -> None:
    """The same verdict for a commit and for its tag, whichever format signed them."""
    expected = EXPECTED | {f"tag-{name}": verdict for name, verdict in EXPECTED.items()}
    assert mixed.verdicts("--policy", str(mixed.folder / "policy.toml")) == expected


def test_without_a_policy_a_good_key_is_good_and_no_more(mixed: Mixed) -> None:
    """Anybody makes keys. The allowed signers file of git makes those verified that it lists."""
    found = mixed.verdicts()
    names = ("pgp-good", "pgp-unlisted", "ssh-good", "ssh-unlisted", "tag-pgp-unlisted", "tag-ssh-unlisted")
    for name in names:
        assert found[name] == ("good", "good")
    (mixed.folder / "signers").write_text(f"sam@example.com {mixed.keys['sam']}\n")
    mixed.repo.git("config", "gpg.ssh.allowedSignersFile", str(mixed.folder / "signers"))
    try:
        listed = mixed.verdicts()
    finally:
        mixed.repo.git("config", "--unset", "gpg.ssh.allowedSignersFile")
    assert listed["ssh-good"] == listed["tag-ssh-good"] == ("verified", "verified")
    assert listed["ssh-unlisted"] == listed["pgp-good"] == ("good", "good")
    assert found["pgp-bad"][0] == found["tag-ssh-bad"][0] == "bad"


def test_policy_in_history_lists_keys(mixed: Mixed) -> None:
    """The keys of the policy in the parents count, those of nobody else."""
    mixed.repo.git("checkout", "-q", "--orphan", "other")
    folder = mixed.repo.path / ".gitsign"
    folder.mkdir()
    (folder / "policy.toml").write_text(mixed.policy())
    mixed.repo.git("add", ".gitsign")
    mixed.repo.git("commit", "-q", "-m", "policy")
    introduction = mixed.repo.git("rev-parse", "HEAD")
    made = Mixed(mixed.folder, mixed.repo, mixed.gpg, mixed.keys)
    mixed.repo.git("config", "gitsign.protectedRef", "refs/heads/other")  # main has no policy to say who has left
    try:
        made.openpgp("one", mixed.keys["pat"])
        made.ssh("two", SshKey(mixed.folder / "sam"))
        made.ssh("three", SshKey(mixed.folder / "unlisted"))
        for refs in ("one", "two", "three"):
            mixed.repo.git("update-ref", "-d", f"refs/tags/{refs}")
        done = made.run("audit", "--in-history", "--introduction", introduction, "--format", "ndjson", "--offline")
        found = {one["oid"]: one["reason"] for one in map(json.loads, done.stdout.splitlines()[:-1])}
        assert {name: found[made.named[name]] for name in ("one", "two", "three")} == {
            "one": "verified",
            "two": "verified",
            "three": "signer-unknown",
        }
    finally:
        mixed.repo.git("config", "--unset", "gitsign.protectedRef")
        mixed.repo.git("checkout", "-q", "-f", "main")
        mixed.repo.git("update-ref", "-d", "refs/heads/other")


def test_missing_programs_leave_things_unchecked(mixed: Mixed, tmp_path: Path) -> None:
    """Without gpg or ssh-keygen nothing is known, which is not the same as bad: git itself calls SSH bad then."""
    for name in ("git", "sh"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    found = mixed.verdicts(PATH=str(tmp_path))
    assert found.pop("sigstore") == found.pop("tag-sigstore") == ("good", "good")
    assert set(found.values()) == {("unchecked", "program-missing")}


def test_a_program_configured_for_signing_is_not_asked(mixed: Mixed, tmp_path: Path) -> None:
    """gpg.program may be this very program, gpg.ssh.program one that only signs, gpg.minTrustLevel a high one."""
    before = mixed.verdicts()
    options = {
        "GIT_CONFIG_COUNT": "5",
        **{f"GIT_CONFIG_KEY_{n}": f"gpg.{key}" for n, key in enumerate(("program", "openpgp.program", "ssh.program"))},
        **{f"GIT_CONFIG_VALUE_{number}": "false" for number in range(3)},
        "GIT_CONFIG_KEY_3": "gpg.minTrustLevel",
        "GIT_CONFIG_VALUE_3": "ultimate",
        "GIT_CONFIG_KEY_4": "log.showSignature",
        "GIT_CONFIG_VALUE_4": "true",
    }
    assert mixed.verdicts(**options) == before


def test_git_itself_in_a_mixed_history(mixed: Mixed) -> None:
    """With this program for gpg and for gpgsm, git's own commands check every format."""
    program = mixed.folder / "gitsign-py"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT_OF_TESTS} exec {sys.executable} -m gitsign_py "$@"\n')
    program.chmod(0o755)
    signers = mixed.folder / "signers"
    signers.write_text(f'sam@example.com namespaces="git" {mixed.keys["sam"]}\n')
    options = [f"gpg.program={program}", f"gpg.x509.program={program}", f"gpg.ssh.allowedSignersFile={signers}"]
    words = [word for option in options for word in ("-c", option)]
    variables = {
        **mixed.variables,
        "GITSIGN_TRUSTED_ROOT": str(mixed.folder / "root.json"),
        "XDG_RUNTIME_DIR": str(mixed.folder),
    }
    for name in ("sigstore", "pgp-good", "pgp-subkey", "ssh-good", "pgp-bad", "pgp-key-gone", "ssh-bad"):
        for kind, oid in (("commit", mixed.named[name]), ("tag", mixed.named[f"tag-{name}"])):
            done = mixed.repo.run(*words, f"verify-{kind}", oid, stdin=b"", **variables)
            assert (done.returncode == 0) == (EXPECTED[name][0] == "verified"), (name, kind, done.stderr)
    log = mixed.repo.git(*words, "log", "--all", "--show-signature", "--format=%H %G?", stdin=b"", **variables)
    letters = dict(line.split(" ") for line in log.splitlines() if line.split(" ")[0] in mixed.named.values())
    expected = {"sigstore": "G", "pgp-good": "G", "pgp-bad": "B", "ssh-good": "G", "ssh-bad": "B"}
    assert {name: letters[mixed.named[name]].replace("U", "G") for name in expected} == expected
    assert "Good signature by alice@example.com" in log
    assert 'Good "git" signature for sam@example.com' in log


def test_two_verdicts_are_none() -> None:
    """As git has it: of two signatures in one, nobody knows which one is meant."""
    good = "[GNUPG:] GOODSIG 0123 a"
    assert _read_gpg([good]).code == "G"
    assert _read_gpg([good, good]).code == "E"
    assert _read_gpg(["gpg: junk", "[GNUPG:] ", "[GNUPG:] NODATA 1"]).code == "N"


@pytest.mark.parametrize(
    "line",
    ['Good "git" signature with ED25519 key SHA256:x y', 'x Good "git" signature with ED25519 key SHA256:x', ""],
)
def test_anything_else_that_ssh_keygen_says_is_no_yes(line: str) -> None:
    assert _read_ssh([line]).code == "B"
    assert _read_ssh(['Good "git" signature for listed with ED25519 key SHA256:x']) == ("G", "SHA256:x", "")
