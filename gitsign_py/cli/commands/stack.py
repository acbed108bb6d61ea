"""``gitsign-py stack``: a private Sigstore on this machine: start it, stop it, ask it for tokens."""

import argparse
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitsign_py.cli.commands import stackcare, stackenv, stackrun
from gitsign_py.cli.commands.stackcommand import (
    Action,
    add_seed,
    ask_for_token,
    command,
    directory_of,
    installed,
    need_info,
)
from gitsign_py.cli.commands.stackplace import add_place, add_unit, arguments_of, place_of
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.core.printing import printable
from gitsign_py.errors import UsageError
from gitsign_py.localstack import expiry, process
from gitsign_py.localstack.process import StackInfo

_EPILOG = """\
examples:
  gitsign-py stack up --detach                start it in the background
  eval "$(gitsign-py stack env)"              point gitsign-py, gitsign, cosign and sigstore at it
  gitsign-py stack token --email alice@example.com
  gitsign-py stack token --email alice@example.com --ttl -60       a token that expired a minute ago
  gitsign-py stack token --email alice@example.com --claim email_verified:=false
  gitsign-py stack run -- pytest -q           a stack as long as the command runs, in its environment
  gitsign-py stack run --actions acme/app -- cosign sign-blob ...  as a job of GitHub Actions signs
  gitsign-py stack rotate rekor               a new key for the log; the old one's window is closed
  gitsign-py stack up --fault rekor:slow=5 --fault no-sct          a stack that misbehaves, for tests
  gitsign-py stack backup /var/backups/sigstore.tar.gz             while it runs
  gitsign-py stack restore /var/backups/sigstore.tar.gz --dir /srv/sigstore
  gitsign-py stack up --url https://sigstore.example.com --without idp --issuers fulcio.yaml
  gitsign-py stack down
"""
_FAULTS = """\
faults, as [SERVICE:]NAME[=VALUE]; services: idp, fulcio (ca), ctlog, rekor1 (rekor), rekor2, tsa, tuf:
  slow=S               wait S seconds before each answer (5)
  5xx[=N]              answer 503, N times or always
  drop[=N]             break the connection in the middle of the answer
  garbage[=N]          answer meaningless bytes
  clock-skew=S         a clock that is S seconds ahead; negative: behind (3600)
  wrong-proof          inclusion proofs with one bit turned
  wrong-root           checkpoints signed over another root
  others-entry         a submission gets the entry of the one before it
  duplicate-entries    the same entry is logged again and again
  fork                 another history than before, signed by the same key
  stale-checkpoint[=N] a tree that is N entries smaller than it is (1)
  rewrite, drop-entry  the newest entry with other content, or left out
  odd-entry[=N]        new entries in a form that nobody reads, N bytes larger
  backdate=S           new entries dated S seconds too early (172800)
  no-sct, wrong-sct    certificates without a CT log's promise, or with that for another certificate
  detached-sct         the promise beside the certificate
  disk-full            503 for what must be written, as on a full disk
  expired-certificate  certificates that expired an hour ago
"""


def run(arguments: list[str]) -> int:
    """Run one ``stack`` command; gives the exit status."""
    options = _parser().parse_args(arguments)
    action: Action = options.action
    return action(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py stack",
        description="Run a private Sigstore on this machine: OIDC issuer, Fulcio, CT log and Rekor in one process on "
        "one loopback port, with keys and entries in one directory. For tests, demos and private use.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_up,
        _add_down,
        _add_status,
        stackenv.add_env,
        _add_token,
        *stackrun.COMMANDS,
        add_unit,
        *stackcare.COMMANDS,
    ):
        add(commands)
    return parser


def _add_up(commands: Any) -> None:
    parser = command(commands, "up", _up, "start the stack; it runs in the foreground until Ctrl-C")
    add_place(parser)
    parser.add_argument("--detach", action="store_true", help="run in the background; return when it answers")
    parser.add_argument("--verbose", action="store_true", help="write a line for each request to stderr")
    about = "json: a line of JSON for each request, to stderr"
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help=about)
    parser.add_argument(
        "--rekor2-key",
        choices=("ed25519", "ecdsa-p256"),
        default="ed25519",
        help="kind of key that Rekor v2 gets on the first start (ed25519)",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help="misbehave; see below; may be repeated"
    )
    parser.add_argument(
        "--fault-control", action="store_true", help="let POST /faults change the faults while the stack runs"
    )
    parser.add_argument(
        "--clock-is-right",
        action="store_true",
        help="start although the clock is behind the latest time that this stack saw",
    )
    add_seed(parser)
    parser.epilog = _FAULTS
    parser.formatter_class = HelpFormatter


def _add_down(commands: Any) -> None:
    command(commands, "down", _down, "stop the stack and wait until it has ended")


def _add_status(commands: Any) -> None:
    parser = command(
        commands, "status", _status, "say whether the stack runs, and what expires; exit status 3 when it does not"
    )
    parser.add_argument("--json", action="store_true", help="for machines: the content of stack.json and its state")


def _add_token(commands: Any) -> None:
    parser = command(commands, "token", _token, "print an identity token of the stack's issuer")
    parser.add_argument("--email", default="", metavar="E", help="e-mail address that the token names")
    parser.add_argument("--subject", default="", metavar="S", help="sub claim (default: made from the e-mail address)")
    parser.add_argument("--ttl", type=int, default=60, metavar="S", help="lifetime in seconds; negative: expired")
    parser.add_argument("--audience", default="sigstore", metavar="A", help="aud claim (default: sigstore)")
    parser.add_argument(
        "--claim", action="append", default=[], metavar="K=V", help="another claim; K:=JSON for other values than text"
    )


def _up(options: argparse.Namespace) -> int:
    directory = directory_of(options)
    place = place_of(options, directory)
    if options.detach:
        return _up_detached(directory, options)
    with installed():
        # The servers load uvicorn and PyJWT (160 ms and an extra of the package): for `up` alone.
        from gitsign_py.cli.logpages import StackPages  # noqa: PLC0415
        from gitsign_py.localstack import faults, repeatable  # noqa: PLC0415
        from gitsign_py.localstack.assembly import Choices  # noqa: PLC0415
        from gitsign_py.localstack.stack import Stack  # noqa: PLC0415
    if options.verbose or options.log_format == "json":
        _log_to_stderr(options.log_format)
    hook = faults.Faults(options.fault)
    control = (faults.service(hook),) if options.fault_control else ()
    pages = StackPages()
    sources = repeatable.sources(directory, options.seed, options.time)
    stack = Stack(
        directory,
        place.port,
        hook=hook,
        further=(*control, pages.service),
        place=place.placement,
        choices=Choices(options.rekor2_key, place.read_issuers(), place.issuer_keys, place.read_witnesses()),
        sources=replace(sources, clock_is_right=options.clock_is_right),
    )
    pages.begin(stack.info)
    print(_running_line(stack.info), flush=True)
    stack.serve()
    return 0


def _log_to_stderr(form: str) -> None:
    import logging  # noqa: PLC0415 - 10 ms that the other commands need not pay

    from gitsign_py.localstack.requestlog import JsonLines  # noqa: PLC0415 - it logs

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("gitsign_py.localstack").setLevel(logging.INFO)


def _up_detached(directory: Path, options: argparse.Namespace) -> int:
    info = process.running(directory)
    if info is not None:
        print(f"already running: {_running_line(info)}")
        return 0
    arguments = arguments_of(options)
    arguments += ["--verbose"] if options.verbose else []
    arguments += ["--log-format", options.log_format, "--rekor2-key", options.rekor2_key]
    arguments += [f"--fault={fault}" for fault in options.fault]
    arguments += ["--clock-is-right"] if options.clock_is_right else []
    arguments += [f"--seed={options.seed}"] if options.seed else []
    arguments += [f"--time={options.time}"] if options.time else []
    arguments += ["--fault-control"] if options.fault_control else []
    print(_running_line(process.start_detached(directory, arguments)))
    return 0


def _running_line(info: StackInfo) -> str:
    return f"local Sigstore at {info.url}, pid {info.pid}, directory {info.directory}"


def _down(options: argparse.Namespace) -> int:
    directory = directory_of(options)
    if process.stop(directory):
        print(f"the local Sigstore in {directory} has ended")
    else:
        print(printable(f"no local Sigstore runs in {directory}"))
    return 0


def _status(options: argparse.Namespace) -> int:
    directory = directory_of(options)
    info = process.running(directory)
    alive = info is not None and process.answers(info)
    expiring = expiry.warnings(directory, datetime.now(UTC))
    if options.json:
        value = info.to_json() if info else {"directory": str(directory)}
        print(json.dumps({"running": alive} | value | ({"warnings": expiring} if expiring else {}), indent=2))
    elif info is None:
        print(printable(f"no local Sigstore runs in {directory}"))
    else:
        print(_running_line(info) + ("" if alive else "; it does not answer"))
    for warning in () if options.json else expiring:
        print(f"warning: {warning}")
    return 0 if alive else 3


def _token(options: argparse.Namespace) -> int:
    if not options.email and not options.subject:
        raise UsageError("token-for-nobody", "say whom the token names", hint="give --email or --subject")
    form = {
        "login_hint": options.email,
        "subject": options.subject,
        "audience": options.audience,
        "ttl": str(options.ttl),
        "claims": json.dumps(dict(_claim(text) for text in options.claim)),
    }
    print(ask_for_token(need_info(directory_of(options), live=True), form))
    return 0


def _claim(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign or not name.removesuffix(":"):
        raise UsageError("claim-invalid", f"--claim {text} is not K=V")
    if not name.endswith(":"):
        return name, value
    try:
        return name.removesuffix(":"), json.loads(value)
    except ValueError as error:
        raise UsageError("claim-invalid", f"--claim {text}: what follows := is not JSON") from error
