"""Marks of what a hook let in: found by ref and new value, and nothing else is one."""

import os
from pathlib import Path

from gitsign_py.host.updatemarks import Mark, find, leave, remove

OLD, NEW = "a" * 40, "b" * 40
MAIN = "refs/heads/main"
MARK = Mark(MAIN, OLD, NEW, "2026-01-01T00:00:00Z", {"login": "alice"})


def test_a_mark_is_found_by_ref_and_new_value(tmp_path: Path) -> None:
    folder = tmp_path / "marks"
    assert find(folder, MAIN, NEW) == ()
    other = Mark(MAIN, "c" * 40, NEW, "2026-01-02T00:00:00Z")
    for mark in (MARK, MARK, other, Mark("refs/heads/other", OLD, NEW, "")):
        leave(folder, mark)
    assert find(folder, MAIN, NEW) == (MARK, other)
    assert find(folder, MAIN, OLD) == ()
    assert find(folder, MAIN, "*") == ()
    remove(folder, other)
    assert find(folder, MAIN, NEW) == (MARK,)


def test_what_is_no_mark_is_no_evidence(tmp_path: Path) -> None:
    leave(tmp_path, MARK)
    [path] = tmp_path.iterdir()
    good = path.read_text()
    spoiled = [good.replace(*pair) for pair in ((NEW, OLD), (OLD, "c" * 40), (OLD, "HEAD"), ("00:00:00Z", "25:00"))]
    longest = good.replace('"alice"', "9" * 60_000)
    for text in ("", "{", "[]", "{}", '{"ref": "refs/heads/main"}', longest, *spoiled):
        assert text != good
        path.write_text(text)
        assert find(tmp_path, MAIN, NEW) == ()
    path.unlink()
    os.mkfifo(path)
    assert find(tmp_path, MAIN, NEW) == ()


def test_marks_of_updates_that_never_came_are_removed_after_a_month(tmp_path: Path) -> None:
    leave(tmp_path, MARK)
    [path] = tmp_path.iterdir()
    os.utime(path, (0, 0))
    remove(tmp_path, Mark(MAIN, NEW, OLD, ""))
    assert list(tmp_path.iterdir()) == []
