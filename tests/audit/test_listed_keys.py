"""Keys of other formats from the proposal to the verdict: ``policy init``, revocation, keys of a middle policy."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.core.git.foreignsig import openpgp_fingerprint, ssh_public_key
from gitsign_py.policy.model import POLICY_PATH
from gitsign_py.policy.parse import parse_policy
from tests.support.bulksigner import BulkSigner
from tests.support.foreignkeys import SshKey, gpg_home
from tests.support.gitrepo import ScratchRepo
from tests.support.history import History
from tests.support.mixedrepo import Mixed

pytestmark = pytest.mark.skipif(
    shutil.which("gpg") is None or shutil.which("ssh-keygen") is None, reason="gpg or ssh-keygen is not installed"
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Mixed]:
    """A new repository, a keyring, and a trust root."""
    (tmp_path / "root.json").write_bytes(BulkSigner(tmp_path / "authority").trusted_root_json)
    with gpg_home() as gpg:
        yield Mixed(tmp_path, ScratchRepo.init(tmp_path / "repo"), gpg)


def committed_by(made: Mixed, who: str) -> None:
    """Whose address the next commits carry."""
    made.author = {f"GIT_{role}_EMAIL": f"{who}@example.com" for role in ("AUTHOR", "COMMITTER")}


def proposed(made: Mixed) -> Path:
    """What init proposes, which check must find valid."""
    done = made.run("policy", "init", "--offline")
    assert done.returncode == 0, done.stderr
    path = made.folder / "proposed.toml"
    path.write_text(done.stdout)
    checked = made.run("policy", "check", str(path))
    assert checked.returncode == 0, done.stdout + checked.stdout
    return path


def test_init_check_audit(made: Mixed) -> None:
    """Whoever signed with a key goes on as before, by a policy that lists the key."""
    pgp = made.gpg.make("pat@example.com")
    sam, other = SshKey.make(made.folder / "sam"), SshKey.make(made.folder / "other")
    committed_by(made, "pat")
    made.openpgp("one", pgp)
    committed_by(made, "sam")
    made.ssh("two", sam)
    made.ssh("three", sam)
    made.ssh("four", other)
    path = proposed(made)
    policy = parse_policy(path.read_bytes(), "proposed")
    assert {name: (key.format, key.fingerprint, key.public) for name, key in policy.keys.items()} == {
        "pat-pgp": ("openpgp", pgp, ""),
        "sam-ssh": ("ssh", sam.fingerprint, sam.public),
        "sam-ssh-2": ("ssh", other.fingerprint, other.public),
    }
    assert policy.administrators == {"sam"}
    assert "# 2 commits; whose key it is" in path.read_text()
    done = made.run("audit", "--offline", "--policy", str(path))
    assert (done.returncode, "4 verified" in done.stdout) == (0, True), done.stdout
    committed_by(made, "pat")
    made.ssh("five", sam)
    done = made.run("audit", "--offline", "--policy", str(path))
    assert "4 verified, 1 identity-mismatch" in done.stdout


def test_a_key_of_somebody_who_signs_keyless_now(made: Mixed) -> None:
    """The address says that they are one person: one entry, with both."""
    signer = BulkSigner(made.folder / "authority2")
    (made.folder / "root.json").write_bytes(signer.trusted_root_json)
    history = History(signer=signer.sign)
    history.write(made.repo.path / ".git", {"refs/heads/main": history.commit(signed="alice", files={"a": "1"})})
    made.repo.git("reset", "-q", "--hard")
    made.openpgp("pgp", made.gpg.make("alice@example.com"))
    path = proposed(made)
    policy = parse_policy(path.read_bytes(), "proposed")
    assert list(policy.principals) == ["alice"]
    assert policy.principals["alice"].keys == ("alice-pgp",)
    assert "2 verified" in made.run("audit", "--offline", "--policy", str(path)).stdout


def test_a_key_that_is_not_at_hand_is_only_named(made: Mixed) -> None:
    """A signature that nobody could check proves nothing: its key stands in a comment, by its fingerprint."""
    gone = made.gpg.make("gone@example.com")
    committed_by(made, "gone")
    made.openpgp("gone", gone)
    made.gpg.forget(gone)
    alone = made.run("policy", "init", "--offline")
    assert alone.returncode == 2
    assert f"seen, not verified: openpgp {gone}, 1 commit" in alone.stderr
    assert "[policy-nobody]" in alone.stderr
    committed_by(made, "sam")
    made.ssh("sam", SshKey.make(made.folder / "sam"))
    path = proposed(made)
    assert f'# seen, not verified: openpgp {gone}, 1 commit, by committer "gone@example.com"' in path.read_text()
    assert gone not in {key.fingerprint for key in parse_policy(path.read_bytes(), "proposed").keys.values()}
    told = made.run("audit", "--offline").stdout
    assert f"gpg --recv-keys {gone}   (1)" in told


def test_a_key_with_no_committer_makes_a_valid_proposal(made: Mixed) -> None:
    made.author = {"GIT_COMMITTER_EMAIL": "", "GIT_AUTHOR_EMAIL": ""}
    made.ssh("nobody", SshKey.make(made.folder / "key"))
    assert 'match = "none"  # nobody signed as a committer of their own' in proposed(made).read_text()
    assert made.run("audit", "--offline", "--policy", str(made.folder / "proposed.toml")).returncode == 0


def listing(keys: dict[str, SshKey]) -> str:
    """A policy that lets these keys sign, the first of them as administrator."""
    people = "".join(f'[people.{name}]\nkeys = ["{name}"]\n' for name in keys)
    entries = "".join(f'[keys.{name}]\nformat = "ssh"\npublic = "{key.public}"\n' for name, key in keys.items())
    head = f'version = 1\nmatch = "none"\nadministrators = ["{next(iter(keys))}"]\n'
    return f'{head}{people}{entries}[[rules]]\nname = "all"\nallow = {json.dumps(list(keys))}\n'


def verdicts(made: Mixed, *options: str) -> dict[str, str]:
    """The verdict of each commit by its subject."""
    done = made.run("audit", "--offline", "--format", "ndjson", *options)
    return {one["subject"]: one["verdict"] for one in map(json.loads, done.stdout.splitlines()[:-1])}


@pytest.mark.parametrize("mode", ["fixed", "history", "none"])
def test_a_revoked_ssh_key_is_bad_wherever_it_is_listed(made: Mixed, mode: str) -> None:
    """gpg.ssh.revocationFile counts for keys that a middle policy of the history alone lists, and without a policy."""
    sam, kim = SshKey.make(made.folder / "sam-key"), SshKey.make(made.folder / "kim-key")
    alone, both = listing({"sam": sam}), listing({"sam": sam, "kim": kim})
    for name, text, key in (
        ("start", alone, sam),
        ("kim comes", both, sam),
        ("kim", both, kim),
        ("kim goes", alone, sam),
    ):
        path = made.repo.path / POLICY_PATH
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        made.repo.git("add", "-A")
        made.commit(name, "gpg.format=ssh", f"user.signingkey={key.path}")
    (made.folder / "both.toml").write_text(both)
    introduction = made.repo.git("rev-parse", "HEAD~3")
    options = {
        "fixed": ["--policy", str(made.folder / "both.toml")],
        "history": ["--in-history", "--introduction", introduction],
        "none": [],
    }[mode]
    before = verdicts(made, *options)
    expected = "good" if mode == "none" else "verified"  # without a policy nothing says that these keys may sign
    assert {before[name] for name in ("kim comes", "kim", "kim goes")} == {expected}
    (made.folder / "revoked").write_text(kim.public + "\n")
    made.repo.git("config", "gpg.ssh.revocationFile", str(made.folder / "revoked"))
    assert verdicts(made, *options) == before | {"kim": "bad"}


def test_what_signatures_carry(made: Mixed) -> None:
    """The key within a signature is the one that made it; what is no signature has none."""
    key, pgp = SshKey.make(made.folder / "key"), made.gpg.make("pat@example.com")
    made.ssh("ssh", key)
    ssh = made.repo.git("cat-file", "tag", "ssh").partition("-----BEGIN")
    signature = f"{ssh[1]}{ssh[2]}\n".encode()
    assert ssh_public_key(signature) == key.public
    made.openpgp("pgp", pgp)
    armored = ("-----BEGIN" + made.repo.git("cat-file", "tag", "pgp").partition("-----BEGIN")[2] + "\n").encode()
    assert openpgp_fingerprint(armored) == pgp
    for at in range(len(signature) - 1):
        assert ssh_public_key(signature[:at]) == ""
    for junk in (b"", signature, armored[:60], armored.replace(b"-----BEGIN PGP", b"-----BEGIN X"), armored[:-40]):
        assert openpgp_fingerprint(junk) in ("", pgp)
    assert ssh_public_key(armored) == ""
