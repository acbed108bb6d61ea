"""Fixtures for the local stack's tests."""

import pytest

from gitsign_py.localstack import keyring
from tests.support.rsakeys import next_rsa_key


@pytest.fixture(autouse=True)
def _rsa_keys_are_made_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(keyring._MAKERS, "rsa-2048", next_rsa_key)
