"""The search index of the local Rekor v1: which entries name a hash, an identity or a key."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from gitsign_py.localstack.merklestore import Leaf
from gitsign_py.localstack.rekor.rekorparams import ENUM, PATTERN, REQUIRED, TYPE
from gitsign_py.localstack.rekor.rekorproposal import key_term, name_term, read_verifier
from gitsign_py.localstack.service import Refusal
from gitsign_py.localstack.state import State

_HASH = re.compile(r"(?:(sha256|sha384|sha512|sha1):)?([0-9a-fA-F]+)\Z")
_LENGTHS = {40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
HASH_BYTES = 32
_KEY_FORMATS = ("pgp", "x509", "minisign", "ssh", "tuf")


def store_terms(state: State, leaf: Leaf, terms: frozenset[str]) -> None:
    """Make ``leaf`` findable by each of ``terms``."""
    with state.transaction() as db:
        db.executemany(
            "INSERT INTO search (term, tree_id, position, leaf_hash) VALUES (?, ?, ?, ?)",
            [(term, leaf.tree_id, leaf.position, leaf.leaf_hash) for term in sorted(terms)],
        )


def search(state: State, query: dict[str, Any], prefixes: Mapping[int, str]) -> bytes:
    """The UUIDs, as a JSON list, of the entries with all terms of the query (operator ``and``) or any (``or``).

    ``prefixes`` has the trees in their order, each with what its UUIDs begin with. The index has the entries in order
    too: nothing is sorted, no entry is read, and a list may have a hundred thousand items.
    """
    terms = sorted(_terms(query))
    operator = query.get("operator") or "or"
    if operator not in {"and", "or"}:
        raise Refusal(422, "operator in body should be one of [and or]", code=ENUM)
    found = _found(len(terms), len(terms) if operator == "and" else 1)
    lists: list[str] = []
    with state.reading() as db:
        for tree_id, prefix in prefixes.items():
            hashes: bytes | None = db.execute(found, (*terms, tree_id)).fetchone()[0]
            if hashes:
                each = (hashes + b",").hex("|", HASH_BYTES + 1)  # 64 digits and a comma's two, between bars
                lists.append(prefix + each.removesuffix("2c").replace("2c|", f'","{prefix}'))
    return ('["' + '","'.join(lists) + '"]').encode() if lists else b"[]"


def _found(terms: int, needed: int) -> str:
    """The statement that gives the leaf hashes, in the order of the log, as one value with a comma behind each but one.

    SQLite joins them: a row for each of them in Python takes twice as long. It keeps the order of the query inside
    (select.c leaves it out below count, min and max alone). A blob's bytes become a text and a blob again unchanged
    (sqlite.org/lang_expr.html, "CAST expressions").
    """
    marks = ",".join("?" * terms)
    several = f"GROUP BY position HAVING count(*) >= {needed} " if terms > 1 else ""
    inner = f"SELECT leaf_hash FROM search WHERE term IN ({marks}) AND tree_id = ? {several}ORDER BY position"  # noqa: S608
    return f"SELECT CAST(group_concat(leaf_hash) AS BLOB) FROM ({inner})"  # noqa: S608


def _terms(query: dict[str, Any]) -> frozenset[str]:
    terms: set[str] = set()
    if query.get("hash"):
        terms.add(_hash_term(query["hash"]))
    if query.get("email"):
        terms.add(_email_term(query["email"]))
    if query.get("publicKey"):
        terms.add(_key_term(query["publicKey"]))
    if not terms:
        raise Refusal(400, "the search needs at least one of hash, email and publicKey")
    return frozenset(terms)


def _hash_term(value: object) -> str:
    match = _HASH.match(value) if isinstance(value, str) else None
    if not match or len(match[2]) not in _LENGTHS or match[1] not in {None, _LENGTHS[len(match[2])]}:
        raise Refusal(
            422, "hash in body should be hex of a digest, with its algorithm and a colon before", code=PATTERN
        )
    return f"{_LENGTHS[len(match[2])]}:{match[2].lower()}"


def _email_term(value: object) -> str:
    if not isinstance(value, str) or "@" not in value[1:-1]:
        raise Refusal(422, f'email in body must be of type email: "{value}"', code=TYPE)
    return name_term(value)


def _key_term(value: object) -> str:
    if not isinstance(value, dict):
        raise Refusal(422, "publicKey in body must be of type object", code=TYPE)
    if "format" not in value:
        raise Refusal(422, "publicKey.format in body is required", code=REQUIRED)
    if value["format"] not in _KEY_FORMATS:
        raise Refusal(422, f"publicKey.format in body should be one of [{' '.join(_KEY_FORMATS)}]", code=ENUM)
    content = value.get("content")
    try:
        pem = base64.b64decode(content, validate=True) if isinstance(content, str) else b""
    except (binascii.Error, ValueError) as error:
        raise Refusal(422, "publicKey.content in body must be of type byte", code=TYPE) from error
    if value["format"] != "x509" or not pem:
        raise Refusal(400, "only public keys of format x509 with their content can be searched")
    return key_term(read_verifier(pem).pem)
