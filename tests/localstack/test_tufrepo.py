"""The local TUF repository, read by python-tuf itself and by our client of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.ngclient import Updater  # type: ignore[attr-defined]

from gitsign_py.clients import tuf
from gitsign_py.errors import UncheckedError
from gitsign_py.localstack.rotate import rotate
from tests.support.faultystack import FaultyStack
from tests.support.stack import RunningStack, running_stack


def read_root(stack: RunningStack) -> bytes:
    return (stack.directory / "root.json").read_bytes()


def fetch(stack: RunningStack, cache: Path) -> tuf.TufTargets:
    return tuf.initialize(f"{stack.url}/tuf", read_root(stack), cache)


def test_initialize_gets_what_the_directory_holds(stack: RunningStack, tmp_path: Path) -> None:
    targets = fetch(stack, tmp_path)
    assert targets.trusted_root == (stack.directory / "trusted_root.json").read_bytes()
    assert targets.signing_config == (stack.directory / "signing_config.json").read_bytes()
    assert timedelta(days=6) < targets.expires - datetime.now(UTC) <= timedelta(days=14)


def test_python_tuf_reads_it_from_the_root_alone(stack: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    updater = Updater(
        metadata_dir=str(tmp_path / "metadata"),
        metadata_base_url=f"{stack.url}/tuf",
        target_dir=str(tmp_path / "targets"),
        target_base_url=f"{stack.url}/tuf/targets",
        bootstrap=read_root(stack),
    )
    info = updater.get_targetinfo("trusted_root.json")
    assert info is not None
    assert Path(updater.download_target(info)).read_bytes() == (stack.directory / "trusted_root.json").read_bytes()


def test_nothing_new_makes_no_new_version(stack: RunningStack, tmp_path: Path) -> None:
    assert fetch(stack, tmp_path / "1").timestamp_version == fetch(stack, tmp_path / "2").timestamp_version


def test_a_rotated_key_is_published(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack") as stack:
        before = fetch(stack, tmp_path / "cache")
        rotate(stack.directory, stack.url, "rekor2")
        after = tuf.refresh(tmp_path / "cache")
        assert after.timestamp_version == before.timestamp_version + 1
        assert after.trusted_root == (stack.directory / "trusted_root.json").read_bytes() != before.trusted_root
    assert tuf.load_cached(tmp_path / "cache").trusted_root == after.trusted_root


def test_a_new_root_key_is_followed_from_the_old_one(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack") as stack:
        first = read_root(stack)
        before = fetch(stack, tmp_path / "cache")
        for _ in range(2):
            rotate(stack.directory, stack.url, "tuf-root")
            after = tuf.refresh(tmp_path / "cache")
        assert after.timestamp_version == before.timestamp_version + 2
        assert tuf.initialize(f"{stack.url}/tuf", first, tmp_path / "late").trusted_root == after.trusted_root
        assert stack.get("/tuf/3.root.json").body == stack.get("/tuf/3.root.json").body
        assert stack.get("/tuf/4.root.json").status == 404
        rotate(stack.directory, stack.url, "rekor")
        assert read_root(stack) == stack.get("/tuf/3.root.json").body
        assert fetch(stack, tmp_path / "new").trusted_root == (stack.directory / "trusted_root.json").read_bytes()


def test_a_root_of_another_stack_is_not_believed(stack: RunningStack, faulty: FaultyStack, tmp_path: Path) -> None:
    with pytest.raises(UncheckedError) as caught:
        tuf.initialize(f"{faulty.url}/tuf", read_root(stack), tmp_path)
    assert caught.value.reason == "trust-root-tampered"


def test_metadata_of_a_clock_that_is_far_behind_is_expired(tmp_path: Path) -> None:
    """A repository that publishes under an old date: what it gives out is stale when it arrives."""
    with running_stack(tmp_path / "stack", "--fault", f"tuf:clock-skew=-{60 * 86400}") as stack:
        with pytest.raises(UncheckedError) as caught:
            fetch(stack, tmp_path / "cache")
        assert caught.value.reason == "trust-root-expired"


@pytest.mark.parametrize(
    "name",
    [
        "2.root.json",
        "root.json",
        "0.root.json",
        "targets/trusted_root.json",
        "targets/..%2fstate.db",
        "..%2f..%2fstate.db",
        "%2e%2e/state.db",
        "999.targets.json",
    ],
)
def test_other_files_are_not_found(stack: RunningStack, name: str) -> None:
    assert stack.get(f"/tuf/{name}").status == 404
