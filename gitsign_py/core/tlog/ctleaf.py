"""Entries of CT logs: MerkleTreeLeaf and extra_data of get-entries (RFC 6962 §3.4, §4.6), TileLeaf of data tiles.

The leaf is what the tree hashes. The certificate beside it (the precertificate, where one was logged) is not part of
the leaf: it counts when its own TBS is the one in the leaf, which ``parse_...`` compares.
"""

import hashlib

from gitsign_py.core.encoding import ByteReader, opaque
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.tlog import sct
from gitsign_py.errors import FormatError

FINGERPRINT_BYTES = 32
_MAX_CHAIN = 64


@frozen
class CtEntry:
    """One entry: ``leaf`` is what is hashed; ``certificate`` DER of the certificate or precertificate.

    ``entry_type`` is that of RFC 6962 §3.4 (0 certificate, 1 precertificate); ``timestamp_ms`` that of the SCT.
    ``chain`` are the SHA-256 of the certificates above it, ``issuers`` their DER where the log gives them along.
    """

    leaf: bytes
    timestamp_ms: int
    entry_type: int
    signed_entry: bytes
    certificate: bytes
    chain: tuple[bytes, ...] = ()
    issuers: tuple[bytes, ...] = ()


def parse_ct_entry(leaf_input: bytes, extra_data: bytes) -> CtEntry:
    """Read one entry of get-entries. Raises FormatError ``ct-entry-malformed``."""
    reader = ByteReader(leaf_input)
    try:
        version, kind = reader.uint(1), reader.uint(1)
        timestamp, entry_type, signed_entry, own = _timestamped(reader)
        reader.finish()
        extra = ByteReader(extra_data)
        certificate = own or extra.opaque(3)
        issuers = _issuers(ByteReader(extra.opaque(3)))
        extra.finish()
    except FormatError as error:
        raise _malformed(error.message) from error
    if (version, kind) != (sct.V1, sct.TIMESTAMPED_ENTRY):
        raise _malformed("its leaf is of another version or type")
    chain = tuple(hashlib.sha256(der).digest() for der in issuers)
    return CtEntry(leaf_input, timestamp, entry_type, signed_entry, certificate, chain, issuers)


def _issuers(reader: ByteReader) -> tuple[bytes, ...]:
    found: list[bytes] = []
    while reader.remaining:
        found.append(reader.opaque(3))
        if len(found) > _MAX_CHAIN:
            raise _malformed(f"its chain has more than {_MAX_CHAIN} certificates")
    return tuple(found)


def encode_tile_leaf(entry: CtEntry) -> bytes:
    """An entry as data tiles have it (static-ct-api, "Log entries", TileLeaf)."""
    own = b"" if entry.entry_type == sct.X509_ENTRY else opaque(entry.certificate, 3)
    return entry.leaf[2:] + own + opaque(b"".join(entry.chain), 2)


def split_data_tile(data: bytes, width: int) -> tuple[CtEntry, ...]:
    """Read the first ``width`` entries of a data tile (static-ct-api, "Log entries").

    Raises FormatError ``ct-entry-malformed``.
    """
    reader = ByteReader(data)
    try:
        return tuple(_tile_leaf(data, reader) for _ in range(width))
    except FormatError as error:
        raise _malformed(error.message) from error


def _tile_leaf(data: bytes, reader: ByteReader) -> CtEntry:
    start = len(data) - reader.remaining
    timestamp, entry_type, signed_entry, own = _timestamped(reader)
    leaf = bytes([sct.V1, sct.TIMESTAMPED_ENTRY]) + data[start : len(data) - reader.remaining]
    certificate = own or reader.opaque(3)
    chain = reader.opaque(2)
    if len(chain) % FINGERPRINT_BYTES:
        raise _malformed("its chain is no list of fingerprints")
    prints = tuple(chain[at : at + FINGERPRINT_BYTES] for at in range(0, len(chain), FINGERPRINT_BYTES))
    return CtEntry(leaf, timestamp, entry_type, signed_entry, certificate, prints)


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


def _malformed(why: str) -> FormatError:
    return FormatError("ct-entry-malformed", f"entry of the CT log is malformed: {why}")
