"""Attack: lists of alternates name each other, so that the ways through them double with each step.

Forty lines that all name the folder itself held an audit for hours, as soon as an object was missing. Each folder is
looked at once, as far as git follows them.
"""

from pathlib import Path

import pytest

from gitsign_py.host.git import cuts
from gitsign_py.host.git.cuts import missing_alternate, object_folders
from gitsign_py.host.git.dulwich import DulwichObjects


def listed(folder: Path, *lines: str) -> Path:
    (folder / "info").mkdir(parents=True, exist_ok=True)
    (folder / "info/alternates").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_each_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under all of its names; a link is no other folder."""
    read: list[Path] = []
    of_file = cuts._alternates

    def alternates(folder: Path) -> list[Path]:
        read.append(folder)
        return of_file(folder)

    monkeypatch.setattr(cuts, "_alternates", alternates)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    names = [f"../{name}{'/.' * number}" for number in range(40) for name in ("a", "b", "link", "a/../b")]
    for name in ("a", "b"):
        listed(tmp_path / name, *names)
    assert missing_alternate(tmp_path / "a") == ""
    assert {path.resolve() for path in read} == {tmp_path / "a", tmp_path / "b"}
    assert len(read) == 2
    DulwichObjects(tmp_path / "a").close()
    assert len(read) == 4


def test_as_far_as_git_follows_them(tmp_path: Path) -> None:
    """Five steps; what is gone there is named, and what is behind it no matter."""
    for number in range(9):
        listed(tmp_path / str(number), f"../{number + 1}")
    assert [folder.name for folder in object_folders(tmp_path / "0")] == [*"012345"]
    assert missing_alternate(tmp_path / "0") == ""
    assert Path(missing_alternate(tmp_path / "5")).name == "9"


def test_a_nul_in_a_list(tmp_path: Path) -> None:
    """Which ends the text for git, and is in no name of a file."""
    listed(tmp_path / "a", "../b\0c", "../gone\0")
    listed(tmp_path / "b")
    assert Path(missing_alternate(tmp_path / "a")).name == "gone"
    DulwichObjects(tmp_path / "a").close()
