"""The messages of the time-stamp protocol: request, response and TSTInfo (RFC 3161 §2.4), in DER.

Nothing here is a verdict: :mod:`gitsign_py.core.sigstore.timestamp` says whether a token may be believed. Hash
algorithm identifiers are written without parameters and read with none or NULL (RFC 5754 §2).
"""

from datetime import datetime, timedelta

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.errors import FormatError, VerificationError

MAX_TOKEN_BYTES = 64 * 1024  # a token with its chain is 1 to 6 KiB
_HASH_OIDS = {name: dotted for dotted, name in oids.DIGESTS.items()}
_STATUS_WORDS = (  # RFC 3161 §2.4.2, PKIStatus
    "granted",
    "granted with modifications",
    "rejected",
    "waiting",
    "granted, revocation of the authority is imminent",
    "the authority is revoked",
)
_FAILURE_WORDS = {  # RFC 3161 §2.4.2, PKIFailureInfo
    0: "hash algorithm not supported",
    2: "transaction not permitted or supported",
    5: "request has the wrong format",
    14: "time source not available",
    15: "policy not supported",
    16: "extension not supported",
    17: "additional information not available",
    25: "system failure",
}


@frozen
class TimestampRequest:
    """The question to an authority: ``imprint`` is the digest by ``hash_name`` (sha256, sha384, sha512)."""

    hash_name: str
    imprint: bytes
    nonce: int | None = None
    certificates: bool = True
    policy: str | None = None


@frozen
class TimestampResponse:
    """An authority's answer: ``token`` is the DER TimeStampToken when ``status`` is 0 or 1, else None."""

    status: int
    texts: tuple[str, ...]
    failures: tuple[int, ...]
    token: bytes | None

    @property
    def words(self) -> str:
        """Status, the authority's texts and the failure bits as one line for people."""
        status = _STATUS_WORDS[self.status] if 0 <= self.status < len(_STATUS_WORDS) else f"status {self.status}"
        failures = [_FAILURE_WORDS.get(bit, f"failure {bit}") for bit in self.failures]
        texts = ["".join(char if char.isprintable() else "?" for char in text[:200]) for text in self.texts[:4]]
        return "; ".join([status, *failures, *texts])


@frozen
class TstInfo:
    """The signed statement (RFC 3161 §2.4.2). ``hash_oid`` is dotted, ``tsa`` the DER GeneralName or None.

    ``accuracy`` is None when the authority states none; ``critical_extensions`` are the OIDs marked critical.
    """

    version: int
    policy: str
    hash_oid: str
    imprint: bytes
    serial: int
    time: datetime
    accuracy: timedelta | None
    ordering: bool
    nonce: int | None
    tsa: bytes | None
    critical_extensions: tuple[str, ...]


def build_request(request: TimestampRequest) -> bytes:
    """Encode a DER TimeStampReq. Raises FormatError ``timestamp-hash-not-allowed`` for a hash outside SHA-2."""
    hash_oid = _HASH_OIDS.get(request.hash_name)
    if hash_oid is None:
        raise FormatError("timestamp-hash-not-allowed", f"hash {request.hash_name} is not one of SHA-256, 384, 512")
    parts = [der.integer(1), der.sequence(der.sequence(der.oid(hash_oid)), der.octet_string(request.imprint))]
    if request.policy is not None:
        parts.append(der.oid(request.policy))
    if request.nonce is not None:
        parts.append(der.integer(request.nonce))
    if request.certificates:
        parts.append(der.boolean(True))  # DEFAULT FALSE is left out (X.690 §11.5)
    return der.sequence(*parts)


def parse_request(data: bytes) -> TimestampRequest:
    """Parse a DER TimeStampReq, for the authority's side.

    Raises FormatError: ``der-...`` or ``timestamp-malformed`` for its form, ``timestamp-hash-not-allowed`` for a hash
    outside SHA-2, ``timestamp-extension-critical-unknown`` when it holds extensions (this project knows none).
    """
    reader = der.Reader(der.parse(data, der.SEQUENCE).content)
    if der.read_integer(reader.next(der.INTEGER)) != 1:
        raise FormatError("timestamp-malformed", "timestamp request is not version 1")
    hash_oid, imprint = _read_imprint(reader.next(der.SEQUENCE))
    policy, nonce = reader.optional(der.OID), reader.optional(der.INTEGER)
    certificates = _read_default_false(reader)
    if reader.optional(0xA0):
        raise FormatError("timestamp-extension-critical-unknown", "timestamp request holds extensions")
    reader.done()
    hash_name = oids.DIGESTS.get(hash_oid)
    if hash_name is None:
        raise FormatError("timestamp-hash-not-allowed", f"hash {hash_oid} is not one of SHA-256, 384, 512")
    return TimestampRequest(
        hash_name,
        imprint,
        None if nonce is None else der.read_integer(nonce),
        certificates,
        None if policy is None else der.read_oid(policy),
    )


def parse_response(data: bytes) -> TimestampResponse:
    """Parse a DER TimeStampResp. Raises FormatError ``der-...`` or ``timestamp-malformed``.

    The token's inside is not looked at. A token beside a refusal, or none beside a grant, is malformed (RFC 3161
    §2.4.2: it must be present for status 0 and 1, and must not be for any other).
    """
    if len(data) > MAX_TOKEN_BYTES:
        raise FormatError("timestamp-malformed", f"timestamp has {len(data)} bytes, at most {MAX_TOKEN_BYTES} are read")
    reader = der.Reader(der.parse(data, der.SEQUENCE).content)
    status, texts, failures = _read_status(reader.next(der.SEQUENCE))
    token = reader.optional(der.SEQUENCE)
    reader.done()
    if (token is None) != (status not in (0, 1)):
        raise FormatError("timestamp-malformed", f"timestamp response of status {status} does not fit its token")
    return TimestampResponse(status, texts, failures, None if token is None else token.raw)


def granted_token(data: bytes) -> bytes:
    """Take the DER TimeStampToken out of a DER TimeStampResp, as bundles and authorities carry it.

    Raises FormatError for its form, VerificationError ``timestamp-not-granted`` unless the status is exactly granted:
    "with modifications" would be an answer to another question than the one asked.
    """
    response = parse_response(data)
    if response.status != 0 or response.token is None:
        raise VerificationError(
            "timestamp-not-granted",
            f"timestamp was not granted: {response.words}",
            facts={"status": response.status},
        )
    return response.token


def _read_status(element: der.Element) -> tuple[int, tuple[str, ...], tuple[int, ...]]:
    """PKIStatusInfo: status, PKIFreeText, PKIFailureInfo."""
    reader = der.Reader(element.content)
    status = der.read_integer(reader.next(der.INTEGER))
    texts = reader.optional(der.SEQUENCE)
    failures = reader.optional(der.BIT_STRING)
    reader.done()
    words = () if texts is None else tuple(_utf8(text) for text in texts.children())
    return status, words, () if failures is None else tuple(sorted(der.read_named_bits(failures)))


def _utf8(element: der.Element) -> str:
    if element.tag != der.UTF8_STRING:
        raise FormatError("timestamp-malformed", "status text is not a UTF8String")
    return der.read_text(element)


def parse_tst_info(data: bytes) -> TstInfo:
    """Parse a DER TSTInfo. Raises FormatError ``der-...`` or ``timestamp-malformed``.

    genTime may carry a fraction of up to nine digits; what lies below a microsecond is cut off.
    """
    reader = der.Reader(der.parse(data, der.SEQUENCE).content)
    version, policy = der.read_integer(reader.next(der.INTEGER)), der.read_oid(reader.next(der.OID))
    hash_oid, imprint = _read_imprint(reader.next(der.SEQUENCE))
    serial = der.read_integer(reader.next(der.INTEGER))
    time = der.read_time(reader.next(der.GENERALIZED_TIME))
    accuracy = reader.optional(der.SEQUENCE)
    ordering = _read_default_false(reader)
    nonce, tsa, extensions = reader.optional(der.INTEGER), reader.optional(0xA0), reader.optional(0xA1)
    reader.done()
    return TstInfo(
        version,
        policy,
        hash_oid,
        imprint,
        serial,
        time,
        None if accuracy is None else _read_accuracy(accuracy),
        ordering,
        None if nonce is None else der.read_integer(nonce),
        None if tsa is None else der.parse(tsa.content).raw,
        () if extensions is None else _read_critical(extensions),
    )


def _read_imprint(element: der.Element) -> tuple[str, bytes]:
    """MessageImprint: hash algorithm, hashed message."""
    reader = der.Reader(element.content)
    hash_oid = read_hash_algorithm(reader.next(der.SEQUENCE))
    imprint = der.read_octet_string(reader.next(der.OCTET_STRING))
    reader.done()
    return hash_oid, imprint


def read_hash_algorithm(element: der.Element) -> str:
    """AlgorithmIdentifier of a hash, its dotted OID; parameters absent or NULL (RFC 5754 §2)."""
    reader = der.Reader(element.content)
    dotted = der.read_oid(reader.next(der.OID))
    parameters = reader.optional(der.NULL)
    if parameters is not None:
        der.read_null(parameters)
    reader.done()
    return dotted


def _read_default_false(reader: der.Reader) -> bool:
    """BOOLEAN DEFAULT FALSE: FALSE itself is left out in DER (X.690 §11.5)."""
    element = reader.optional(der.BOOLEAN)
    if element is not None and not der.read_boolean(element):
        raise FormatError("timestamp-malformed", "a FALSE that is the default is spelled out")
    return element is not None


def _read_accuracy(element: der.Element) -> timedelta:
    """Accuracy: seconds, millis [0] and micros [1] from 1 to 999 (RFC 3161 §2.4.2)."""
    reader = der.Reader(element.content)
    seconds = reader.optional(der.INTEGER)
    parts = [0 if seconds is None else der.read_integer(seconds)]
    for tag in (0x80, 0x81):
        part = reader.optional(tag)
        value = None if part is None else der.read_integer(der.Element(der.INTEGER, part.content, part.raw))
        if value is not None and not 1 <= value <= 999:
            raise FormatError("timestamp-malformed", f"accuracy fraction {value} is not from 1 to 999")
        parts.append(value or 0)
    reader.done()
    if not 0 <= parts[0] < 2**31:
        raise FormatError("timestamp-malformed", f"accuracy of {parts[0]} seconds")
    return timedelta(seconds=parts[0], milliseconds=parts[1], microseconds=parts[2])


def _read_critical(extensions: der.Element) -> tuple[str, ...]:
    """OIDs of the extensions marked critical (RFC 5280 §4.1: SEQUENCE SIZE (1..MAX))."""
    critical = []
    for extension in extensions.children():
        if extension.tag != der.SEQUENCE:
            raise FormatError("timestamp-malformed", "an extension is not a SEQUENCE")
        reader = der.Reader(extension.content)
        dotted = der.read_oid(reader.next(der.OID))
        if _read_default_false(reader):
            critical.append(dotted)
        reader.next(der.OCTET_STRING)
        reader.done()
    if not extensions.content:
        raise FormatError("timestamp-malformed", "list of extensions is empty")
    return tuple(critical)
