"""Signature facts as one line of JSON: for the way between processes, and for the cache."""

import json
from typing import Any

from gitsign_py.core.encoding import format_rfc3339, parse_rfc3339
from gitsign_py.policy.facts import SignatureFacts

_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make one each time


def dump_facts(facts: SignatureFacts) -> str:
    """Write facts; what is empty is left out."""
    value: dict[str, Any] = {
        "s": facts.status,
        "f": facts.form,
        "i": facts.identity,
        "a": facts.san_type,
        "u": facts.issuer,
        "c": dict(facts.claims),
        "t": [[source, format_rfc3339(time)] for source, time in facts.times],
        "k": facts.key,
        "n": facts.log_index,
        "p": " ".join(facts.steps),
        "r": facts.reason,
        "m": facts.message,
        "w": facts.claimed,
        "y": facts.subkey,
    }
    return _encode({key: item for key, item in value.items() if item or item == 0})


def load_kept(text: str) -> SignatureFacts | None:
    """Read facts from the cache; None for those of a time that did not note the kind of a name: they say too little."""
    facts = load_facts(text)
    return facts if facts.san_type or not facts.identity else None


def load_facts(text: str) -> SignatureFacts:
    """Read what ``dump_facts`` wrote; the caller has authenticated the text."""
    value = json.loads(text)
    return SignatureFacts(
        value["s"],
        value.get("f", ""),
        value.get("i", ""),
        value.get("u", ""),
        value.get("c", {}),
        tuple((source, parse_rfc3339(time)) for source, time in value.get("t", ())),
        value.get("k", ""),
        value.get("n"),
        tuple(value.get("p", "").split()),
        value.get("r", ""),
        value.get("m", ""),
        subkey=value.get("y", ""),
        san_type=value.get("a", ""),
        claimed=value.get("w", ""),
    )
