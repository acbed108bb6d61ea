"""The keyring at arm's length: with a backend of the tests' own, in all the ways a real one fails."""

from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail

from gitsign_py.errors import ServiceError
from gitsign_py.host import keystore
from gitsign_py.host.keystore import KeyringStore, remembered
from tests.support.memorykeyring import Memory


@pytest.fixture
def backend() -> Iterator[Memory]:
    before = keyring.get_keyring()
    memory = Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def test_secrets_are_kept_replaced_and_forgotten(backend: Memory) -> None:
    store = KeyringStore()
    assert store.get("a") is None
    store.set("a", "1")
    store.set("a", "2")
    assert store.get("a") == "2"
    assert backend.kept == {("gitsign-py", "a"): "2"}
    store.delete("a")
    store.delete("a")
    assert backend.kept == {}
    assert "Memory" in store.describe()


def test_a_backend_that_hangs_costs_the_time_limit_once(backend: Memory) -> None:
    backend.delay = 60.0
    store = KeyringStore(timeout=0.2)
    for _ in range(5):
        with pytest.raises(ServiceError) as caught:
            store.get("a")
        assert caught.value.reason == "keyring-timeout"
    assert backend.calls <= 1


def test_the_limit_is_three_seconds() -> None:
    assert keystore.TIMEOUT_SECONDS == 3.0


def test_a_backend_in_trouble_is_one_line(backend: Memory) -> None:
    backend.trouble = RuntimeError("The collection is locked\n  (prompt dismissed)")
    with pytest.raises(ServiceError) as caught:
        KeyringStore().set("a", "secret")
    assert caught.value.reason == "keyring-unavailable"
    assert "The collection is locked (prompt dismissed)" in caught.value.message
    assert "secret" not in caught.value.message


def test_no_backend_is_said_so(backend: Memory) -> None:
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(ServiceError) as caught:
        KeyringStore().get("a")
    assert caught.value.reason == "keyring-unavailable"
    assert "no keyring of the system" in caught.value.message


def test_a_backend_that_writes_files_is_refused(backend: Memory) -> None:
    plaintext = type("PlaintextKeyring", (Memory,), {"__module__": "keyrings.alt.file"})
    keyring.set_keyring(plaintext())
    with pytest.raises(ServiceError) as caught:
        KeyringStore().set("a", "secret")
    assert "keyrings.alt.file" in caught.value.message


def test_signing_goes_on_after_one_warning(backend: Memory, tmp_path: Path) -> None:
    backend.trouble = RuntimeError("locked")
    warnings: list[str] = []
    stamp = tmp_path / "state" / "keyring-warning"
    for _ in range(3):
        assert remembered(KeyringStore(), "a", warn=warnings.append, stamp=stamp) is None
    assert len(warnings) == 1
    assert "going on without it" in warnings[0]
    backend.trouble = None
    backend.kept["gitsign-py", "a"] = "1"
    assert remembered(KeyringStore(), "a", warn=warnings.append, stamp=stamp) == "1"
    assert len(warnings) == 1


def test_without_a_place_for_the_stamp_the_warning_comes_again(backend: Memory, tmp_path: Path) -> None:
    backend.trouble = RuntimeError("locked")
    warnings: list[str] = []
    (tmp_path / "file").touch()
    for stamp in (None, tmp_path / "file" / "stamp", tmp_path / "file" / "stamp"):
        assert remembered(KeyringStore(), "a", warn=warnings.append, stamp=stamp) is None
    assert len(warnings) == 3
