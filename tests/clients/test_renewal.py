"""The instances of this package are a start: their trust root and their lists of services come from TUF when needed."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import gitsign_py.data
from gitsign_py.cli import instance, wiring
from gitsign_py.cli.auditing import stale_in_words
from gitsign_py.clients import renewal, trustroot
from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.config import GitConfig
from tests.support.tufrepo import TufRepository, serve

PUBLIC = Path(gitsign_py.data.__file__).parent / "public-good"
ROOT, SERVICES = "trusted_root.json", "signing_config.v0.2.json"
DAY = 86400
FOR_V2 = "signing_config_rekor_v2.v0.2.json"


def services(rekor: str) -> bytes:
    """The public list of services with a log of version 2."""
    value: dict[str, Any] = json.loads((PUBLIC / SERVICES).read_bytes())
    log = {
        "url": rekor,
        "majorApiVersion": 2,
        "validFor": {"start": "2025-01-01T00:00:00Z"},
        "operator": "sigstore.dev",
    }
    return json.dumps({**value, "rekorTlogUrls": [log, *value["rekorTlogUrls"]]}).encode()


def newer_root() -> bytes:
    """The public root with one log that the embedded one lacks."""
    value: dict[str, Any] = json.loads((PUBLIC / ROOT).read_bytes())
    value["tlogs"][0]["baseUrl"] = "https://rekor-of-tomorrow.example.com"
    return json.dumps(value).encode()


@dataclass
class Public:
    """The public instance's repository, played here, and how often it was asked for its newest state."""

    repository: TufRepository
    environment: dict[str, str]

    def settings(self, **more: str) -> wiring.Settings:
        return wiring.combined({**self.environment, **more}, GitConfig())

    def publish(self, url: str) -> None:
        self.repository.publish({ROOT: newer_root(), SERVICES: (PUBLIC / SERVICES).read_bytes(), FOR_V2: services(url)})


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Public]:
    for name in ("XDG_DATA_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    repository = TufRepository(tmp_path / "repository")
    with serve(repository.directory) as url:
        monkeypatch.setitem(trustroot.MIRRORS, "public-good", url)
        monkeypatch.setattr(renewal, "embedded_tuf_root", lambda _instance: repository.root)
        monkeypatch.setattr(trustroot, "_PUBLIC_GOOD_MIRROR", url)
        yield Public(repository, {"HOME": os.environ["HOME"]})


def lacking() -> UncheckedError:
    return UncheckedError(
        "log-unknown", "log entry is by a log that the trust root does not list", facts={"log_id": "00"}
    )


def test_the_embedded_root_is_renewed_where_it_lacks_an_authority(public: Public) -> None:
    public.publish("https://v2.example.com")
    settings, said = public.settings(), list[str]()
    before = wiring.trusted_root(settings)
    renew = wiring.renewal(settings, before, say=said.append)
    assert renew is not None
    newer = renew(lacking())
    assert newer is not None
    assert newer.tlogs[0].base_url == "https://rekor-of-tomorrow.example.com"
    again = wiring.loaded_trust(settings)  # another process finds it, without TUF
    judges = f"from here on {again.version}, sha256 {newer.digest} judges"
    assert (said, again.version != "") == (
        [f"the trust root was renewed, since it lacked an authority: {judges}"],
        True,
    )
    assert (again.root.digest, again.is_public_good) == (newer.digest, True)


def test_what_was_changed_after_it_was_verified_does_not_count(public: Public) -> None:
    public.publish("https://v2.example.com")
    settings = public.settings()
    embedded = wiring.trusted_root(settings)
    renewal.refresh(renewal.Copy(trustroot.instance_copy("public-good"), "public-good"), wiring.network(settings))
    assert wiring.trusted_root(settings).digest != embedded.digest
    target = trustroot.instance_copy("public-good") / "targets" / ROOT
    target.write_bytes(target.read_bytes() + b" ")
    assert wiring.trusted_root(settings).digest == embedded.digest


def test_a_file_is_not_renewed(public: Public) -> None:
    settings = public.settings(GITSIGN_TRUSTED_ROOT=str(PUBLIC / ROOT))
    for offline in (True, False):
        assert wiring.renewal(settings, wiring.trusted_root(settings), offline=offline) is None


@pytest.mark.parametrize(("how", "offline"), [("gitsign.refresh never", False), ("--offline", True)])
def test_a_root_that_may_not_be_renewed_says_its_age(public: Public, how: str, *, offline: bool) -> None:
    settings = public.settings(**({} if offline else {"GITSIGN_REFRESH": "never"}))
    public.publish("https://v2.example.com")
    renew = wiring.renewal(settings, wiring.trusted_root(settings), offline=offline)
    assert renew is not None
    error = lacking()
    assert (renew(error), error.hint) == (None, "")  # the embedded one was never fetched
    copy = renewal.Copy(trustroot.instance_copy("public-good"), "public-good")
    renewal.refresh(copy, wiring.network(settings))
    assert stale_in_words(renew) == ""
    os.utime(copy.directory / "mirror.json", (time.time() - 3 * DAY,) * 2)
    assert renew(error) is None
    assert (
        error.hint == f"the trust root was fetched 3 days ago, and {how} forbids to renew it" == stale_in_words(renew)
    )


def test_a_failed_renewal_says_how_old_the_root_is(public: Public) -> None:
    public.publish("https://v2.example.com")
    settings, said = public.settings(), list[str]()
    copy = renewal.Copy(trustroot.instance_copy("public-good"), "public-good")
    renewal.refresh(copy, wiring.network(settings))
    os.utime(copy.directory / "mirror.json", (time.time() - 90000,) * 2)
    (public.repository.directory / "timestamp.json").unlink()
    renew = wiring.renewal(settings, wiring.trusted_root(settings), say=said.append)
    assert renew is not None
    assert renew(lacking()) is None
    assert said[0].startswith("the trust root, fetched 25 hours ago, could not be renewed: ")


@pytest.mark.parametrize(
    ("age", "words"),
    [(0, "0 hours ago"), (5000, "1 hour ago"), (47.9 * 3600, "47 hours ago"), (2 * 86400, "2 days ago")],
)
def test_an_age_in_words(age: float, words: str) -> None:
    assert trustroot.in_words(timedelta(seconds=age)) == words


def test_an_unknown_authority_and_a_silent_mirror_are_asked_for_once(public: Public) -> None:
    settings, said = public.settings(), list[str]()
    for _ in range(3):  # the repository has published nothing yet
        renew = wiring.renewal(settings, wiring.trusted_root(settings), say=said.append)
        assert renew is not None
        assert renew(lacking()) is None
    assert len(said) == 1
    assert said[0].startswith("the trust root could not be renewed: ")


def test_rekor_version_2_needs_nothing_else_and_follows_the_shards(public: Public) -> None:
    public.publish("https://log2026.example.com")
    settings = public.settings(GITSIGN_REKOR_VERSION="2")
    chosen = instance.endpoints(settings)
    assert (chosen.rekor, chosen.rekor_version) == ("https://log2026.example.com", 2)
    assert chosen.timestamps == "https://timestamp.sigstore.dev/api/v1/timestamp"
    public.publish("https://log2027.example.com")
    renewal.refresh(renewal.Copy(trustroot.instance_copy("public-good"), "public-good"), wiring.network(settings))
    assert instance.endpoints(settings).rekor == "https://log2027.example.com"
    explained = instance.explained_endpoints(settings)
    assert explained["rekor"] == (
        "https://log2027.example.com",
        f"signing configuration of TUF {trustroot.MIRRORS['public-good']}",
    )


def test_an_explicit_log_wins(public: Public) -> None:
    public.publish("https://log2026.example.com")
    settings = public.settings(GITSIGN_REKOR_VERSION="2", GITSIGN_REKOR_URL="https://mine.example.com")
    assert instance.endpoints(settings).rekor == "https://mine.example.com"
    explained = instance.explained_endpoints(settings)
    assert explained["rekor"] == ("https://mine.example.com", "environment variable GITSIGN_REKOR_URL")
    assert explained["fulcio"] == ("https://fulcio.sigstore.dev", "default")


def test_staging_signs_and_verifies_by_its_own_data(public: Public) -> None:
    settings = public.settings(GITSIGN_INSTANCE="staging")
    assert wiring.loaded_trust(settings).source == "embedded staging"
    chosen = instance.endpoints(settings)
    assert (chosen.fulcio, chosen.rekor) == ("https://fulcio.sigstage.dev", "https://rekor.sigstage.dev")
    log = instance.endpoints(public.settings(GITSIGN_INSTANCE="staging", GITSIGN_REKOR_VERSION="2")).rekor
    assert log.endswith(".rekor.sigstage.dev")
