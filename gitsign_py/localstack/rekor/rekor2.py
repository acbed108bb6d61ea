"""The signature log as Rekor v2 serves it: one write method, and a tiled log to read (C2SP tlog-tiles).

Each key has a tree of its own, a shard with an origin of its own. The open one takes entries and answers under
/api/v2, each shard also under /rekor2/NUMBER/api/v2 and, as a tiled log of its own, under /ORIGIN. Every submission is
published at once, so that the answer needs not wait for the next checkpoint. With a policy of
witnesses it shows those checkpoints alone that they cosigned. The trusted root names a shard by
``http://ORIGIN``, since clients take a log's host name for the origin of its checkpoints; where it is reached is what
the signing configuration says.
"""

import hashlib
import re
import threading
from dataclasses import dataclass
from typing import Any

from gitsign_py.core.encoding import b64_encode, opaque
from gitsign_py.core.tlog import checkpoint, note
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.core.trust.root import TransparencyLogInstance, Validity
from gitsign_py.core.trust.signingconfig import ConfiguredService as Endpoint
from gitsign_py.localstack import forks
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog.log import pem_files
from gitsign_py.localstack.fulcio.ca import grpc_errors
from gitsign_py.localstack.keyring import ServerKey
from gitsign_py.localstack.merklestore import Leaf, Placed, Tree
from gitsign_py.localstack.rekor import rekor2kinds
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, TrustPart, json_response
from gitsign_py.localstack.witness.asking import Cosigning

NAME = "rekor2"
ROLE = "rekor2"
HOST = "rekor2.local"
TILE_WIDTH = 256
MAX_ENTRY = (1 << 16) - 1  # bundles give an entry's length in two bytes
OCTETS = "application/octet-stream"
_PLACE = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z")
_LEVEL = re.compile(r"[0-9]|[1-5][0-9]|6[0-3]\Z")
_FOREVER = {"Cache-Control": "max-age=31536000, immutable"}
_NO_CACHE = {"Cache-Control": "no-cache"}
_KEY_DETAILS = {"ed25519": "PKIX_ED25519", "ecdsa-p256": "PKIX_ECDSA_P256_SHA_256"}


@dataclass(frozen=True, slots=True)
class Shard:
    """One tree of the log, counted from 1."""

    number: int
    key: ServerKey
    tree: Tree
    context: Context

    @property
    def origin(self) -> str:
        """First line of its checkpoints, and the name of their signer."""
        return HOST if self.number == 1 else f"{self.number}.{HOST}"

    @property
    def log_id(self) -> bytes:
        """32 bytes, the whole of what the note's key hint is cut from."""
        return note.key_id(self.origin, self.key.public)

    def stated(self, size: int, root: bytes) -> checkpoint.Checkpoint:
        """The tree of ``size`` entries."""
        return checkpoint.Checkpoint(self.origin, size, forks.stated_root(self.context, NAME, root))

    def checkpoint(self, size: int, root: bytes) -> bytes:
        """A signed note over the tree of ``size`` entries (C2SP tlog-checkpoint)."""
        return checkpoint.seal_checkpoint(self.stated(size, root), self.key.public, self.key.sign)


class RekorTiles:
    """The log over all its shards."""

    def __init__(self, context: Context, *, kind: str = "ed25519", witnesses: WitnessPolicy | None = None) -> None:
        """``kind`` of the key that is made on first start: ed25519 or ecdsa-p256. ``witnesses`` are asked to cosign.

        Raises ConfigError ``witness-policy-url``.
        """
        self.context = context
        self._cosigning = Cosigning(witnesses) if witnesses else None
        self._publishing = threading.Lock()
        self._published: dict[int, tuple[int, bytes]] = {}
        if not context.keyring.all(ROLE):
            self.new_shard(kind)

    @property
    def asks_witnesses(self) -> bool:
        """Whether an answer waits for others."""
        return self._cosigning is not None

    def new_shard(self, kind: str = "ed25519") -> ServerKey:
        """Start a tree with a key and an origin of its own; the caller closes the earlier key (``stack rotate``)."""
        tree_id = int.from_bytes(self.context.random(8), "big") >> 2
        return self.context.keyring.add(ROLE, kind, self.context.now(NAME), tree_id=tree_id)

    def shards(self) -> tuple[Shard, ...]:
        """All shards, oldest first."""
        keys = self.context.keyring.all(ROLE)
        trees = (forks.tree_of(self.context, NAME, key.tree_id) for key in keys)
        return tuple(
            Shard(number, key, tree, self.context)
            for number, (key, tree) in enumerate(zip(keys, trees, strict=True), 1)
        )

    def _shard(self, request: Request) -> Shard:
        shards = self.shards()
        wanted = request.parts.get("shard")
        if wanted is None:
            return shards[-1]
        for shard in shards:
            if wanted in {str(shard.number), shard.origin}:
                return shard
        raise Refusal(404, "no such shard")

    # -- handlers -------------------------------------------------------------------------------------------------

    def create(self, request: Request) -> Response:
        """``POST /api/v2/log/entries``: 201 with the entry as protobuf JSON; 409 names the index of a repeated one."""
        body = forks.stated_entry(self.context, NAME, rekor2kinds.propose(request))
        if len(body) > MAX_ENTRY:
            raise Refusal(400, f"the entry has more than {MAX_ENTRY} bytes")
        identity = hashlib.sha256(body).digest()
        with self.context.state.transaction():
            shard = self.shards()[-1]
            known = shard.tree.find(identity)
            if known is not None and self.context.hook.setting(f"{NAME}:duplicate-entries") is None:
                raise _conflict(known)
            if known is not None:
                identity += self.context.random(8)
            now_ms = int(self.context.now(NAME).timestamp() * 1000)
            placed = shard.tree.append(body, identity=identity, extra=b"", time_ms=now_ms)
            envelope = shard.checkpoint(placed.size, placed.root) if self._cosigning is None else b""
        if self._cosigning is not None:  # no other writer waits for the witnesses
            size, envelope = self._witnessed(shard, self._cosigning)
            placed = shard.tree.place(placed.leaf, size)
        return json_response(_entry_json(shard, placed, envelope), 201, {"X-Log-Index": str(placed.leaf.position)})

    def checkpoint(self, request: Request) -> Response:
        """``GET /api/v2/checkpoint``."""
        if self._cosigning is not None:
            envelope = self._witnessed(self._shard(request), self._cosigning)[1]
        else:
            with self.context.state.reading():
                envelope = self._own(self._shard(request), behind=True)[1]
        return Response(200, envelope, "text/plain; charset=utf-8", _NO_CACHE)

    def _own(self, shard: Shard, *, behind: bool = False) -> tuple[int, bytes]:
        """Size and checkpoint of the tree as it is, or as the fault ``stale-checkpoint`` has it."""
        size = shard.tree.size()
        size = forks.stated_size(self.context, NAME, size) if behind else size
        return size, shard.checkpoint(size, shard.tree.root(size))

    def _witnessed(self, shard: Shard, cosigning: Cosigning) -> tuple[int, bytes]:
        """Size and checkpoint of the last tree that was cosigned; the witnesses are asked when it has grown since.

        Those who come meanwhile wait, and are mostly answered by the same round. Raises Refusal 503.
        """
        tree = shard.tree
        wanted = tree.size()
        with self._publishing:
            found = self._published.get(tree.tree_id)
            if found is None or found[0] < wanted:
                size, envelope = self._own(shard)
                envelope = cosigning.cosigned(envelope, shard.stated(size, tree.root(size)), tree.prove_consistency)
                self._published[tree.tree_id] = found = size, envelope
        return found

    def tile(self, request: Request) -> Response:
        """``GET /api/v2/tile/LEVEL/PLACE``: hashes of complete subtrees, 256 or the width that the path says."""
        level = request.parts["level"]
        number, width = _place(request)
        if not _LEVEL.match(level):
            raise Refusal(404, "no such tile")
        start = number * TILE_WIDTH
        with self.context.state.reading():
            hashes = self._shard(request).tree.subtrees(8 * int(level), start, start + width)
        if len(hashes) < width:
            raise Refusal(404, "no such tile")
        return Response(200, b"".join(hashes), OCTETS, _FOREVER)

    def entries(self, request: Request) -> Response:
        """``GET /api/v2/tile/entries/PLACE``: a bundle of entries, each after its length in two bytes."""
        number, width = _place(request)
        start = number * TILE_WIDTH
        tree = self._shard(request).tree
        leaves = tree.leaves(start, start + width)
        if len(leaves) < width:
            raise Refusal(404, "no such bundle")
        leaves = forks.served(self.context, NAME, leaves, tree.size())
        return Response(200, b"".join(opaque(leaf.data, 2) for leaf in leaves), OCTETS, _FOREVER)

    def trust(self) -> TrustPart:
        """Each shard's key with its window, the URL, and the public keys as PEM."""
        shards = self.shards()
        endpoint = Endpoint(self.context.url, 2, Validity(shards[0].key.starts, None), "local")
        files = pem_files("rekor2", [shard.key.pem for shard in shards])
        return TrustPart(tlogs=tuple(_log_instance(shard) for shard in shards), rekor_urls=(endpoint,), files=files)


def service(log: RekorTiles) -> Service:
    """The routes of the log."""
    reads = (
        ("checkpoint", log.checkpoint),
        ("tile/entries/{place:path}", log.entries),
        ("tile/{level}/{place:path}", log.tile),
    )
    routes = [Route("POST", "/api/v2/log/entries", log.create, lane="" if log.asks_witnesses else "writing")]
    for path, handler in reads:
        routes.append(Route("GET", f"/api/v2/{path}", handler))
        routes.append(Route("GET", f"/rekor2/{{shard}}/api/v2/{path}", handler))
        routes.append(Route("GET", f"/{{shard}}/{path}", handler))
    return Service(NAME, tuple(routes), grpc_errors, log.trust)


def _log_instance(shard: Shard) -> TransparencyLogInstance:
    return TransparencyLogInstance(
        base_url=f"http://{shard.origin}",
        hash_algorithm="SHA2_256",
        public_key=shard.key.public,
        key_details=_KEY_DETAILS[shard.key.kind],
        valid_for=shard.key.validity,
        log_id=shard.log_id,
        checkpoint_key_id=None,
        operator="local",
    )


def _entry_json(shard: Shard, placed: Placed, envelope: bytes) -> dict[str, Any]:
    """A TransparencyLogEntry as the real server writes it: int64 as text, no time, no promise."""
    index = str(placed.leaf.position)
    return {
        "logIndex": index,
        "logId": {"keyId": b64_encode(shard.log_id)},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
        "integratedTime": "0",
        "inclusionPromise": None,
        "inclusionProof": {
            "logIndex": index,
            "rootHash": b64_encode(placed.root),
            "treeSize": str(placed.size),
            "hashes": [b64_encode(part) for part in placed.path],
            "checkpoint": {"envelope": envelope.decode()},
        },
        "canonicalizedBody": b64_encode(placed.leaf.data),
    }


def _conflict(known: Leaf) -> Refusal:
    message = f"an equivalent entry already exists in the transparency log with index {known.position}"
    return Refusal(409, message, headers={"X-Log-Index": str(known.position)})


def _place(request: Request) -> tuple[int, int]:
    """Number and width of a tile from its place in the path (C2SP tlog-tiles): x001/x234/067[.p/W]."""
    match = _PLACE.match(request.parts["place"])
    if not match:
        raise Refusal(404, "no such tile")
    digits, width = match[1].replace("x", "").replace("/", ""), int(match[2] or TILE_WIDTH)
    padded = len(digits) > 3 and digits.startswith("000")
    if padded or len(digits) > 18 or width > TILE_WIDTH or match[2] == str(TILE_WIDTH):
        raise Refusal(404, "no such tile")
    return int(digits), width
