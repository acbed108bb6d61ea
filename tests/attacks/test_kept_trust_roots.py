"""A process that stays (the agent, the verifier after git log) answers by a trust root that another repository named.

The attack: a repository's own configuration says gitsign.instance = staging. Its first verification is answered by
that root, and were it kept for everybody, so would the next minute's verifications in all other repositories.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gitsign_py.cli import wiring
from gitsign_py.cli.agentside.agentservices import Kept
from gitsign_py.cli.agentside.keptroots import FILES, WORDS, KeptRoots
from gitsign_py.clients import trustparts, trustroot
from gitsign_py.clients.trustroot import embedded, load_trusted_root
from gitsign_py.core.trust.root import format_trusted_root
from gitsign_py.host.config import GROUPS
from gitsign_py.host.git.config import GitConfig, GitValue, canonical
from tests.support.bundles import BundleMaker


def settings(folder: Path, own: Mapping[str, str] | None = None, scope: str = "local") -> wiring.Settings:
    """The settings in a repository whose own configuration, or another of git's, says ``own``."""
    environment = {"HOME": str(folder), "GITSIGN_REFRESH": "never"}
    entries = {canonical(key): (GitValue(value, scope, "file:config"),) for key, value in (own or {}).items()}
    return wiring.combined(environment, GitConfig(entries))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_one_repositorys_instance_is_not_anothers(tmp_path: Path) -> None:
    roots = KeptRoots()
    theirs, ours = settings(tmp_path, {"gitsign.instance": "staging"}), settings(tmp_path)
    for _ in range(2):
        assert roots.trusted_root(theirs).digest == embedded("staging").root.digest
        assert roots.trusted_root(ours).digest == embedded().root.digest


def test_nor_its_file(tmp_path: Path) -> None:
    file = tmp_path / "root.json"
    file.write_bytes(format_trusted_root(BundleMaker(tmp_path / "maker").trusted_root))
    roots = KeptRoots()
    theirs = roots.trusted_root(settings(tmp_path, {"gitsign.trustedRoot": str(file)}))
    assert theirs.digest not in (embedded().root.digest, roots.trusted_root(settings(tmp_path)).digest)


def test_every_setting_that_chooses_a_trust_root_tells_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the choice reads of the configuration is what kept roots are known by."""
    asked = set[str]()

    class Asked:
        def __init__(self, part: object) -> None:
            self._part = part

        def __getattr__(self, name: str) -> object:
            found = getattr(self._part, name)
            if name in GROUPS:
                return Asked(found)
            asked.add(name)
            return found

    file = tmp_path / "key.pem"
    file.write_bytes(b"")
    found = settings(tmp_path)
    monkeypatch.setattr(trustparts, "_parsed", lambda *_arguments: ())
    monkeypatch.setattr(trustparts, "_known_logs", lambda *_arguments: ())
    pems = ("fulcio_root", "rekor_public_key", "ctlog_public_key", "timestamp_cert_chain")
    config = found.config.with_values(dict.fromkeys(pems, file))
    load_trusted_root(Asked(config), found.environment)  # type: ignore[arg-type]
    monkeypatch.setattr(trustroot, "was_kept", lambda _directory: True)
    with pytest.raises(Exception, match="no TUF trust root"):
        load_trusted_root(Asked(found.config), found.environment)  # type: ignore[arg-type]
    assert asked - {"source", "sources"} <= {*FILES, *WORDS}
    assert {"instance", "refresh", "trusted_root", *pems} <= asked


@pytest.mark.parametrize("key", ["http.proxy", "http.sslCAInfo", "http.sslCAPath"])
def test_one_repositorys_network_is_not_anothers(tmp_path: Path, key: str) -> None:
    """The person's own settings for one folder (includeIf), or for one call (git -c)."""
    kept, ours = Kept(), settings(tmp_path)
    theirs = settings(tmp_path, {key: "/work/ca.pem"}, "global")
    assert kept.session(theirs) is kept.session(theirs)
    assert kept.session(ours) is not kept.session(theirs)
    assert kept.session(ours) is kept.session(settings(tmp_path, {key: "/theirs"}))  # a repository's own counts nowhere
