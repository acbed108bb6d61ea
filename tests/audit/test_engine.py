"""Verdicts over real repositories with real signatures."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from gitsign_py.audit.jobs import Job
from gitsign_py.audit.verify import JobVerifier
from gitsign_py.cli.auditheading import notices
from gitsign_py.core.tlog.logentry import encode_entry
from gitsign_py.errors import PolicyError
from gitsign_py.policy.facts import VERDICTS
from tests.support.audited import POLICY, Audited, Make
from tests.support.bulksigner import BulkSigner
from tests.support.history import History


def test_every_verdict(every: Audited) -> None:
    records = every.audit("main", "merged", "bad", policy=POLICY.replace("EXEMPT", every.named["exempt"]))
    found = {name: records[oid].verdict for name, oid in every.named.items()}
    assert found == {name: name for name in every.named}
    elsewhere = {"good", "forge-squash", "forge-rebase"}  # without a policy; in test_forge_copies.py
    assert set(found) == set(VERDICTS) - elsewhere


def test_record_says_what_was_proven(every: Audited) -> None:
    record = every.audit("main")[every.named["verified"]]
    assert (record.identity, record.format, record.time, record.time_source) == (
        "alice@example.com",
        "sigstore",
        "2024-01-01T00:01:00Z",
        "log",
    )
    assert record.log_index is not None
    assert {"3.2", "4.3", "5.3"} <= set(record.steps)
    assert record.subject == "change"


def test_unchecked_names_the_missing_key(every: Audited) -> None:
    record = every.audit("main")[every.named["unchecked"]]
    assert record.format == "openpgp"
    assert record.reason in ("key-missing", "signature-unread")


def test_without_trust_root_everything_signed_is_unchecked(every: Audited) -> None:
    resources = every.resources()
    resources.settings = type(resources.settings)(None, resources.settings.now)
    records = every.audit("main", resources=resources)
    assert records[every.named["verified"]].reason == "trust-root-missing"
    assert records[every.named["unsigned"]].verdict == "unsigned"


@pytest.mark.parametrize(("jobs", "start"), [(1, "fork"), (2, "fork"), (2, "spawn")])
def test_processes_agree_with_a_single_one(
    make: Make, signer: BulkSigner, monkeypatch: pytest.MonkeyPatch, jobs: int, start: str
) -> None:
    monkeypatch.setattr("gitsign_py.audit.workerpool._START", start)
    history = History(signer=signer.sign)
    tip = history.commit(signed="alice")
    for number in range(60):
        tip = history.commit(tip, signed="alice" if number % 3 else None)
    audited = make(history, tip)
    records = audited.audit("main", resources=audited.resources(jobs))
    assert [record.verdict == "good" for record in reversed(records.values())] == [
        history.facts[oid].status == "good" for oid in history.order
    ]


def test_killed_worker_is_an_error(make: Make, signer: BulkSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that the kernel ends must not turn into a shorter report."""
    history = History(signer=signer.sign)
    tip = history.commit(signed="alice")
    for _ in range(40):
        tip = history.commit(tip, signed="alice")
    audited = make(history, tip)
    monkeypatch.setattr("gitsign_py.audit.verify.JobVerifier.verify_batch", _die)
    with pytest.raises(Exception, match="verifying process was killed"):
        audited.audit("main", resources=audited.resources(2))


def _die(_verifier: JobVerifier, _jobs: Sequence[Job]) -> list[str]:
    os._exit(9)


def test_ranges_and_first_parent(make: Make, signer: BulkSigner) -> None:
    history = History(signer=signer.sign)
    one = history.commit(signed="alice", files={"a": "1"})
    side = history.commit(one, files={"b": "1"})
    two = history.commit(one, signed="alice", files={"c": "1"})
    merge = history.merge(two, side, signed="alice")
    audited = make(history, merge)
    assert set(audited.audit(f"{one}..main")) == {side, two, merge}
    assert set(audited.audit("main", options=("--first-parent",))) == {one, two, merge}
    assert set(audited.audit("main", options=("--since=2024-01-01T00:03:00Z",))) >= {merge}


@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)])
def test_hash_algorithms(make: Make, signer: BulkSigner, options: tuple[str, ...]) -> None:
    history = History(signer=signer.sign, algorithm="sha256" if options else "sha1")
    one = history.commit(signed="alice")
    two = history.commit(one)
    audited = make(history, two, *options)
    assert {oid: record.verdict for oid, record in audited.audit("main").items()} == {one: "good", two: "unsigned"}


def test_kinds_of_repository(every: Audited, tmp_path: Path) -> None:
    """Bare, linked worktree, alternates, packed, with a commit-graph: the same verdicts."""
    expected = {oid: record.verdict for oid, record in every.audit("main").items()}
    every.repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    every.repo.git("clone", "-q", "-s", "--no-checkout", ".", str(tmp_path / "shared"))
    every.repo.git("worktree", "add", "-q", "--no-checkout", "--detach", str(tmp_path / "linked"), "main")
    every.repo.git("gc", "-q")
    every.repo.git("commit-graph", "write")
    for directory in (tmp_path / "bare.git", tmp_path / "shared", tmp_path / "linked", every.repo.path):
        found = every.audit(every.named["unchecked"], directory=directory)
        assert {oid: record.verdict for oid, record in found.items()} == expected, directory


def test_shallow_clone_says_so(every: Audited, tmp_path: Path) -> None:
    every.repo.git("clone", "-q", "--bare", "--depth=2", f"file://{every.repo.path}", str(tmp_path / "shallow"))
    assert len(every.audit("main", directory=tmp_path / "shallow")) < len(every.named)
    with every.repository(tmp_path / "shallow") as repository:
        assert any("shallow" in notice for notice in notices(repository))


def test_replace_refs_and_grafts_do_not_fool(make: Make, signer: BulkSigner) -> None:
    history = History(signer=signer.sign)
    good = history.commit(signed="alice", files={"a": "1"})
    bad = history.commit(good, files={"a": "2"})
    tip = history.commit(bad, signed="alice", files={"a": "3"})
    audited = make(history, tip)
    audited.repo.git("replace", bad, good)
    (audited.repo.path / ".git/info").mkdir(exist_ok=True)
    (audited.repo.path / ".git/info/grafts").write_text(f"{tip} {good}\n")
    assert audited.audit("main")[bad].verdict == "unsigned"
    with audited.repository() as repository:
        said = " ".join(notices(repository))
    assert "replace refs are there" in said
    assert "grafts are there" in said


def test_bytes_under_a_wrong_id_are_malformed(make: Make, signer: BulkSigner) -> None:
    """git checks no hash when it reads; nobody is told that such a commit is unsigned."""
    history = History(signer=signer.sign)
    one, other = history.commit(signed="alice"), history.commit(message="another root")
    audited = make(history, history.commit(one))
    target, source = (audited.repo.path / ".git/objects" / oid[:2] / oid[2:] for oid in (one, other))
    shutil.copy(source, target)
    record = audited.audit("main")[one]
    assert (record.verdict, record.reason) == ("malformed", "object-id-mismatch")


def test_missing_parent_is_an_error(make: Make, signer: BulkSigner) -> None:
    history = History(signer=signer.sign)
    one = history.commit(signed="alice")
    two = history.commit(one, signed="alice")
    audited = make(history, two)
    (audited.repo.path / ".git/objects" / one[:2] / one[2:]).unlink()
    with pytest.raises(Exception, match="git failed"):
        audited.audit("main")


def test_tags(every: Audited, signer: BulkSigner) -> None:
    history = every.history
    good = history.tag("v1", every.named["verified"], signed="alice")
    unsigned = history.tag("v2", every.named["verified"])
    refs = {"refs/tags/v1": good, "refs/tags/v2": unsigned, "refs/tags/light": every.named["verified"]}
    history.write(every.repo.path / ".git", refs)
    records = every.audit("main", tags=True)
    assert (records[good].verdict, records[good].kind, records[good].ref) == ("good", "tag", "refs/tags/v1")
    assert records[unsigned].verdict == "unsigned"


def test_introduction_and_side_branch_in_fixed_mode(make: Make, signer: BulkSigner) -> None:
    """Older history is accepted as it is; a side branch that left it before is not older, and is judged."""
    history = History(signer=signer.sign)
    root = history.commit(files={"a": "1"})
    intro = history.commit(root, files={"a": "2"})
    side = history.commit(root, files={"b": "1"})
    merge = history.merge(intro, side, signed="alice")
    audited = make(history, merge)
    records = audited.audit("main", introduction=intro)
    assert {oid: (record.verdict, record.reason) for oid, record in records.items()} == {
        root: ("exempt", "before-introduction"),
        intro: ("exempt", "introduction"),
        side: ("unsigned", "unsigned"),
        merge: ("good", "good"),
    }
    with pytest.raises(PolicyError, match="not in the repository"):
        audited.audit("main", introduction="1" * 40)


def test_forge_merge_of_what_is_older_than_the_introduction(make: Make, signer: BulkSigner) -> None:
    """A release branch that left early takes in, on a click, what is accepted because it is old."""
    history = History(signer=signer.sign)
    root = history.commit(files={"a": "1"})
    older = history.commit(root, files={"b": "1"})
    intro = history.commit(older, files={"b": "2"})
    release = history.commit(root, signed="alice", files={"c": "1"})
    for merged in (older, intro):
        merge = history.merge(release, merged, by="noreply@forge.example", author="alice")
        record = make(history, merge).audit("main", policy=POLICY.replace("EXEMPT", "0" * 40), introduction=intro)[
            merge
        ]
        assert (record.verdict, record.reason) == ("forge-merge", "forge-reproduced")


def test_forge_merge_is_made_again_whatever_is_checked_out(make: Make, signer: BulkSigner) -> None:
    """A .gitattributes in the worktree could have both sides of a conflict taken (merge=union), or end any merge."""
    history = History(signer=signer.sign)
    root = history.commit(signed="alice", files={"a": "1\n", "b": "1\n2\n3\n4\n5\n"})
    ours = history.commit(root, signed="alice", files={"a": "2\n", "b": "0\n2\n3\n4\n5\n"})
    theirs = history.commit(root, signed="alice", files={"b": "1\n2\n3\n4\n6\n"})
    conflict = history.commit(root, signed="alice", files={"a": "3\n"})
    forge = "noreply@forge.example"
    clean = history.commit(ours, theirs, files={"b": "0\n2\n3\n4\n6\n"}, by=forge, author="alice")
    union = history.commit(ours, conflict, files={"a": "2\n3\n"}, by=forge, author="alice")
    audited = make(history, clean)
    history.write(audited.repo.path / ".git", {"refs/heads/union": union})
    for attribute in ("merge=union", "-merge"):
        (audited.repo.path / ".gitattributes").write_text(f"* {attribute}\n")
        records = audited.audit("main", "union", policy=POLICY.replace("EXEMPT", "0" * 40))
        assert (records[clean].verdict, records[clean].reason) == ("forge-merge", "forge-reproduced")
        assert (records[union].verdict, records[union].reason) == ("unauthorised", "merge-not-reproducible")


def test_policy_in_history(make: Make, signer: BulkSigner) -> None:
    history = History(signer=signer.sign)
    root = history.commit(files={"a": "1"})
    policy = POLICY.replace("EXEMPT", "0" * 40)
    intro = history.commit(root, signed="alice", files={".gitsign/policy.toml": policy})
    one = history.commit(intro, by="bob", signed="bob", files={"a": "2"})
    own = history.commit(
        one, by="mallory", signed="mallory", files={".gitsign/policy.toml": policy.replace("bob", "mallory")}
    )
    after = history.commit(own, by="mallory", signed="mallory", files={"a": "3"})
    audited = make(history, after)
    records = audited.audit("main", introduction=intro, in_history=True)
    assert {oid: (record.verdict, record.reason) for oid, record in records.items()} == {
        root: ("exempt", "before-introduction"),
        intro: ("exempt", "introduction"),
        one: ("verified", "verified"),
        own: ("unauthorised", "signer-unknown"),
        after: ("unauthorised", "signer-unknown"),
    }
    assert set(audited.audit(f"{one}..main", introduction=intro, in_history=True)) == {own, after}


def test_online_mode_needs_and_takes_entries(make: Make, tmp_path: Path) -> None:
    online = BulkSigner(tmp_path / "online", online=True)
    history = History(signer=online.sign)
    one = history.commit(signed="alice")
    two = history.commit(one, signed="alice")
    for oid in (one, two):
        online.log_online(oid, "alice@example.com", history.clock)
    audited = make(history, two)
    audited.trusted_root = online.trusted_root
    assert audited.audit("main")[one].reason == "log-entry-not-embedded"
    assert audited.audit("main")[one].verdict == "unchecked"
    assert "3.3" in audited.audit("main")[one].steps

    def fetch(jobs: Sequence[Job]) -> dict[str, tuple[bytes, ...]]:
        wrong = encode_entry(online.entries[two], with_body=True)
        return {
            job.oid: (wrong, encode_entry(online.entries[job.oid], with_body=True)) if job.oid == one else (b"junk",)
            for job in jobs
        }

    records = audited.audit("main", resources=audited.resources(fetch=fetch))
    assert records[one].verdict == "good"
    assert records[two].verdict == "unchecked", "what cannot be read as an entry proves nothing, either way"


def test_big_message_and_odd_encodings(make: Make, signer: BulkSigner) -> None:
    """Lines over 64 KiB, CR, NUL in the message, no final newline, names that are not UTF-8."""
    history = History(signer=signer.sign)
    tip = history.commit(signed="alice", message="x" * 300_000)
    tip = history.commit(tip, signed="alice", message="a\r\nb\0c")
    latin = (
        history.objects[tip].data.split(b"gpgsig", 1)[0].replace(b"Alice", b"\xe4lice") + b"encoding ISO-8859-1\n\n\xe4"
    )
    last = history.add(
        "commit", latin.replace(b"parent ", f"parent {tip}\nparent ".encode(), 1) if b"parent" in latin else latin
    )
    audited = make(history, last)
    records = audited.audit("main")
    assert sorted(record.verdict for record in records.values()) == ["good", "good", "unsigned"]
