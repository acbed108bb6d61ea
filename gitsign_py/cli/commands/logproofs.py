"""``gitsign-py log consistency`` and ``log prove``: one tree out of another, one commit's entry in a tree."""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from gitsign_py.cli import wiring
from gitsign_py.cli.logs import opened
from gitsign_py.clients.trustroot import read_bounded
from gitsign_py.core.frozen import replace
from gitsign_py.core.git.gitobject import SignedObject
from gitsign_py.core.printing import printable
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry, leaf_hash_of
from gitsign_py.core.tlog.prooffile import SUFFIX, ProofFile, format_proof_file
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ServiceError, UncheckedError, UsageError
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.host.privatefile import write_whole
from gitsign_py.monitor.heads import open_head
from gitsign_py.monitor.lookup import ProvenEntry, get, root_of
from gitsign_py.monitor.rekorsources import Rekor1Source
from gitsign_py.monitor.replicasource import ReplicaSource, find_logged
from gitsign_py.monitor.sources import LogSource
from gitsign_py.verification.logged import candidate_bodies
from gitsign_py.verification.signature import Opened, open_signature


def run_consistency(options: argparse.Namespace) -> int:
    """Run ``log consistency``. Raises VerificationError for trees that do not belong together."""
    settings = wiring.load_settings()
    root = wiring.trusted_root(settings, file=options.trusted_root)
    with opened(options, settings, root) as source:
        head = source.heads()[-1]
        new = (head.size, head.root) if options.new is None else _tree(options.new, source, root)
        old = _tree(options.old, source, root)
        if old[0] > new[0]:
            raise UsageError("log-sizes-order", f"the old tree has {old[0]} entries, the new one {new[0]}")
        proof = source.consistency(head, old[0], new[0]) if 0 < old[0] < new[0] else ()
        merkle.verify_consistency(old[0], new[0], proof, old[1], new[1])
    value = {"tree": head.tree, "old": _object(old), "new": _object(new), "proof": [part.hex() for part in proof]}
    if options.json:
        print(json.dumps(value, indent=2))
    else:
        print(printable(f"{head.tree}: the tree of {old[0]} entries is the beginning of that of {new[0]}"))
    return 0


def _object(tree: tuple[int, bytes]) -> dict[str, object]:
    return {"size": tree[0], "root": tree[1].hex()}


def _tree(text: str, source: LogSource, root: TrustedRoot) -> tuple[int, bytes]:
    """A size with the root that the log's present head vouches for, or a checkpoint out of a file, verified."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text), root_of(source, int(text))
    head = open_head(source.kind, read_bounded(text, "the argument"), root)
    return head.size, head.root


def run_prove(options: argparse.Namespace) -> int:
    """Run ``log prove``."""
    settings = wiring.load_settings()
    root = wiring.trusted_root(settings, file=options.trusted_root)
    with wiring.repository(settings) as repository:
        revisions = repository.resolve([options.revision])
        if len(revisions) != 1:
            raise UsageError("revision-several", f"{options.revision} names {len(revisions)} revisions, one is proven")
        oid = revisions[0].oid
        signed = split_stored(repository, repository.read(oid))
    with opened(options, settings, root) as source:
        proven = _found(source, signed, oid, root)
    entry = proven.as_log_entry()
    extra = encode_entry(replace(entry, inclusion_proof=None), with_body=True)
    text = format_proof_file(ProofFile(proven.entry.index, proven.hashes, proven.head.signed, extra))
    target = options.output or f"{oid}{SUFFIX}"
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(text)
        return 0
    write_whole(Path(target), text, 0o644)
    value = {
        "oid": oid,
        "file": target,
        "tree": proven.head.tree,
        "index": proven.entry.index,
        "size": proven.head.size,
    }
    told = f"{target}: entry {proven.entry.index} of {proven.head.tree}, in the tree of {proven.head.size} entries"
    print(json.dumps(value) if options.json else printable(told))
    return 0


def _found(source: LogSource, signed: SignedObject, oid: str, root: TrustedRoot) -> ProvenEntry:
    """The entry of a signature, proven by the log as it is now."""
    if signed.signature is None:
        raise UsageError("log-nothing-signed", f"{signed.kind} {oid} has no signature, so no log has an entry for it")
    parsed = open_signature(signed.signature)
    if isinstance(source, Rekor1Source):
        return get(source, root, leaf_hash=_leaf_hash(source, parsed, oid))
    if isinstance(source, ReplicaSource):
        return get(source, root, leaf_hash=_leaf_in_replica(source, parsed, oid))
    if parsed.entry is None:
        raise ServiceError(
            "log-cannot-search",
            "the signature does not carry its entry, and this log has no index to find it by",
            hint="prove it from the Rekor v1 that logged it (--log rekor1=URL)",
        )
    found = get(source, root, index=parsed.entry.log_index)
    if found.entry.leaf not in _bodies(parsed):
        raise UncheckedError("log-entry-absent", f"the log at {source.url} has another entry in this commit's place")
    return found


def _leaf_in_replica(source: ReplicaSource, opened: Opened, oid: str) -> str:
    (head,) = source.heads()
    leaves = [leaf_hash_of(body) for body in _bodies(opened)]
    found = [leaf for leaf in leaves if source.place_of(head, 0, leaf) is not None]
    digest = hashlib.sha256(oid.encode()).digest()
    found += [leaf_hash_of(entry.body) for entry in find_logged((source,), digest)]
    if not found:
        raise UncheckedError("log-entry-not-found", "replica has no entry for this commit", step="4.1")
    return found[0].hex()


def _bodies(opened: Opened) -> tuple[bytes, ...]:
    digest = hashlib.sha256(opened.signer.signed_bytes).digest()
    return tuple(candidate_bodies(digest, opened.signer.signature, opened.certificate).values())


def _leaf_hash(source: Rekor1Source, opened: Opened, oid: str) -> str:
    if opened.entry is not None:
        return leaf_hash_of(_bodies(opened)[0]).hex()
    digest = hashlib.sha256(oid.encode()).digest()
    found: tuple[LogEntry, ...] = source.client.find(digest=digest, certificate=opened.certificate.raw)
    if not found:
        raise UncheckedError("log-entry-not-found", "log has no entry for this commit", step="4.1")
    return leaf_hash_of(found[0].body).hex()
