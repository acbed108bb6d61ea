"""Directories of this user: where, and readable by whom."""

import os
import stat
from pathlib import Path

import platformdirs
import pytest

from gitsign_py.agent import client
from gitsign_py.errors import ConfigError
from gitsign_py.host import paths


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    return tmp_path


def test_directories_are_made_for_their_user_alone(home: Path) -> None:
    made = [paths.data_directory(), paths.cache_directory(), paths.state_directory(), paths.tuf_directory({})]
    expected = ["data/gitsign-py", "cache/gitsign-py", "state/gitsign-py", "data/gitsign-py/tuf"]
    assert made == [home / name for name in expected]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in made)


def test_tuf_root_names_the_tuf_cache(home: Path) -> None:
    assert paths.tuf_directory({"TUF_ROOT": "~/tuf"}) == home / "tuf"
    assert paths.tuf_directory({"TUF_ROOT": ""}) == home / "data" / "gitsign-py" / "tuf"


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    assert paths.private_directory(there) == there
    assert stat.S_IMODE(there.stat().st_mode) == 0o755


def test_a_directory_that_others_write_to_is_refused(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o770)
    with pytest.raises(ConfigError) as caught:
        paths.private_directory(there)
    assert (caught.value.reason, caught.value.facts["mode"]) == ("directory-not-private", "0770")


def test_a_file_in_the_way_and_an_unknown_user_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=str(path)) as caught:
            paths.private_directory(path)
        assert caught.value.reason == "directory-unusable"
    with pytest.raises(ConfigError) as caught:
        paths.tuf_directory({"TUF_ROOT": "~no-such-user-here"})
    assert caught.value.reason == "directory-unusable"


@pytest.mark.parametrize(("home", "older"), [(None, False), (None, True), (".", True)])
def test_without_a_home_nothing_is_read_where_git_stands(
    monkeypatch: pytest.MonkeyPatch, home: str | None, older: bool
) -> None:
    """A user whom the system does not know: a folder called ~ may be the repository's, with trust roots in it."""
    for name in ("DATA", "CACHE", "STATE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    if older:  # platformdirs gave such a name until it learned to refuse
        for name in ("user_data_path", "user_cache_path", "user_state_path"):
            monkeypatch.setattr(platformdirs, name, lambda *_given, **_named: Path("~/.local"))
    for place in (paths.data_directory, paths.cache_directory, paths.state_place, lambda: paths.tuf_place({})):
        with pytest.raises(ConfigError, match="no home directory") as caught:
            place()
        assert caught.value.reason == "directory-unusable"
    monkeypatch.setattr(client, "_own_directory", lambda _path: False)
    assert client.socket_path({"HOME": home or ""}) == "/.cache/gitsign-py/agent.sock"


def test_a_home_that_is_out_of_reach_is_no_other_place() -> None:
    with pytest.raises(ConfigError, match="TUF_ROOT names ~no-such-user-here/tuf"):
        paths.tuf_place({"TUF_ROOT": "~no-such-user-here/tuf"})
