"""``gitsign-py log search``: the words of the command as a query, and its answers as lines."""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

from gitsign_py.cli import wiring
from gitsign_py.cli.logs import opened
from gitsign_py.cli.logviews import Values, entry_object
from gitsign_py.clients.trustroot import read_bounded
from gitsign_py.core.encoding import pem_decode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.printing import printable
from gitsign_py.errors import FormatError, UsageError
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.monitor.search import Query, parse_digest, search, unread_words
from gitsign_py.monitor.sources import RawEntry
from gitsign_py.verification.signature import open_signature

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})\Z")


def run_search(options: argparse.Namespace) -> int:
    """Run the command: exit status 3 when nothing is found. Entries that may be ones and cannot be read are told."""
    settings = wiring.load_settings()
    root = wiring.trusted_root(settings, file=options.trusted_root)
    query = _query(options, settings)
    limits = _range(options.range)
    found = 0
    unread: list[RawEntry] = []
    with opened(options, settings, root) as source:
        for hit in search(source, query, root, limits, unread=unread.append):
            found += 1
            value = entry_object(*hit)
            print(json.dumps(value) if options.json else printable(_line(value)), flush=True)
    if unread:
        print(f"gitsign-py: {unread_words(unread)}", file=sys.stderr)
    return 0 if found else 3


def _query(options: argparse.Namespace, settings: wiring.Settings) -> Query:
    if options.commit:
        return Query(digests=commit_digests(settings, options.commit))
    if options.hash:
        return Query(digests=(parse_digest(options.hash),))
    if options.key:
        return Query(key=_key(options.key))
    return Query(identity=options.email or options.uri, email=options.email or "")


def commit_digests(settings: wiring.Settings, name: str) -> tuple[str, ...]:
    """The digests that a commit's or tag's entry is over: its signed attributes (offline mode), its id (online
    mode).
    """
    with wiring.repository(settings) as repository:
        revisions = repository.resolve([name])
        if len(revisions) != 1:
            raise UsageError("revision-several", f"{name} names {len(revisions)} revisions, one is looked for")
        stored = repository.read(revisions[0].oid)
        signed = split_stored(repository, stored)
    digests = [hashlib.sha256(stored.oid.encode()).hexdigest()]
    if signed.signature is not None:
        digests.insert(0, hashlib.sha256(open_signature(signed.signature).signer.signed_bytes).hexdigest())
    return tuple(f"sha256:{digest}" for digest in digests)


def _key(text: str) -> str:
    if _SHA256.match(text.lower()):
        return text.lower()
    pem = read_bounded(str(Path(text)), "--key")
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return parse_certificate(pem_decode(pem, "CERTIFICATE")[0]).public_key.key_id.hex()
        return load_spki(pem_decode(pem, "PUBLIC KEY")[0]).key_id.hex()
    except (FormatError, IndexError) as error:
        raise UsageError("log-key-invalid", f"{text[:200]} holds no public key or certificate in PEM") from error


def _range(text: str | None) -> tuple[int | None, int | None] | None:
    if text is None:
        return None
    match = _RANGE.match(text)
    if match is None:
        raise UsageError("log-range-invalid", f"{text[:60]} is no range of entries", hint="write FIRST-END, or FIRST-")
    return int(match[1]), int(match[2]) if match[2] else None


def _line(value: Values) -> str:
    names = ", ".join(one["identity"] or one["key"] for one in value["signers"])
    return f"{value['log_index']:>10} {value['time'] or '-':<20} {value['kind']} {value['digest']} {names}".rstrip()
