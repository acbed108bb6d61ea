"""Attack: pages of the database of a stack are overwritten; and its log is filled while it runs.

What cannot be read is refused by name, nothing that is read from a damaged page is served, and other services go on.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gitsign_py.errors import ConfigError
from gitsign_py.localstack import fsck, process
from gitsign_py.localstack.directory import DATABASE, LOG
from gitsign_py.localstack.rotate import rotate
from gitsign_py.localstack.stack import Stack
from tests.support.openedstack import answer_by, ask, log_an_entry

PAGE = 4096


def overwrite(path: Path, marker: bytes) -> int:
    """Spoil the head of each page that holds an entry, but those of the newest ones, which a start looks at."""
    data = bytearray(path.read_bytes())
    hit = [at for at in range(PAGE, len(data), PAGE) if marker in data[at : at + PAGE]][:-2]
    for at in hit:
        data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    return len(hit)


def test_damaged_pages_are_named_and_not_served(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "s", 0)
    for number in range(12):
        assert log_an_entry(stack, number).status == 201
    stack.close()
    assert overwrite(tmp_path / "s" / DATABASE, b"hashedrekord") >= 2
    stack = Stack(tmp_path / "s", 0)
    try:
        refused = answer_by(stack, "/api/v2/tile/entries/{place:path}", place="000.p/12")
        value = json.loads(refused.body)
        assert refused.status == 503
        assert value["details"][0]["reason"] == "storage-damaged"
        assert "fsck" in value["message"]
        assert [ask(stack, path).status for path in ("/api/v2/checkpoint", "/keys")] == [200, 200]
    finally:
        stack.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack that is down, all of it in the database's own file."""
    directory = tmp_path_factory.mktemp("sound") / "s"
    stack = Stack(directory, 0)
    assert log_an_entry(stack, 0).status == 201
    stack.close()
    with closing(sqlite3.connect(directory / DATABASE)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return directory


def start_and_end(directory: Path) -> None:
    Stack(directory, 0).close()


def rotate_a_key(directory: Path) -> None:
    rotate(directory, "http://localhost:1", "tsa")


def test_no_damaged_page_is_a_mistake_of_the_program(sound: Path, tmp_path: Path) -> None:
    """Each page in turn: a start or a rotation says it in one line, or does not need the page, and fsck finds it."""
    refused = []
    for at in range(PAGE, (sound / DATABASE).stat().st_size, PAGE):
        copy = shutil.copytree(sound, tmp_path / str(at))
        with (copy / DATABASE).open("r+b") as file:
            file.seek(at)
            file.write(b"\xff" * PAGE)
        faults = fsck.check(copy).faults
        assert faults, at
        for use in (start_and_end, rotate_a_key):
            try:
                use(copy)
            except ConfigError as error:
                assert error.reason == "stack-database-unusable", at  # noqa: PT017
                refused.append(error.hint)
    assert refused
    assert all("stack fsck" in hint for hint in refused)


def test_certificates_that_do_not_belong_together_are_said_in_a_line(sound: Path, tmp_path: Path) -> None:
    """SQLite notices no bit that is turned within a value."""
    copy = shutil.copytree(sound, tmp_path / "copy")
    with closing(sqlite3.connect(copy / DATABASE)) as db, db:
        named = "SELECT certificate FROM keys WHERE role = 'tsa-root'"
        db.execute(f"UPDATE keys SET certificate = ({named}) WHERE role = 'fulcio-root'")
    assert fsck.check(copy).faults
    with pytest.raises(ConfigError, match="no root") as caught:
        start_and_end(copy)
    assert caught.value.reason == "stack-database-unusable"


def test_the_log_of_a_running_stack_is_put_aside_when_it_is_long(tmp_path: Path) -> None:
    with (tmp_path / LOG).open("ab", buffering=0) as output:
        output.write(b"old\n" * process.LOG_BYTES)
        process.limit_log(tmp_path, output.fileno())
        output.write(b"new\n")
        process.limit_log(tmp_path, output.fileno())
    assert (tmp_path / LOG).read_bytes() == b"new\n"
    assert (tmp_path / f"{LOG}.1").stat().st_size == process.LOG_BYTES


def test_a_log_that_is_no_output_of_this_stack_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes(bytes(process.LOG_BYTES + 1))
    with (tmp_path / "other").open("wb") as output:
        process.limit_log(tmp_path, output.fileno())
    assert (tmp_path / LOG).stat().st_size == process.LOG_BYTES + 1
