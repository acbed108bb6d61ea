"""A replica: the layout of C2SP tlog-tiles, whole at every size, and a log that answers when the real one is gone."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.cli.logs import replica_of
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v002_body
from gitsign_py.core.tlog.tiles import hash_at_of, tile_path
from gitsign_py.errors import ConfigError, UsageError, VerificationError
from gitsign_py.monitor.findings import Inspected
from gitsign_py.monitor.follow import Options, follow
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.mirrored import MirroredSource
from gitsign_py.monitor.replica import Replica, folder_of, replicas
from gitsign_py.monitor.replicasource import ReplicaSource, find_logged, open_replicas
from gitsign_py.monitor.sources import Batch, RawEntry
from gitsign_py.monitor.state import Store
from tests.support.memorylog import MemoryLog, SignedSource, leaf, signed_source
from tests.support.rekor2kit import CERTIFICATE
from tests.support.workbench import EMAIL, Workbench


def test_a_replica_grows_with_its_log(tmp_path: Path) -> None:
    log, copy = MemoryLog(0, width=100), Replica(tmp_path / "copy")
    for size in (1, 2, 255, 256, 257, 300, 700, 700, 66_000):
        log.size = size
        (head,) = log.heads()
        copy.update(log, head)
        assert copy.index.size() == size
        assert copy.checkpoint() == head.signed
        assert merkle.root(size, hash_at_of(copy.tile, size)) == head.root
        assert copy.bundle((size - 1) // 256, (size - 1) % 256 + 1)[-1].leaf == leaf(size - 1)
    there = {path.relative_to(copy.folder).as_posix() for path in (copy.folder / "tile").rglob("*") if path.is_file()}
    assert {tile_path(2, 0, 1), tile_path(1, 0), tile_path(1, 1, 1), tile_path(0, 257, 208)} <= there
    assert not any(name.startswith("tile/0/000.p") for name in there), "full tiles have no partial ones beside them"
    assert copy.index.place_of_leaf(merkle.leaf_hash(leaf(300))) == 300
    assert copy.index.place_of_index(65_999) == 65_999


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
    bodies = (b"small", b"L" * 0x10000, b"after")
    log, copy = signed_source(*bodies), Replica(tmp_path / "copy")
    copy.update(log, log.heads()[0])
    source = ReplicaSource(copy, log.root)
    assert tuple(one.leaf for batch in source.entries(source.heads()[0], 0, 3) for one in batch) == bodies


def follow_with(log: SignedSource, folder: Path, start: int | None = 0) -> list[int]:
    """One run of the monitor with a mirror; gives the places of the entries that it looked at."""
    looked: list[int] = []

    def inspect(_: Head, batch: Batch) -> Inspected:
        looked.extend(entry.index for entry in batch)
        return Inspected()

    source = MirroredSource(log, folder / "mirror", log.root)
    with Store(folder / "state" / "m") as store:
        followed = follow(source, store, Options(inspect, lambda: 1, start))
    assert (followed.alarms, followed.failures) == ((), ())
    source.seal(log.heads()[0])
    return looked


def test_a_mirrored_run_fetches_each_entry_once(tmp_path: Path) -> None:
    log = signed_source(*(b"%d" % number for number in range(700)))
    assert follow_with(log, tmp_path) == list(range(700))
    assert log.given == 700
    for number in range(700, 1030):
        log.log.append(b"%d" % number)
    assert follow_with(log, tmp_path) == list(range(700, 1030))
    assert log.given == 1030
    (tmp_path / "state" / "m").unlink()
    assert follow_with(log, tmp_path) == list(range(1030)), "what is in the replica is not fetched again"
    assert log.given == 1030
    (copy,) = replicas(tmp_path / "mirror")
    assert merkle.root(1030, hash_at_of(copy.tile, 1030)) == log.heads()[0].root


def test_a_mirror_that_begins_later_or_was_killed_becomes_whole(tmp_path: Path) -> None:
    log = signed_source(*(b"%d" % number for number in range(300)))
    assert follow_with(log, tmp_path, start=None) == [], "a first run begins at the end of the log"
    assert log.given == 300, "the mirror has it from its beginning"
    for number in range(300, 320):
        log.log.append(b"%d" % number)
    copy = Replica(next((tmp_path / "mirror").iterdir()))
    copy.append(
        [RawEntry(at, b"%d" % at, log_index=at) for at in range(300, 310)]
    )  # and was killed before its checkpoint
    assert follow_with(log, tmp_path) == list(range(300, 320))
    assert copy.checkpoint() == log.heads()[0].signed
    assert (copy.index.size(), log.given) == (320, 320)


def test_a_replica_of_another_tree_is_not_written_to(tmp_path: Path) -> None:
    log, copy = MemoryLog(5), Replica(tmp_path / "copy")
    copy.update(log, log.heads()[0])
    with pytest.raises(ConfigError) as caught:
        copy.update(log, replace(log.heads()[0], tree="other"))
    assert caught.value.reason == "replica-unusable"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("name", ["checkpoint", "index.sqlite", "tile/entries/000.p/5", "tile/0/000.p/5"])
def test_a_pipe_in_a_replica_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    log, folder = signed_source(*(b"%d" % number for number in range(5))), tmp_path / "copy"
    Replica(folder).update(log, log.heads()[0])
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ConfigError) as caught:
        read_all(ReplicaSource(Replica(folder), log.root))
    assert caught.value.reason == "replica-unusable"


def read_all(source: ReplicaSource) -> None:
    (head,) = source.heads()
    source.inclusion(head, 0)
    next(source.entries(head, 0, 1))


def test_reading_makes_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError) as caught:
            replicas(folder)
        assert caught.value.reason == "replica-unusable"
    with pytest.raises(ConfigError):
        Replica(tmp_path / "none").index.size()
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
    by_setting: dict[str, Any] = {**gone, "GITSIGN_LOG_REPLICA": str(mirror)}
    assert bench.tool(*quiet, "HEAD", **by_setting).returncode == 0
    assert bench.tool(*audit[:1], "--no-cache", **by_setting).returncode == 0
    assert bench.try_git("verify-commit", "HEAD", **by_setting).returncode == 0
    lost: dict[str, Any] = {"GITSIGN_LOG_REPLICA": str(tmp_path / "lost")}
    assert bench.tool(*quiet, "HEAD", **lost).returncode == 0, "without its folder the log is asked"
    assert bench.tool("audit", "--no-cache", **lost).returncode == 0
    bench.git("config", "--local", "gitsign.logReplica", str(mirror))
    assert bench.tool(*quiet, "HEAD", **gone).returncode == 3, "a repository names no replica"
    assert bench.tool(*quiet, "--log-from", str(tmp_path / "lost"), "HEAD").returncode == 2
    done = bench.tool("log", "search", "--commit", oid, "--from", str(mirror), "--json", **gone)
    found = json.loads(done.stdout)
    assert found["signers"][0]["identity"] == EMAIL
    for query in (("get", str(found["log_index"])), ("search", "--email", EMAIL), ("info",), ("prove", oid)):
        assert bench.tool("log", *query, "--from", str(mirror), **gone).returncode == 0, query
    assert bench.tool(*quiet, "--proof", f"{oid}.tlog-proof", "HEAD", **gone).returncode == 0


def test_replicas_of_another_instance_are_left_alone(tmp_path: Path) -> None:
    digest = b"\1" * 32
    ours = signed_source(hashedrekord_v002_body(digest, b"signature", CERTIFICATE, "PKIX_ECDSA_P256_SHA_256"))
    other = signed_source(b"a", name="another.example")
    for log, name in ((ours, "a"), (other, "b")):
        Replica(tmp_path / name).update(log, log.heads()[0])
    assert [one.log_index for one in find_logged(open_replicas(tmp_path, ours.root), digest)] == [0]
    with pytest.raises(VerificationError) as caught:
        find_logged(open_replicas(tmp_path / "b", ours.root), digest)
    assert caught.value.reason == "log-unknown"


def test_without_a_kind_the_signature_log_s_replica_is_meant(tmp_path: Path) -> None:
    ours, copy = signed_source(b"a"), Replica(tmp_path / "ct")
    Replica(tmp_path / "rekor").update(ours, ours.heads()[0])
    copy.begin("static-ct", "https://ct.example.com", ours.heads()[0])
    assert replica_of(tmp_path, None, ours.root).url == str(tmp_path / "rekor")
    assert replica_of(tmp_path, "ct", ours.root).url == str(tmp_path / "ct")
    Replica(tmp_path / "second").update(ours, ours.heads()[0])
    with pytest.raises(UsageError) as caught:
        replica_of(tmp_path, None, ours.root)
    assert caught.value.reason == "log-not-named"
