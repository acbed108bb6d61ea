"""The services of an instance: which URLs a call goes to, and whether the trust root knows them.

Factories import what they build, as in cli/wiring.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.cli import wiring
from gitsign_py.core.frozen import frozen
from gitsign_py.host.config import Config
from gitsign_py.host.settingvalues import NO_LOG

if TYPE_CHECKING:
    from gitsign_py.clients.session import HttpSession
    from gitsign_py.clients.trustroot import LoadedTrust
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.core.trust.signingconfig import ConfiguredService, SigningConfig
    from gitsign_py.verification.renewal import Renew


@frozen
class Endpoints:
    """Whom to ask: URLs, the log's (empty: none), its API version, and the timestamp server (empty: none).

    ``fulcio_named``, ``rekor_named``: a setting or the trust root's own services name it; else it is the default.
    """

    fulcio: str
    issuer: str
    rekor: str
    rekor_version: int
    timestamps: str
    fulcio_named: bool = True
    rekor_named: bool = True


def endpoints(settings: wiring.Settings) -> Endpoints:
    """Choose the services: what the person set, else a SigningConfig (gitsign.signingConfig, or the one that comes with
    the trust root), else the defaults.

    Raises ConfigError ``signing-config-...``.
    """
    return _endpoints(settings, _services(settings, fetch=True)[0])


def searched_log(settings: wiring.Settings) -> str:
    """The Rekor v1 that is asked for the entries of online-mode signatures: gitsign.rekor, else the instance's own.

    Of a private instance nothing is asked at the public log. What a repository's own signing configuration names is
    not asked. Raises ServiceError ``service-unreachable`` where there is none, ConfigError ``signing-config-...``.
    """
    from gitsign_py.errors import ServiceError

    config = settings.config
    url = config.services.rekor_url
    if url == NO_LOG:  # who signs without a log still reads signatures that name one, which then is out of reach
        raise ServiceError("service-unreachable", "gitsign.rekor is none, so no log is asked")
    if not config.is_default("rekor_url"):
        return url
    ours = not config.source("signing_config").of_repository
    services, words = _services(settings, fetch=False) if ours else _services_of_trust(settings, fetch=False)
    if services is None:
        return _log_of_trust(settings, url)
    logs = [one for one in services.rekor_urls if one.major_api_version == 1]
    if not logs:
        raise ServiceError("service-unreachable", f"{words} lists no Rekor v1, and only that can be searched")
    return max(logs, key=lambda one: one.valid_for.covers(wiring.now())).url


def _log_of_trust(settings: wiring.Settings, public: str) -> str:
    """The address of a private trust root's newest log of version 1; ``public`` where the trust root is not private."""
    from gitsign_py.clients.trustroot import is_private
    from gitsign_py.errors import ServiceError

    if not is_private(settings.config.trust, settings.environment):
        return public
    loaded = wiring.loaded_trust(settings)
    ours = (log for log in loaded.root.tlogs if log.log_id == log.public_key.key_id)  # a tiled log's has its name in it
    searched = [log.base_url for log in ours if log.base_url]
    if not searched:
        raise ServiceError("service-unreachable", f"{loaded.source} lists no Rekor v1, and only that can be searched")
    return searched[-1]


def explained_endpoints(settings: wiring.Settings) -> dict[str, tuple[str, str]]:
    """Give each service's URL, and in words what chose it; nothing is fetched. Raises as ``endpoints`` does."""
    services, words = _services(settings, fetch=False)
    chosen, config = _endpoints(settings, services), settings.config
    fields = {
        "fulcio": "fulcio_url",
        "issuer": "issuer",
        "rekor": "rekor_url",
        "timestamps": "timestamp_server_url",
    }
    found: dict[str, tuple[str, str]] = {}
    for name, field in fields.items():
        by = words if config.is_default(field) and services is not None else str(config.source(field))
        url: str = getattr(chosen, name)
        found[name] = (url, by if url else "none")
    return found


def _endpoints(settings: wiring.Settings, services: "SigningConfig | None") -> Endpoints:
    config, named = settings.config, settings.config.services
    plain = Endpoints(
        named.fulcio_url,
        named.issuer,
        "" if named.rekor_url == NO_LOG else named.rekor_url,
        named.rekor_version,
        named.timestamp_server_url,
        not config.is_default("fulcio_url"),
        not config.is_default("rekor_url"),
    )
    return plain if services is None else _from_signing_config(config, plain, services)


def _services(settings: wiring.Settings, *, fetch: bool) -> "tuple[SigningConfig | None, str]":
    """The list of services that counts, and where it is from in words."""
    given = settings.config.services.signing_config
    if given is not None:
        return read_signing_config(given), f"signing configuration {given}"
    return _services_of_trust(settings, fetch=fetch)


def _services_of_trust(settings: wiring.Settings, *, fetch: bool) -> "tuple[SigningConfig | None, str]":
    """The services that come with a private trust root: a client trust config, or what its TUF repository gives out.

    Those of the public instance count where Rekor v2 is wanted, whose URL changes with its shards. A trust root that
    cannot be read names none; whoever verifies with it says why.
    """
    from gitsign_py.clients.trustroot import is_private
    from gitsign_py.errors import GitsignError

    config = settings.config
    if not any(config.is_default(name) for name in ("fulcio_url", "rekor_url", "issuer")):
        return None, ""
    rekor_v2 = config.services.rekor_version == 2 and config.is_default("rekor_url")
    try:
        loaded = wiring.loaded_trust(settings) if rekor_v2 or is_private(config.trust, settings.environment) else None
        if loaded is not None and rekor_v2 and fetch and loaded.is_public_good and not loaded.rekor_v2_json:
            loaded = _with_rekor_v2(settings, loaded)
        if loaded is None or (loaded.is_public_good and not rekor_v2):
            return None, ""
        return loaded.services(rekor_v2=rekor_v2), f"signing configuration of {loaded.source}"
    except GitsignError:
        return None, ""


def _with_rekor_v2(settings: wiring.Settings, loaded: "LoadedTrust") -> "LoadedTrust":
    """Fetch the public instance's list of Rekor v2 logs, which the embedded data has not; its shards change."""
    from gitsign_py.clients.renewal import SECONDS, may_ask, may_renew, note_failure, refresh
    from gitsign_py.errors import GitsignError

    copy = may_renew(settings.config.trust, settings.environment, file=None, offline=False)
    if copy is None or not may_ask(copy.directory):
        return loaded
    try:
        refresh(copy, wiring.network(settings), seconds=SECONDS)
    except GitsignError as error:
        note_failure(copy.directory, error.message)
        return loaded
    return wiring.loaded_trust(settings)


def read_signing_config(path: Path) -> "SigningConfig":
    """Read a signing_config.json. Raises ConfigError ``signing-config-unreadable``, FormatError."""
    from gitsign_py.core.trust.signingconfig import MAX_BYTES, parse_signing_config
    from gitsign_py.errors import ConfigError
    from gitsign_py.host.plainfile import read_plain

    try:
        data = read_plain(path, MAX_BYTES)
    except OSError as error:
        raise ConfigError(
            "signing-config-unreadable", f"signing configuration {path} cannot be read: {error.strerror}"
        ) from error
    return parse_signing_config(data)


def _from_signing_config(config: Config, plain: Endpoints, chosen: "SigningConfig") -> Endpoints:
    from gitsign_py.core.trust.signingconfig import select_services

    def first(services: "tuple[ConfiguredService, ...]", versions: set[int]) -> "ConfiguredService":
        return select_services(services, versions=versions, at=wiring.now())[0]

    versions: set[int] = {1, 2} if config.is_default("rekor_version") else {config.services.rekor_version}
    # Every client can verify what version 1 logs, and it alone can be searched for online-mode signatures.
    if (config.trust.instance or config.services.rekor_mode == "online") and any(
        one.major_api_version == 1 and one.valid_for.covers(wiring.now()) for one in chosen.rekor_urls
    ):
        versions = {1} if config.is_default("rekor_version") else versions
    named = not config.is_default("rekor_url")
    rekor = None if named or not chosen.rekor_urls else first(chosen.rekor_urls, versions)
    return Endpoints(
        fulcio=first(chosen.ca_urls, {1}).url if config.is_default("fulcio_url") else plain.fulcio,
        issuer=first(chosen.oidc_urls, {1}).url if config.is_default("issuer") else plain.issuer,
        rekor=rekor.url if rekor is not None else plain.rekor if named else "",  # the instance has none
        rekor_version=rekor.major_api_version if rekor is not None else plain.rekor_version,
        timestamps=plain.timestamps or (first(chosen.tsa_urls, {1}).url if chosen.tsa_urls else ""),
    )


def check_instance(http: "HttpSession", chosen: Endpoints, root: "TrustedRoot", renew: "Renew | None" = None) -> None:
    """Refuse services of another instance than the trust root's, before anything is sent to them.

    A service that is new is known to a newer trust root. Raises ConfigError ``instance-mismatch``, ServiceError.
    """
    from gitsign_py.errors import ConfigError

    try:
        _check_instance(http, chosen, root)
    except ConfigError as error:
        newer = renew(error) if renew is not None else None
        if newer is None:
            raise
        _check_instance(http, chosen, newer)


def _check_instance(http: "HttpSession", chosen: Endpoints, root: "TrustedRoot") -> None:
    from gitsign_py.clients.belonging import check_default_log, check_fulcio
    from gitsign_py.signing.flow import check_no_log

    check_fulcio(http, chosen.fulcio, root, named=chosen.fulcio_named)
    if not chosen.rekor:
        check_no_log(root)
    elif not chosen.rekor_named:
        check_default_log(chosen.rekor, root)
