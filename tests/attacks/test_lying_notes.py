"""Anybody who can push notes can write into refs/notes/gitsign what is no entry of the commit, or no entry at all.

The attack: were a note's word enough to leave the log alone, online-mode commits would be unchecked for everybody who
fetches the notes. Where kept entries do not hold (a step 4.x), the log is asked. A tree of notes whose folders name
each other without end kept whoever listed them for ever: notes are looked up one by one.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.encoding import b64_encode
from gitsign_py.host.git.mergenotes import MergeNotes
from gitsign_py.host.git.notes import REF, EntryNotes
from tests.support.court import Court, new_history
from tests.support.history import History
from tests.support.workbench import Workbench

JUNK = f"gitsign-log-entry: {b64_encode(b'no entry at all')}"


def verdicts(bench: Workbench, *arguments: str, **env: Any) -> tuple[int, dict[str, str]]:
    done = bench.tool("audit", "--format", "json", *arguments, **env)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    records = report["records"] if "records" in report else report["commits"]
    return done.returncode, {record["oid"]: record["verdict"] for record in records}


def test_the_log_is_asked_where_notes_lie(bench: Workbench) -> None:
    bench.configure("gitsign.rekorMode=online")
    oids = [bench.commit(f"number {n}") for n in range(4)]
    bench.tool("audit", "--write-notes")
    name = REF.removeprefix("refs/notes/")
    bench.git("notes", f"--ref={name}", "copy", "-f", oids[0], oids[1])  # another commit's entry
    bench.git("notes", f"--ref={name}", "add", "-f", "-m", JUNK, oids[2])
    good = bench.git("notes", f"--ref={name}", "show", oids[3])
    bench.git("notes", f"--ref={name}", "add", "-f", "-m", f"{JUNK}\n{good}", oids[3])
    other: dict[str, Any] = {"XDG_CACHE_HOME": str(bench.folder / "c"), "XDG_DATA_HOME": str(bench.folder / "d")}

    status, found = verdicts(bench, "--offline", **other)
    assert status == 3
    assert [found[oid] for oid in oids] == ["good", "unchecked", "unchecked", "good"]
    assert bench.verify("--offline", oids[3], **other).returncode == 0
    assert verdicts(bench, **other) == (0, dict.fromkeys(oids, "good"))
    assert bench.verify(*oids, **other).returncode == 0
    for oid in oids:
        bench.git("verify-commit", oid, **other)


def test_a_note_that_is_no_file_stops_nothing(bench: Workbench) -> None:
    bench.configure("gitsign.rekorMode=online")
    oid = bench.commit("one")
    tree = bench.run(["git", "mktree"], stdin=b"").stdout.decode().strip()
    notes = bench.run(["git", "mktree"], stdin=f"040000 tree {tree}\t{oid}\n160000 commit {'1' * 40}\tx\n".encode())
    commit = bench.git("commit-tree", "--no-gpg-sign", "-m", "notes", notes.stdout.decode().strip())
    bench.git("update-ref", REF, commit)
    assert verdicts(bench) == (0, {oid: "good"})


MERGES = "refs/notes/gitsign-merges"


def tree(history: History, *entries: tuple[str, str, str]) -> str:
    """A tree of modes, names and ids."""
    rows = sorted(entries, key=lambda entry: entry[1])
    return history.add("tree", b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for mode, name, oid in rows))


@pytest.mark.parametrize("git", [False, True])
def test_more_notes_than_anybody_can_list(tmp_path: Path, git: bool) -> None:
    """256 to the power of 19 of them, and honest ones beside them, divided in two ways."""
    history = new_history()
    oid = history.commit(signed="alice", files={"a": "1"})
    notes = [history.add("blob", f"gitsign-log-entry: {b64_encode(word)}".encode()) for word in (b"one", b"other")]
    head = history.add("blob", f"gitsign-merge-head: {oid}\n".encode())
    bomb = tree(history, *(("100644", f"{n:02x}", notes[0]) for n in range(256)))
    for _ in range(18):
        bomb = tree(history, *(("40000", f"{n:02x}", bomb) for n in range(256)))
    others = [("40000", f"{n:02x}", bomb) for n in range(256) if f"{n:02x}" != oid[:2]]
    below = tree(history, ("100644", oid[2:], notes[1]), *(("40000", name, bomb) for _, name, _ in others))
    root = tree(history, ("100644", oid, notes[0]), ("40000", oid[:2], below), *others)
    merges = tree(history, ("40000", oid[:2], tree(history, ("100644", oid[2:], head))), *others)
    refs = {}
    for ref, top in ((REF, root), (MERGES, merges)):
        person = "a <a@example.com> 1 +0000"
        refs[ref] = history.add("commit", f"tree {top}\nauthor {person}\ncommitter {person}\n\nnotes\n".encode())
    court = Court(tmp_path)
    with court.opened(court.repository(history, refs), git=git) as (repository, _):
        found = EntryNotes(repository)
        assert set(found.get(oid)) == {b"one", b"other"}
        assert {found.get(f"{n:02x}" * 20) for n in range(256) if f"{n:02x}" != oid[:2]} == {(b"one",)}
        assert MergeNotes(repository).heads(oid) == (oid,)
