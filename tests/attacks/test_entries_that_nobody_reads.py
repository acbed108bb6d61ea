"""Entries that no reader takes apart, in the middle of logs: they are told by name, and hide nothing after them.

The attack: somebody gets an entry logged that the monitor cannot parse. It ended the reading of that log, in each run,
and a certificate for the watched person that was logged after it was never told.
"""

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.monitor.pages.desk import Desk, Shelf
from gitsign_py.monitor.replicasource import open_replicas
from tests.support.faultystack import FaultyStack
from tests.support.fileserver import file_server
from tests.support.localstackkit import certify, trusted_root
from tests.support.pagekit import harmless
from tests.support.rekor2kit import ENTRIES, proposal
from tests.support.workbench import Workbench

WHO = "odd-one@example.com"


class Journey:
    """One log of the stack under a monitor of its own."""

    def __init__(self, bench: Workbench, faulty: FaultyStack, log: str, folder: Path) -> None:
        self.bench, self.faulty, self.log = bench, faulty, log
        self.state = ("--state", str(folder / "state" / "m"))

    def ask(self, *arguments: str, status: int = 0) -> tuple[list[Any], str]:
        """The program's lines of JSON, and what it said beside them."""
        done = self.bench.tool(*arguments)
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()

    def watch(self, *more: str, status: int = 0) -> tuple[list[Any], str]:
        return self.ask("monitor", *self.state, "--log", self.log, "--identity", WHO, "--json", *more, status=status)

    def grow(self, message: str, *, odd: bool = False) -> None:
        service = {"ct": "ctlog"}.get(self.log, self.log)
        self.faulty.break_it(*([f"{service}:odd-entry"] if odd else []))
        if self.log == "rekor2":
            assert self.faulty.post(ENTRIES, proposal(f"{WHO} {message}".encode())).status == 201
        else:
            certified = certify(self.faulty, WHO)
            if self.log == "rekor1":
                assert self.faulty.post("/api/v1/log/entries", certified.entry(message.encode())).status == 201
        self.faulty.break_it()


@pytest.mark.parametrize("log", ["rekor1", "rekor2", "ct"])
def test_an_odd_entry_is_told_once_and_hides_nothing(faulty: FaultyStack, tmp_path: Path, log: str) -> None:
    bench = Workbench(tmp_path, faulty)
    bench.init()
    one, mirror = Journey(bench, faulty, log, tmp_path), tmp_path / "mirror"
    one.grow("before")
    size = int(json.loads(bench.tool("log", "info", "--log", log, "--json").stdout)["trees"][-1]["size"])
    one.watch("--from", "0", "--mirror", str(mirror))
    one.grow("odd", odd=True)
    one.grow("after")

    found, said = one.watch("--mirror", str(mirror), "--ndjson", str(tmp_path / "told"), status=3)
    kinds = ["entry-unreadable", *([] if log == "rekor2" else ["entry-unread", "watch-hit"])]
    assert [each["kind"] for each in found] == kinds
    odd = found[0]
    assert (odd["severity"], odd["facts"]["index"], len(odd["facts"]["leaf_hash"])) == ("unchecked", size, 64)
    if log != "rekor2":
        assert [one["facts"]["index"] for one in found[1:]] == [size, size + 1], "the name stands in it too"
    assert "1 of them unreadable" in said
    again, said = one.watch("--mirror", str(mirror), "--ndjson", str(tmp_path / "told"))
    assert again == []
    assert "1 of them unreadable" in said
    assert (tmp_path / "told").read_text().count("entry-unreadable") == 1

    for place in (("--log", log), ("--from", str(mirror))):
        shown = bench.tool("log", "get", str(odd["facts"]["log_index"]), "--json", *place)
        assert shown.returncode in (1, 3), (place, shown.stderr)
        value = json.loads(shown.stdout)
        assert (value["leaf_hash"], bool(value["problem"])) == (odd["facts"]["leaf_hash"], True)
        looked = bench.tool("log", "search", "--hash", "0" * 64, "--range", f"{size}-{size + 2}", "--json", *place)
        assert b"1 entry that may be one cannot be read, the first at " in looked.stderr, (place, looked.stderr)
        assert looked.returncode == 3
    looked = bench.tool("log", "search", "--hash", "0" * 64, "--from", str(mirror))
    assert b"1 entry that may be one cannot be read" in looked.stderr, "by the index"

    if log != "rekor2":  # whose entries name somebody else here
        bench.commit("one")
        ask = ("identities", "--identity", WHO, "--format", "json")
        for places in (("--log", "ct", "--log", "rekor1"), ("--log-from", str(mirror), "--offline")):
            listed = bench.tool(*ask, *places)
            assert listed.returncode == 0, listed.stderr
            assert b"may be about one of them and cannot be read" in listed.stderr, places
            uses = {use["use"] for each in json.loads(listed.stdout) for use in each["issued"]}
            assert log == "ct" or "unused" not in uses, "the odd entry may be the use"

    page = Desk(lambda: nullcontext(Shelf(open_replicas(mirror, trusted_root(faulty)), trusted_root(faulty))), now)
    entry = page.answer("/log/entry", {"log": "1", "index": str(odd["facts"]["log_index"])})
    assert (entry.status, odd["facts"]["leaf_hash"] in harmless(entry.body).words) == (200, True)
    sought = page.answer("/log/search", {"q": "0" * 64})
    assert "1 entry that may be one cannot be read" in harmless(sought.body).words

    if log == "ct":  # the replica as a tiled log: its empty place has the hash of the row of tiles
        (folder,) = mirror.iterdir()
        with file_server(folder) as url:
            other = Journey(bench, faulty, f"static-ct={url}", tmp_path / "other")
            served, _ = other.watch("--from", str(size), status=3)
            assert next((one["kind"], one["facts"]["leaf_hash"]) for one in served) == (
                "entry-unreadable",
                odd["facts"]["leaf_hash"],
            )


def now() -> datetime:
    return datetime.now(UTC)
