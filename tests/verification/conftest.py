"""A Sigstore that makes bundles, once for each module."""

import pytest

from tests.support.bundles import BundleMaker


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> BundleMaker:
    return BundleMaker(tmp_path_factory.mktemp("sigstore"))
