"""A private trust root that is lost, or that an ``initialize`` that fails takes away, gives way to the public one.

The attack: whoever stands between a server and its mirror lets an ``initialize`` fail. Were the old copy dropped first,
the embedded public-good root would count from then on, in hooks too, and anybody with an account at the public instance
could sign.
"""

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.clients import tuf
from gitsign_py.core.trust.root import format_trusted_root
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.filelock import hold, is_held
from tests.support.bundles import BundleMaker
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.stack import ROOT
from tests.support.tufrepo import TufRepository, serve


@dataclass
class Machine:
    """A user with a private instance's trust root, fetched by ``initialize``."""

    directory: Path
    url: str
    repository: TufRepository

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        places = {name: str(self.directory / name.lower()) for name in names}
        return subprocess.run(
            [sys.executable, "-m", "gitsign_py", *arguments],
            cwd=self.directory,
            env=environment(**places, PYTHONPATH=str(ROOT), **more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def copy(self) -> Path:
        return self.directory / "xdg_data_home" / "gitsign-py" / "tuf"

    def root_file(self) -> str:
        path = self.directory / "root.json"
        path.write_bytes(self.repository.root)
        return str(path)

    def initialize(self, url: str, *more: str) -> "subprocess.CompletedProcess[str]":
        return self.run("initialize", "--mirror", url, "--root", self.root_file(), *more)

    def source(self) -> str:
        """Which trust root counts, by the program's own word."""
        code = (
            "import os\nfrom gitsign_py.cli import wiring\n"
            "print(wiring.loaded_trust(wiring.load_settings(), offline=True).source)"
        )
        names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        places = {name: str(self.directory / name.lower()) for name in names}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.directory,
            env=environment(**places, PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    repository = TufRepository(tmp_path / "repository")
    private = format_trusted_root(BundleMaker(tmp_path / "maker").trusted_root)
    repository.publish({"trusted_root.json": private, "signing_config.v0.2.json": b"{}"})
    with serve(repository.directory) as url:
        made = Machine(tmp_path, url, repository)
        done = made.initialize(url)
        assert done.returncode == 0, done.stderr
        yield made


def nowhere() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def test_a_mirror_that_does_not_answer_takes_nothing_away(machine: Machine) -> None:
    done = machine.initialize(nowhere())
    assert done.returncode == 3
    assert "refused" in done.stderr
    assert "too slow" not in done.stderr
    assert machine.source() == f"TUF {machine.url}"
    assert {path.name for path in machine.copy.iterdir()} == {
        "mirror.json",
        "bootstrap.json",
        "metadata",
        "targets",
        ".lock",
    }


@pytest.mark.parametrize("trusted_root", [b"{}", b"not json"])
def test_a_mirror_whose_trust_root_cannot_be_used_takes_nothing_away(
    machine: Machine, tmp_path: Path, trusted_root: bytes
) -> None:
    other = TufRepository(tmp_path / "other")
    other.publish({"trusted_root.json": trusted_root})
    (tmp_path / "other-root.json").write_bytes(other.root)
    with serve(other.directory) as url:
        done = machine.run("initialize", "--mirror", url, "--root", str(tmp_path / "other-root.json"))
    assert done.returncode in (1, 3)
    assert machine.source() == f"TUF {machine.url}"


def test_a_refresh_that_breaks_off_half_way_leaves_the_copy_whole(machine: Machine) -> None:
    """The new timestamp arrives and the snapshot that it names does not."""
    machine.repository.publish({"trusted_root.json": b"{}"})
    for path in machine.repository.directory.glob("2.*.json"):
        path.unlink()
    assert machine.initialize(machine.url).returncode == 3
    assert machine.source() == f"TUF {machine.url}"


def test_a_refresh_that_was_killed_is_no_trouble_for_the_next(machine: Machine) -> None:
    (machine.copy / ".draft" / "metadata").mkdir(parents=True)
    (machine.copy / ".old").mkdir()
    assert machine.initialize(machine.url).returncode == 0
    assert machine.source() == f"TUF {machine.url}"


@pytest.mark.parametrize("gone", ["mirror.json", "bootstrap.json", "metadata", "."])
def test_a_copy_that_is_gone_never_gives_way_to_the_embedded_root(machine: Machine, gone: str) -> None:
    path = machine.copy / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    ScratchRepo.init(machine.directory / "work").commit()
    done = machine.run("verify", "HEAD", "--any-identity", GIT_DIR=str(machine.directory / "work" / ".git"))
    assert done.returncode == 3, done.stderr
    assert "trust-root-" in done.stderr
    assert "initialize" in done.stderr


def test_a_broken_copy_is_repaired_by_initialize(machine: Machine) -> None:
    (machine.copy / "mirror.json").write_text("no json")
    assert "trust-root-tampered" in machine.source() or "not JSON" in machine.source()
    assert machine.initialize(machine.url).returncode == 0
    assert machine.source() == f"TUF {machine.url}"


def test_only_forget_brings_the_embedded_root_back(machine: Machine) -> None:
    assert machine.run("initialize", "--forget", "--mirror", machine.url).returncode == 2
    done = machine.run("initialize", "--forget", "--json")
    assert done.returncode == 0, done.stderr
    assert machine.source() == "embedded public-good"


def test_a_list_of_kept_trust_roots_that_cannot_be_read_is_no_leave(machine: Machine) -> None:
    shutil.rmtree(machine.copy)
    (machine.copy.parent / "kept-trust-roots.json").write_text("[1]")
    assert "kept trust roots" in machine.source()


@pytest.mark.parametrize(
    "away", [("mirror.json",), ("metadata",), ("targets", "metadata", "bootstrap.json", "mirror.json")]
)
def test_a_copy_that_is_being_renewed_is_waited_for(machine: Machine, away: tuple[str, ...]) -> None:
    """A verification beside an ``initialize``, between two renames of its last step."""
    aside = machine.directory / "aside"
    aside.mkdir()

    lock = hold(machine.copy / ".lock")
    assert lock is not None
    let_go = lock.close

    def back() -> None:
        for name in away:
            (aside / name).rename(machine.copy / name)
        let_go()

    for name in away:
        (machine.copy / name).rename(aside / name)
    timer = threading.Timer(1.5, back)
    timer.start()
    found = machine.source()
    timer.join()
    assert found == f"TUF {machine.url}"


def test_a_reader_makes_no_folder_that_is_missing(machine: Machine) -> None:
    """It would stand in the way of the one that is about to be renamed to that place."""
    shutil.rmtree(machine.copy / "metadata")
    assert "not complete" in machine.source()
    assert not (machine.copy / "metadata").exists()


def test_a_verification_writes_nothing_into_the_copy(machine: Machine) -> None:
    """ngclient makes its root.json anew whenever it reads: another reader found none at that moment."""
    tuf.initialize(machine.url, machine.repository.root, machine.copy)

    def there() -> dict[Path, tuple[int, int]]:
        facts = {path: path.lstat() for path in machine.copy.rglob("*")}
        return {path: (one.st_ino, one.st_mtime_ns) for path, one in facts.items() if path.name != ".lock"}

    before = there()
    assert tuf.load_cached(machine.copy).mirror == machine.url
    assert there() == before


def test_verifications_beside_renewals_all_find_the_trust_root(machine: Machine) -> None:
    stop, found = threading.Event(), set()
    root = machine.repository.root

    def read() -> None:
        while not stop.is_set():
            try:
                found.add(tuf.load_cached(machine.copy).mirror)
            except GitsignError as error:
                found.add(error.reason)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            tuf.initialize(machine.url, root, machine.copy)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert found == {machine.url}


def test_one_renewal_right_after_the_other(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look may meet the next renewal: under its lock, or else more often, the state is found."""
    asked = 0

    def read() -> str:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise ConfigError("trust-root-cache", "being renamed")
        return "found"

    monkeypatch.setattr(tuf, "hold", lambda *_: None)
    assert (tuf._patiently(machine.copy, read), asked) == ("found", 3)
    monkeypatch.undo()

    def under_lock() -> bool:
        if not is_held(machine.copy / ".lock"):
            raise ConfigError("trust-root-cache", "being renamed")
        return True

    assert tuf._patiently(machine.copy, under_lock)
