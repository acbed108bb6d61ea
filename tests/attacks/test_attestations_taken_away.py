"""Somebody who may push takes back what others have said: a push that only goes forward, to a tree without it.

The attack: Carol withdraws her approval, and the author pushes a commit on top of ``refs/attestations/trees`` whose
tree lacks the withdrawal, or has another file in its place. The readers look at the newest tree alone, so the approval
would count again; a statement of source provenance would be gone in the same way.
"""

from pathlib import Path

import pytest

from gitsign_py.host.git.attestationrefs import MAX_LIST_BYTES
from tests.support.bulksigner import BulkSigner
from tests.support.pushserver import POLICY, Server, make_server

TREES, COMMITS = "refs/attestations/trees", "refs/attestations/commits"
TREE = "1" * 40
SAID = {f"{TREE}/approval-0-{name}.json.sigstore.json": name for name in ("given", "taken")}
STATED = {f"{TREE}/source-vsa-0-1.json.sigstore.json": "stated"}
WANTED = POLICY.replace('allow = ["alice"]', 'allow = ["alice"]\napprovals = 1\napprovers = ["bob"]')
UNJUDGED = ('unjudged = ["refs/notes/**"]', 'unjudged = ["refs/notes/**", "refs/attestations/**"]')


@pytest.fixture
def server(tmp_path: Path, signer: BulkSigner) -> Server:
    made = make_server(tmp_path, signer)
    (tmp_path / "policy.toml").write_text(WANTED.replace(*UNJUDGED))
    return made


def refused(server: Server, *refspecs: str) -> str:
    status, said = server.push(*refspecs)
    assert status != 0, said
    [reason] = [line.rpartition("[")[2].split("]")[0] for line in said.splitlines() if "gitsign-py: refused" in line]
    return reason


def test_what_was_said_stays(server: Server) -> None:
    history = server.history
    [given, taken] = SAID
    first = history.commit(files={**SAID, f"{TREE}/other.json": "1"})
    assert server.push(f"{first}:{TREES}")[0] == 0
    more = history.commit(first, files={f"{TREE}/approval-1-a.json.sigstore.json": "more", f"{TREE}/other.json": "2"})
    assert server.push(f"{more}:{TREES}")[0] == 0, "others' files are none of ours"
    attacks: dict[str, dict[str, str | None]] = {
        "left out": {taken: None},
        "another in its place": {taken: "given"},
        "under another name": {taken: None, taken.replace("taken", "later"): "taken"},
        "of both": {given: None, taken: None},
        "a file for the folder": {**dict.fromkeys(history.files[more]), TREE: "x"},
    }
    found = {name: refused(server, f"{history.commit(more, files=files)}:{TREES}") for name, files in attacks.items()}
    assert found == dict.fromkeys(attacks, "attestation-removed")
    left_out = history.commit(more, files={taken: None})
    for name in ("LITERAL", "ICASE", "GLOB", "NOGLOB"):  # with a shell on the server: git(1), environment variables
        server.environment = {**server.environment, f"GIT_{name}_PATHSPECS": "1"}
        assert refused(server, f"{left_out}:{TREES}") == "attestation-removed", name
        del server.environment[f"GIT_{name}_PATHSPECS"]
    _, said = server.push(f"+{first}:{TREES}")
    assert ("[source-ref-forced]" in said, "gitsign-py approve --join origin" in said) == (True, True), said
    assert refused(server, f":{TREES}") == "source-ref-deleted"
    assert server.ref(TREES) == more


def test_statements_stay_where_a_server_states_provenance(server: Server) -> None:
    """Without approvals and source refs nothing rests on these refs, and they are their owner's."""
    (server.folder / "policy.toml").write_text(POLICY.replace(*UNJUDGED))
    history = server.history
    first = history.commit(files={**STATED, **SAID})
    assert server.push(f"{first}:{COMMITS}", f"{first}:{TREES}")[0] == 0
    less = history.commit(first, files=dict.fromkeys(STATED))
    assert server.push(f"{less}:{TREES}")[0] == 0
    server.config("gitsign.sourceRef", "refs/heads/main")
    assert refused(server, f"{less}:{COMMITS}") == "attestation-removed"


def test_only_the_server_states(server: Server) -> None:
    """Readers look at a bounded number of files: those of others could hide the server's own."""
    history = server.history
    server.config("gitsign.sourceRef", "refs/heads/main")
    own = history.commit(files={f"{TREE}/approval-0-a.json.sigstore.json": "said", f"{TREE}/build.json": "1"})
    for ref in (COMMITS, TREES):
        stated = history.commit(files=STATED)
        assert refused(server, f"{stated}:{ref}") == "source-statement-pushed", "a ref that is new"
        assert server.push(f"{own}:{ref}")[0] == 0
        more = history.commit(own, files={f"{TREE}/source-provenance-0-2.json": "junk"})
        assert refused(server, f"{more}:{ref}") == "source-statement-pushed"
        assert server.ref(ref) == own


def test_no_list_comes_in_that_readers_would_pass_over(server: Server) -> None:
    """Nothing that was said would count any more, and nobody could say anything."""
    history = server.history
    empty = bytes.fromhex(history.tree({}))
    names = range(MAX_LIST_BYTES // 67 + 1)
    tree = history.add("tree", b"".join(b"40000 %040x\0%s" % (number, empty) for number in names))
    person = "bob <bob@example.com> 1700000000 +0000"
    crowd = history.add("commit", f"tree {tree}\nauthor {person}\ncommitter {person}\n\nx\n".encode())
    assert refused(server, f"{crowd}:{TREES}") == "attestations-too-many"
