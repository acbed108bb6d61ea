"""Policies that the tests of this folder share."""

import pytest

from gitsign_py.policy.model import Policy
from gitsign_py.policy.parse import parse_policy
from tests.support.team import TEAM


@pytest.fixture
def team() -> Policy:
    """A policy with one of everything."""
    return parse_policy(TEAM.encode(), "policy.toml")
