"""``stack fsck``, ``stack backup`` while entries come in, ``stack restore``: nothing unsound passes for a copy."""

import io
import json
import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from gitsign_py.cli.commands import stack as command
from gitsign_py.errors import ConfigError
from gitsign_py.localstack import backup, fsck
from gitsign_py.localstack.directory import DATABASE
from gitsign_py.localstack.stack import Stack
from tests.support.rekor2kit import ENTRIES, proposal
from tests.support.stack import RunningStack, running_stack


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    Stack(tmp_path / "stack", 0).close()
    return tmp_path / "stack"


def spoil(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / DATABASE)) as db:
        db.execute(statement)
        db.commit()


def test_a_sound_stack_has_no_faults(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["fsck", "--dir", str(stopped)]) == 0
    assert capsys.readouterr().out == f"{stopped}: 0 entries in 3 logs, 10 keys: 0 faults\n"


def test_keys_are_checked_against_their_names_and_certificates(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((stopped / "keys").glob("fulcio-*.pem"))
    files[0].write_bytes(files[1].read_bytes())
    next((stopped / "keys").glob("rekor1-*.pem")).write_bytes(b"")
    (stopped / "keys" / "rekor1-000000000000.pem").write_bytes(b"")
    assert command.run(["fsck", "--dir", str(stopped)]) == 1
    out = capsys.readouterr().out
    assert f"keys/{files[0].name}: is not the key that its name says" in out
    assert "cannot be read" in out
    assert "keys/rekor1-000000000000.pem: no row names this key" in out
    assert out.endswith("3 faults\n")


def test_a_directory_without_a_stack_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        fsck.check(tmp_path)
    assert caught.value.reason == "stack-database-unusable"
    assert list(tmp_path.iterdir()) == []


def write_entries(stack: RunningStack, answers: list[int]) -> None:
    for number in range(30):
        answers.append(stack.post(ENTRIES, proposal(f"backup {number}".encode())).status)


@pytest.mark.parametrize("name", ["copy", "copy.tar", "copy.tar.gz"])
def test_a_backup_of_a_running_stack_is_restored_with_new_logs(tmp_path: Path, name: str) -> None:
    answers: list[int] = []
    with running_stack(tmp_path / "stack") as stack:
        stack.post(ENTRIES, proposal(b"before"))
        writer = threading.Thread(target=write_entries, args=(stack, answers))
        writer.start()
        taken = backup.backup(stack.directory, tmp_path / name)
        writer.join()
        old = stack.get("/api/v2/checkpoint").body.split(b"\n")[0]
    assert answers == [201] * 30
    assert (taken.logs, taken.keys, taken.faults) == (3, 10, ())
    assert taken.entries >= 1
    assert backup.restore(tmp_path / name, tmp_path / "again").entries == taken.entries
    assert fsck.check(tmp_path / "again").faults == ()
    with running_stack(tmp_path / "again") as stack:
        head = stack.get("/api/v2/checkpoint").body.split(b"\n")
        assert (head[1], head[0] == old) == (b"0", False)
        assert stack.get("/rekor2/1/api/v2/checkpoint").body.split(b"\n")[:2] == [old, str(taken.entries).encode()]
        assert stack.post(ENTRIES, proposal(b"after")).status == 201
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_unsound_stack_gives_no_backup(stopped: Path, tmp_path: Path) -> None:
    spoil(stopped, "INSERT INTO heads SELECT tree_id, 3, zeroblob(32) FROM keys WHERE role = 'ctlog'")
    with pytest.raises(ConfigError, match="signed a head over 3") as caught:
        backup.backup(stopped, tmp_path / "copy")
    assert caught.value.reason == "stack-backup-unsound"
    assert [path.name for path in tmp_path.iterdir()] == ["stack"]


def test_nothing_is_overwritten(stopped: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.tar").write_text("mine")
    for action, source, target in (
        (backup.backup, stopped, tmp_path / "copy.tar"),
        (backup.backup, stopped, stopped),
        (backup.restore, stopped, stopped),
    ):
        with pytest.raises(ConfigError) as caught:
            action(source, target)
        assert caught.value.reason == "stack-backup-exists"
    assert (tmp_path / "copy.tar").read_text() == "mine"


@pytest.mark.parametrize("name", ["../evil.pem", "keys/../../evil.pem", "/tmp/evil.pem", "keys/x.sh", "stack.lock"])
def test_an_archive_writes_nothing_that_a_backup_has_not(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ConfigError) as caught:
        backup.restore(tmp_path / "evil.tar", tmp_path / "new")
    assert caught.value.reason == "stack-backup-unsound"
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tar"]


def test_a_file_that_is_no_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text(json.dumps({}))
    with pytest.raises(ConfigError, match="is not a backup"):
        backup.restore(tmp_path / "x.tar", tmp_path / "new")


def test_the_commands_say_what_was_copied(stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy.tgz"
    assert command.run(["backup", "--dir", str(stopped), str(copy)]) == 0
    assert command.run(["restore", "--dir", str(tmp_path / "new"), str(copy)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{copy}: 0 entries in 3 logs, 10 keys, copied and checked; keep it private"
    assert second == f"{tmp_path / 'new'}: 0 entries in 3 logs, 10 keys, restored; new logs begin"
    assert copy.stat().st_mode & 0o077 == 0
