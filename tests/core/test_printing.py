"""Text of others on its way to a person."""

import pytest

from gitsign_py.core.printing import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/path", "https://host/path"),
        ("https://alice:hunter2@host/path", "https://host/path"),
        ("https://alice:hun@ter2@host:8443/path@1", "https://host:8443/path@1"),
        ("http://hunter2@proxy:3128", "http://proxy:3128"),
        ("//alice:hunter2@host", "//host"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_who_asks_there(url: str, shown: str) -> None:
    assert without_password(url) == shown
    assert without_password(url, "***@").replace("***@", "") == shown
    assert "hunter2" not in without_password(url, "***@")
