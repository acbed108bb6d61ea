import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gitsign_py.clients import tuf
from gitsign_py.errors import ConfigError, GitsignError, ServiceError, UncheckedError
from tests.support.tufrepo import TufRepository, serve

ROOT_JSON = b'{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'


@pytest.fixture
def repository(tmp_path: Path) -> TufRepository:
    repository = TufRepository(tmp_path / "repo")
    repository.publish({"trusted_root.json": ROOT_JSON, "signing_config.v0.2.json": b"{}"})
    return repository


def refused(call: Callable[[], object], reason: str, kind: type[GitsignError] = UncheckedError) -> GitsignError:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.reason == reason
    return caught.value


def test_initialize_fetches_both_targets(repository: TufRepository, tmp_path: Path) -> None:
    with serve(repository.directory) as url:
        targets = tuf.initialize(url, repository.root, tmp_path / "cache")
    assert targets.trusted_root == ROOT_JSON
    assert targets.signing_config == b"{}"
    assert (targets.mirror, targets.root_version, targets.timestamp_version) == (url, 1, 1)
    assert tuf.is_initialized(tmp_path / "cache")


def test_a_copy_that_has_not_expired_works_with_no_network(repository: TufRepository, tmp_path: Path) -> None:
    with serve(repository.directory) as url:
        first = tuf.initialize(url, repository.root, tmp_path / "cache")
    assert tuf.load_cached(tmp_path / "cache") == first


def test_refresh_follows_a_root_rotation_and_new_targets(repository: TufRepository, tmp_path: Path) -> None:
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
        repository.publish_root()
        repository.publish({"trusted_root.json": b'{"new": true}'})
        targets = tuf.refresh(tmp_path / "cache")
    assert (targets.trusted_root, targets.signing_config) == (b'{"new": true}', None)
    assert (targets.root_version, targets.timestamp_version) == (2, 2)
    assert tuf.load_cached(tmp_path / "cache") == targets


def test_nothing_initialized_is_missing(tmp_path: Path) -> None:
    refused(lambda: tuf.load_cached(tmp_path), "trust-root-missing")
    refused(lambda: tuf.refresh(tmp_path), "trust-root-missing")


def test_repository_without_the_target_is_missing(repository: TufRepository, tmp_path: Path) -> None:
    repository.publish({"other.json": b"{}"})
    with serve(repository.directory) as url:
        refused(lambda: tuf.initialize(url, repository.root, tmp_path / "cache"), "trust-root-missing")
    assert not tuf.is_initialized(tmp_path / "cache")


@pytest.mark.parametrize("fetch", [False, True])
def test_expired_metadata_is_refused(repository: TufRepository, tmp_path: Path, fetch: bool) -> None:
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
        repository.publish({"trusted_root.json": ROOT_JSON}, days=-1)
        if fetch:
            fetched = refused(lambda: tuf.refresh(tmp_path / "cache"), "trust-root-expired")
            assert "initialize" not in fetched.hint  # it would fetch the same
            assert "check the clock, then the mirror" in fetched.hint
    shutil.copy(repository.directory / "timestamp.json", tmp_path / "cache/metadata/timestamp.json")
    kept = refused(lambda: tuf.load_cached(tmp_path / "cache"), "trust-root-expired")
    assert "gitsign-py initialize" in kept.hint


def test_rolled_back_metadata_is_refused(repository: TufRepository, tmp_path: Path) -> None:
    """An old timestamp, signed and not expired, replayed by the mirror."""
    old = {path.name: path.read_bytes() for path in repository.directory.glob("*.json")}
    repository.publish({"trusted_root.json": b'{"new": true}'})
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
        for name, data in old.items():
            (repository.directory / name).write_bytes(data)
        refused(lambda: tuf.refresh(tmp_path / "cache"), "trust-root-rolled-back")
    assert tuf.load_cached(tmp_path / "cache").trusted_root == b'{"new": true}'


def test_stored_snapshot_older_than_the_timestamp_says_is_refused(repository: TufRepository, tmp_path: Path) -> None:
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
        old = (tmp_path / "cache/metadata/snapshot.json").read_bytes()
        repository.publish({"trusted_root.json": b'{"new": true}'})
        tuf.refresh(tmp_path / "cache")
    (tmp_path / "cache/metadata/snapshot.json").write_bytes(old)
    refused(lambda: tuf.load_cached(tmp_path / "cache"), "trust-root-rolled-back")


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json"])
def test_tampered_copy_is_refused(repository: TufRepository, tmp_path: Path, name: str) -> None:
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
    path = tmp_path / "cache/metadata" / name
    value = json.loads(path.read_bytes())
    value["signed"]["expires"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(value))
    refused(lambda: tuf.load_cached(tmp_path / "cache"), "trust-root-tampered")


def test_tampered_stored_target_is_refused(repository: TufRepository, tmp_path: Path) -> None:
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
    (tmp_path / "cache/targets/trusted_root.json").write_bytes(ROOT_JSON.replace(b"0.1", b"0.2"))
    refused(lambda: tuf.load_cached(tmp_path / "cache"), "trust-root-tampered")


def test_lost_target_is_missing_without_a_network(repository: TufRepository, tmp_path: Path) -> None:
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
    (tmp_path / "cache/targets/trusted_root.json").unlink()
    refused(lambda: tuf.load_cached(tmp_path / "cache"), "trust-root-missing")


def test_tampered_repository_is_refused(repository: TufRepository, tmp_path: Path) -> None:
    target = next(repository.directory.glob("targets/*.trusted_root.json"))
    target.write_bytes(ROOT_JSON.replace(b"0.1", b"0.2"))
    with serve(repository.directory) as url:
        refused(lambda: tuf.initialize(url, repository.root, tmp_path / "cache"), "trust-root-tampered")


def test_repository_of_another_root_is_refused(repository: TufRepository, tmp_path: Path) -> None:
    """The keys come from the root that was given, never from the server (CVE-2023-47122's kind)."""
    other = TufRepository(tmp_path / "other")
    with serve(repository.directory) as url:
        refused(lambda: tuf.initialize(url, other.root, tmp_path / "cache"), "trust-root-tampered")


def test_another_mirror_starts_from_nothing(repository: TufRepository, tmp_path: Path) -> None:
    other = TufRepository(tmp_path / "other")
    other.publish({"trusted_root.json": b'{"other": 1}'})
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
    with serve(other.directory) as url:
        assert tuf.initialize(url, other.root, tmp_path / "cache").trusted_root == b'{"other": 1}'


def test_root_that_is_no_metadata_is_refused(repository: TufRepository, tmp_path: Path) -> None:
    with serve(repository.directory) as url:
        refused(lambda: tuf.initialize(url, b"{}", tmp_path / "cache"), "trust-root-tampered")


def test_unreachable_mirror_is_a_service_error(repository: TufRepository, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        refused(
            lambda: tuf.initialize(url, repository.root, tmp_path / "cache"), "trust-root-unreachable", ServiceError
        )


def test_slow_mirror_is_given_up(repository: TufRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuf, "TOTAL_SECONDS", -1)
    with serve(repository.directory) as url:
        refused(
            lambda: tuf.initialize(url, repository.root, tmp_path / "cache"), "trust-root-unreachable", ServiceError
        )


def test_target_over_the_size_limit_is_refused(repository: TufRepository, tmp_path: Path) -> None:
    repository.publish({"trusted_root.json": b" " * (tuf.MAX_TARGET_BYTES + 1)})
    with serve(repository.directory) as url:
        refused(lambda: tuf.initialize(url, repository.root, tmp_path / "cache"), "trust-root-too-large")


def test_cache_that_is_a_file_is_a_configuration_error(repository: TufRepository, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with serve(repository.directory) as url:
        refused(lambda: tuf.initialize(url, repository.root, tmp_path / "cache"), "trust-root-cache", ConfigError)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_broken_state_is_refused(repository: TufRepository, tmp_path: Path, text: str) -> None:
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "cache")
    (tmp_path / "cache/mirror.json").write_text(text)
    refused(lambda: tuf.load_cached(tmp_path / "cache"), "trust-root-tampered")
