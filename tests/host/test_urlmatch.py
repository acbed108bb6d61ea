"""Settings for one URL: what git itself says (``git config --get-urlmatch``) for the same settings and URLs."""

import subprocess
from pathlib import Path
from types import MappingProxyType

import pytest

from gitsign_py.host.git.config import GitConfig, GitValue, canonical, parse_git_config
from gitsign_py.host.git.urlmatch import for_url
from tests.support.gitrepo import environment

PATTERNS = (
    "https://fulcio.example.com", "https://Fulcio.Example.com/", "https://fulcio.example.com:443", "https://*.example.com",
    "https://*.*.com", "https://fulcio.*.com", "https://fulcio.example.com/api", "https://fulcio.example.com/api/",
    "https://fulcio.example.com/a%70i/v2", "https://alice@fulcio.example.com", "http://fulcio.example.com",
    "https://fulcio.example.com:8443", "https://ful*.example.com", "https://example.com", "fulcio.example.com",
    "https://fulcio.example.com/x/../api/./v2", "https://fulcio.example.com/..", "https://[::1]:18400", "https://fulcio.example.com:0443/",
)  # fmt: skip
URLS = (
    "https://fulcio.example.com", "https://fulcio.example.com/api/v2/signingCert", "https://fulcio.example.com/apiary",
    "https://FULCIO.example.com:443/api", "https://alice@fulcio.example.com/api", "https://fulcio.example.com:8443/api",
    "http://fulcio.example.com/", "https://a.fulcio.example.com/", "https://rekor.example.org/", "https://[::1]:18400/x",
)  # fmt: skip


def config(*pairs: tuple[str, str], scope: str = "global") -> GitConfig:
    entries: dict[str, tuple[GitValue, ...]] = {}
    for key, text in pairs:
        entries[canonical(key)] = (*entries.get(canonical(key), ()), GitValue(text, scope, "file:config"))
    return GitConfig(MappingProxyType(entries))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GitConfig]:
    """A file with a section for each pattern, in this order, and what git lists of it."""
    path = tmp_path_factory.mktemp("urlmatch") / "config"
    lines = ["[http]", "\tsslCAInfo = plain"]
    for number, pattern in enumerate(PATTERNS):
        lines += [f'[http "{pattern}"]', f"\tsslCAInfo = {number}"]
    path.write_text("\n".join(lines) + "\n")
    listed = _git("config", "-f", str(path), "-z", "--show-origin", "--show-scope", "--list")
    return path, parse_git_config(listed)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], env=environment(), capture_output=True, check=True).stdout


@pytest.mark.parametrize("url", URLS)
def test_git_says_the_same(settings: tuple[Path, GitConfig], url: str) -> None:
    path, listed = settings
    said = _git("config", "-f", str(path), "--get-urlmatch", "http.sslCAInfo", url).decode().strip()
    found = for_url(listed, "sslCAInfo", url)
    assert found is not None
    assert found[1].text == said


def test_the_key_is_named_as_a_person_wrote_it() -> None:
    found = for_url(config(("http.https://a.example.sslcainfo", "x")), "sslCAInfo", "https://a.example/b")
    assert found is not None
    assert found[0] == "http.https://a.example.sslCAInfo"
    assert for_url(config(("http.https://a.example.sslcainfo", "x")), "sslCAInfo", "https://b.example/") is None
    assert for_url(config(("http.https://a.example.sslcainfo", "x")), "proxy", "https://a.example/") is None


@pytest.mark.parametrize("url", ["", "https://", "no url", "https://a b/", "https://a:99999/", "https://a/../.."])
def test_what_is_no_url_matches_the_plain_setting_alone(url: str) -> None:
    both = config(("http.sslCAInfo", "plain"), ("http.https://a.sslCAInfo", "x"))
    found = for_url(both, "sslCAInfo", url)
    assert found is not None
    assert found[1].text == "plain"
