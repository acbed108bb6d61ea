"""Public keys: parse a SubjectPublicKeyInfo strictly, check a signature, raise when it is wrong.

The SubjectPublicKeyInfo is read by our own DER code, since importing cryptography's serialization costs 50 ms at each
start of the program; the arithmetic is cryptography's (OpenSSL).
Curves P-256, P-384, P-521, Ed25519 and RSA of 2048 to 8192 bits.
"""

from functools import cache, lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gitsign_py.core import digests
from gitsign_py.core.encoding import pem_decode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.errors import FormatError, InvalidSignatureError

TYPE_CHECKING = False  # 2 ms for keys of other kinds than ECDSA
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

    _Native = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

_CURVES: dict[str, tuple[str, type[ec.EllipticCurve]]] = {
    oids.CURVE_P256: ("ecdsa-p256", ec.SECP256R1),
    oids.CURVE_P384: ("ecdsa-p384", ec.SECP384R1),
    oids.CURVE_P521: ("ecdsa-p521", ec.SECP521R1),
}
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
MINIMUM_RSA_BITS, MAXIMUM_RSA_BITS = 2048, 8192
_LARGEST_EXPONENT = 2**31 - 1  # Go's limit; whoever writes a key chooses what one verification costs
_UNCOMPRESSED = b"\x04"  # SEC 1 §2.3.3


@frozen
class PublicKey:
    """A public key: ``spki`` its DER SubjectPublicKeyInfo (RFC 5280 §4.1), ``kind`` such as ``ecdsa-p256``."""

    spki: bytes
    kind: str

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo, 32 bytes: the log id of RFC 6962 §3.2 and of Rekor v1."""
        return digests.sha256(self.spki).digest()

    @property
    def raw(self) -> bytes:
        """The key without its algorithm: 32 bytes for Ed25519, the point for ECDSA, RSAPublicKey DER for RSA."""
        return _split_spki(self.spki)[2]

    def verify(self, signature: bytes, data: bytes, hash_name: str = "sha256", *, scheme: str = "pkcs1v15") -> None:
        """Check ``signature`` over ``data``.

        ``hash_name`` is sha256, sha384 or sha512 (Ed25519 takes none), ``scheme`` pkcs1v15 or pss (RSA alone). ECDSA
        signatures are DER Ecdsa-Sig-Value (RFC 3279 §2.2.3). Raises InvalidSignatureError ``signature-invalid``.
        """
        native: Any
        native, kind = _load(self.spki)
        try:
            if kind.startswith("ecdsa"):  # isinstance would ask an abstract class, for 1 % of a verification
                native.verify(signature, data, _ecdsa(hash_name))
            elif kind == "ed25519":
                native.verify(signature, data)
            else:
                native.verify(signature, data, _rsa_padding(scheme, hash_name), _HASHES[hash_name]())
        except InvalidSignature as error:
            raise InvalidSignatureError("signature-invalid", "signature does not verify with the public key") from error

    def verify_digest(
        self, signature: bytes, digest: bytes, hash_name: str = "sha256", *, scheme: str = "pkcs1v15"
    ) -> None:
        """Check ``signature`` over data of which only the ``digest`` under ``hash_name`` is known.

        Raises InvalidSignatureError ``signature-invalid``, FormatError ``key-needs-content`` for Ed25519, which signs
        the data itself (RFC 8032 §5.1).
        """
        native: Any
        native, kind = _load(self.spki)
        algorithm = utils.Prehashed(_HASHES[hash_name]())
        try:
            if kind == "ed25519":
                raise FormatError("key-needs-content", "an Ed25519 signature can not be checked over a digest alone")
            if kind.startswith("ecdsa"):
                native.verify(signature, digest, Ecdsa(algorithm))
            else:
                native.verify(signature, digest, _rsa_padding(scheme, hash_name), algorithm)
        except InvalidSignature as error:
            raise InvalidSignatureError("signature-invalid", "signature does not verify with the public key") from error


class Ecdsa(ec.ECDSA):
    """ECDSA with a hash function, as ``ec.ECDSA`` is made; that loads cryptography's ciphers (8 ms) to ask OpenSSL for
    deterministic signatures, which are not wanted here.
    """

    def __init__(self, algorithm: hashes.HashAlgorithm | utils.Prehashed) -> None:
        self._chosen = algorithm

    @property
    def algorithm(self) -> hashes.HashAlgorithm | utils.Prehashed:
        """The hash function."""
        return self._chosen

    @property
    def deterministic_signing(self) -> bool:
        """No: the nonce is OpenSSL's, at random."""
        return False


@cache
def _ecdsa(hash_name: str) -> Ecdsa:
    return Ecdsa(_HASHES[hash_name]())


def _rsa_padding(scheme: str, hash_name: str) -> "padding.AsymmetricPadding":
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - for RSA alone, see above

    if scheme == "pss":
        return padding.PSS(padding.MGF1(_HASHES[hash_name]()), padding.PSS.DIGEST_LENGTH)
    return padding.PKCS1v15()


def load_spki(spki: bytes) -> PublicKey:
    """Parse a DER SubjectPublicKeyInfo. Raises FormatError ``key-invalid`` or ``key-unsupported``."""
    return PublicKey(spki, _load(spki)[1])


def load_pem(text: bytes) -> PublicKey:
    """Parse one PEM PUBLIC KEY. Raises FormatError ``pem-invalid``, ``key-invalid`` or ``key-unsupported``."""
    blocks = pem_decode(text, "PUBLIC KEY")
    if len(blocks) != 1:
        raise FormatError("key-invalid", f"expected one public key, found {len(blocks)}")
    return load_spki(blocks[0])


def _split_spki(spki: bytes) -> tuple[str, str, bytes]:
    """Algorithm OID, curve OID (or empty), key bits (RFC 5280 §4.1.2.7)."""
    reader = der.Reader(der.parse(spki, der.SEQUENCE).content)
    identifier = der.Reader(reader.next(der.SEQUENCE).content)
    bits = der.read_bit_string(reader.next())
    reader.done()
    algorithm = der.read_oid(identifier.next())
    curve = ""
    if algorithm == oids.EC_PUBLIC_KEY:
        parameters = identifier.next()
        if parameters.tag == der.SEQUENCE:  # a curve that the key describes itself (RFC 5480 §2.1.1 forbids it)
            raise _unsupported(f"{algorithm} with explicit parameters")
        curve = der.read_oid(parameters)
    elif algorithm == oids.RSA:  # RFC 8017 A.1: parameters are NULL
        der.read_null(identifier.next())
    elif algorithm != oids.ED25519:  # RSASSA-PSS, DSA: their parameters have a form of their own
        raise _unsupported(algorithm)
    identifier.done()
    return algorithm, curve, bits


@lru_cache(maxsize=256)
def _load(spki: bytes) -> "tuple[_Native, str]":
    """The key for the arithmetic, and its kind."""
    algorithm, curve, bits = _split_spki(spki)
    try:
        if algorithm == oids.EC_PUBLIC_KEY and curve in _CURVES:
            if bits[:1] != _UNCOMPRESSED:  # the other form would give one key two ids; Go reads this one alone
                raise FormatError("key-invalid", "public key's point is not written in full")
            kind, made = _CURVES[curve]
            return ec.EllipticCurvePublicKey.from_encoded_point(made(), bits), kind
        if algorithm == oids.ED25519:
            from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see above

            return ed25519.Ed25519PublicKey.from_public_bytes(bits), "ed25519"
        if algorithm == oids.RSA:
            return _load_rsa(bits), "rsa"
    except ValueError as error:
        raise FormatError("key-invalid", "public key is not a valid point or number") from error
    raise _unsupported(f"{algorithm} {curve}")


def _unsupported(algorithm: str) -> FormatError:
    return FormatError("key-unsupported", f"public key algorithm {algorithm} is not supported")


def _load_rsa(bits: bytes) -> "rsa.RSAPublicKey":
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see above

    reader = der.Reader(der.parse(bits, der.SEQUENCE).content)
    modulus, exponent = der.read_integer(reader.next()), der.read_integer(reader.next())
    reader.done()
    if modulus <= 0 or exponent <= 0:  # RFC 8017 §3.1: both are positive
        raise FormatError("key-invalid", "RSA key has a number that is not positive")
    if not MINIMUM_RSA_BITS <= modulus.bit_length() <= MAXIMUM_RSA_BITS:
        raise FormatError(
            "key-unsupported",
            f"RSA key of {modulus.bit_length()} bits, from {MINIMUM_RSA_BITS} to {MAXIMUM_RSA_BITS} are supported",
        )
    if exponent > _LARGEST_EXPONENT:
        raise FormatError("key-unsupported", "RSA key with a public exponent of more than 31 bits")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()
