"""``gitsign-py monitor``: follow transparency logs from where the last run ended, and say what is new or wrong."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.cli import wiring
from gitsign_py.cli.agentside.units import systemd_argument, systemd_word
from gitsign_py.cli.commands import monitorwitness
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.logs import HELP, LogPlace, add_trust, add_witnesses, places, policy_of, source_of
from gitsign_py.cli.text import line_of
from gitsign_py.clients.trustroot import read_bounded
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, FormatError, ServiceError, UsageError, VerificationError
from gitsign_py.host.endings import ended_by
from gitsign_py.host.paths import state_place
from gitsign_py.monitor.explaining import check_repository
from gitsign_py.monitor.findings import Finding
from gitsign_py.monitor.follow import Followed, Options, follow
from gitsign_py.monitor.heads import open_head
from gitsign_py.monitor.mirrored import MirroredSource
from gitsign_py.monitor.outputs import Journal, notify, prometheus, sarif, write_text
from gitsign_py.monitor.sources import LogSource
from gitsign_py.monitor.splitview import check_other
from gitsign_py.monitor.state import Store
from gitsign_py.monitor.watch import Watch, checked, parse_watch_list, watching

if TYPE_CHECKING:
    from gitsign_py.clients.session import HttpSession

STATE = "monitor.sqlite"
SIGNATURE_LOGS = ("rekor1", "rekor2")
_EPILOG = """\
examples:
  gitsign-py monitor                     first run: keep the heads; then: check
  gitsign-py monitor --from 0 --identity alice@example.com
  gitsign-py monitor --watch watch.toml --fail-on-match --json
  gitsign-py monitor --follow --exec 'mail -s log root@localhost'
  gitsign-py monitor findings            everything that was ever found
  gitsign-py monitor unit                a systemd unit that stays
  gitsign-py monitor --witness init --name witness.example.com/team
  gitsign-py monitor --witness           be a witness (docs/witnesses.md)
  gitsign-py monitor --witness status    the trees that it cosigned

exit status: 0 all is well, 1 a log is inconsistent, 2 a hit
             (--fail-on-match) or usage, 3 a log could not be checked,
             or a new entry of it could not be read
"""
_UNIT = """\
[Unit]
Description=Follow transparency logs (gitsign-py monitor)
Wants=network-online.target
After=network-online.target

[Service]
ExecStart={program} monitor --follow{arguments}
Restart=always
RestartSec=30
StateDirectory=gitsign-py
DynamicUser=yes
NoNewPrivileges=yes
ProtectSystem=strict
Environment=XDG_STATE_HOME=%S

[Install]
WantedBy=multi-user.target
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py monitor``."""
    options = _parser().parse_args(arguments)
    if options.witness:
        return monitorwitness.run(options)
    if options.action in ("init", "status"):
        raise UsageError("monitor-action", f"{options.action} is for a witness", hint="add --witness")
    if options.action == "unit":
        print(_unit(arguments), end="")
        return 0
    path = options.state or state_place() / STATE
    with Store(path.absolute()) as store:
        if options.action == "findings":
            _print([one for _, one in store.findings()], as_json=options.json)
            return 0
        ends = threading.Event()
        monitor = _Monitor(options, store, ends)
        if not options.follow:
            return monitor.once()
        with ended_by(("SIGINT", "SIGTERM", "SIGBREAK"), lambda: _end(ends)):
            status = monitor.once()
            while not ends.wait(max(1, options.interval)):  # the logs are other people's
                status = monitor.once()
    return status


def _unit(arguments: list[str]) -> str:
    """The unit that runs the monitor with the options beside the word ``unit``, which may be an option's value too."""
    without = (arguments[:at] + arguments[at + 1 :] for at, one in enumerate(arguments) if one == "unit")
    rest = next((each for each in without if _parser().parse_known_args(each)[0].action == "run"), [])
    words = "".join(f" {systemd_argument(one)}" for one in rest if one != "--follow")
    return _UNIT.format(program=systemd_word(str(Path(sys.argv[0]).resolve())), arguments=words)


def _end(ends: threading.Event) -> None:
    """The first signal lets what was read be told; who asks again does not want to wait for that."""
    if ends.is_set():
        raise KeyboardInterrupt
    ends.set()


class _Monitor:
    """The logs, the watch list and the outputs of one command."""

    def __init__(self, options: argparse.Namespace, store: Store, ends: threading.Event) -> None:
        self._options, self._store, self._ends = options, store, ends
        self._settings = wiring.load_settings()
        self._root = wiring.trusted_root(self._settings, file=options.trusted_root)
        self._places = places(options.log, self._settings, self._root)
        self._watches = _watches(options)
        self._witnesses = policy_of(options, self._settings)

    def once(self) -> int:
        """Bring every log up to date and tell what was found; gives the exit status."""
        self._store.check_heads(self._root)
        with wiring.session(self._settings) as session:
            now = int(time.time())
            asked = Options(
                watching(self._watches, now=now),
                lambda: int(time.time()),
                self._options.start,
                self._options.stopped,
                self._witnesses,
                ends=self._ends.is_set,
            )
            sources = [self._source(place, session) for place in self._places]
            seen = [follow(source, self._store, asked) for source in sources]
            if not self._ends.is_set():
                seen += [
                    check_other(path, source, self._store, self._root, now=now)
                    for path in self._options.against
                    for source in sources
                ]
                seen += self._joined(sources, seen, now)
                mirrored = [self._sealed(source) for source in sources if isinstance(source, MirroredSource)]
                seen += [one for one in mirrored if one.failures or one.alarms]
        new = self._store.untold()
        status = self._status([one for _, one in new], seen)
        try:
            self._tell(new, seen)
        except ConfigError as error:  # the next run tells it again; until then an alarm is an alarm
            print(f"gitsign-py: {line_of(error)}", file=sys.stderr)
            return status if status == 1 else 2
        self._store.told(number for number, _ in new)
        return status

    def _joined(self, sources: Sequence[LogSource], seen: Sequence[Followed], now: int) -> list[Followed]:
        """Hold logs and repositories against each other."""
        found = [
            check_repository(directory, sources, self._store, self._root, self._settings.environment, now=now)
            for directory in self._options.repo
        ]
        failed = any(one.failures for one in (*seen, *found))
        kinds = {place.kind for place in self._places}
        wanted = ["entry-unexplained"] if self._options.repo else []
        if kinds & {"ct", "static-ct"} and kinds & set(SIGNATURE_LOGS):
            wanted.append("certificate-unused")
        if not failed:  # what was not read may be what explains
            self._store.overdue(wanted, int(time.time()) - self._options.grace)
        return found

    def _source(self, place: LogPlace, session: "HttpSession") -> LogSource:
        source = source_of(place, session, self._root)
        return MirroredSource(source, self._options.mirror, self._root) if self._options.mirror else source

    def _sealed(self, source: MirroredSource) -> Followed:
        """Bring a log's replicas up to the heads that were proven."""
        mine = [one for one in self._store.trees() if (one.kind, one.url) == (source.kind, source.url)]
        try:
            for kept in mine:
                source.seal(open_head(kept.kind, kept.signed, self._root))
        except VerificationError as error:
            alarm = Finding("log-root-wrong", source.url, error.reason, error.message, int(time.time()), error.facts)
            with self._store.transaction():
                self._store.add((alarm,))
            return Followed(source.url, (alarm,))
        except (ServiceError, FormatError, ConfigError) as error:
            return Followed(source.url, failures=(error,))
        return Followed(source.url)

    def _status(self, new: Sequence[Finding], seen: Sequence[Followed]) -> int:
        if any(one.alarms for one in seen) or any(one.severity == "alarm" for one in new):
            return 1
        if self._options.fail_on_match and any(one.severity == "hit" for one in new):
            return 2
        return 3 if any(one.failures for one in seen) or any(one.severity == "unchecked" for one in new) else 0

    def _tell(self, new: Sequence[tuple[int, Finding]], seen: Sequence[Followed]) -> None:
        """All outputs, before the findings count as told: one that fails is made again by the next run."""
        findings = [one for _, one in new]
        if self._options.ndjson:
            Journal(self._options.ndjson).append(new)
        every = [one for _, one in self._store.findings()] if self._options.prometheus or self._options.sarif else []
        if self._options.sarif:
            write_text(self._options.sarif, sarif(every))
        if self._options.prometheus:
            failed = sum(1 for one in seen if one.failures)
            text = prometheus(self._store.trees(), every, at=int(time.time()), unchecked=failed)
            write_text(self._options.prometheus, text)
        _print(findings, as_json=self._options.json)
        sys.stdout.flush()
        self._report(findings, seen)
        for finding in findings if self._options.exec else ():
            notify(self._options.exec, finding)

    def _report(self, new: Sequence[Finding], seen: Sequence[Followed]) -> None:
        ids = {one.id for one in new}
        for followed in seen:
            for error in followed.failures:
                print(printable(f"gitsign-py: {followed.url} could not be checked: {line_of(error)}"), file=sys.stderr)
            for alarm in followed.alarms:
                if alarm.id not in ids:  # told by an earlier run, and still so
                    print(f"gitsign-py: still so: {alarm.line()}", file=sys.stderr)
        blind = self._store.unreadable()
        terse = self._options.quiet or self._options.json
        for kept in self._store.trees():
            line = f"{kept.kind} {kept.tree}: {kept.size} entries, {kept.read} read"
            if count := blind[kept.tree]:
                line += f", {count} of them unreadable (gitsign-py monitor findings)"
            if not terse or count:
                print(printable(line), file=sys.stderr if terse else sys.stdout)


def _print(findings: Sequence[Finding], *, as_json: bool) -> None:
    for one in findings:
        print(json.dumps(one.to_json(), sort_keys=True) if as_json else one.line())


def _watches(options: argparse.Namespace) -> tuple[Watch, ...]:
    found = parse_watch_list(read_bounded(options.watch, "--watch"), options.watch) if options.watch else ()
    by_flags = Watch(
        "flags",
        identity=options.identity or "",
        identity_pattern=options.identity_regexp or "",
        issuer=options.issuer or "",
        fingerprint=options.fingerprint or "",
        key=options.key or "",
    )
    return found if by_flags == Watch("flags") else (*found, checked(by_flags, "flags"))


def _seconds(text: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    if not (number.isascii() and number.isdigit() and len(number) < 9):
        raise UsageError("duration-invalid", f"{text[:40]} is no duration", hint="write it as 90, 30s, 10m, 24h or 7d")
    return int(number) * unit


def _start(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UsageError("log-range-invalid", f"{text[:40]} is no index of an entry")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py monitor",
        description="Follow transparency logs from where the last run ended (docs/monitor.md).",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("run", "findings", "unit", "init", "status"),
        default="run",
        help="check the logs now (run)",
    )
    parser.add_argument("--log", action="append", default=[], metavar="KIND[=URL]", help=HELP)
    parser.add_argument("--state", type=Path, metavar="FILE", help="where to remember (in the user's state)")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="another monitor's state: the history of each log must agree in both",
    )
    parser.add_argument("--mirror", type=Path, metavar="DIR", help="keep replicas of the logs here")
    parser.add_argument("--from", dest="start", type=_start, metavar="N", help="begin a new log here (its end)")
    parser.add_argument(
        "--stopped-after",
        dest="stopped",
        type=_seconds,
        default=0,
        metavar="TIME",
        help="an alarm when a log does not grow for so long: 30s, 10m, 24h, 7d",
    )
    watch = parser.add_argument_group("what to look for")
    watch.add_argument("--watch", metavar="FILE", help="a watch list in TOML")
    watch.add_argument("--identity", metavar="NAME", help="an e-mail address or URI in certificates")
    watch.add_argument("--identity-regexp", metavar="REGEXP", help="a pattern that matches all of it")
    watch.add_argument("--issuer", metavar="URL", help="the issuer that vouches for it")
    watch.add_argument("--fingerprint", metavar="SHA256", help="a certificate by the digest of its DER")
    watch.add_argument("--key", metavar="SHA256", help="a key by the digest of its SubjectPublicKeyInfo")
    watch.add_argument(
        "--repo",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="a repository: its commits explain entries",
    )
    watch.add_argument("--grace", type=_seconds, default=86400, metavar="TIME", help="time to push or use (24h)")
    output = parser.add_argument_group("how to say it")
    output.add_argument("--ndjson", type=Path, metavar="FILE", help="append each new finding to this file, once")
    output.add_argument("--prometheus", type=Path, metavar="FILE", help="write metrics for a textfile collector")
    output.add_argument("--sarif", type=Path, metavar="FILE", help="write every finding as SARIF 2.1.0")
    output.add_argument("--exec", metavar="COMMAND", help="run this for each new finding, with its JSON on stdin")
    output.add_argument("--fail-on-match", action="store_true", help="exit status 2 when there is a new hit")
    output.add_argument("-q", "--quiet", action="store_true", help="print findings alone")
    parser.add_argument("--follow", action="store_true", help="stay, and check again and again")
    parser.add_argument("--interval", type=_seconds, default=60, metavar="TIME", help="pause between checks (60s)")
    add_trust(parser)
    add_witnesses(parser)
    monitorwitness.add_options(parser)
    return parser
