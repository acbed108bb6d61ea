"""The certificate transparency log of the stack (RFC 6962): precertificates in, SCTs out, and its seven read methods.

As tiled logs do, each SCT carries its leaf's index in an extension (C2SP static-ct-api, "leaf_index"): 8 bytes that are
part of what is signed. Errors are ``{"error_message": ..., "success": false}`` with status 400 or 404.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gitsign_py.core.encoding import ByteReader, b64_decode, b64_encode, opaque
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.tlog import sct
from gitsign_py.core.trust.root import TransparencyLogInstance
from gitsign_py.localstack import forks
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.keyring import ServerKey
from gitsign_py.localstack.merklestore import Leaf, Tree
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, TrustPart, json_response

NAME = "ctlog"
ROLE = "ctlog"
MAX_ENTRIES = 256
_JSON_TYPES = ("application/json",)
_TREE_HEAD = 1  # SignatureType.tree_hash (RFC 6962 §3.2)
_LEAF_INDEX = 0  # ExtensionType leaf_index (C2SP static-ct-api)


def ct_errors(refusal: Refusal) -> Response:
    """Write a refusal as logs do."""
    return json_response({"error_message": refusal.message, "success": False}, refusal.status, refusal.headers)


@dataclass(frozen=True, slots=True)
class Submission:
    """The contents of a leaf, and the data kept beside it: DER of the leaf's certificate or precertificate, and its
    chain.
    """

    chain: tuple[bytes, ...]
    entry_type: int
    signed_entry: bytes  # as in TimestampedEntry: ASN.1Cert, or PreCert with the issuer's key hash

    @property
    def extra_data(self) -> bytes:
        """``extra_data`` of get-entries (RFC 6962 §4.6): a certificate_chain or a PrecertChainEntry."""
        rest = opaque(b"".join(opaque(der, 3) for der in self.chain[1:]), 3)
        return rest if self.entry_type == sct.X509_ENTRY else opaque(self.chain[0], 3) + rest


class CtLog:
    """One log after the other in time, one key and one tree each; the open one takes entries and answers reads."""

    def __init__(self, context: Context) -> None:
        self.context = context
        if not context.keyring.all(ROLE):
            self.new_log()

    def new_log(self) -> ServerKey:
        """Start a log with a key of its own, empty; the caller closes the earlier one (``stack rotate``)."""
        tree_id = int.from_bytes(self.context.random(8), "big") >> 1
        return self.context.keyring.add(ROLE, "ecdsa-p256", self.context.now(NAME), tree_id=tree_id)

    def _open(self) -> tuple[ServerKey, Tree]:
        key = self.context.keyring.current(ROLE)
        return key, forks.tree_of(self.context, NAME, key.tree_id)

    def _asked(self, request: Request) -> tuple[ServerKey, Tree]:
        """The log that the path names by its number, or the open one."""
        wanted = request.parts.get("log")
        if wanted is None:
            return self._open()
        keys = {str(number): key for number, key in enumerate(self.context.keyring.all(ROLE), 1)}
        if wanted not in keys:
            raise Refusal(404, f"there is no log {wanted[:20]}")
        return keys[wanted], forks.tree_of(self.context, NAME, keys[wanted].tree_id)

    # -- writing --------------------------------------------------------------------------------------------------

    def sct_list_for(self, precertificate_chain: tuple[bytes, ...]) -> bytes:
        """Log a precertificate and give the SignedCertificateTimestampList to embed."""
        return sct.encode_sct_list((self._add(_precert_submission(precertificate_chain)),))

    def add_chain_json(self, chain: tuple[bytes, ...]) -> bytes:
        """Log a finished certificate and give the answer of add-chain as JSON: a detached SCT."""
        return json.dumps(_sct_json(self._add(_x509_submission(chain)))).encode()

    def _add(self, submission: Submission) -> sct.Sct:
        """The SCT of a submission; the same chain again gets the same SCT (RFC 6962 §3)."""
        identity = hashlib.sha256(submission.chain[0]).digest()
        with self.context.state.transaction():
            key, tree = self._open()
            known = tree.find(identity)
            if known is not None:
                return _stored_sct(known)
            now_ms = int(forks.stated_time(self.context, NAME).timestamp() * 1000)
            extensions = bytes([_LEAF_INDEX]) + opaque(tree.size().to_bytes(5, "big"), 2)
            signed = sct.signed_data(now_ms, submission.entry_type, submission.signed_entry, extensions)
            stamp = sct.build_sct(key.key_id, now_ms, extensions, key.sign(signed))
            data = sct.merkle_tree_leaf(now_ms, submission.entry_type, submission.signed_entry, extensions)
            extra = opaque(stamp.raw, 2) + submission.extra_data
            tree.append(forks.stated_entry(self.context, NAME, data), identity=identity, extra=extra, time_ms=now_ms)
        return stamp

    def add_pre_chain(self, request: Request) -> Response:
        """``POST add-pre-chain`` (RFC 6962 §4.2)."""
        return json_response(_sct_json(self._add(_precert_submission(self._chain(request)))))

    def add_chain(self, request: Request) -> Response:
        """``POST add-chain`` (RFC 6962 §4.1)."""
        return json_response(_sct_json(self._add(_x509_submission(self._chain(request)))))

    def _chain(self, request: Request) -> tuple[bytes, ...]:
        """The submitted chain when each certificate is signed by the next and the last by an accepted root."""
        body = request.json_object()
        texts = body.get("chain")
        if not isinstance(texts, list) or not 1 <= len(texts) <= 10 or not all(isinstance(t, str) for t in texts):
            raise Refusal(400, "chain must be a list of 1 to 10 base64 texts")
        chain = tuple(b64_decode(text) for text in texts)
        roots = self._roots()
        try:
            certificates = [x509.load_der_x509_certificate(der) for der in chain]
            if chain[-1] not in roots:
                last = certificates[-1]
                certificates.append(next(root for root in roots.values() if root.subject == last.issuer))
                chain = (*chain, *(der for der, root in roots.items() if root is certificates[-1]))
            for child, parent in pairwise(certificates):
                child.verify_directly_issued_by(parent)
        except (InvalidSignature, ValueError, TypeError, StopIteration) as error:
            raise Refusal(400, "the chain does not lead to an accepted root") from error
        if len(chain) < 2:
            raise Refusal(400, "the chain must hold a certificate and its issuer")
        return chain

    def _roots(self) -> dict[bytes, x509.Certificate]:
        """Accepted roots: those of the stack's own Fulcio."""
        keys = self.context.keyring.all("fulcio-root")
        return {key.certificate: x509.load_der_x509_certificate(key.certificate) for key in keys}

    # -- reading --------------------------------------------------------------------------------------------------

    def get_roots(self, _: Request) -> Response:
        """``GET get-roots`` (RFC 6962 §4.7)."""
        return json_response({"certificates": [b64_encode(der) for der in self._roots()]})

    def get_sth(self, request: Request) -> Response:
        """``GET get-sth`` (RFC 6962 §4.3): signed anew at each call."""
        with self.context.state.reading():
            key, tree = self._asked(request)
            size = forks.stated_size(self.context, NAME, tree.size())
            root = forks.stated_root(self.context, NAME, tree.root(size))
        now_ms = int(self.context.now(NAME).timestamp() * 1000)
        head = bytes([0, _TREE_HEAD]) + now_ms.to_bytes(8, "big") + size.to_bytes(8, "big") + root
        value = {"tree_size": size, "timestamp": now_ms, "sha256_root_hash": b64_encode(root)}
        return json_response(value | {"tree_head_signature": b64_encode(sct.digitally_signed(key.sign(head)))})

    def get_consistency(self, request: Request) -> Response:
        """``GET get-sth-consistency?first&second`` (RFC 6962 §4.4)."""
        first, second = _number(request, "first"), _number(request, "second")
        with self.context.state.reading():
            tree = self._asked(request)[1]
            if not 0 < first <= second <= tree.size():
                raise Refusal(400, f"first={first} and second={second} are not sizes of this log in order")
            return json_response({"consistency": [b64_encode(part) for part in tree.prove_consistency(first, second)]})

    def get_proof(self, request: Request) -> Response:
        """``GET get-proof-by-hash?hash&tree_size`` (RFC 6962 §4.5)."""
        hashed, size = b64_decode(request.query.get("hash", "").replace(" ", "+")), _number(request, "tree_size")
        with self.context.state.reading():
            tree = self._asked(request)[1]
            leaf = tree.find_hash(hashed)
            if not 0 < size <= tree.size():
                raise Refusal(400, f"tree_size={size} is not a size of this log")
            if leaf is None or leaf.position >= size:
                raise Refusal(404, "no entry with this leaf hash in a tree of this size")
            path = tree.prove_inclusion(leaf.position, size)
        return json_response({"leaf_index": leaf.position, "audit_path": [b64_encode(part) for part in path]})

    def get_entries(self, request: Request) -> Response:
        """``GET get-entries?start&end`` (RFC 6962 §4.6): at most 256 at once, both ends inside."""
        start, end = _number(request, "start"), _number(request, "end")
        tree = self._asked(request)[1]
        if start > end or start >= tree.size():
            raise Refusal(400, f"start={start} and end={end} are not a range of this log's entries")
        leaves = tree.leaves(start, min(end + 1, start + MAX_ENTRIES))
        leaves = forks.served(self.context, NAME, leaves, tree.size())
        return json_response({"entries": [_entry_json(leaf) for leaf in leaves]})

    def trust(self) -> TrustPart:
        """Each log with its window and the URL where it stays; the public keys as PEM."""
        keys = self.context.keyring.all(ROLE)
        logs = tuple(log_instance(f"{self.context.url}/ctlog/{number}", key) for number, key in enumerate(keys, 1))
        return TrustPart(ctlogs=logs, files=pem_files("ctlog", [key.pem for key in keys]))


def log_instance(url: str, key: ServerKey) -> TransparencyLogInstance:
    """The trusted root's words for a log signed by an ECDSA P-256 key."""
    return TransparencyLogInstance(
        base_url=url,
        hash_algorithm="SHA2_256",
        public_key=key.public,
        key_details="PKIX_ECDSA_P256_SHA_256",
        valid_for=key.validity,
        log_id=key.key_id,
        checkpoint_key_id=None,
        operator="local",
    )


def pem_files(name: str, pems: Sequence[bytes], kind: str = "pub") -> dict[str, bytes]:
    """``name.kind`` with every key, the open one first, and ``name-N.kind`` with each, for clients that take one."""
    numbered = {f"{name}-{number}.{kind}": pem for number, pem in enumerate(pems, 1)}
    return {f"{name}.{kind}": b"".join(reversed(pems)), **numbered}


def service(ctlog: CtLog) -> Service:
    """The routes of the open log, under /ct/v1; each log is read under /ctlog/NUMBER/ct/v1 as long as the stack is."""
    routes = [
        Route("POST", "/ct/v1/add-pre-chain", ctlog.add_pre_chain, _JSON_TYPES, lane="writing"),
        Route("POST", "/ct/v1/add-chain", ctlog.add_chain, _JSON_TYPES, lane="writing"),
    ]
    reads = {
        "get-roots": ctlog.get_roots,
        "get-sth": ctlog.get_sth,
        "get-sth-consistency": ctlog.get_consistency,
        "get-proof-by-hash": ctlog.get_proof,
        "get-entries": ctlog.get_entries,
    }
    for name, handler in reads.items():
        routes += [Route("GET", f"{place}/ct/v1/{name}", handler) for place in ("", "/ctlog/{log}")]
    return Service(NAME, tuple(routes), ct_errors, ctlog.trust)


def _precert_submission(chain: tuple[bytes, ...]) -> Submission:
    certificate, issuer = _pair(chain)
    if not sct.is_precertificate(certificate):
        raise Refusal(400, "the first certificate has no critical poison extension")
    return Submission(chain, sct.PRECERT_ENTRY, sct.precert_entry(certificate, issuer))


def _x509_submission(chain: tuple[bytes, ...]) -> Submission:
    certificate, _ = _pair(chain)
    if sct.is_precertificate(certificate):
        raise Refusal(400, "a precertificate belongs to add-pre-chain")
    return Submission(chain, sct.X509_ENTRY, opaque(chain[0], 3))


def _pair(chain: Sequence[bytes]) -> tuple[Certificate, Certificate]:
    return parse_certificate(chain[0]), parse_certificate(chain[1])


def _stored_sct(leaf: Leaf) -> sct.Sct:
    return sct.parse_sct(ByteReader(leaf.extra).opaque(2))


def _entry_json(leaf: Leaf) -> dict[str, str]:
    reader = ByteReader(leaf.extra)
    reader.opaque(2)
    return {"leaf_input": b64_encode(leaf.data), "extra_data": b64_encode(reader.take(reader.remaining))}


def _sct_json(stamp: sct.Sct) -> dict[str, Any]:
    """The answer of add-chain (RFC 6962 §4.1)."""
    return {
        "sct_version": 0,
        "id": b64_encode(stamp.log_id),
        "timestamp": stamp.timestamp_ms,
        "extensions": b64_encode(stamp.extensions),
        "signature": b64_encode(sct.digitally_signed(stamp.signature)),
    }


def _number(request: Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(400, f"{name} must be a number from 0")
    return int(text)
