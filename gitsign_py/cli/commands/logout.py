"""``gitsign-py logout``: forget the sign-in, the remembered one too, and every key that the agent holds."""

import argparse
import json
import os
import sys

from gitsign_py.agent.client import ask, socket_path
from gitsign_py.cli import instance, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.host.keystore import KeyringStore
from gitsign_py.host.logins import LoginRecord, forget

_EPILOG = """\
examples:
  gitsign-py logout            forget the sign-in at gitsign.issuer
  gitsign-py logout --all      forget every sign-in

The public log keeps its entries for ever. Logging out only prevents new signatures.
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py logout``."""
    options = _parser().parse_args(arguments)
    environment = dict(os.environ)
    if options.issuer:
        environment["GITSIGN_OIDC_ISSUER"] = options.issuer
    settings = wiring.load_settings(environment)
    reply = ask(socket_path(environment), "lock")
    dropped = 0 if reply is None else int(reply["dropped"])
    book = wiring.login_book()
    issuer, client_id = instance.endpoints(settings).issuer, settings.config.sign_in.client_id
    records = [one for one in book.all() if options.all or (one.issuer, one.client_id) == (issuer, client_id)]
    store = KeyringStore()
    forgotten = [record for record in records if forget(store, book, record, warn=_warn)]
    facts = {"forgotten": [{"identity": one.identity, "issuer": one.issuer} for one in forgotten], "keys": dropped}
    print(json.dumps(facts, indent=2, ensure_ascii=False) if options.json else _text(forgotten, dropped))
    return 0 if len(forgotten) == len(records) else 3


def _text(forgotten: list[LoginRecord], dropped: int) -> str:
    lines = [f"Signed out: {one.identity} at {one.issuer}." for one in forgotten] or ["There was no sign-in."]
    if dropped:
        lines.append(f"The signing agent has dropped {dropped} key{'' if dropped == 1 else 's'}.")
    return "\n".join(lines)


def _warn(text: str) -> None:
    print(f"gitsign-py: {text}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py logout",
        description="Forget the sign-in, and every key that the signing agent holds.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--issuer", metavar="URL", help="the issuer, in place of gitsign.issuer")
    parser.add_argument("--all", action="store_true", help="forget every issuer's sign-in")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
