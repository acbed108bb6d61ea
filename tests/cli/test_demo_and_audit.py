"""The demo as a newcomer runs it, and an audit of history whose log entries are in the log alone."""

import json
from pathlib import Path
from typing import Any

from tests.support.workbench import Workbench


def test_the_demo_does_every_step_and_leaves_nothing_behind(bench: Workbench) -> None:
    scratch = bench.folder / "scratch"
    scratch.mkdir()
    done = bench.tool("demo", cwd=bench.folder, TMPDIR=str(scratch))
    assert done.returncode == 0, (done.stdout, done.stderr)
    text = done.stdout.decode()
    for words in ("git commit", "git tag -s v1", "Good signature by", "content-digest-mismatch", "identity-mismatch"):
        assert words in text
    for line in ("(trust: gitsign.allowedSigner)", "1 of 1 verified.", "1 of 2 verified."):
        assert f"     {line}\n" in text, "the view of verify, as people see it"
    assert "Every step did what it should" in text
    assert list(scratch.iterdir()) == []


def audited(bench: Workbench, *arguments: str, cwd: Path | None = None, **env: Any) -> tuple[int, dict[str, Any]]:
    """Exit status and the verdicts by id."""
    done = bench.tool("audit", "--format", "json", *arguments, cwd=cwd, **env)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    records = report["records"] if "records" in report else report["commits"]
    return done.returncode, {record["oid"]: record for record in records}


def test_online_history_is_fetched_kept_and_handed_on_in_notes(bench: Workbench) -> None:
    bench.configure("gitsign.rekorMode=online")
    oids = [bench.commit(f"number {n}") for n in range(12)]  # more than the log gives in one answer
    status, found = audited(bench)
    assert (status, {found[oid]["verdict"] for oid in oids}) == (0, {"good"})

    other: dict[str, Any] = {"XDG_CACHE_HOME": str(bench.folder / "c"), "XDG_DATA_HOME": str(bench.folder / "d")}
    status, found = audited(bench, "--offline", **other)
    assert (status, {found[oid]["verdict"] for oid in oids}) == (3, {"unchecked"})

    status, _ = audited(bench, "--offline")  # what was fetched is in the local store
    assert status == 0
    assert audited(bench, "--write-notes")[0] == 0
    clone = bench.folder / "clone"
    bench.git("clone", "-q", str(bench.repo), str(clone))
    bench.git("fetch", "-q", "origin", "refs/notes/gitsign:refs/notes/gitsign", cwd=clone)
    status, found = audited(bench, "--offline", cwd=clone, **other)
    assert (status, {found[oid]["verdict"] for oid in oids}) == (0, {"good"})
    done = bench.verify("--offline", oids[0], oids[-1], cwd=clone, **other)
    assert done.returncode == 0, done.stdout
    nowhere: dict[str, Any] = {"GITSIGN_REKOR_URL": "http://127.0.0.1:9"}
    program = bench.git("config", "gpg.x509.program")
    bench.git("-c", f"gpg.x509.program={program}", "verify-commit", oids[0], cwd=clone, **nowhere)

    bench.git("notes", "--ref=refs/notes/gitsign", "copy", "-f", oids[1], oids[0], cwd=clone)  # another commit's entry
    assert bench.verify("--offline", oids[0], cwd=clone, **other).returncode == 3
    assert bench.verify(oids[0], cwd=clone, **other).returncode == 0


def test_a_damaged_store_of_entries_does_not_stop_an_audit(bench: Workbench) -> None:
    bench.configure("gitsign.rekorMode=online")
    bench.commit("good")
    store = Path(bench.env["HOME"]) / ".local/share/gitsign-py/entries.sqlite"
    store.parent.mkdir(parents=True, mode=0o700)
    store.write_bytes(b"not a database, whatever its name says" * 100)
    done = bench.tool("audit", "--format", "text")
    assert done.returncode == 0, done.stderr
    assert str(store) in done.stderr.decode()


def test_an_unsigned_and_a_forged_commit_stand_out(bench: Workbench) -> None:
    good = bench.commit("good")
    bench.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "unsigned")
    unsigned = bench.git("rev-parse", "HEAD")
    forged = bench.store("commit", bench.raw("commit", good).replace(b"good", b"evil"))
    status, found = audited(bench, unsigned, forged)
    assert status == 1
    assert [found[oid]["verdict"] for oid in (good, unsigned, forged)] == ["good", "unsigned", "bad"]
    assert found[forged]["reason"] == "content-digest-mismatch"
