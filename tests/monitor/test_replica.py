"""A replica: the layout of C2SP tlog-tiles, whole at every size, and a log that answers when the real one is gone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.tiles import hash_at_of, tile_path
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ConfigError, VerificationError
from gitsign_py.monitor.heads import Head, open_head
from gitsign_py.monitor.replica import Replica, folder_of, replicas
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import Batch, RawEntry
from tests.support.logs import MemoryLog as SignedLog
from tests.support.memorylog import MemoryLog, leaf
from tests.support.workbench import EMAIL, Workbench


def test_a_replica_grows_with_its_log(tmp_path: Path) -> None:
    log, copy = MemoryLog(0, width=100), Replica(tmp_path / "copy")
    for size in (1, 2, 255, 256, 257, 300, 700, 700, 66_000):
        log.size = size
        (head,) = log.heads()
        copy.update(log, head)
        assert copy.size() == size
        assert copy.checkpoint() == head.signed
        assert merkle.root(size, hash_at_of(copy.tile, size)) == head.root
        assert copy.bundle((size - 1) // 256, (size - 1) % 256 + 1)[-1] == leaf(size - 1)
    there = {path.relative_to(copy.folder).as_posix() for path in (copy.folder / "tile").rglob("*") if path.is_file()}
    assert {tile_path(2, 0, 1), tile_path(1, 0), tile_path(1, 1, 1), tile_path(0, 257, 208)} <= there
    assert not any(name.startswith("tile/0/000.p") for name in there), "full tiles have no partial ones beside them"
    assert copy.place_of_leaf(merkle.leaf_hash(leaf(300))) == 300
    assert copy.place_of_index(65_999) == 65_999


def test_entries_that_miss_the_root_are_not_covered(tmp_path: Path) -> None:
    log, copy = MemoryLog(5), Replica(tmp_path / "copy")
    (head,) = log.heads()
    copy.update(log, head)
    log.size = 9
    with pytest.raises(VerificationError) as caught:
        copy.update(log, replace(log.heads()[0], root=b"\1" * 32))
    assert caught.value.reason == "replica-root-mismatch"
    assert copy.checkpoint() == head.signed


def test_an_entry_too_large_for_a_bundle_is_kept_beside(tmp_path: Path) -> None:
    log = SignedLog("large.example", tiled=True)
    bodies = [b"small", b"L" * 0x10000, b"after"]
    for body in bodies:
        log.append(body)
    root = TrustedRoot(tlogs=(log.trusted(),))
    copy = Replica(tmp_path / "copy")

    class Served(MemoryLog):
        def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
            del head
            yield tuple(RawEntry(at, bodies[at], log_index=at) for at in range(start, stop))

    copy.update(Served(3), open_head("rekor2", log.checkpoint(), root))
    source = ReplicaSource(copy, root)
    (head,) = source.heads()
    assert [one.leaf for batch in source.entries(head, 0, 3) for one in batch] == bodies


def test_a_replica_of_another_tree_is_not_written_to(tmp_path: Path) -> None:
    log, copy = MemoryLog(5), Replica(tmp_path / "copy")
    copy.update(log, log.heads()[0])
    with pytest.raises(ConfigError) as caught:
        copy.update(log, replace(log.heads()[0], tree="other"))
    assert caught.value.reason == "replica-unusable"


def test_reading_makes_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError) as caught:
            replicas(folder)
        assert caught.value.reason == "replica-unusable"
    with pytest.raises(ConfigError):
        Replica(tmp_path / "none").size()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tree", "name"), [("rekor.example - 12", "rekor.example_-_12"), ("../../x", "_.._x"), ("...", "_"), ("\0", "_")]
)
def test_a_tree_has_a_folder_inside(tree: str, name: str) -> None:
    assert folder_of(tree) == name


def test_online_history_verifies_when_the_log_is_gone(bench: Workbench, tmp_path: Path) -> None:
    bench.configure("gitsign.rekorMode=online")
    oid = bench.commit("online")
    mirror = tmp_path / "mirror"
    monitor = ("monitor", "-q", "--state", str(tmp_path / "state" / "m"), "--log", "rekor1", "--mirror", str(mirror))
    assert bench.tool(*monitor).returncode == 0
    gone: dict[str, Any] = {"GITSIGN_REKOR_URL": "http://127.0.0.1:1"}
    quiet = ("verify", *bench.who, "-q")
    assert bench.tool(*quiet, "HEAD", **gone).returncode == 3
    done = bench.tool(*quiet, "--offline", "--log-from", str(mirror), "HEAD", **gone)
    assert done.returncode == 0, done.stderr
    audit = ("audit", "--offline", "--no-cache", "--format", "json")
    assert bench.tool(*audit, **gone).returncode == 3
    done = bench.tool(*audit, "--log-from", str(mirror), **gone)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert f'"identity": "{EMAIL}"'.encode() in done.stdout
    done = bench.tool("log", "search", "--commit", oid, "--from", str(mirror), "--json", **gone)
    found = json.loads(done.stdout)
    assert found["signers"][0]["identity"] == EMAIL
    for query in (("get", str(found["log_index"])), ("search", "--email", EMAIL), ("info",), ("prove", oid)):
        assert bench.tool("log", *query, "--from", str(mirror), **gone).returncode == 0, query
    assert bench.tool(*quiet, "--proof", f"{oid}.tlog-proof", "HEAD", **gone).returncode == 0
