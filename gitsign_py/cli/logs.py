"""The log that a command is about: ``--log KIND[=URL]``, else the log and the CT logs of the settings."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.cli import instance, wiring
from gitsign_py.core.frozen import frozen
from gitsign_py.core.trust.root import TransparencyLogInstance, TrustedRoot
from gitsign_py.errors import UsageError
from gitsign_py.monitor.heads import KINDS, Kind

if TYPE_CHECKING:
    from gitsign_py.clients.session import HttpSession
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
    from gitsign_py.monitor.sources import LogSource

HELP = "rekor1, rekor2, ct or static-ct, and its URL where the settings or the trust root name another"


@frozen
class LogPlace:
    """A log by its kind and URL."""

    kind: Kind
    url: str


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which trust root counts."""
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_witnesses(parser: argparse.ArgumentParser) -> None:
    """Add the option that says which witnesses count."""
    text = "the witnesses that must have cosigned, as a tlog-policy file (gitsign.witnessPolicy)"
    parser.add_argument("--witness-policy", type=Path, metavar="FILE", help=text)


def policy_of(options: argparse.Namespace, settings: wiring.Settings) -> "WitnessPolicy | None":
    """The witness policy of the option, else of the settings. Raises ConfigError ``witness-policy-...``."""
    given: Path | None = options.witness_policy
    return wiring.witness_policy(settings) if given is None else wiring.read_witness_policy(given)


def place_of(text: str | None, settings: wiring.Settings, root: TrustedRoot) -> LogPlace:
    """The log that ``text`` names; None is the signature log of the settings. Raises UsageError ``log-not-named``."""
    if text is None:
        return _signature_log(settings)
    name, equals, url = text.partition("=")
    kind = next((each for each in KINDS if each == name), None)
    if kind is None:
        raise UsageError("log-not-named", f"{text[:100]} names no log", hint=f"write it as {' | '.join(KINDS)}[=URL]")
    return LogPlace(kind, url if equals else _url_of(kind, settings, root))


def _signature_log(settings: wiring.Settings) -> LogPlace:
    chosen = instance.endpoints(settings)
    return LogPlace("rekor2" if chosen.rekor_version == 2 else "rekor1", chosen.rekor)


def _url_of(kind: Kind, settings: wiring.Settings, root: TrustedRoot) -> str:
    if kind in ("rekor1", "rekor2"):
        return instance.endpoints(settings).rekor
    logs = open_now(root.ctlogs)
    if not logs:
        raise UsageError("log-not-named", "the trust root lists no CT log that is open now", hint=f"write {kind}=URL")
    return logs[0].base_url


def open_now(logs: Sequence[TransparencyLogInstance]) -> tuple[TransparencyLogInstance, ...]:
    """The logs whose window is open now."""
    now = datetime.now(UTC)
    return tuple(log for log in logs if log.valid_for.covers(now))


def places(texts: Sequence[str], settings: wiring.Settings, root: TrustedRoot) -> tuple[LogPlace, ...]:
    """Those that are named, else the signature log of the settings and the CT logs of the trust root that are open."""
    if texts:
        return tuple(dict.fromkeys(place_of(text, settings, root) for text in texts))
    urls = dict.fromkeys(log.base_url for log in open_now(root.ctlogs) if log.base_url)
    return (_signature_log(settings), *(LogPlace("ct", url) for url in urls))


@contextmanager
def opened(
    options: argparse.Namespace, settings: wiring.Settings, root: TrustedRoot, *, url: str = ""
) -> "Iterator[LogSource]":
    """The log that a command is about: a replica (``--from``), the Rekor v1 at ``url``, or the one of ``--log``."""
    if options.replica is not None:
        yield replica_of(options.replica, options.log, root)
        return
    place = LogPlace("rekor1", url) if url else place_of(options.log, settings, root)
    with wiring.session(settings) as session:
        yield source_of(place, session, root)


def replica_of(folder: Path, kind: str | None, root: TrustedRoot) -> "LogSource":
    """The replica in a folder, of the kind that ``--log`` names: without it the signature log's, as over the network.

    Raises UsageError ``log-not-named``.
    """
    from gitsign_py.monitor.replicasource import open_replicas  # noqa: PLC0415 - for those who have one

    wanted = "static-ct" if kind == "ct" else kind  # a replica of a CT log is a tiled one
    found = [one for one in open_replicas(folder, root) if wanted in (None, one.kind)]
    if kind is None and len(found) > 1:
        found = [one for one in found if one.kind != "static-ct"]
    if len(found) != 1:
        raise UsageError(
            "log-not-named",
            f"{folder} holds {len(found)} replicas that may be meant",
            hint="name one folder in it, or the kind with --log",
        )
    return found[0]


def source_of(place: LogPlace, session: "HttpSession", root: TrustedRoot) -> "LogSource":
    """The log behind HTTP."""
    from gitsign_py.monitor.ctsources import CtSource, StaticCtSource  # noqa: PLC0415 - with the network
    from gitsign_py.monitor.rekorsources import Rekor1Source, Rekor2Source  # noqa: PLC0415 - with the network

    makers: dict[str, Callable[[HttpSession, str, TrustedRoot], LogSource]]
    makers = {"rekor1": Rekor1Source, "rekor2": Rekor2Source, "ct": CtSource, "static-ct": StaticCtSource}
    return makers[place.kind](session, place.url, root)
