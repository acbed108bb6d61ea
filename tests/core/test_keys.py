"""Public keys of every kind, and signatures that are not theirs."""

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gitsign_py.core.pki import der, keys, oids
from gitsign_py.errors import FormatError, InvalidSignatureError
from tests.support import rsakeys


def spki(key: object) -> bytes:
    data: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return data


@pytest.mark.parametrize(
    ("curve", "kind", "hash_name", "algorithm"),
    [
        (ec.SECP256R1(), "ecdsa-p256", "sha256", hashes.SHA256()),
        (ec.SECP384R1(), "ecdsa-p384", "sha384", hashes.SHA384()),
        (ec.SECP521R1(), "ecdsa-p521", "sha512", hashes.SHA512()),
    ],
)
def test_ecdsa(curve: ec.EllipticCurve, kind: str, hash_name: str, algorithm: hashes.HashAlgorithm) -> None:
    private = ec.generate_private_key(curve)
    key = keys.load_spki(spki(private))
    signature = private.sign(b"data", ec.ECDSA(algorithm))
    assert key.kind == kind
    assert key.key_id == hashlib.sha256(spki(private)).digest()
    key.verify(signature, b"data", hash_name)
    for bad in ((signature, b"Data"), (signature + b"\x00", b"data"), (b"", b"data")):
        with pytest.raises(InvalidSignatureError):
            key.verify(*bad, hash_name)


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4 D.1.2.3)


def _integer(value: int, *, zeros: int = 0) -> bytes:
    return der.encode(der.INTEGER, bytes(zeros) + der.parse(der.integer(value)).content)


@pytest.mark.parametrize(
    "spell",
    [
        lambda r, s: der.sequence(_integer(r, zeros=1), _integer(s)),
        lambda r, s: der.sequence(_integer(r), _integer(s), der.null()),
        lambda r, s: der.sequence(_integer(r), _integer(s)) + b"\0",
        lambda r, s: b"\x30\x81" + der.sequence(_integer(r), _integer(s))[1:],
        lambda r, s: b"\x30\x80" + _integer(r) + _integer(s) + b"\0\0",
        lambda r, s: b"\x31" + der.sequence(_integer(r), _integer(s))[1:],
        lambda r, s: der.sequence(_integer(r), _integer(s - ORDER)),
        lambda r, s: der.sequence(_integer(r + ORDER), _integer(s)),
        lambda r, s: der.sequence(_integer(r), _integer(s + ORDER)),
        lambda r, s: der.sequence(_integer(0), _integer(s)),
        lambda r, s: der.sequence(_integer(r), _integer(0)),
        lambda r, s: der.sequence(_integer(ORDER), _integer(ORDER)),
        lambda r, s: der.sequence(_integer(s), _integer(r)),
        lambda r, s: r.to_bytes(32, "big") + s.to_bytes(32, "big"),
    ],
)
def test_ecdsa_in_another_spelling(spell: Callable[[int, int], bytes]) -> None:
    """What Project Wycheproof tries: one signature has one encoding (RFC 3279 section 2.2.3, X.690 section 10)."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = keys.load_spki(spki(private))
    r, s = utils.decode_dss_signature(private.sign(b"data", ec.ECDSA(hashes.SHA256())))
    key.verify(der.sequence(_integer(r), _integer(s)), b"data")
    with pytest.raises(InvalidSignatureError):
        key.verify(spell(r, s), b"data")


@pytest.mark.parametrize("change", ["longer", "shorter", "malleable", "zero"])
def test_ed25519_in_another_spelling(change: str) -> None:
    """S is below the order of the group (RFC 8032 section 5.1.7), or everybody could make a second signature."""
    private = ed25519.Ed25519PrivateKey.generate()
    signature = private.sign(b"data")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    changed = {
        "longer": signature + b"\0",
        "shorter": signature[:-1],
        "malleable": signature[:32] + scalar.to_bytes(32, "little"),
        "zero": bytes(64),
    }[change]
    with pytest.raises(InvalidSignatureError):
        keys.load_spki(spki(private)).verify(changed, b"data")


def test_ed25519() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    key = keys.load_spki(spki(private))
    assert (key.kind, len(key.raw)) == ("ed25519", 32)
    key.verify(private.sign(b"data"), b"data")
    with pytest.raises(InvalidSignatureError):
        key.verify(private.sign(b"data"), b"data2")


@pytest.mark.parametrize("scheme", ["pkcs1v15", "pss"])
def test_rsa(scheme: str) -> None:
    private = rsakeys.rsa_key(0)
    key = keys.load_spki(spki(private))
    pad: padding.AsymmetricPadding = padding.PKCS1v15()
    if scheme == "pss":
        pad = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    signature = private.sign(b"data", pad, hashes.SHA256())
    key.verify(signature, b"data", scheme=scheme)
    with pytest.raises(InvalidSignatureError):
        key.verify(signature, b"data", scheme="pss" if scheme == "pkcs1v15" else "pkcs1v15")


def test_pem() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    text = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert keys.load_pem(text).spki == spki(private)
    with pytest.raises(FormatError, match="found 2"):
        keys.load_pem(text * 2)


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [(-(1 << 2048) - 1, 65537), (0, 65537), ((1 << 2048) + 1, -3), ((1 << 2048) + 1, 0), ((1 << 2048) + 1, 4)],
)
def test_numbers_that_no_rsa_key_has(modulus: int, exponent: int) -> None:
    """RFC 8017 section 3.1; a negative one once ended in an internal error."""
    numbers = der.sequence(der.integer(modulus), der.integer(exponent))
    with pytest.raises(FormatError) as caught:
        keys.load_spki(der.sequence(der.sequence(der.oid(oids.RSA), der.null()), der.bit_string(numbers)))
    assert caught.value.reason == "key-invalid"


def test_keys_that_are_refused() -> None:
    small = spki(rsa.generate_private_key(65537, 1024))
    other_curve = spki(ec.generate_private_key(ec.SECP256K1()))
    foreign = spki(dsa.generate_private_key(2048))
    valid = spki(ec.generate_private_key(ec.SECP256R1()))
    off_curve = valid[:-1] + bytes([valid[-1] ^ 1])
    for data in (small, other_curve, foreign, off_curve, b"", b"\x30\x00", valid + b"\x00"):
        with pytest.raises(FormatError):
            keys.load_spki(data)
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    compressed = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    algorithm = der.sequence(der.oid(oids.EC_PUBLIC_KEY), der.oid(oids.CURVE_P256))
    with pytest.raises(FormatError, match="in full"):
        keys.load_spki(der.sequence(algorithm, der.bit_string(compressed)))
    short = der.sequence(der.sequence(der.oid(oids.ED25519)), der.bit_string(b"x" * 31))
    with pytest.raises(FormatError) as caught:
        keys.load_spki(short)
    assert caught.value.reason == "key-invalid"


@pytest.mark.parametrize("private", [ec.generate_private_key(ec.SECP256R1()), rsakeys.rsa_key(0)])
def test_a_digest_is_enough_for_ecdsa_and_rsa(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    key, digest = keys.load_spki(spki(private)), hashlib.sha256(b"data").digest()
    if isinstance(private, rsa.RSAPrivateKey):
        signature = private.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = private.sign(b"data", ec.ECDSA(hashes.SHA256()))
    key.verify_digest(signature, digest)
    with pytest.raises(InvalidSignatureError):
        key.verify_digest(signature, hashlib.sha256(b"other").digest())


def test_a_digest_is_not_enough_for_ed25519() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(FormatError, match="over a digest alone"):
        keys.load_spki(spki(private)).verify_digest(private.sign(b"data"), hashlib.sha256(b"data").digest())


def test_algorithms_with_parameters_of_their_own_are_unsupported_and_not_malformed() -> None:
    """RSASSA-PSS keys, and curves that a key describes itself: what they lack is an implementation here."""
    rsa_key = der.parse(spki(rsakeys.rsa_key(0))).children()[1].raw
    hash_used = der.context(0, der.sequence(der.oid(oids.SHA256)))
    point = der.parse(spki(ec.generate_private_key(ec.SECP256R1()))).children()[1].raw
    for algorithm, bits in [
        (der.sequence(der.oid(oids.RSA_PSS), der.sequence(hash_used)), rsa_key),
        (der.sequence(der.oid(oids.RSA_PSS)), rsa_key),
        (der.sequence(der.oid(oids.EC_PUBLIC_KEY), der.sequence(der.integer(1))), point),
    ]:
        with pytest.raises(FormatError) as caught:
            keys.load_spki(der.sequence(algorithm, bits))
        assert caught.value.reason == "key-unsupported"


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [((1 << 8200) + 1, 65537), ((1 << 2048) - 1, (1 << 31) + 1), ((1 << 3071) + 1, (1 << 3000) + 1)],
)
def test_rsa_keys_that_cost_too_much_are_unsupported(modulus: int, exponent: int) -> None:
    """A stranger's key says how long one verification takes: an exponent as long as the modulus takes 10 ms each."""
    bits = der.bit_string(der.sequence(der.integer(modulus), der.integer(exponent)))
    with pytest.raises(FormatError) as caught:
        keys.load_spki(der.sequence(der.sequence(der.oid(oids.RSA), der.null()), bits))
    assert caught.value.reason == "key-unsupported"
