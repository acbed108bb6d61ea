"""Attack: somebody deletes a ref and says that it has nothing; git takes it for one that is damaged, and lets it go.

The old value of a change is the pusher's word until git compares it with the ref, and for such a deletion it never
does. The hooks looked only where something was left behind: a tag, a source ref, approvals, the policy's branch.
"""

from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.governed import HOOKS
from tests.support.pushserver import POLICY, make_server

ZERO, OTHER = "0" * 40, "1" * 40
APPROVALS = "refs/attestations/trees"
KEPT = {
    "refs/heads/kept": "source-ref-deleted",
    "refs/tags/v1": "tag-moved",
    APPROVALS: "source-ref-deleted",
    "refs/heads/main": "policy-ref-deleted",
}


@pytest.mark.parametrize("hook", HOOKS)
def test_what_is_kept_stays(tmp_path: Path, signer: BulkSigner, hook: str) -> None:
    server = make_server(tmp_path, signer)
    only = POLICY.replace('"refs/notes/**"', '"refs/attestations/**"')
    tip = server.history.commit(signed="alice", files={"policy.toml": only})
    (tmp_path / "policy.toml").write_text(only)
    refs = (*KEPT, "refs/heads/other")
    assert server.push(*(f"{tip}:{ref}" for ref in refs))[0] == 0
    server.config("gitsign.policy", "refs/heads/main:policy.toml")
    server.config("gitsign.sourceRef", "refs/heads/kept")
    server.config("receive.denyDeleteCurrent", "ignore")
    (server.bare.path / "hooks" / "pre-receive").unlink()
    server.install(hook)
    for old in (ZERO, OTHER, tip):
        for ref, reason in KEPT.items():
            assert f"[{reason}]" in server.told((old, ZERO, ref)), (old, ref)
            assert server.ref(ref) == tip
    assert "gitsign-py" not in server.told((ZERO, ZERO, "refs/heads/other"))
    assert server.ref("refs/heads/other") == ""
