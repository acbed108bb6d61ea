"""Attack: a key that was lost is revoked, and what it signed goes on counting where acceptances were kept before.

With the policy in the history git's own commands remember which commits were accepted. Sam's SSH key, an
administrator's, adopted a policy that lets Bob sign. After its revocation audits said that this policy is not in force;
git's commands still took it from what they had kept.
"""

import shutil
from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.governed import MAIN, Governed
from tests.support.governed import policy as people
from tests.support.smime import Company, gpgsm_home
from tests.support.sshbuild import SshSigner

SAM = SshSigner(b"\x05" * 32)
KEY = f"""\
[keys.sam-ssh]
format = "ssh"
public = "{SAM.public}"
[people.sam]
keys = ["sam-ssh"]
emails = ["sam@example.com"]
"""


def policy(*names: str) -> str:
    text = people(*names).replace('["alice"]\n', '["alice", "sam"]\n', 1)
    return text.replace("[[rules]]", KEY + "[[rules]]").replace("allow = [", "allow = ['sam', ")


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    sigstore = made.signer.sign
    made.history.signer = lambda who, data, at: SAM.sign(data) if who.startswith("sam@") else sigstore(who, data, at)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: policy("alice")})
    return made


def test_a_revoked_key_counts_no_more_for_what_was_kept(governed: Governed) -> None:
    commit = governed.history.commit
    adopted = commit(governed.introduction, by="sam", signed="sam", files={POLICY_PATH: policy("alice", "bob")})
    first = commit(adopted, by="bob", signed="bob", files={"b": "1"})
    second = commit(first, by="bob", signed="bob", files={"b": "2"})
    repo = governed.repository("repo", {MAIN: second})
    for oid in (first, second, second):
        assert "TRUST_FULLY" in governed.git_says(repo, oid)
    assert governed.audit(repo, "--in-history", "main")[0] == 0

    (governed.folder / "revoked").write_text(f"{SAM.public} sam\n")
    repo.git("config", "gpg.ssh.revocationFile", str(governed.folder / "revoked"))
    found = governed.audit(repo, "--in-history", "main")[1]
    assert (found[adopted][0], found[second][0]) == ("bad", "unauthorised")
    assert "TRUST_FULLY" not in governed.git_says(repo, second)
    third = commit(second, by="bob", signed="bob", files={"b": "3"})
    governed.history.write(repo.path / ".git", {MAIN: third})
    assert "TRUST_FULLY" not in governed.git_says(repo, third)

    repo.git("config", "--unset", "gpg.ssh.revocationFile")
    assert "TRUST_FULLY" in governed.git_says(repo, third)


def test_what_no_key_signed_is_kept_whatever_keys_there_are(governed: Governed) -> None:
    """And nothing is asked about keys for it."""
    commit = governed.history.commit
    first = commit(governed.introduction, signed="alice", files={"a": "1"})
    second = commit(first, signed="alice", files={"a": "2"})
    repo = governed.repository("repo", {MAIN: second})
    assert "TRUST_FULLY" in governed.git_says(repo, first)
    (governed.folder / "revoked").write_text(f"{SAM.public} sam\n")
    repo.git("config", "gpg.ssh.revocationFile", str(governed.folder / "revoked"))
    assert "TRUST_FULLY" in governed.git_says(repo, second)


@pytest.mark.skipif(shutil.which("gpgsm") is None, reason="gpgsm is not installed")
def test_a_ca_that_gpgsm_trusts_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its trust list or by a list of revoked certificates, which nothing shows that is cheap to read."""
    governed, company = Governed.made(tmp_path), Company()
    carol, sigstore = company.person(), governed.signer.sign
    governed.history.signer = lambda who, data, at: carol.sign(data) if who[:5] == "carol" else sigstore(who, data, at)
    keys = f'[keys.carol]\nformat = "x509"\nfingerprint = "{carol.fingerprint}"\n'
    keys += '[people.carol]\nkeys = ["carol"]\nemails = ["carol@example.com"]\n'

    def policy(*names: str) -> str:
        text = people(*names).replace('["alice"]\n', '["alice", "carol"]\n', 1)
        return text.replace("[[rules]]", f"{keys}[[rules]]").replace("allow = [", "allow = ['carol', ")

    commit = governed.history.commit
    governed.introduction = commit(signed="alice", files={POLICY_PATH: policy("alice")})
    adopted = commit(governed.introduction, by="carol", signed="carol", files={POLICY_PATH: policy("alice", "bob")})
    last = commit(adopted, by="bob", signed="bob", files={"b": "1"})
    repo = governed.repository("repo", {MAIN: last})
    with gpgsm_home(company) as home:
        monkeypatch.setenv("GNUPGHOME", str(home))
        for oid in (adopted, last, last):
            assert "TRUST_FULLY" in governed.git_says(repo, oid)
    with gpgsm_home() as home:
        monkeypatch.setenv("GNUPGHOME", str(home))
        assert governed.audit(repo, "--in-history", "main")[0] != 0
        for oid in (adopted, last):
            assert "TRUST_FULLY" not in governed.git_says(repo, oid)
