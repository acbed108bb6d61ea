"""``gitsign-py log``: look into a transparency log, by the trust root's keys alone."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gitsign_py.cli import wiring
from gitsign_py.cli.commands.logproofs import run_consistency, run_prove
from gitsign_py.cli.commands.logsearch import run_search
from gitsign_py.cli.commands.logserve import DEFAULT_PORT, run_serve
from gitsign_py.cli.commands.stackcommand import port_number
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.judgement import step_object
from gitsign_py.cli.logs import HELP, add_trust, add_witnesses, opened, policy_of
from gitsign_py.cli.logviews import entry_lines, entry_object, head_object
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.cli.verifyview import step_line
from gitsign_py.core.printing import printable
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.errors import GitsignError, UsageError
from gitsign_py.monitor.decode import CERTIFICATE, decode
from gitsign_py.monitor.entrychecks import check_entry
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.lookup import entry_name, get
from gitsign_py.monitor.witnesses import COSIGNED, Witnessed, witnessed
from gitsign_py.verification.steps import Report

_EPILOG = """\
examples:
  gitsign-py log info                          size, root and its witnesses
  gitsign-py log info --log ct
  gitsign-py log get 25579
  gitsign-py log search --email alice@example.com
  gitsign-py log consistency 1000 2000
  gitsign-py log prove HEAD                    writes HEAD's proof into a file
  gitsign-py log serve --from /srv/logs        pages for a browser on this machine

exit status: 0 done, 1 what the log says is wrong, 2 usage,
             3 could not be checked, or the log has no such entry
"""
_MARKS = {"passed": "ok", "failed": "FAILED", "unchecked": "not checked", "skipped": "left out"}


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py log``."""
    options = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], int] = options.action
    return action(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py log",
        description="Look into a transparency log: Rekor v1 and v2, CT logs. The keys are the trust root's.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="info | get | search | consistency | prove | serve")
    info = commands.add_parser("info", help="show the log's size, root, checkpoint and the witnesses that cosigned it")
    info.set_defaults(action=_info)
    add_witnesses(info)
    one = commands.add_parser("get", help="show an entry, with its certificate and every check on it")
    one.add_argument("entry", metavar="INDEX|UUID|URL", help="the entry; a UUID where the log is a Rekor v1")
    one.set_defaults(action=_get)
    search = commands.add_parser(
        "search", help="find entries by commit, digest, name or key", formatter_class=HelpFormatter
    )
    what = search.add_mutually_exclusive_group(required=True)
    what.add_argument("--commit", metavar="REV", help="a commit or tag: the entries over it")
    what.add_argument("--hash", metavar="[ALGORITHM:]HEX", help="the digest of the signed artifact")
    what.add_argument("--email", metavar="ADDRESS", help="the e-mail address in the certificate")
    what.add_argument("--uri", metavar="URI", help="the URI in the certificate")
    what.add_argument("--key", metavar="FILE|SHA256", help="a key or certificate in PEM, or the digest of its SPKI")
    search.add_argument(
        "--range", metavar="FIRST-END", help="look through these entries (else the log's index, or its end)"
    )
    search.set_defaults(action=run_search)
    consistency = commands.add_parser("consistency", help="check that one tree is the beginning of another")
    consistency.add_argument("old", metavar="SIZE|FILE", help="a number of entries, or a file with a signed checkpoint")
    consistency.add_argument("new", metavar="SIZE|FILE", nargs="?", help="(the size that the log shows now)")
    consistency.set_defaults(action=run_consistency)
    prove = commands.add_parser("prove", help="write a proof of a commit's entry, for verify --proof")
    prove.add_argument("revision", metavar="COMMIT", help="a signed commit or tag")
    prove.add_argument("-o", "--output", metavar="FILE", help="where to, - for stdout (its id, .tlog-proof)")
    prove.set_defaults(action=run_prove)
    for command in (info, one, search, consistency, prove):
        command.add_argument("--log", metavar="KIND[=URL]", help=HELP)
        command.add_argument("--from", dest="replica", type=Path, metavar="DIR", help="a replica, without the network")
        add_trust(command)
    _add_serve(commands)
    return parser


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser("serve", help="show logs in a browser: search, entries, growth, signers")
    serve.set_defaults(action=run_serve)
    serve.add_argument("--log", dest="logs", action="append", default=[], metavar="KIND[=URL]", help=HELP)
    serve.add_argument("--from", dest="replica", type=Path, metavar="DIR", help="replicas, without the network")
    serve.add_argument("--host", default="", metavar="ADDRESS", help="address to listen at (default 127.0.0.1)")
    serve.add_argument(
        "--port", type=port_number, default=DEFAULT_PORT, metavar="N", help=f"port (default {DEFAULT_PORT}; 0: any)"
    )
    serve.add_argument("--url", default="", metavar="URL", help="the URL that others use: that of a TLS proxy")
    serve.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")


def _info(options: argparse.Namespace) -> int:
    settings = wiring.load_settings()
    root = wiring.trusted_root(settings, file=options.trusted_root)
    with opened(options, settings, root) as source:
        found, kind, url = source.heads(), source.kind, source.url
    heads = _witnessed(found, kind, policy_of(options, settings))
    if options.json:
        trees = [head_object(one.head) | _unmet(one) for one in heads]
        print(json.dumps({"kind": kind, "url": url, "trees": trees}, indent=2))
        return _info_status(heads)
    for one in heads:
        value = head_object(one.head)
        print(printable(f"{kind} {url}: {value['tree']}"))
        for name in ("size", "root", "log_id", "key", "operator", "time"):
            if value[name]:
                print(printable(f"  {name:<10} {value[name]}"))
        by = ", ".join(f"{witness['name']} {witness['time']}" for witness in value["witnesses"])
        print(printable(f"  cosigned   {by or 'by nobody'}"))
        if one.refusal is not None:
            print(printable(f"  witnesses  FAILED: {line_of(one.refusal)}"))
    return _info_status(heads)


def _witnessed(heads: Sequence[Head], kind: str, policy: WitnessPolicy | None) -> list[Witnessed]:
    if policy is None or kind not in COSIGNED:
        return [Witnessed(head) for head in heads]
    return [witnessed(head, policy, now=int(wiring.now().timestamp())) for head in heads]


def _unmet(one: Witnessed) -> dict[str, Any]:
    if one.refusal is None:
        return {}
    return {"unwitnessed": {"reason": one.refusal.reason, "message": one.refusal.message}}


def _info_status(heads: Sequence[Witnessed]) -> int:
    """By the tree that grows, the last one."""
    return 0 if heads[-1].refusal is None else exit_status(heads[-1].refusal)


def _get(options: argparse.Namespace) -> int:
    settings = wiring.load_settings()
    root = wiring.trusted_root(settings, file=options.trusted_root)
    name = entry_name(options.entry)
    if name.url and options.log is not None:
        raise UsageError("log-named-twice", "the URL names a log, and so does --log")
    with opened(options, settings, root, url=name.url) as source:
        found = get(source, root, index=name.index, leaf_hash=name.uuid)
    seen = decode(found.entry)
    report = Report()
    refusal: GitsignError | None = None
    if seen.kind != CERTIFICATE:
        refusal = check_entry(report, found.as_log_entry(), seen, root, now=wiring.now())
    value = entry_object(found.head, found.entry, seen)
    if options.json:
        value |= {"steps": [step_object(step) for step in report.steps], "verdict": _verdict(refusal)}
        print(json.dumps(value, indent=2))
    else:
        print("\n".join(printable(line) for line in entry_lines(value)))
        print(f"  proof       ok: the tree of {found.head.size} entries holds it")
        for step in report.steps:
            print(f"  {step.number}  {_MARKS[step.outcome]:<11} {step_line(step)}")
        if refusal is not None:
            print(f"not verified: {line_of(refusal)}")
    if seen.kind == CERTIFICATE and seen.unread:
        return 3
    return 0 if refusal is None else exit_status(refusal)


def _verdict(refusal: GitsignError | None) -> dict[str, Any] | None:
    return None if refusal is None else {"reason": refusal.reason, "message": refusal.message}
