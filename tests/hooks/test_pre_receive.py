"""Real pushes to a server with pre-receive: what is judged, what is refused, and what the pusher reads."""

import json
from pathlib import Path

import pytest

from gitsign_py.cli.hooklog import MAX_LOG_BYTES
from gitsign_py.policy.model import POLICY_PATH
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import History
from tests.support.pushserver import POLICY, Server

MAIN = "refs/heads/main"


def test_signed_history_is_accepted(server: Server) -> None:
    one = server.history.commit(signed="alice", files={"a": "1"})
    two = server.history.commit(one, signed="alice", files={"a": "2"})
    status, said = server.push(f"{two}:{MAIN}")
    assert status == 0, said
    assert server.ref(MAIN) == two


def test_refusal_names_the_commit_and_the_repair(server: Server) -> None:
    one = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(one, by="alice", files={"a": "2"}, message="forgot to sign")
    two = server.history.commit(bad, signed="alice", files={"a": "3"})
    status, said = server.push(f"{two}:{MAIN}")
    assert status != 0
    assert server.ref(MAIN) == ""
    assert bad in said
    assert "forgot to sign" in said
    assert "unsigned: commit has no signature [unsigned]" in said
    assert f"git rebase --rebase-merges --exec 'git commit --amend --no-edit --allow-empty -S' {bad}^" in said
    assert one not in said


@pytest.mark.parametrize(
    ("by", "signed", "reason"),
    [("mallory", "mallory", "signer-unknown"), ("bob", "bob", "rule-refuses"), ("bob", "alice", "committer-mismatch")],
)
def test_wrong_signer(server: Server, by: str, signed: str, reason: str) -> None:
    one = server.history.commit(by=by, signed=signed, files={"a": "1"})
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert f"[{reason}]" in said


def test_only_what_is_new_is_judged(server: Server) -> None:
    """History that was there before the hook stays; the same commit on a new lenient branch is not new either."""
    old = server.history.commit(by="carol", files={"a": "1"})
    (server.bare.path / "hooks/pre-receive").rename(server.bare.path / "hooks/off")
    assert server.push(f"{old}:refs/heads/topic")[0] == 0
    (server.bare.path / "hooks/off").rename(server.bare.path / "hooks/pre-receive")
    new = server.history.commit(old, by="bob", signed="bob", files={"a": "2"})
    status, said = server.push(f"{new}:refs/heads/topic", f"{old}:refs/heads/other")
    assert status == 0, said


def test_commit_of_a_lenient_branch_is_judged_again_for_main(server: Server) -> None:
    one = server.history.commit(by="bob", signed="bob", files={"a": "1"})
    assert server.push(f"{one}:refs/heads/topic")[0] == 0
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert "[rule-refuses]" in said


def test_many_refs_deletion_rename_and_force(server: Server) -> None:
    one = server.history.commit(signed="alice", files={"a": "1"})
    two = server.history.commit(signed="alice", files={"b": "1"})
    assert server.push(f"{one}:{MAIN}", f"{one}:refs/heads/old", f"{two}:refs/heads/x")[0] == 0
    status, said = server.push(f"+{two}:{MAIN}", ":refs/heads/old", f"{one}:refs/heads/new")
    assert status == 0, said
    assert (server.ref(MAIN), server.ref("refs/heads/old"), server.ref("refs/heads/new")) == (two, "", one)
    unsigned = server.history.commit(one, by="alice", files={"a": "3"})
    status, said = server.push(f"{unsigned}:refs/heads/y", f"{one}:refs/heads/z")
    assert status != 0
    assert server.ref("refs/heads/z") == "", "one bad ref refuses the whole push"


def test_octopus_merge(server: Server) -> None:
    base = server.history.commit(signed="alice", files={"a": "1"})
    sides = [server.history.commit(base, signed="alice", files={name: "1"}) for name in "xyz"]
    merge = server.history.commit(*sides, signed="alice", files=dict.fromkeys("xyz", "1"))
    assert server.push(f"{merge}:{MAIN}")[0] == 0
    bad_side = server.history.commit(base, by="bob", files={"q": "1"})
    bad = server.history.commit(merge, sides[0], bad_side, signed="alice", files={"q": "1"})
    status, said = server.push(f"{bad}:{MAIN}")
    assert status != 0
    assert bad_side in said


def test_tags(server: Server) -> None:
    one = server.history.commit(signed="alice", files={"a": "1"})
    good, unsigned = server.history.tag("v1", one, signed="alice"), server.history.tag("v2", one)
    by_bob = server.history.tag("v3", one, by="bob", signed="bob")
    assert server.push(f"{good}:refs/tags/v1")[0] == 0
    status, said = server.push(f"{unsigned}:refs/tags/v2")
    assert status != 0
    assert unsigned in said
    assert "git tag -s -f -F - -- v2" in said
    assert "[rule-refuses]" in server.push(f"{by_bob}:refs/tags/v3")[1]


def test_ref_to_a_blob(server: Server) -> None:
    blob = server.history.add("blob", b"x")
    status, said = server.push(f"{blob}:refs/tags/blob")
    assert status != 0
    assert "[ref-kind]" in said


def test_unjudged_refs(server: Server) -> None:
    note = server.history.commit(by="carol", files={"a": "1"})
    status, said = server.push(f"{note}:refs/notes/commits")
    assert status == 0, said
    assert server.push(f"{note}:{MAIN}")[0] != 0


def test_sha256(server: Server, tmp_path: Path) -> None:
    server.bare = ScratchRepo.init(tmp_path / "other.git", "--bare", "--object-format=sha256")
    for key, name in (("gitsign.trustedRoot", "trusted_root.json"), ("gitsign.policy", "policy.toml")):
        server.config(key, str(tmp_path / name))
    server.install("pre-receive")
    server.history.algorithm = "sha256"
    one = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(one, by="alice", files={"a": "2"})
    clone = ScratchRepo.init(tmp_path / "clone", "--object-format=sha256")
    server.history.write(clone.path / ".git", {})
    assert clone.run("push", str(server.bare.path), f"{one}:{MAIN}", stdin=b"", **server.environment).returncode == 0
    assert clone.run("push", str(server.bare.path), f"{bad}:{MAIN}", stdin=b"", **server.environment).returncode != 0


# --- fails closed ----------------------------------------------------------------------------------------------------


def refused(server: Server) -> str:
    one = server.history.commit(signed="alice", files={"a": "1"})
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert server.ref(MAIN) == ""
    lines = [line for line in said.split("\n") if "gitsign-py: refused:" in line]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    return lines[0]


def test_no_policy(server: Server) -> None:
    server.bare.git("config", "--unset", "gitsign.policy")
    line = refused(server)
    assert "[policy-missing]" in line
    assert "git config gitsign.policy FILE" in line


def test_policy_file_gone(server: Server) -> None:
    (server.folder / "policy.toml").unlink()
    assert "[policy-unreadable]" in refused(server)


def test_policy_broken(server: Server) -> None:
    (server.folder / "policy.toml").write_text(POLICY.replace("allow", "alow"))
    line = refused(server)
    assert "[policy-invalid]" in line
    assert "policy.toml:1" in line


def test_trust_root_gone(server: Server) -> None:
    (server.folder / "trusted_root.json").unlink()
    assert "[trust-root-missing]" in refused(server)


def test_out_of_time(server: Server) -> None:
    server.config("gitsign.hookTimeout", "0.001")
    assert "[hook-timeout]" in refused(server)


def test_bad_timeout(server: Server) -> None:
    server.config("gitsign.hookTimeout", "soon")
    assert "[config-value-invalid]" in refused(server)


def test_log_that_cannot_be_written(server: Server) -> None:
    """Disk full, in short: /dev/full takes nothing."""
    server.config("gitsign.logPath", "/dev/full")
    one = server.history.commit(by="alice", files={"a": "1"})
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert "[log-unwritable]" in said


def test_program_gone(server: Server) -> None:
    (server.folder / "gitsign-py").unlink()
    assert "cannot be run" in refused(server)


@pytest.mark.cold
def test_internal_error(server: Server) -> None:
    """A crash in our own code is a refusal in one line."""
    program = server.folder / "gitsign-py"
    program.write_text(
        program.read_text().replace(
            "-m gitsign_py",
            '-c "import sys; from gitsign_py.cli import hookcall; from gitsign_py.cli.commands import hook; '
            'hookcall.in_push = lambda *_: 1 / 0; sys.exit(hook.run(sys.argv[2:]))"',
        )
    )
    assert "[internal-error]" in refused(server)


def test_log_says_more(server: Server) -> None:
    log = server.folder / "log.ndjson"
    server.config("gitsign.logPath", str(log))
    one = server.history.commit(by="alice", files={"a": "1"})
    assert server.push(f"{one}:{MAIN}")[0] != 0
    assert f'"oid": "{one}"' in log.read_text()


# --- the policy and the pushed content -------------------------------------------------------------------------------


def test_policy_in_the_push_does_not_count(server: Server) -> None:
    """REV:PATH names the policy as it is before the push."""
    one = server.history.commit(signed="alice", files={POLICY_PATH: POLICY})
    assert server.push(f"{one}:{MAIN}")[0] == 0
    server.config("gitsign.policy", f"main:{POLICY_PATH}")
    own = POLICY.replace('allow = ["alice"]', 'allow = ["alice", "bob"]').replace('["alice"]', '["bob"]', 1)
    two = server.history.commit(one, by="bob", signed="bob", files={POLICY_PATH: own})
    status, said = server.push(f"{two}:{MAIN}")
    assert status != 0
    assert "[policy-change]" in said


def test_history_mode(server: Server) -> None:
    root = server.history.commit(by="carol", files={"a": "1"})
    intro = server.history.commit(root, signed="alice", files={POLICY_PATH: POLICY})
    server.config("gitsign.policyMode", "history")
    server.config("gitsign.introduction", intro)
    next_one = server.history.commit(intro, signed="alice", files={"a": "2"})
    status, said = server.push(f"{next_one}:{MAIN}")
    assert status == 0, said
    added = server.history.commit(
        next_one, signed="alice", files={POLICY_PATH: POLICY.replace('["alice"]', '["alice", "bob"]')}
    )
    by_bob = server.history.commit(added, by="bob", signed="bob", files={"a": "3"})
    status, said = server.push(f"{by_bob}:{MAIN}")
    assert status == 0, said
    side = server.history.commit(root, signed="alice", files={"b": "1"})
    status, said = server.push(f"{side}:refs/heads/side")
    assert status != 0
    assert "[older-than-introduction]" in said
    deleted = server.history.commit(by_bob, signed="alice", files={POLICY_PATH: None})
    assert "[policy-deleted]" in server.push(f"{deleted}:{MAIN}")[1]


def test_introduction_of_the_history_mode_is_nothing_to_a_fixed_policy(server: Server) -> None:
    """As for an audit: whoever goes back to the mode fixed has the whole policy."""
    one = server.history.commit(by="mallory", signed="mallory", files={"a": "1"})
    server.history.write(server.bare.path, {})
    server.config("gitsign.introduction", one)
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert "[signer-unknown]" in said


def test_history_mode_without_introduction(server: Server) -> None:
    server.config("gitsign.policyMode", "history")
    assert "[introduction-missing]" in refused(server)


def test_a_rules_refusal_says_which_rule_who_may_and_whom_to_ask(server: Server) -> None:
    """The pusher's clone has no policy to explain it, and to sign again helps nobody."""
    one = server.history.commit(by="bob", signed="bob", files={"a": "1"})
    tag = server.history.tag("v1", one, by="bob", signed="bob")
    status, said = server.push(f"{one}:{MAIN}", f"{tag}:refs/tags/v1")
    words = "rule 'main' lets alice do this: have one of them sign it, or ask an administrator of the policy (alice)"
    flat = " ".join(said.replace("remote:", " ").split())
    assert status != 0
    assert f"to repair (unauthorised on {MAIN}): {words}" in flat
    assert f"to repair (unauthorised on refs/tags/v1): {words}" in flat
    assert "git rebase" not in said
    assert "git tag -s" not in said
    stranger = server.history.commit(by="mallory", signed="mallory", files={"a": "1"})
    assert "(alice) to name mallory@example.com in it" in " ".join(server.push(f"{stranger}:{MAIN}")[1].split())


def test_a_ca_that_the_server_does_not_know_is_its_owners_affair(server: Server, tmp_path: Path) -> None:
    other = History(signer=BulkSigner(tmp_path / "other").sign)
    server.history.signer = other.signer
    one = server.history.commit(signed="alice", files={"a": "1"})
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert "[certificate-untrusted]" in said
    assert "to sign again does not help: the server's trust root lacks" in " ".join(said.split())


def test_the_log_has_every_push(server: Server) -> None:
    """Accepted ones, forced updates, deletions, refused ones; somebody is named in each; a long log is put aside."""
    log = server.folder / "log.ndjson"
    server.config("gitsign.logPath", str(log))
    log.write_text("x" * (MAX_LOG_BYTES + 1))
    one = server.history.commit(signed="alice", files={"a": "1"})
    two = server.history.commit(one, signed="alice", files={"a": "2"})
    bad = server.history.commit(two, files={"a": "3"})
    other = server.history.commit(one, signed="alice", files={"a": "4"})
    for refspec in (
        f"{two}:{MAIN}",
        f"{bad}:{MAIN}",
        f"+{other}:{MAIN}",
        f"{one}:refs/heads/topic",
        ":refs/heads/topic",
    ):
        server.push(refspec)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert log.with_name("log.ndjson.1").stat().st_size > MAX_LOG_BYTES
    assert all(line["pusher"] and line["at"] for line in lines)
    assert [(line["event"], line.get("change", line.get("reason")), line.get("accepted")) for line in lines] == [
        ("push", "created", True),
        ("refused", "unsigned", None),
        ("push", "updated", False),
        ("push", "forced", True),
        ("push", "created", True),
        ("push", "deleted", True),
    ]


def test_a_branch_never_goes_back_before_the_introduction(server: Server) -> None:
    old = server.history.commit(signed="alice", files={"a": "1"})
    intro = server.history.commit(old, signed="alice", files={POLICY_PATH: POLICY})
    server.history.write(server.bare.path, {MAIN: intro})
    server.config("gitsign.policyMode", "history")
    server.config("gitsign.introduction", intro)
    status, said = server.push(f"+{old}:{MAIN}")
    assert status != 0
    assert "[ref-before-introduction]" in said
    assert server.ref(MAIN) == intro
