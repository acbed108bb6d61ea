"""Signature algorithms by the names that Sigstore's messages give them (protobuf-specs, PublicKeyDetails).

Only what this package can verify stands here; a key under another name (LMS, ML-DSA, pre-hashed Ed25519)
is one that we cannot use. RSA sizes are least sizes: the key itself is checked where it is loaded.
"""

from typing import Any

from gitsign_py.core.frozen import frozen


@frozen
class KeyDetails:
    """``name`` and ``number`` of the enum; ``kind`` as PublicKey has it; ``hash_name``; ``scheme`` for RSA.

    ``bare`` says that the key's bytes are an RSAPublicKey and not a SubjectPublicKeyInfo.
    """

    name: str
    number: int
    kind: str
    hash_name: str
    scheme: str = "pkcs1v15"
    bare: bool = False


_ALL = (
    KeyDetails("PKCS1_RSA_PKCS1V5", 1, "rsa", "sha256", bare=True),
    KeyDetails("PKCS1_RSA_PSS", 2, "rsa", "sha256", "pss", bare=True),
    KeyDetails("PKIX_RSA_PKCS1V5", 3, "rsa", "sha256"),
    KeyDetails("PKIX_RSA_PSS", 4, "rsa", "sha256", "pss"),
    KeyDetails("PKIX_ECDSA_P256_SHA_256", 5, "ecdsa-p256", "sha256"),
    KeyDetails("PKIX_ECDSA_P256_HMAC_SHA_256", 6, "ecdsa-p256", "sha256"),  # RFC 6979 nonces verify like any other
    KeyDetails("PKIX_ED25519", 7, "ed25519", "sha256"),
    KeyDetails("PKIX_RSA_PKCS1V15_2048_SHA256", 9, "rsa", "sha256"),
    KeyDetails("PKIX_RSA_PKCS1V15_3072_SHA256", 10, "rsa", "sha256"),
    KeyDetails("PKIX_RSA_PKCS1V15_4096_SHA256", 11, "rsa", "sha256"),
    KeyDetails("PKIX_ECDSA_P384_SHA_384", 12, "ecdsa-p384", "sha384"),
    KeyDetails("PKIX_ECDSA_P521_SHA_512", 13, "ecdsa-p521", "sha512"),
    KeyDetails("PKIX_RSA_PSS_2048_SHA256", 16, "rsa", "sha256", "pss"),
    KeyDetails("PKIX_RSA_PSS_3072_SHA256", 17, "rsa", "sha256", "pss"),
    KeyDetails("PKIX_RSA_PSS_4096_SHA256", 18, "rsa", "sha256", "pss"),
    KeyDetails("PKIX_ECDSA_P384_SHA_256", 19, "ecdsa-p384", "sha256"),
    KeyDetails("PKIX_ECDSA_P521_SHA_256", 20, "ecdsa-p521", "sha256"),
)
_BY_NAME: dict[Any, KeyDetails] = {key: details for details in _ALL for key in (details.name, details.number)}


def key_details(name: Any) -> KeyDetails | None:
    """Look up an enum value by name or, as protobuf JSON may have it, by number; None for what is not supported."""
    return _BY_NAME.get(name) if isinstance(name, str | int) and not isinstance(name, bool) else None
