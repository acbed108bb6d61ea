"""SigningConfig: which services to sign with (protobuf-specs, sigstore_trustroot.proto, v0.2), and how to choose."""

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from gitsign_py.core.encoding import load_json
from gitsign_py.core.frozen import frozen
from gitsign_py.core.protojson import Message
from gitsign_py.core.trust.validity import ALWAYS, Validity, read_validity, write_validity
from gitsign_py.errors import ConfigError, FormatError

MEDIA_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
MAX_BYTES = 1 << 20
MAX_SERVICES = 64
_FIELDS = (
    "mediaType",
    "caUrls",
    "oidcUrls",
    "rekorTlogUrls",
    "rekorTlogConfig",
    "tsaUrls",
    "tsaConfig",
)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
Selector = Literal["ANY", "ALL", "EXACT"]
_SELECTORS: dict[Any, Selector] = {"ALL": "ALL", 1: "ALL", "ANY": "ANY", 2: "ANY", "EXACT": "EXACT", 3: "EXACT"}


@frozen
class ConfiguredService:
    """One service: ``url``, the major version of its API, when it may be used, who runs it."""

    url: str
    major_api_version: int
    valid_for: Validity = ALWAYS
    operator: str = ""


@frozen
class ServiceConfiguration:
    """How many services of a kind to use: one (ANY), each operator's (ALL) or ``count`` operators' (EXACT)."""

    selector: Selector = "ANY"
    count: int = 0


@frozen
class SigningConfig:
    """All services by kind. ``digest`` is the SHA-256 (hex) of the JSON that was read, empty when built."""

    ca_urls: tuple[ConfiguredService, ...] = ()
    oidc_urls: tuple[ConfiguredService, ...] = ()
    rekor_urls: tuple[ConfiguredService, ...] = ()
    tsa_urls: tuple[ConfiguredService, ...] = ()
    rekor_config: ServiceConfiguration = ServiceConfiguration()
    tsa_config: ServiceConfiguration = ServiceConfiguration()
    media_type: str = MEDIA_TYPE
    digest: str = ""


def parse_signing_config(data: bytes) -> SigningConfig:
    """Parse the JSON of a signing configuration (at most 1 MiB).

    Raises FormatError ``signing-config-...``, ``json-...`` or ``time-...``.
    """
    return read_signing_config(load_json(data, max_bytes=MAX_BYTES), hashlib.sha256(data).hexdigest())


def read_signing_config(value: Any, digest: str) -> SigningConfig:
    """Read a SigningConfig from parsed JSON; ``digest`` is noted in the result."""
    kind = value.get("mediaType", value.get("media_type")) if isinstance(value, dict) else None
    if kind != MEDIA_TYPE:  # before the fields: version 0.1 has others
        raise FormatError(
            "signing-config-version",
            "signing configuration has a media type that is not supported",
            facts={"expected": MEDIA_TYPE, "got": str(kind)[:100]},
        )
    top = Message(value, _FIELDS, "signing configuration")
    return SigningConfig(
        ca_urls=_services(top, "caUrls"),
        oidc_urls=_services(top, "oidcUrls"),
        rekor_urls=_services(top, "rekorTlogUrls"),
        tsa_urls=_services(top, "tsaUrls"),
        rekor_config=_configuration(top, "rekorTlogConfig"),
        tsa_config=_configuration(top, "tsaConfig"),
        digest=digest,
    )


def _services(top: Message, name: str) -> tuple[ConfiguredService, ...]:
    fields = ("url", "majorApiVersion", "validFor", "operator")
    items = top.items(name, most=MAX_SERVICES)
    return tuple(_service(Message(item, fields, top.path(f"{name}[{at}]"))) for at, item in enumerate(items))


def _service(message: Message) -> ConfiguredService:
    service = ConfiguredService(
        url=message.text("url"),
        major_api_version=message.int64("majorApiVersion"),
        valid_for=read_validity(message),
        operator=message.text("operator"),
    )
    if not service.url or not service.major_api_version:
        raise FormatError("signing-config-malformed", f"{message.where} needs url and majorApiVersion")
    return service


def _configuration(top: Message, name: str) -> ServiceConfiguration:
    message = top.message(name, ("selector", "count"))
    if message is None:
        return ServiceConfiguration()
    value = message.value("selector")
    selector = _SELECTORS.get(value) if isinstance(value, str | int) else None
    count = message.int64("count")
    if selector is None or (selector == "EXACT" and not count):
        raise FormatError("signing-config-malformed", f"{message.where} needs a selector, and EXACT a count")
    return ServiceConfiguration(selector, count)


def format_signing_config(config: SigningConfig) -> bytes:
    """Write a signing configuration as indented JSON with a newline at the end."""
    value = {
        "mediaType": config.media_type,
        "caUrls": [_service_object(service) for service in config.ca_urls],
        "oidcUrls": [_service_object(service) for service in config.oidc_urls],
        "rekorTlogUrls": [_service_object(service) for service in config.rekor_urls],
        "tsaUrls": [_service_object(service) for service in config.tsa_urls],
        "rekorTlogConfig": _configuration_object(config.rekor_config),
        "tsaConfig": _configuration_object(config.tsa_config),
    }
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _service_object(service: ConfiguredService) -> dict[str, Any]:
    value: dict[str, Any] = {"url": service.url, "majorApiVersion": service.major_api_version}
    value["validFor"] = write_validity(service.valid_for)
    return value | ({"operator": service.operator} if service.operator else {})


def _configuration_object(configuration: ServiceConfiguration) -> dict[str, Any]:
    count = {"count": configuration.count} if configuration.count else {}
    return {"selector": configuration.selector, **count}


_ANY = ServiceConfiguration("ANY")


def select_services(
    services: Sequence[ConfiguredService],
    configuration: ServiceConfiguration = _ANY,
    *,
    versions: Collection[int],
    at: datetime,
) -> tuple[ConfiguredService, ...]:
    """Choose the services to use at the time ``at`` (aware), best first.

    Of each operator one service counts: the highest version among ``versions`` (those that the caller speaks), then
    the newest start (sigstore_trustroot.proto, SigningConfig: "select at most one service per operator"). A service
    without an operator stands for itself. Raises ConfigError ``signing-config-no-service`` when there are too few.
    """
    usable = [one for one in services if one.major_api_version in versions and one.valid_for.covers(at)]
    usable.sort(key=lambda one: (one.major_api_version, one.valid_for.start or _EARLIEST), reverse=True)
    best: dict[str, ConfiguredService] = {}
    for service in usable:
        best.setdefault(service.operator or service.url, service)
    wanted = {"ANY": 1, "ALL": len(best), "EXACT": configuration.count}[configuration.selector]
    if not best or wanted > len(best):
        raise ConfigError(
            "signing-config-no-service",
            f"signing configuration has {len(best)} usable services of this kind, {max(wanted, 1)} are needed",
            hint="the configuration may be out of date: fetch a new one (gitsign-py initialize)",
        )
    return tuple(best.values())[:wanted]
