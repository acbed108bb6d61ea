"""Servers with a hook, clones that push to them, and a signer whose trust root the server has."""

from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.pushserver import POLICY, ROOT, Server, make_server

__all__ = ["POLICY", "ROOT", "Server"]


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> BulkSigner:
    """One authority for all tests of this folder."""
    return BulkSigner(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(tmp_path: Path, signer: BulkSigner) -> Server:
    """A server with a policy and the pre-receive hook."""
    return make_server(tmp_path, signer)
