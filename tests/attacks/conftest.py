"""What several attacks plant."""

import os
from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner


@pytest.fixture(params=["pipe", "device"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A pipe that nobody writes to, or a device without an end, to stand in the place of a file."""
    path = tmp_path / "no-file"
    if request.param == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> BulkSigner:
    """A CA and a log of their own, for objects that are signed without a stack."""
    return BulkSigner(tmp_path_factory.mktemp("authority"))
