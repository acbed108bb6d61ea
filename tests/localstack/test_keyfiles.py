"""Key files under a passphrase: encrypted on disk, readable with it alone, and never in words."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.errors import ConfigError
from gitsign_py.localstack import fsck, keyfiles
from gitsign_py.localstack.keyfiles import FILE_VARIABLE, VARIABLE
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.state import State

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORD = "correct horse battery staple"
KINDS = ("ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048")


def made(directory: Path) -> list[Path]:
    with closing(State(directory)) as state:
        ring = Keyring(state)
        return [directory / ring.add(kind, kind, NOW).file for kind in KINDS]


def test_every_kind_of_key_is_encrypted_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "word").write_text(f"{WORD}\nanything\n")
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "word"))
    for path in made(tmp_path / "s"):
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    monkeypatch.delenv(FILE_VARIABLE)
    monkeypatch.setenv(VARIABLE, WORD)
    keyfiles.read_key.cache_clear()
    with closing(State(tmp_path / "s")) as state:
        key = Keyring(state).current("ed25519")
        key.public.verify(key.sign(b"data"), b"data", "sha256")
    assert fsck.check(tmp_path / "s").faults == ()


@pytest.mark.parametrize(("word", "reason"), [("", "stack-key-encrypted"), ("wrong", "stack-key-unreadable")])
def test_without_the_passphrase_no_key_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, reason: str
) -> None:
    monkeypatch.setenv(VARIABLE, WORD)
    made(tmp_path / "s")
    monkeypatch.setenv(VARIABLE, word)
    keyfiles.read_key.cache_clear()
    with closing(State(tmp_path / "s")) as state, pytest.raises(ConfigError) as caught:
        Keyring(state).current("ed25519")
    assert caught.value.reason == reason
    assert WORD not in str(caught.value)


def test_keys_from_before_are_read_and_new_ones_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [plain, *_] = made(tmp_path / "s")
    monkeypatch.setenv(VARIABLE, WORD)
    keyfiles.read_key.cache_clear()
    with closing(State(tmp_path / "s")) as state:
        ring = Keyring(state)
        assert ring.current("ecdsa-p256").private
        added = ring.add("x", "ed25519", NOW)
    assert plain.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert (tmp_path / "s" / added.file).read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


@pytest.mark.parametrize("content", [None, b"", b"\nword\n"])
def test_a_passphrase_file_that_says_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """A file that is missing or empty must not mean keys that are not encrypted."""
    if content is not None:
        (tmp_path / "word").write_bytes(content)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "word"))
    with pytest.raises(ConfigError) as caught:
        made(tmp_path / "s")
    assert caught.value.reason == "stack-passphrase-unreadable"
