"""Heads and entries of logs as JSON and as lines for people."""

from collections.abc import Iterator
from typing import Any

from gitsign_py.core.encoding import b64_encode
from gitsign_py.monitor.decode import SeenEntry
from gitsign_py.monitor.findings import format_rfc3339_of
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.sources import RawEntry

Values = dict[str, Any]


def head_object(head: Head) -> Values:
    """A tree as its log signed it; ``checkpoint`` is the text that was verified."""
    return {
        "tree": head.tree,
        "size": head.size,
        "root": head.root.hex(),
        "log_id": head.log.log_id.hex(),
        "key": head.log.key_details,
        "operator": head.log.operator,
        "time": "" if head.stated is None else format_rfc3339_of(head.stated),
        "witnesses": [{"name": name, "time": format_rfc3339_of(time)} for name, time in head.witnesses],
        "checkpoint": head.signed.decode("utf-8", "replace"),
    }


def entry_object(head: Head, entry: RawEntry, seen: SeenEntry) -> Values:
    """An entry, decoded."""
    return {
        "tree": head.tree,
        "index": entry.index,
        "log_index": entry.log_index,
        "leaf_hash": entry.leaf_hash.hex(),
        "time": format_rfc3339_of(entry.time) if entry.time else "",
        "kind": seen.kind,
        "version": seen.version,
        "digest": seen.digest,
        "problem": seen.problem,
        "signers": [
            {
                "identity": one.identity,
                "issuer": one.issuer,
                "san_type": one.san_type,
                "claims": dict(one.claims),
                "fingerprint": one.fingerprint,
                "key": one.key,
                "not_before": format_rfc3339_of(one.window[0]) if one.certificate else "",
                "not_after": format_rfc3339_of(one.window[1]) if one.certificate else "",
                "certificate": b64_encode(one.certificate),
            }
            for one in seen.signers
        ],
    }


def entry_lines(value: Values) -> Iterator[str]:
    """The same for people."""
    yield f"entry {value['log_index']} of {value['tree']}"
    if value["log_index"] != value["index"]:
        yield f"  in tree     {value['index']}"
    yield f"  kind        {value['kind']} {value['version']}".rstrip()
    for name in ("leaf_hash", "digest", "time", "problem"):
        if value[name]:
            yield f"  {name:<11} {value[name]}"
    for signer in value["signers"]:
        yield f"  identity    {signer['identity'] or 'none: a bare key, or a certificate of another kind'}"
        for name in ("issuer", "fingerprint", "key", "not_before", "not_after"):
            if signer[name]:
                yield f"  {name:<11} {signer[name]}"
        for name, claim in signer["claims"].items():
            yield f"    {name}: {claim}"
