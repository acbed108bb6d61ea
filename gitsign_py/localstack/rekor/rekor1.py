"""The signature log as Rekor v1 serves it: entries, inclusion proofs, checkpoints, signed entry timestamps.

Each key has a tree of its own (a shard). ``logIndex`` counts over all shards; the ``logIndex`` inside a proof counts in
the entry's own tree. Status codes and bodies are the real server's, except that malformed JSON gets 400 and not 500.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import rfc8785

from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.tlog import checkpoint, merkle
from gitsign_py.core.trust.root import Validity
from gitsign_py.core.trust.signingconfig import ConfiguredService as Endpoint
from gitsign_py.localstack import forks
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog.log import log_instance, pem_files
from gitsign_py.localstack.keyring import ServerKey
from gitsign_py.localstack.merklestore import Leaf, Placed, Tree
from gitsign_py.localstack.rekor import rekorkinds
from gitsign_py.localstack.rekor.rekorparams import PATTERN, as_index, as_text, query_number, read_items, read_object
from gitsign_py.localstack.rekor.rekorproposal import Proposed
from gitsign_py.localstack.rekor.rekorsearch import search, store_terms
from gitsign_py.localstack.service import JSON, Refusal, Request, Response, Route, Service, TrustPart, json_response

NAME = "rekor1"
ROLE = "rekor1"
_JSON_TYPES = ("application/json",)
_UUID = re.compile(r"([0-9a-f]{16})?([0-9a-f]{64})\Z")
_UUID_RULE = "should match '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$'"
_NO_CACHE = {
    "Cache-Control": "no-cache, no-store, no-transform, must-revalidate, private, max-age=0",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    "Pragma": "no-cache",
}


def rekor_errors(refusal: Refusal) -> Response:
    """Write a refusal as Rekor v1 does; one without words is an empty 404."""
    if not refusal.message:
        return Response(refusal.status, headers=refusal.headers)
    value = {"code": refusal.code or refusal.status, "message": refusal.message}
    return json_response(value, refusal.status, refusal.headers)


@dataclass(frozen=True, slots=True)
class Shard:
    """One tree of the log: ``offset`` is the number of entries in the earlier ones."""

    key: ServerKey
    tree: Tree
    offset: int
    context: Context

    @property
    def origin(self) -> str:
        """First line of its checkpoints: host (clients look for it in the log's URL) and tree."""
        return f"{urlsplit(self.context.url).hostname} - {self.key.tree_id}"

    def uuid(self, leaf: Leaf) -> str:
        """16 hex digits of the tree id, 64 of the leaf hash."""
        return f"{self.key.tree_id:016x}{leaf.leaf_hash.hex()}"

    def checkpoint(self, size: int, root: bytes) -> bytes:
        """A signed note over the tree of ``size`` entries (C2SP tlog-checkpoint)."""
        signed = checkpoint.Checkpoint(self.origin, size, forks.stated_root(self.context, NAME, root))
        return checkpoint.seal_checkpoint(signed, self.key.public, self.key.sign)


class Rekor:
    """The log over all its shards; only the last one takes entries."""

    def __init__(self, context: Context) -> None:
        self.context = context
        if not context.keyring.all(ROLE):
            self.new_shard()

    def new_shard(self) -> ServerKey:
        """Start a tree with a key of its own; the caller closes the earlier key (``stack rotate``)."""
        # The top nibble is never 0, so the id fills its 16 hex digits and its sign bit is free (int64).
        tree_id = int.from_bytes(self.context.random(8), "big") >> 2 | 1 << 62
        return self.context.keyring.add(ROLE, "ecdsa-p256", self.context.now(NAME), tree_id=tree_id)

    def shards(self) -> tuple[Shard, ...]:
        """All shards, oldest first."""
        shards: list[Shard] = []
        offset = 0
        with self.context.state.reading():
            for key in self.context.keyring.all(ROLE):
                tree = forks.tree_of(self.context, NAME, key.tree_id)
                shards.append(Shard(key, tree, offset, self.context))
                offset += tree.size()
        return tuple(shards)

    # -- handlers -------------------------------------------------------------------------------------------------

    def create(self, request: Request) -> Response:
        """``POST /api/v1/log/entries``: 201 with the entry, its Location and ETag; 409 for a repeated one."""
        proposed = rekorkinds.propose(read_object(request))
        proposed = replace(proposed, body=forks.stated_entry(self.context, NAME, proposed.body))
        with self.context.state.transaction():
            shards = self.shards()
            for each in shards:  # the index that is promised counts over all of them
                each.tree.require_sound()
            shard = shards[-1]
            known = shard.tree.find_hash(merkle.leaf_hash(proposed.body))
            if known is not None and self.context.hook.setting(f"{NAME}:duplicate-entries") is None:
                raise _conflict(shard.uuid(known))
            placed = self._append(shard, proposed, again=known is not None)
            value = _entry_json(shard, placed)
        uuid = shard.uuid(placed.leaf)
        return json_response({uuid: value}, 201, {"ETag": uuid, "Location": f"/api/v1/log/entries/{uuid}"})

    def _append(self, shard: Shard, proposed: Proposed, *, again: bool) -> Placed:
        seconds = int(forks.stated_time(self.context, NAME).timestamp())
        # A signed entry timestamp signs these four members as canonical JSON (RFC 8785).
        promise = rfc8785.dumps(_promised(shard, proposed.body, seconds, shard.offset + shard.tree.size()))
        placed = shard.tree.append(
            proposed.body,
            identity=merkle.leaf_hash(proposed.body) + (self.context.random(8) if again else b""),
            extra=shard.key.sign(promise),
            time_ms=seconds * 1000,
        )
        store_terms(self.context.state, placed.leaf, proposed.terms)
        return placed

    def get_by_index(self, request: Request) -> Response:
        """``GET /api/v1/log/entries?logIndex=N``."""
        index = query_number(request, "logIndex", minimum=0)
        with self.context.state.reading():
            found = self._at(index)
            if found is None:
                raise Refusal(404, "", headers=_NO_CACHE)
            return json_response(self._named(*found), headers=_NO_CACHE)

    def get_by_uuid(self, request: Request) -> Response:
        """``GET /api/v1/log/entries/UUID``, with or without the tree id in front."""
        with self.context.state.reading():
            found = self._find(request.parts["uuid"], "entryUUID in path")
            if found is None:
                raise Refusal(404, "", headers=_NO_CACHE)
            return json_response(self._named(*found), headers=_NO_CACHE)

    def retrieve(self, request: Request) -> Response:
        """``POST /api/v1/log/entries/retrieve``: by UUID, by index or by the entry itself, at most 10 of each."""
        body = read_object(request)
        with self.context.state.reading():
            found = [
                self._find(as_text(uuid, "entryUUIDs"), "entryUUIDs in body") for uuid in read_items(body, "entryUUIDs")
            ]
            found += [self._at(as_index(index)) for index in read_items(body, "logIndexes")]
            found += [self._find_proposed(entry) for entry in read_items(body, "entries")]
            return json_response([self._named(*each) for each in self._served(found)])

    def _served(self, found: list[tuple[Shard, Leaf] | None]) -> Iterator[tuple[Shard, Leaf]]:
        for shard, leaf in (each for each in found if each is not None):
            yield from ((shard, one) for one in forks.served(self.context, NAME, (leaf,), shard.tree.size()))

    def _find_proposed(self, entry: object) -> tuple[Shard, Leaf] | None:
        return self._find(merkle.leaf_hash(rekorkinds.propose(entry).body).hex(), "entries in body")

    def search(self, request: Request) -> Response:
        """``POST /api/v1/index/retrieve``: UUIDs by hash, e-mail and public key, joined by ``operator``."""
        with self.context.state.reading():
            # By the trees as they are shown: of a fork, one history alone.
            prefixes = {shard.tree.tree_id: f"{shard.key.tree_id:016x}" for shard in self.shards()}
            return Response(200, search(self.context.state, read_object(request), prefixes), JSON)

    def log_info(self, _: Request) -> Response:
        """``GET /api/v1/log``: root, size and checkpoint of the open shard; the closed ones beside it."""
        with self.context.state.reading():
            *earlier, shard = (_shard_json(shard) for shard in self.shards())
        # As the real server has it: null, and not an empty list, when there is no other shard.
        return json_response({"inactiveShards": earlier or None} | shard, headers=_NO_CACHE)

    def proof(self, request: Request) -> Response:
        """``GET /api/v1/log/proof?firstSize&lastSize[&treeID]``: a consistency proof and the root at lastSize."""
        first = query_number(request, "firstSize", minimum=1, default=1)
        last = query_number(request, "lastSize", minimum=1)
        with self.context.state.reading():
            tree = self._shard(request).tree
            size = tree.size()
            if first > last:
                raise _bad(f"firstSize({first}) must be less than lastSize({last})")
            if last > size:
                raise _bad(f"the tree size requested({last}) was greater than what is currently observable({size})")
            hashes = [part.hex() for part in tree.prove_consistency(first, last)]
            return json_response({"hashes": hashes, "rootHash": tree.root(last).hex()}, headers=_NO_CACHE)

    def public_key(self, request: Request) -> Response:
        """``GET /api/v1/log/publicKey[?treeID]``."""
        return Response(200, self._shard(request).key.pem, "application/x-pem-file", _NO_CACHE)

    # -- lookups --------------------------------------------------------------------------------------------------

    def _shard(self, request: Request) -> Shard:
        wanted = request.query.get("treeID")
        shards = self.shards()
        if wanted is None:
            return shards[-1]
        for shard in shards:
            if wanted == str(shard.key.tree_id):
                return shard
        raise _bad(f"treeID {wanted} is not one of this log")

    def _at(self, log_index: int) -> tuple[Shard, Leaf] | None:
        for shard in reversed(self.shards()):
            if log_index >= shard.offset:
                leaf = shard.tree.leaf(log_index - shard.offset)
                return (shard, leaf) if leaf else None
        return None

    def _find(self, uuid: str, where: str) -> tuple[Shard, Leaf] | None:
        match = _UUID.match(uuid.lower())
        if not match:
            raise Refusal(422, f"{where} {_UUID_RULE}", code=PATTERN)
        tree_id = int(match[1], 16) if match[1] else None
        for shard in reversed(self.shards()):
            leaf = shard.tree.find_hash(bytes.fromhex(match[2])) if tree_id in {None, shard.key.tree_id} else None
            if leaf:
                return shard, leaf
        return None

    def _named(self, shard: Shard, leaf: Leaf) -> dict[str, Any]:
        return {shard.uuid(leaf): _entry_json(shard, shard.tree.place(leaf, shard.tree.size()))}

    def trust(self) -> TrustPart:
        """Each shard's key with its window, the URL, and the public keys as PEM."""
        keys = self.context.keyring.all(ROLE)
        endpoint = Endpoint(self.context.url, 1, Validity(keys[0].starts, None), "local")
        logs = tuple(log_instance(self.context.url, key) for key in keys)
        return TrustPart(tlogs=logs, rekor_urls=(endpoint,), files=pem_files("rekor", [key.pem for key in keys]))


def service(rekor: Rekor) -> Service:
    """The routes of the log. Some clients write ``retrieve/`` with a slash at the end."""
    routes = (
        Route("POST", "/api/v1/log/entries", rekor.create, _JSON_TYPES, lane="writing"),
        Route("GET", "/api/v1/log/entries", rekor.get_by_index),
        Route("GET", "/api/v1/log/entries/{uuid}", rekor.get_by_uuid),
        Route("POST", "/api/v1/log/entries/retrieve", rekor.retrieve, _JSON_TYPES),
        Route("POST", "/api/v1/log/entries/retrieve/", rekor.retrieve, _JSON_TYPES),
        Route("POST", "/api/v1/index/retrieve", rekor.search, _JSON_TYPES),
        Route("GET", "/api/v1/log", rekor.log_info),
        Route("GET", "/api/v1/log/proof", rekor.proof),
        Route("GET", "/api/v1/log/publicKey", rekor.public_key),
    )
    return Service(NAME, routes, rekor_errors, rekor.trust)


def _promised(shard: Shard, body: bytes, seconds: int, log_index: int) -> dict[str, Any]:
    return {
        "body": b64_encode(body),
        "integratedTime": seconds,
        "logID": shard.key.key_id.hex(),
        "logIndex": log_index,
    }


def _entry_json(shard: Shard, placed: Placed) -> dict[str, Any]:
    leaf = placed.leaf
    proof = {
        "checkpoint": shard.checkpoint(placed.size, placed.root).decode(),
        "hashes": [part.hex() for part in placed.path],
        "logIndex": leaf.position,
        "rootHash": placed.root.hex(),
        "treeSize": placed.size,
    }
    verification = {"inclusionProof": proof, "signedEntryTimestamp": b64_encode(leaf.extra)}
    promised = _promised(shard, leaf.data, leaf.time_ms // 1000, shard.offset + leaf.position)
    return promised | {"verification": verification}


def _shard_json(shard: Shard) -> dict[str, Any]:
    size = forks.stated_size(shard.context, NAME, shard.tree.size())
    root = shard.tree.root(size)
    return {
        "rootHash": root.hex(),
        "signedTreeHead": shard.checkpoint(size, root).decode(),
        "treeID": str(shard.key.tree_id),
        "treeSize": size,
    }


def _bad(message: str) -> Refusal:
    return Refusal(400, message, headers=_NO_CACHE)


def _conflict(uuid: str) -> Refusal:
    message = f"an equivalent entry already exists in the transparency log with UUID {uuid}"
    return Refusal(409, message, headers={"Location": f"/api/v1/log/entries/{uuid}"})
