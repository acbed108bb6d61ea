"""Adapters built from the configuration: one short factory each, and the factory imports what it builds.

This is the only place where imports stand inside functions: git starts the program for every commit, so a command pays
for what it uses and for nothing else (docs/architecture.md, "Start-up is part of the product").
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import UNREACHABLE, FormatError, ServiceError, UncheckedError
from gitsign_py.host.config import Config, load_config
from gitsign_py.host.git.config import ISOLATED, GitConfig
from gitsign_py.host.repository import read_config

if TYPE_CHECKING:
    from gitsign_py.clients.renewal import Copy
    from gitsign_py.clients.session import HttpSession
    from gitsign_py.clients.signin import SignInSettings, SignInTools
    from gitsign_py.clients.trustroot import LoadedTrust
    from gitsign_py.core.pki.certificate import Certificate
    from gitsign_py.core.tlog.logentry import LogEntry
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.core.trust.signingconfig import ConfiguredService, SigningConfig
    from gitsign_py.host.consent import ConsentBook, Dialogue, Named
    from gitsign_py.host.git.objects import GitRepository, Revision
    from gitsign_py.host.logins import LoginBook
    from gitsign_py.host.network import Network
    from gitsign_py.ports import CertificateAuthority, TimestampAuthority, TokenSource, TransparencyLog
    from gitsign_py.signing.flow import SigningOptions, SigningServices
    from gitsign_py.verification.renewal import Renew
    from gitsign_py.verification.signature import FindEntries

__all__ = ["Revision", "Settings", "load_settings"]


@frozen
class Settings:
    """The inputs of one call of the program: environment, git's settings, ours, the directory (None: current)."""

    environment: Mapping[str, str]
    gitconfig: GitConfig
    config: Config
    directory: Path | None = None


class SystemClock:
    """The machine's clock (port ``Clock``)."""

    def now(self) -> datetime:
        """Return the present, in UTC."""
        return now()


def now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


def load_settings(
    environment: Mapping[str, str] | None = None, directory: Path | None = None, *, isolated: bool = False
) -> Settings:
    """Read the configuration, without the repository's own when ``isolated``.

    Raises ConfigError naming key, value and source.
    """
    variables = dict(os.environ if environment is None else environment)
    if isolated:
        variables[ISOLATED] = "true"
    return combined(variables, read_config(variables, directory), directory)


def combined(environment: Mapping[str, str], gitconfig: GitConfig, directory: Path | None = None) -> Settings:
    """Put the configuration together. Relative files of git's settings start where git runs us, wherever we are.

    Raises ConfigError naming key, value and source.
    """
    config = load_config(environment, gitconfig)
    given = {name: getattr(config, name) for name, source in config.sources.items() if source.kind == "git"}
    relative = {name: path for name, path in given.items() if isinstance(path, Path) and not path.is_absolute()}
    settings = Settings(environment, gitconfig, config, directory)
    if not relative:
        return settings
    top = repository(settings).top
    return replace(settings, config=replace(config, **{name: top / path for name, path in relative.items()}))


def repository(settings: Settings) -> "GitRepository":
    """Open the repository that git finds; where there is no git program, dulwich reads it."""
    from gitsign_py.host.repository import open_repository

    return open_repository(settings.directory, environment=settings.environment)


def loaded_trust(settings: Settings, *, file: str | None = None, offline: bool = False) -> "LoadedTrust":
    """Find the trust root, and the signing config beside it. Raises ConfigError, UncheckedError."""
    from gitsign_py.clients.trustroot import load_trusted_root

    try:
        return load_trusted_root(
            settings.config, settings.environment, option_file=file, offline=offline, network=network(settings)
        )
    except FormatError as error:
        raise UncheckedError.beside(error) from error


def renewal(
    settings: Settings,
    root: "TrustedRoot",
    *,
    file: str | None = None,
    offline: bool = False,
    say: "Callable[[str], None] | None" = None,
) -> "Renew | None":
    """Make the renewal of this run's trust root, None where it may not be renewed. An old copy is renewed afterwards.

    ``say`` tells the person; without it a line goes to stderr.
    """
    from gitsign_py.clients.renewal import TrustRenewal, may_renew

    copy = may_renew(settings.config, settings.environment, file=file, offline=offline)
    if copy is None:
        return None
    renew_if_old(settings, copy, afterwards=True)
    return TrustRenewal(root, copy, network(settings), lambda: loaded_trust(settings), say or _say)


def _say(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"gitsign-py: {text}\n".encode("utf-8", "replace"))


def renew_if_old(settings: Settings, copy: "Copy", *, afterwards: bool) -> None:
    """Start a process that renews an old copy, at once or when this one has answered; nobody waits for it."""
    from gitsign_py.clients.renewal import begin_if_old

    if not begin_if_old(copy.directory):
        return
    import atexit
    import sys

    from gitsign_py.host.background import let_go, start_in_background

    command = [sys.executable, "-P", "-m", "gitsign_py", "initialize", "--refresh"]
    environment = {**settings.environment, "GITSIGN_INSTANCE": copy.instance}  # whatever directory it runs in

    def start() -> None:
        with suppress(OSError):
            let_go(start_in_background(command, environment=environment, directory="/"))

    if afterwards:
        atexit.register(start)
    else:
        start()


def trusted_root(settings: Settings, *, file: str | None = None, offline: bool = False) -> "TrustedRoot":
    """Find the trust root that signatures are checked against."""
    return loaded_trust(settings, file=file, offline=offline).root


def require_timestamp(settings: Settings) -> bool:
    """Whether the person asks for timestamps (gitsign.requireTimestamp)."""
    return settings.config.require_timestamp


def log_path(settings: Settings) -> Path | None:
    """The file that messages go to. One that a repository's own configuration names counts when the person agreed:
    it may be any file of theirs, and messages hold what others wrote.
    """
    path, source = settings.config.log_path, settings.config.source("log_path")
    if path is None or not source.of_repository:
        return path
    return None if consent_book().unconfirmed([named_log(settings)]) else path


def named_log(settings: Settings) -> "Named":
    """That file, as what the person is asked about."""
    from gitsign_py.host.consent import Named

    source = settings.config.source("log_path")
    return Named(source.name, str(settings.config.log_path), source.place)


def network(settings: Settings) -> "Network":
    """Say how to connect: authorities of TLS, proxies."""
    from gitsign_py.host.network import Network

    return Network(settings.environment, settings.gitconfig)


def session(settings: Settings, meanwhile: Sequence[str] = ()) -> "HttpSession":
    """Make the HTTP session with the person's time-out; ``meanwhile`` names modules to load while servers answer."""
    from gitsign_py.clients.session import HttpSession, Limits

    limits = Limits(total=settings.config.timeout, connect=min(5.0, settings.config.timeout))
    return HttpSession(limits, network=network(settings), meanwhile=meanwhile)


def replica_finder(folder: Path, root: "TrustedRoot", otherwise: "FindEntries | None") -> "FindEntries":
    """Make a function that looks for entries in replicas of logs, and asks ``otherwise`` for what they do not have."""

    def find(digest: bytes, certificate: "Certificate") -> "Sequence[LogEntry]":
        from gitsign_py.monitor.replicasource import find_logged, open_replicas

        found = find_logged(open_replicas(folder, root), digest)
        return found or (otherwise(digest, certificate) if otherwise is not None else ())

    return find


def entry_finder(settings: Settings) -> "FindEntries":
    """Make a function that asks Rekor v1 for entries; nothing is loaded or sent before it is called.

    A log that cannot be reached is asked once: a range of commits without a network is not a row of time-outs.
    """
    failures: list[ServiceError] = []

    def find(digest: bytes, certificate: "Certificate") -> "Sequence[LogEntry]":
        from gitsign_py.clients.rekor import RekorClient

        if failures:
            raise failures[0]
        try:
            with session(settings) as http:
                log = RekorClient(http, settings.config.rekor_url)
                return log.find(digest=digest, certificate=certificate.raw) or log.find(digest=digest)
        except ServiceError as error:
            if error.reason in UNREACHABLE:
                failures.append(error)
            raise

    return find


def noted_entries(source: "GitRepository") -> "Callable[[str], Sequence[LogEntry]]":
    """Make a function that gives the entries that git notes (refs/notes/gitsign) hold for an object id."""

    def noted(oid: str) -> "Sequence[LogEntry]":
        from gitsign_py.core.tlog.logentry import decode_entry
        from gitsign_py.errors import GitsignError
        from gitsign_py.host.git.notes import EntryNotes

        found: list[LogEntry] = []
        try:
            kept = EntryNotes(source).get(oid)
        except GitsignError:  # no repository here
            return found
        for data in kept:
            with suppress(GitsignError):  # a line that is no entry: the others are checked all the same
                found.append(decode_entry(data))
        return found

    return noted


# --- signing ---------------------------------------------------------------------------------------------------------


@frozen
class Endpoints:
    """Whom to ask: URLs, the log's API version, and the timestamp server (empty: none).

    ``fulcio_named``, ``rekor_named``: a setting or the trust root's own services name it; else it is the default.
    """

    fulcio: str
    issuer: str
    rekor: str
    rekor_version: int
    timestamps: str
    fulcio_named: bool = True
    rekor_named: bool = True


def endpoints(settings: Settings) -> Endpoints:
    """Choose the services: what the person set, else a SigningConfig (gitsign.signingConfig, or the one that comes with
    the trust root), else the defaults.

    Raises ConfigError ``signing-config-...``.
    """
    return _endpoints(settings, _services(settings, fetch=True)[0])


def explained_endpoints(settings: Settings) -> dict[str, tuple[str, str]]:
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


def _endpoints(settings: Settings, services: "SigningConfig | None") -> Endpoints:
    config = settings.config
    plain = Endpoints(
        config.fulcio_url,
        config.issuer,
        config.rekor_url,
        config.rekor_version,
        config.timestamp_server_url,
        not config.is_default("fulcio_url"),
        not config.is_default("rekor_url"),
    )
    return plain if services is None else _from_signing_config(config, plain, services)


def _services(settings: Settings, *, fetch: bool) -> "tuple[SigningConfig | None, str]":
    """The list of services that counts, and where it is from in words."""
    given = settings.config.signing_config
    if given is not None:
        return read_signing_config(given), f"signing configuration {given}"
    return _services_of_trust(settings, fetch=fetch)


def _services_of_trust(settings: Settings, *, fetch: bool) -> "tuple[SigningConfig | None, str]":
    """The services that come with a private trust root: a client trust config, or what its TUF repository gives out.

    Those of the public instance count where Rekor v2 is wanted, whose URL changes with its shards. A trust root that
    cannot be read names none; whoever verifies with it says why.
    """
    from gitsign_py.clients.trustroot import is_private
    from gitsign_py.errors import GitsignError

    config = settings.config
    if not any(config.is_default(name) for name in ("fulcio_url", "rekor_url", "issuer")):
        return None, ""
    rekor_v2 = config.rekor_version == 2 and config.is_default("rekor_url")
    try:
        loaded = loaded_trust(settings) if rekor_v2 or is_private(config, settings.environment) else None
        if loaded is not None and rekor_v2 and fetch and loaded.is_public_good and not loaded.rekor_v2_json:
            loaded = _with_rekor_v2(settings, loaded)
        if loaded is None or (loaded.is_public_good and not rekor_v2):
            return None, ""
        return loaded.services(rekor_v2=rekor_v2), f"signing configuration of {loaded.source}"
    except GitsignError:
        return None, ""


def _with_rekor_v2(settings: Settings, loaded: "LoadedTrust") -> "LoadedTrust":
    """Fetch the public instance's list of Rekor v2 logs, which the embedded data has not; its shards change."""
    from gitsign_py.clients.renewal import SECONDS, may_ask, may_renew, note_failure, refresh
    from gitsign_py.errors import GitsignError

    copy = may_renew(settings.config, settings.environment, file=None, offline=False)
    if copy is None or not may_ask(copy.directory):
        return loaded
    try:
        refresh(copy, network(settings), seconds=SECONDS)
    except GitsignError as error:
        note_failure(copy.directory, error.message)
        return loaded
    return loaded_trust(settings)


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
        return select_services(services, versions=versions, at=now())[0]

    versions: set[int] = {1, 2} if config.is_default("rekor_version") else {config.rekor_version}
    if config.instance and any(one.major_api_version == 1 and one.valid_for.covers(now()) for one in chosen.rekor_urls):
        versions = {1} if config.is_default("rekor_version") else versions  # every client can verify what it logs
    rekor = first(chosen.rekor_urls, versions) if config.is_default("rekor_url") else None
    return Endpoints(
        fulcio=first(chosen.ca_urls, {1}).url if config.is_default("fulcio_url") else plain.fulcio,
        issuer=first(chosen.oidc_urls, {1}).url if config.is_default("issuer") else plain.issuer,
        rekor=rekor.url if rekor is not None else plain.rekor,
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

    check_fulcio(http, chosen.fulcio, root, named=chosen.fulcio_named)
    if not chosen.rekor_named:
        check_default_log(chosen.rekor, root)


def certificate_authority(http: "HttpSession", chosen: Endpoints) -> "CertificateAuthority":
    """Make the client for Fulcio."""
    from gitsign_py.clients.fulcio import FulcioClient

    return FulcioClient(http, chosen.fulcio)


def transparency_log(http: "HttpSession", chosen: Endpoints, root: "TrustedRoot") -> "TransparencyLog":
    """Make the client for the log, version 1 or 2."""
    if chosen.rekor_version == 2:
        from gitsign_py.clients.rekor_v2 import RekorV2Client

        return RekorV2Client(http, chosen.rekor, logs=root.tlogs)
    from gitsign_py.clients.rekor import RekorClient

    return RekorClient(http, chosen.rekor)


def timestamp_authority(http: "HttpSession", chosen: Endpoints) -> "TimestampAuthority | None":
    """Make the client for the timestamp server, None when there is none to ask."""
    if not chosen.timestamps:
        return None
    from gitsign_py.clients.tsa import TsaClient

    return TsaClient(http, chosen.timestamps)


def signing_services(
    http: "HttpSession",
    chosen: Endpoints,
    root: "TrustedRoot",
    tokens: "TokenSource",
    renew: "Renew | None" = None,
) -> "SigningServices":
    """Put the ports of the signing flow together, of one instance: see check_instance."""
    import secrets

    from gitsign_py.signing.flow import SigningServices

    check_instance(http, chosen, root, renew)
    return SigningServices(
        tokens=tokens,
        authority=certificate_authority(http, chosen),
        log=transparency_log(http, chosen, root),
        clock=SystemClock(),
        random=secrets.token_bytes,
        timestamps=timestamp_authority(http, chosen),
    )


def signing_options(
    settings: Settings, chosen: Endpoints, root: "TrustedRoot", renew: "Renew | None" = None
) -> "SigningOptions":
    """Say how to sign. The committer is compared by consent, which knows more than equal or not."""
    from gitsign_py.signing.credential import CredentialRequest
    from gitsign_py.signing.flow import SigningOptions

    request = CredentialRequest(trusted_root=root, audience=settings.config.client_id, renew=renew)
    return SigningOptions(
        request=request,
        mode=settings.config.rekor_mode,
        rekor_version=2 if chosen.rekor_version == 2 else 1,
    )


# --- sign-in ---------------------------------------------------------------------------------------------------------


def sign_in_settings(settings: Settings, chosen: Endpoints, *, remember: bool = False) -> "SignInSettings":
    """Translate the settings of the sign-in."""
    from gitsign_py.clients.oidc_browser import BrowserSettings
    from gitsign_py.clients.signin import SignInSettings

    config = settings.config
    browser = BrowserSettings(
        redirect_url=config.redirect_url,
        connector_id=config.connector_id,
        url_opener=config.url_opener,
        close_after=config.autoclose_timeout if config.autoclose else None,
        remember=remember,
        timeout=config.sign_in_timeout,
    )
    return SignInSettings(
        issuer=chosen.issuer,
        client_id=config.client_id,
        client_secret_file=str(config.client_secret_file or ""),
        provider=config.token_provider,
        browser=browser,
    )


def sign_in_tools(settings: Settings, http: "HttpSession", dialogue: "Dialogue") -> "SignInTools":
    """Put together what a sign-in works with."""
    from gitsign_py.cli.signindialogue import SignInDialogue
    from gitsign_py.clients.signin import SignInTools
    from gitsign_py.host.keystore import KeyringStore

    book, shown = login_book(), SignInDialogue(dialogue)
    warned = book.path.with_name("keyring-warning")
    return SignInTools(http, shown, settings.environment, KeyringStore(), book, now, warned, shown.is_seen)


def login_book() -> "LoginBook":
    """Open the file that says who signed in where."""
    from gitsign_py.host.logins import FILE_NAME, LoginBook
    from gitsign_py.host.paths import state_place

    return LoginBook(state_place() / FILE_NAME)


def consent_book() -> "ConsentBook":
    """Open the file of remembered consents."""
    from gitsign_py.host.consent import FILE_NAME, ConsentBook
    from gitsign_py.host.paths import state_place

    return ConsentBook(state_place() / FILE_NAME)
