"""Entries of CT logs: MerkleTreeLeaf and extra_data of get-entries (RFC 6962 §3.4, §4.6), TileLeaf of data tiles.

The leaf is what the tree hashes. The certificate beside it (the precertificate, where one was logged) is not part of
the leaf: it counts when its own TBS is the one in the leaf, which ``certificate_of`` compares. An entry that cannot be
read is one all the same, with its leaf and the reason: the entries after it are there to be read.
"""

import hashlib

from gitsign_py.core.encoding import ByteReader, opaque
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.tlog import sct
from gitsign_py.errors import FormatError

FINGERPRINT_BYTES = 32
_MAX_CHAIN = 0xFFFF // FINGERPRINT_BYTES  # what a data tile has room for
_BARE = "it comes without its certificate"
UNREAD = -1
"""The entry type of a leaf that is none of RFC 6962's."""
_EMPTY_PLACE = bytes(8 + 2 + 3 + 2 + 2)  # a TileLeaf with an empty certificate: the next entry is found after it


@frozen
class CtEntry:
    """One entry: ``leaf`` is what is hashed; ``certificate`` DER of the certificate or precertificate.

    ``entry_type`` is that of RFC 6962 §3.4 (0 certificate, 1 precertificate); ``timestamp_ms`` that of the SCT.
    ``chain`` are the SHA-256 of the certificates above it, ``issuers`` their DER where the log gives them along.
    ``problem`` says why the rest beside the leaf could not be read.
    """

    leaf: bytes
    timestamp_ms: int
    entry_type: int
    signed_entry: bytes
    certificate: bytes
    chain: tuple[bytes, ...] = ()
    issuers: tuple[bytes, ...] = ()
    problem: str = ""


def read_ct_entry(leaf_input: bytes, extra_data: bytes) -> CtEntry:
    """Read one entry of get-entries as far as it can be read.

    Of a certificate the leaf has everything that counts; a precertificate stands beside its leaf.
    """
    try:
        entry = _of_leaf(leaf_input)
    except FormatError as error:
        return unread_entry(leaf_input, error.message)
    try:
        return _with_extra(entry, extra_data)
    except FormatError as error:
        return entry if entry.certificate else replace(entry, problem=_named(error).message)


def unread_entry(leaf: bytes, why: str) -> CtEntry:
    """An entry of which nothing but the leaf counts (empty where the log does not give that either)."""
    return CtEntry(leaf, 0, UNREAD, b"", b"", problem=why)


def _of_leaf(leaf_input: bytes) -> CtEntry:
    reader = ByteReader(leaf_input)
    try:
        version, kind = reader.uint(1), reader.uint(1)
        if (version, kind) != (sct.V1, sct.TIMESTAMPED_ENTRY):
            raise _malformed("its leaf is of another version or type")
        timestamp, entry_type, signed_entry, own = _timestamped(reader)
        reader.finish()
    except FormatError as error:
        raise _named(error) from error
    return CtEntry(leaf_input, timestamp, entry_type, signed_entry, own)


def _with_extra(entry: CtEntry, extra_data: bytes) -> CtEntry:
    extra = ByteReader(extra_data)
    certificate = entry.certificate if entry.entry_type == sct.X509_ENTRY else extra.opaque(3)
    issuers = _issuers(ByteReader(extra.opaque(3)))
    extra.finish()
    chain = tuple(hashlib.sha256(der).digest() for der in issuers)
    problem = "" if certificate else _malformed(_BARE).message
    return replace(entry, certificate=certificate, chain=chain, issuers=issuers, problem=problem)


def _issuers(reader: ByteReader) -> tuple[bytes, ...]:
    found: list[bytes] = []
    while reader.remaining:
        found.append(reader.opaque(3))
        if len(found) > _MAX_CHAIN:
            raise _malformed(f"its chain has more than {_MAX_CHAIN} certificates")
    return tuple(found)


def encode_tile_leaf(entry: CtEntry) -> bytes:
    """An entry as data tiles have it (static-ct-api, "Log entries", TileLeaf): an empty place where they cannot."""
    if entry.entry_type == UNREAD:
        return _EMPTY_PLACE
    own = b"" if entry.entry_type == sct.X509_ENTRY else opaque(entry.certificate, 3)
    return entry.leaf[2:] + own + opaque(b"".join(entry.chain), 2)


def split_data_tile(data: bytes, width: int) -> tuple[CtEntry, ...]:
    """Read the first ``width`` entries of a data tile (static-ct-api, "Log entries"), fewer where one of an unknown
    form hides where the next begins. An empty place is an entry without a leaf.

    Raises FormatError ``ct-entry-malformed`` for a tile that ends too early.
    """
    reader = ByteReader(data)
    found: list[CtEntry] = []
    try:
        while len(found) < width and (entry := _tile_leaf(data, reader)) is not None:
            found.append(entry)
    except FormatError as error:
        raise _named(error) from error
    return tuple(found)


def _tile_leaf(data: bytes, reader: ByteReader) -> CtEntry | None:
    """None for one of an unknown form. Raises FormatError ``vector-truncated``."""
    start = len(data) - reader.remaining
    try:
        timestamp, entry_type, signed_entry, own = _timestamped(reader)
    except FormatError as error:
        if error.reason != "ct-entry-malformed":
            raise
        return None
    leaf = bytes([sct.V1, sct.TIMESTAMPED_ENTRY]) + data[start : len(data) - reader.remaining]
    certificate = own if entry_type == sct.X509_ENTRY else reader.opaque(3)
    chain = reader.opaque(2)
    if len(chain) % FINGERPRINT_BYTES:
        raise _malformed("its chain is no list of fingerprints")
    if entry_type == sct.X509_ENTRY and not certificate:
        return unread_entry(b"", _malformed(_BARE).message)
    prints = tuple(chain[at : at + FINGERPRINT_BYTES] for at in range(0, len(chain), FINGERPRINT_BYTES))
    problem = "" if certificate else _malformed(_BARE).message
    return CtEntry(leaf, timestamp, entry_type, signed_entry, certificate, prints, problem=problem)


def _timestamped(reader: ByteReader) -> tuple[int, int, bytes, bytes]:
    """TimestampedEntry: time, type, signed entry, and the certificate where the leaf holds it."""
    timestamp, entry_type = reader.uint(8), reader.uint(2)
    if entry_type == sct.X509_ENTRY:
        own = reader.opaque(3)
        signed_entry = opaque(own, 3)
    elif entry_type == sct.PRECERT_ENTRY:
        own = b""
        signed_entry = reader.take(FINGERPRINT_BYTES) + opaque(reader.opaque(3), 3)
    else:
        raise _malformed(f"it is of the unknown type {entry_type}")
    reader.opaque(2)
    return timestamp, entry_type, signed_entry, own


def certificate_of(entry: CtEntry) -> Certificate:
    """Parse the entry's certificate, which must be the one that its leaf is over.

    Raises FormatError ``ct-entry-malformed``, or the reasons of DER and certificates.
    """
    certificate = parse_certificate(entry.certificate)
    if entry.entry_type == sct.PRECERT_ENTRY:
        tbs = opaque(sct.precertificate_tbs(certificate), 3)
        if tbs != entry.signed_entry[FINGERPRINT_BYTES:]:
            raise _malformed("the certificate beside it is not the one that its leaf is over")
    return certificate


def _named(error: FormatError) -> FormatError:
    return error if error.reason == "ct-entry-malformed" else _malformed(error.message)


def _malformed(why: str) -> FormatError:
    return FormatError("ct-entry-malformed", f"entry of the CT log is malformed: {why}")
