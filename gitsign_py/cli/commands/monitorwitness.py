"""``gitsign-py monitor --witness``: cosign the checkpoints of logs for a team (C2SP tlog-witness)."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsign_py.cli import wiring
from gitsign_py.cli.commands.stackcommand import installed
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, UsageError
from gitsign_py.host.paths import state_place
from gitsign_py.localstack.placement import Placement, external_url

if TYPE_CHECKING:
    from gitsign_py.localstack.witness.record import Seen
    from gitsign_py.localstack.witness.service import KnownLog

Action = Callable[[argparse.Namespace], int]
DEFAULT_LISTEN = "127.0.0.1:18500"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what is refused without a URL


def run(options: argparse.Namespace) -> int:
    """Run it with the options of ``monitor``. Raises UsageError ``monitor-action``."""
    actions: dict[str, Action] = {"run": _serve, "init": _init, "status": _status}
    if options.action not in actions:
        raise UsageError("monitor-action", f"a witness has no {options.action}", hint="init, status, or nothing")
    return actions[options.action](options)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a witness."""
    group = parser.add_argument_group("as a witness (docs/witnesses.md)")
    group.add_argument("--witness", action="store_true", help="cosign the checkpoints of logs that only have grown")
    group.add_argument("--dir", type=Path, metavar="DIR", help="directory of the witness (in the user's state)")
    group.add_argument("--name", metavar="NAME", help="with init: its name, such as witness.example.com/team")
    group.add_argument(
        "--logs",
        type=Path,
        metavar="FILE",
        help="a tlog-policy file whose log lines it cosigns (the trust root's logs)",
    )
    group.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT", help=f"where ({DEFAULT_LISTEN})")
    group.add_argument("--url", default="", metavar="URL", help="the URL that logs use: that of a TLS proxy")


def _directory(options: argparse.Namespace) -> Path:
    given: Path | None = options.dir
    return given.absolute() if given else state_place() / "witness"


def _init(options: argparse.Namespace) -> int:
    if not options.name:
        raise UsageError("witness-name-invalid", "a witness needs a name", hint="--name witness.example.com/team")
    with installed():
        from gitsign_py.localstack.witness.identity import make_identity  # noqa: PLC0415 - needs cryptography
    key = make_identity(_directory(options), options.name).key
    print(f"witness {key.name} {key}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    host, port = _listen(options.listen)
    place = Placement(host, external_url(options.url))
    if not place.url and host in _EVERYWHERE:
        raise UsageError(
            "witness-listen-invalid",
            f"a witness that listens at {host} has no name that logs could ask for",
            hint="give the URL that they use: --url https://witness.example.com",
        )
    with installed():
        from gitsign_py.localstack.witness.serving import WitnessServer  # noqa: PLC0415 - uvicorn
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    server = WitnessServer(_directory(options), _logs(options), port=port, place=place)
    print(server.line, flush=True)
    server.serve()
    return 0


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError("witness-listen-invalid", f"{text[:100]} is not HOST:PORT", hint=f"such as {DEFAULT_LISTEN}")
    return host, int(port)


def _logs(options: argparse.Namespace) -> "Sequence[KnownLog]":
    """The logs of a policy file, else those of the trust root; nothing is fetched for it."""
    from gitsign_py.localstack.witness.service import logs_of_policy, logs_of_root  # noqa: PLC0415 - with the server

    if options.logs is not None:
        found = logs_of_policy(wiring.read_witness_policy(options.logs))
    else:
        settings = wiring.load_settings()
        found = logs_of_root(wiring.trusted_root(settings, file=options.trusted_root))
    if not found:
        raise ConfigError(
            "witness-logs-missing", "the witness knows no log", hint="give a file with log lines (--logs)"
        )
    return found


def _status(options: argparse.Namespace) -> int:
    """What was cosigned, and each log that contradicted itself."""
    with installed():
        from gitsign_py.localstack.witness.identity import RECORD, read_identity  # noqa: PLC0415 - as _init
        from gitsign_py.localstack.witness.record import Record  # noqa: PLC0415 - as _init
    directory = _directory(options)
    key = read_identity(directory).key
    with Record(directory / RECORD) as record:
        logs, contradictions = record.logs(), record.contradictions()
    if options.json:
        found = [_object(seen) | {"beside": beside.decode("utf-8", "replace")} for seen, beside in contradictions]
        print(
            json.dumps({"witness": str(key), "logs": [_object(one) for one in logs], "contradictions": found}, indent=2)
        )
    else:
        print(f"witness {key.name} {key}")
        for seen in logs:
            print(printable(f"{seen.origin}: {seen.size} entries, {seen.root.hex()}, cosigned {_time(seen)}"))
        for seen, _ in contradictions:
            print(printable(f"ALARM log-forked {seen.origin}: two trees of {seen.size} entries, {_time(seen)}"))
    return 1 if contradictions else 0


def _object(seen: "Seen") -> dict[str, Any]:
    return {
        "origin": seen.origin,
        "size": seen.size,
        "root": seen.root.hex(),
        "time": _time(seen),
        "checkpoint": seen.envelope.decode("utf-8", "replace"),
    }


def _time(seen: "Seen") -> str:
    return format_rfc3339(datetime.fromtimestamp(seen.at, UTC))
