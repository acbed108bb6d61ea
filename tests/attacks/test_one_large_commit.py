"""Attack: one commit of megabytes, so that an audit of a whole history ends without a verdict about anything.

``verify`` and git's own commands took four times as much as audits and hooks did, and found such a commit good. It is
unchecked everywhere, and the others have their verdicts.
"""

from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from gitsign_py.sizes import MAX_COMMIT_BYTES
from tests.support.governed import MAIN, Governed, policy
from tests.support.history import ISSUER

LARGE = ("unchecked", "object-too-large")


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: policy("alice")})
    return made


def test_it_is_unchecked_for_all_and_the_others_are_judged(governed: Governed) -> None:
    history = governed.history
    before = history.commit(governed.introduction, signed="alice", files={"a": "1"})
    large = history.commit(before, signed="alice", message="x" * (MAX_COMMIT_BYTES + 9))
    after = history.commit(large, signed="alice", files={"a": "2"})
    tag = history.tag("v1", after, signed="alice")
    repo = governed.repository("repo", {MAIN: after, "refs/tags/v1": tag})
    rules = governed.folder / "policy.toml"
    rules.write_text(policy("alice"))
    status, found, _ = governed.audit(repo, "--policy", str(rules), "--tags", "main", "v1")
    assert (status, found[large]) == (3, LARGE)
    assert {found[oid][0] for oid in (before, after, tag)} == {"verified"}
    status, found, _ = governed.audit(repo, "--in-history", "main")
    assert (status, found[large], found[before][0]) == (1, LARGE, "verified")
    assert found[after] == ("unauthorised", "older-than-introduction"), "nobody knows what the large one hangs on"
    who = ("--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", ISSUER)
    done = governed.run(repo, "verify", "--offline", *who, large)
    assert (done.returncode, "object-too-large" in done.stdout) == (3, True)
    assert "ERRSIG" in governed.git_says(repo, large)


def test_a_push_of_it_is_refused(governed: Governed) -> None:
    large = governed.history.commit(governed.introduction, signed="alice", message="x" * (MAX_COMMIT_BYTES + 9))
    server = governed.server("pre-receive", {MAIN: governed.introduction})
    status, said = governed.push(server, f"{large}:{MAIN}")
    assert status, said
    assert "[object-too-large]" in said
