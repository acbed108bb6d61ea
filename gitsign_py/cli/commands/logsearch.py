"""``gitsign-py log search``: by the log's index where it has one for this, else by looking through its entries."""

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from gitsign_py.cli import wiring
from gitsign_py.cli.logs import opened
from gitsign_py.cli.logviews import Values, entry_object
from gitsign_py.clients.trustroot import read_bounded
from gitsign_py.core.encoding import pem_decode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.printing import printable
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, UsageError
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.monitor.decode import SeenEntry, SeenSigner, decode
from gitsign_py.monitor.lookup import prove_rekor1, scan
from gitsign_py.monitor.rekorsources import Rekor1Source
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import LogSource
from gitsign_py.verification.signature import open_signature

_HASH = re.compile(r"(?:(sha256|sha384|sha512):)?([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})\Z")
_NAMES = {64: "sha256", 96: "sha384", 128: "sha512"}
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})\Z")


@frozen
class Query:
    """The search terms: any of ``digests`` (algorithm:hex), or a name, or a key (SHA-256 of the SPKI)."""

    digests: tuple[str, ...] = ()
    identity: str = ""
    email: str = ""
    key: str = ""

    def matches(self, entry: SeenEntry) -> bool:
        """Whether an entry is one."""
        return entry.digest in self.digests or any(self._names(one) for one in entry.signers)

    def terms(self) -> tuple[str, ...]:
        """The terms of a replica's index."""
        return (
            *self.digests,
            *((self.identity,) if self.identity else ()),
            *((f"key:{self.key}",) if self.key else ()),
        )

    def _names(self, signer: SeenSigner) -> bool:
        return (self.identity != "" and signer.identity == self.identity) or (self.key != "" and signer.key == self.key)


def run_search(options: argparse.Namespace) -> int:
    """Run the command: exit status 3 when nothing is found."""
    settings = wiring.load_settings()
    root = wiring.trusted_root(settings, file=options.trusted_root)
    query = _query(options, settings)
    limits = _range(options.range)
    found = 0
    with opened(options, settings, root) as source:
        for value in _search(source, query, limits, root):
            found += 1
            print(json.dumps(value) if options.json else printable(_line(value)), flush=True)
    return 0 if found else 3


def _search(
    source: LogSource, query: Query, limits: tuple[int | None, int | None] | None, root: TrustedRoot
) -> Iterator[Values]:
    if isinstance(source, Rekor1Source) and limits is None and (query.email or query.digests):
        yield from _by_index(source, query, root)
        return
    if isinstance(source, ReplicaSource) and limits is None:
        for term in query.terms():
            yield from (entry_object(head, entry, decode(entry)) for head, entry in source.find(term))
        return
    first, stop = limits or (None, None)
    for head, entry in scan(source, first, stop):
        seen = decode(entry)
        if query.matches(seen):
            yield entry_object(head, entry, seen)


def _by_index(source: Rekor1Source, query: Query, root: TrustedRoot) -> Iterator[Values]:
    """The index is nothing that a log signs: what it names is fetched, proven and compared."""
    uuids: dict[str, None] = {}
    if query.email:
        uuids |= dict.fromkeys(source.client.search(email=query.email))
    for digest in query.digests:
        if digest.startswith("sha256:"):
            uuids |= dict.fromkeys(source.client.search(digest=bytes.fromhex(digest[7:])))
    for entry in source.client.retrieve(uuids=list(uuids)):
        proven = prove_rekor1(entry, root)
        seen = decode(proven.entry)
        if query.matches(seen):
            yield entry_object(proven.head, proven.entry, seen)


def _query(options: argparse.Namespace, settings: wiring.Settings) -> Query:
    if options.commit:
        return Query(digests=commit_digests(settings, options.commit))
    if options.hash:
        match = _HASH.match(options.hash.lower())
        if match is None or match[1] not in (None, _NAMES[len(match[2])]):
            raise UsageError("log-hash-invalid", f"{options.hash[:160]} is no digest in hex")
        return Query(digests=(f"{_NAMES[len(match[2])]}:{match[2]}",))
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
