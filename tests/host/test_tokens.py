"""Tokens from a flag, a variable, a file: which one wins, and what is said when it cannot be used."""

from pathlib import Path

import pytest

from gitsign_py.core.sigstore.token import MAX_TOKEN_BYTES
from gitsign_py.errors import ConfigError
from gitsign_py.host.tokens import TokenFile, static_source
from tests.support.tokens import make


def test_the_flag_wins_over_the_variable_and_that_over_the_file(tmp_path: Path) -> None:
    flag, variable, file = (make({"sub": name}) for name in ("flag", "variable", "file"))
    (tmp_path / "token").write_text(file)
    environment = {"SIGSTORE_ID_TOKEN": variable, "GITSIGN_TOKEN_FILE": str(tmp_path / "token")}
    for expected, source in (
        (flag, static_source(flag, environment)),
        (variable, static_source(None, environment)),
        (file, static_source(None, {**environment, "SIGSTORE_ID_TOKEN": ""})),
    ):
        assert source is not None
        assert source.token().raw == expected


def test_no_source_is_no_source() -> None:
    assert static_source(None, {"SIGSTORE_ID_TOKEN": "", "GITSIGN_TOKEN_FILE": ""}) is None


def test_white_space_around_a_token_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"\n {make()}\r\n")
    assert TokenFile(tmp_path / "token").token().raw == make()


def test_a_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(make({"sub": "old"}))
    source = TokenFile(file)
    source.token()
    file.write_text(make({"sub": "new"}))
    assert source.token().raw == make({"sub": "new"})


def test_a_home_directory_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text(make())
    source = static_source(None, {"GITSIGN_TOKEN_FILE": "~/token"})
    assert source is not None
    assert source.token().raw == make()


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TokenFile(tmp_path / name).token()
    assert caught.value.reason == "token-file-unreadable"
    assert str(tmp_path / name) in caught.value.message
    assert "GITSIGN_TOKEN_FILE" in caught.value.message


@pytest.mark.parametrize("text", ["", "hunter2", "Bearer hunter2", "hunter2" * MAX_TOKEN_BYTES, "ü.ü.ü"])
def test_what_is_no_token_is_refused_by_source_and_not_repeated(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    environment = {"GITSIGN_TOKEN_FILE": str(tmp_path / "token")}
    for source, name in (
        (static_source(text, {}), "--token"),
        (static_source(None, environment), "GITSIGN_TOKEN_FILE"),
    ):
        assert source is not None
        with pytest.raises(ConfigError) as caught:
            source.token()
        assert caught.value.reason == "token-invalid"
        assert name in caught.value.message
        assert "hunter2" not in caught.value.message


def test_a_given_token_is_not_shown() -> None:
    assert make() not in repr(static_source(make(), {}))
