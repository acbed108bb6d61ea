"""Adapters built from the configuration: one short factory each, and the factory imports what it builds.

Imports stand inside functions here, in instance.py and in signingparts.py alone: git starts the program for every
commit, so a command pays for what it uses and for nothing else (docs/architecture.md, "Start-up is part of the
product").
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import ConfigError, FormatError, UncheckedError, VerificationError
from gitsign_py.host.config import Config, load_config
from gitsign_py.host.git.config import ISOLATED, GitConfig
from gitsign_py.host.repository import read_config

if TYPE_CHECKING:
    from gitsign_py.clients.renewal import Copy
    from gitsign_py.clients.session import HttpSession
    from gitsign_py.clients.trustroot import LoadedTrust
    from gitsign_py.core.pki.certificate import Certificate
    from gitsign_py.core.tlog.logentry import LogEntry
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.host.consent import ConsentBook, Named
    from gitsign_py.host.git.objects import GitRepository, Revision
    from gitsign_py.host.logins import LoginBook
    from gitsign_py.host.network import Network
    from gitsign_py.verification.renewal import Renew
    from gitsign_py.verification.signature import FindEntries
    from gitsign_py.verification.steps import Requirements

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
    given = {name: config.value(name) for name, source in config.sources.items() if source.kind == "git"}
    relative = {name: path for name, path in given.items() if isinstance(path, Path) and not path.is_absolute()}
    settings = Settings(environment, gitconfig, config, directory)
    if not relative:
        return settings
    top = repository(settings).top
    return replace(settings, config=config.with_values({name: top / path for name, path in relative.items()}))


def repository(settings: Settings) -> "GitRepository":
    """Open the repository that git finds; where there is no git program, dulwich reads it."""
    from gitsign_py.host.repository import open_repository

    return open_repository(settings.directory, environment=settings.environment)


def loaded_trust(settings: Settings, *, file: str | None = None, offline: bool = False) -> "LoadedTrust":
    """Find the trust root, and the signing config beside it. Raises ConfigError, UncheckedError."""
    from gitsign_py.clients.trustroot import load_trusted_root

    try:
        return load_trusted_root(
            settings.config, settings.environment, option_file=file, offline=offline, network=lambda: network(settings)
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
    """Make the renewal of this run's trust root; where it may not be renewed, what says how old it is, and None for a
    file. An old copy is renewed afterwards.

    ``say`` tells the person; without it a line goes to stderr.
    """
    from gitsign_py.clients.renewal import TrustRenewal, may_renew, not_renewed

    copy = may_renew(settings.config.trust, settings.environment, file=file, offline=offline)
    if copy is None:
        return not_renewed(settings.config.trust, settings.environment, file=file, offline=offline)
    renew_if_old(settings, copy, afterwards=True)
    return TrustRenewal(root, copy, lambda: network(settings), lambda: loaded_trust(settings), say or _say)


def _say(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"gitsign-py: {text}\n".encode("utf-8", "replace"))


def renew_if_old(settings: Settings, copy: "Copy", *, afterwards: bool) -> None:
    """Start a process that renews an old copy, at once or when this one has answered; nobody waits for it."""
    from gitsign_py.clients.renewal import begin_if_old

    if not begin_if_old(copy.directory):
        return
    import atexit

    from gitsign_py.host.background import let_go, start_in_background
    from gitsign_py.host.ownprogram import own_command

    command = [*own_command(), "initialize", "--refresh"]
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
    return settings.config.trust.require_timestamp


def witness_policy(settings: Settings) -> "WitnessPolicy | None":
    """Read the policy that says which witnesses must have cosigned (gitsign.witnessPolicy); None where there is none.

    Raises ConfigError ``witness-policy-...``.
    """
    path = settings.config.trust.witness_policy
    return None if path is None else read_witness_policy(path)


def read_witness_policy(path: Path) -> "WitnessPolicy":
    """Read a tlog-policy file. Raises as ``witness_policy``."""
    from gitsign_py.core.tlog.witnesspolicy import MAX_BYTES, parse_policy
    from gitsign_py.errors import ConfigError
    from gitsign_py.host.plainfile import read_plain

    try:
        data = read_plain(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise ConfigError("witness-policy-unreadable", f"witness policy {path} cannot be read: {words}") from error
    try:
        return parse_policy(data)
    except ConfigError as error:
        raise ConfigError(error.reason, f"{path}: {error.message}", hint=error.hint, facts=error.facts) from error


def requirements(settings: Settings, *, require_sct: bool = True) -> "Requirements":
    """Say what a signature must have besides its steps."""
    from gitsign_py.verification.steps import Requirements

    return Requirements(require_sct, require_timestamp(settings), witness_policy(settings))


def log_path(settings: Settings) -> Path | None:
    """The file that messages go to. One that a repository's own configuration names counts when the person agreed:
    it may be any file of theirs, and messages hold what others wrote.
    """
    path, source = settings.config.program.log_path, settings.config.source("log_path")
    if path is None or not source.of_repository:
        return path
    return None if consent_book().unconfirmed([named_log(settings)]) else path


def named_log(settings: Settings) -> "Named":
    """That file, as what the person is asked about."""
    from gitsign_py.host.consent import Named

    source = settings.config.source("log_path")
    return Named(source.name, str(settings.config.program.log_path), source.place)


def network(settings: Settings) -> "Network":
    """Say how to connect: authorities of TLS, proxies."""
    from gitsign_py.host.network import Network

    return Network(settings.environment, settings.gitconfig)


def session(settings: Settings, meanwhile: Sequence[str] = ()) -> "HttpSession":
    """Make the HTTP session with the person's time-out; ``meanwhile`` names modules to load while servers answer."""
    from gitsign_py.clients.session import HttpSession, Limits

    limits = Limits(total=settings.config.services.timeout, connect=min(5.0, settings.config.services.timeout))
    return HttpSession(limits, network=network(settings), meanwhile=meanwhile)


def log_replica(settings: Settings) -> Path | None:
    """The folder of replicas that the person set. A repository's own configuration names none: the folder would be of
    its maker's, with files and databases that a reader opens.
    """
    return None if settings.config.source("log_replica").of_repository else settings.config.trust.log_replica


def replica_finder(
    folder: Path, root: "TrustedRoot", otherwise: "FindEntries | None", *, required: bool = True
) -> "FindEntries":
    """Make a function that looks for entries in replicas of logs, and asks ``otherwise`` for what they do not have.

    Replicas that cannot be used are passed over unless they are ``required``, or nobody else can be asked.
    """

    def find(digest: bytes, certificate: "Certificate") -> "Sequence[LogEntry]":
        from gitsign_py.monitor.replicasource import find_logged, open_replicas

        try:
            found = find_logged(open_replicas(folder, root), digest)
        except (ConfigError, VerificationError, FormatError):
            if required or otherwise is None:
                raise
            found = ()
        return found or (otherwise(digest, certificate) if otherwise is not None else ())

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
