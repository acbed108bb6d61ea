"""Signing configurations: read, written back, and the right services chosen."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.trust.signingconfig import (
    ConfiguredService,
    ServiceConfiguration,
    SigningConfig,
    format_signing_config,
    parse_signing_config,
    select_services,
)
from gitsign_py.core.trust.validity import Validity
from gitsign_py.errors import ConfigError, FormatError
from tests.support import vectors

DATA = Path(__file__).parents[2] / "gitsign_py" / "data"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = Validity(datetime(1970, 1, 1, tzinfo=UTC), None)
BUILT = SigningConfig(
    ca_urls=(ConfiguredService("https://ca.example.com", 1, Validity(NOW, None), "one"),),
    rekor_urls=(
        ConfiguredService("https://log.example.com", 2, ALL),
        ConfiguredService("https://old.example.com", 1, Validity(NOW, NOW)),
    ),
    tsa_config=ServiceConfiguration("EXACT", 2),
)


def refused(**changes: Any) -> str:
    value = json.loads(format_signing_config(BUILT)) | changes
    with pytest.raises(FormatError) as caught:
        parse_signing_config(json.dumps(value).encode())
    return caught.value.reason


@pytest.mark.parametrize("name", ["public-good", "staging"])
def test_public_configurations_are_read_and_written_back(name: str) -> None:
    data = (DATA / name / "signing_config.v0.2.json").read_bytes()
    config = parse_signing_config(data)
    assert json.loads(format_signing_config(config)) == json.loads(data.replace(b".000Z", b"Z"))


def test_the_configuration_of_real_servers_is_read() -> None:
    config = parse_signing_config((vectors.folder("realstack") / "signing_config.json").read_bytes())
    chosen = select_services(config.rekor_urls, config.rekor_config, versions={1, 2}, at=NOW + 365 * DAY)
    assert [service.url for service in chosen] == ["http://127.0.0.1:18330"]
    chosen = select_services(config.rekor_urls, config.rekor_config, versions={1}, at=NOW + 365 * DAY)
    assert [service.url for service in chosen] == ["http://127.0.0.1:18300"]


def test_a_built_configuration_survives_the_way_through_json() -> None:
    data = format_signing_config(BUILT)
    again = parse_signing_config(data)
    assert format_signing_config(again) == data
    assert (again.rekor_urls, again.ca_urls, again.tsa_config) == (BUILT.rekor_urls, BUILT.ca_urls, BUILT.tsa_config)
    assert len(again.digest) == 64


def test_what_is_wrong_is_refused() -> None:
    assert refused(mediaType="application/vnd.dev.sigstore.signingconfig.v0.1+json") == "signing-config-version"
    assert refused(caUrl="https://ca.example.com") == "json-unknown-field"
    assert refused(caUrls=[{"url": "https://ca.example.com"}]) == "signing-config-malformed"
    assert refused(caUrls=[{"majorApiVersion": 1}]) == "signing-config-malformed"
    assert refused(caUrls=[{"url": "u", "majorApiVersion": 1, "validFor": {"start": "x"}}]) == "time-invalid"
    assert refused(tsaConfig={"selector": "SOME"}) == "signing-config-malformed"
    assert refused(tsaConfig={"selector": []}) == "signing-config-malformed"
    assert refused(tsaConfig={"selector": "EXACT"}) == "signing-config-malformed"
    with pytest.raises(FormatError):
        parse_signing_config(b"[]")


def service(
    url: str, version: int = 1, *, start: int = -10, end: int | None = None, operator: str = ""
) -> ConfiguredService:
    return ConfiguredService(
        url, version, Validity(NOW + start * DAY, None if end is None else NOW + end * DAY), operator
    )


def urls(
    *services: ConfiguredService, selector: Any = "ANY", count: int = 0, versions: tuple[int, ...] = (1, 2)
) -> list[str]:
    configuration = ServiceConfiguration(selector, count)
    return [one.url for one in select_services(services, configuration, versions=versions, at=NOW)]


def test_the_highest_version_then_the_newest_start_wins() -> None:
    old, new, higher = service("old"), service("new", start=-5), service("higher", 2, start=-20)
    assert urls(old, new) == urls(new, old) == ["new"]
    assert urls(old, higher, new) == ["higher"]
    assert urls(old, higher, new, versions=(1,)) == ["new"]
    assert urls(ConfiguredService("unbounded", 1), old) == ["old"]


def test_only_services_of_the_time_count() -> None:
    assert urls(service("over", end=-1), service("to come", start=1), service("now", start=0, end=0)) == ["now"]


def test_one_service_of_each_operator_counts() -> None:
    services = (
        service("a1", operator="a"),
        service("a2", start=-1, operator="a"),
        service("b1", start=-3, operator="b"),
        service("c1", 2, start=-9, operator="c"),
    )
    assert urls(*services, selector="ALL") == ["c1", "a2", "b1"]
    assert urls(*services, selector="EXACT", count=2) == ["c1", "a2"]
    assert urls(*services) == ["c1"]


@pytest.mark.parametrize(("selector", "count"), [("ANY", 0), ("ALL", 0), ("EXACT", 2)])
def test_too_few_services_are_an_error(selector: str, count: int) -> None:
    for services in ((), (service("over", end=-1),), (service("strange", 3),)):
        with pytest.raises(ConfigError) as caught:
            urls(*services, selector=selector, count=count)
        assert caught.value.reason == "signing-config-no-service"
        assert caught.value.hint
    with pytest.raises(ConfigError):
        urls(service("one"), selector="EXACT", count=2)
