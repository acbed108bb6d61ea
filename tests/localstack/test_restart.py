"""A stack that is started again has the same keys and the same log; what it said before still verifies."""

from pathlib import Path

from gitsign_py.core.pki.keys import load_pem
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.checkpoint import open_checkpoint
from tests.support.localstackkit import certify, trusted_root
from tests.support.stack import running_stack

FILES = ("fulcio-root.pem", "fulcio-chain.pem", "ctlog.pub", "rekor.pub")


def test_restart_keeps_keys_and_log(tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    with running_stack(directory) as stack:
        first_root = trusted_root(stack)
        before = {name: (directory / name).read_bytes() for name in FILES}
        keys = stack.get("/keys").json()
        who = certify(stack)
        proposed = who.entry(b"before")
        ((uuid, entry),) = stack.post("/api/v1/log/entries", proposed).json().items()
        old = stack.get("/api/v1/log").json()
        old_tree = stack.get("/ct/v1/get-sth").json()
    with running_stack(directory) as stack:
        assert {name: (directory / name).read_bytes() for name in FILES} == before
        assert stack.get("/keys").json() == keys
        again = stack.get(f"/api/v1/log/entries/{uuid}").json()[uuid]
        assert again["body"] == entry["body"]
        assert again["verification"]["signedEntryTimestamp"] == entry["verification"]["signedEntryTimestamp"]
        assert stack.get("/ct/v1/get-sth").json()["sha256_root_hash"] == old_tree["sha256_root_hash"]
        assert stack.post("/api/v1/log/entries", proposed).status == 409
        assert stack.post("/api/v1/log/entries", who.entry(b"after")).status == 201
        new = stack.get("/api/v1/log").json()
        proof = stack.get(f"/api/v1/log/proof?firstSize={old['treeSize']}&lastSize={new['treeSize']}").json()
        new_root = trusted_root(stack)
    key = load_pem(before["rekor.pub"])
    sizes = [open_checkpoint(head["signedTreeHead"].encode(), key).checkpoint for head in (old, new)]
    path = [bytes.fromhex(part) for part in proof["hashes"]]
    merkle.verify_consistency(sizes[0].size, sizes[1].size, path, sizes[0].root, sizes[1].root)
    # The port may be another one; keys and windows are the same.
    assert [log.public_key for log in new_root.tlogs] == [log.public_key for log in first_root.tlogs]
    assert [log.valid_for for log in new_root.tlogs] == [log.valid_for for log in first_root.tlogs]
