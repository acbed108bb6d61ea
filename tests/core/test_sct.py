"""SCTs: foreign ones verify, ours are read by a foreign reader, each wrong one has a reason of its own."""

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.git import armor, gitobject
from gitsign_py.core.pki import cms, der, oids
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.tlog import sct
from gitsign_py.core.trust.root import TransparencyLogInstance, Validity, parse_trusted_root
from gitsign_py.errors import FormatError, GitsignError, VerificationError
from tests.support import pki, vectors
from tests.support.logs import public
from tests.support.rsakeys import rsa_key

TIME = pki.START + timedelta(minutes=1, milliseconds=7)
TIME_MS = round(TIME.timestamp() * 1000)
LOG_KEY = ec.derive_private_key(11, ec.SECP256R1())
LOG = TransparencyLogInstance(
    "https://ct.example.com", "SHA2_256", public(LOG_KEY), "PKIX_ECDSA_P256_SHA_256", Validity(), public(LOG_KEY).key_id
)
CA = pki.Authority()
LEAF_KEY = ec.derive_private_key(12, ec.SECP256R1())
EXTENSIONS = bytes([0, 0, 5, 0, 0, 0, 0, 9])  # leaf_index 9 (C2SP static-ct-api)


def sign(data: bytes) -> bytes:
    return LOG_KEY.sign(data, ec.ECDSA(hashes.SHA256()))


def certificate(*extra: tuple[x509.ExtensionType, bool], base: bool = True) -> Certificate:
    """A leaf by CA with further extensions at the end, always of one serial number, so that SCTs can be moved over."""
    builder = (
        x509.CertificateBuilder()
        .serial_number(4711)
        .issuer_name(CA.subject)
        .subject_name(pki.name(""))
        .public_key(LEAF_KEY.public_key())
        .not_valid_before(pki.START)
        .not_valid_after(pki.START + timedelta(minutes=10))
    )
    usage: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)]
    for value, critical in [*(usage if base else []), *extra]:
        builder = builder.add_extension(value, critical)
    assert isinstance(CA.key, ec.EllipticCurvePrivateKey)
    return parse_certificate(builder.sign(CA.key, hashes.SHA384()).public_bytes(serialization.Encoding.DER))


def extension(oid: str, value: bytes, *, critical: bool = False) -> tuple[x509.ExtensionType, bool]:
    return x509.UnrecognizedExtension(ObjectIdentifier(oid), value), critical


POISON = extension(oids.PRECERTIFICATE_POISON, b"\x05\x00", critical=True)
SAN: tuple[x509.ExtensionType, bool] = (x509.SubjectAlternativeName([x509.RFC822Name("alice@example.com")]), True)


def stamp(over: Certificate, *, time_ms: int = TIME_MS, extensions: bytes = EXTENSIONS) -> sct.Sct:
    """The log's SCT over a certificate; its own SCT list or poison makes no difference."""
    entry = sct.precert_entry(over, CA.certificate)
    data = sct.signed_data(time_ms, sct.PRECERT_ENTRY, entry, extensions)
    return sct.build_sct(LOG.log_id, time_ms, extensions, sign(data))


def with_scts(*scts: sct.Sct) -> Certificate:
    return certificate(SAN, extension(oids.SCT_LIST, der.octet_string(sct.encode_sct_list(scts))))


PLAIN = certificate(SAN)
GOOD = stamp(PLAIN)
LEAF = with_scts(GOOD)


def refused(leaf: Certificate, *logs: TransparencyLogInstance, issuer: Certificate = CA.certificate) -> str:
    with pytest.raises(GitsignError) as caught:
        sct.verify_embedded_scts(leaf, issuer, logs or (LOG,))
    assert isinstance(caught.value, VerificationError | FormatError)
    return caught.value.reason


def test_an_embedded_sct_verifies() -> None:
    """It has extensions: sigstore-conformance's bundle-with-sct-with-extensions."""
    assert sct.verify_embedded_scts(LEAF, CA.certificate, (LOG,)) == sct.VerifiedSct(GOOD, LOG, TIME)


def test_a_foreign_reader_reads_our_scts() -> None:
    loaded = x509.load_der_x509_certificate(LEAF.raw)
    (found,) = loaded.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    assert found.log_id == LOG.log_id
    assert found.timestamp.replace(tzinfo=UTC) == TIME
    assert (found.extension_bytes, found.signature) == (EXTENSIONS, GOOD.signature)
    assert found.signature_hash_algorithm.name == "sha256"


def test_the_precertificate_s_tbs_is_the_one_that_a_foreign_library_cuts_out() -> None:
    final = with_scts(GOOD)
    assert sct.precertificate_tbs(final) == x509.load_der_x509_certificate(final.raw).tbs_precertificate_bytes
    middle = certificate(extension(oids.SCT_LIST, der.octet_string(sct.encode_sct_list([GOOD] * 3))), SAN)
    assert sct.precertificate_tbs(middle) == x509.load_der_x509_certificate(middle.raw).tbs_precertificate_bytes


def test_poison_and_scts_are_cut_out_and_nothing_else_is() -> None:
    assert sct.precertificate_tbs(PLAIN) == PLAIN.tbs
    poisoned, logged = certificate(SAN, POISON), with_scts(GOOD)
    assert der.parse(sct.precertificate_tbs(poisoned)).children()[6:] == der.parse(PLAIN.tbs).children()[6:]
    assert der.parse(sct.precertificate_tbs(logged)).children()[6:] == der.parse(PLAIN.tbs).children()[6:]
    alone = certificate(POISON, base=False)
    assert len(der.parse(sct.precertificate_tbs(alone)).children()) == 7


def test_precertificates_are_told_by_their_poison() -> None:
    assert sct.is_precertificate(certificate(POISON))
    assert not sct.is_precertificate(PLAIN)
    assert not sct.is_precertificate(certificate(extension(oids.PRECERTIFICATE_POISON, b"\x05\x00")))
    assert not sct.is_precertificate(certificate(extension(oids.PRECERTIFICATE_POISON, b"", critical=True)))


def test_a_certificate_without_scts_is_refused() -> None:
    assert refused(PLAIN) == "sct-missing"


def test_scts_over_something_else_are_refused() -> None:
    other = stamp(certificate(SAN, extension("1.2.3.4", b"x")))
    assert refused(with_scts(other)) == "sct-signature-invalid"
    assert refused(LEAF, issuer=pki.Authority().certificate) == "sct-signature-invalid"
    for changed in (
        sct.build_sct(LOG.log_id, TIME_MS + 1, EXTENSIONS, GOOD.signature),
        sct.build_sct(LOG.log_id, TIME_MS, b"", GOOD.signature),
        sct.build_sct(LOG.log_id, TIME_MS, EXTENSIONS, b"\x30\x00"),
    ):
        assert refused(with_scts(changed)) == "sct-signature-invalid"


def test_a_signature_over_the_final_certificate_is_no_embedded_sct() -> None:
    data = sct.signed_data(TIME_MS, sct.X509_ENTRY, len(PLAIN.raw).to_bytes(3, "big") + PLAIN.raw, b"")
    assert refused(with_scts(sct.build_sct(LOG.log_id, TIME_MS, b"", sign(data)))) == "sct-signature-invalid"


def test_scts_of_unknown_logs_are_passed_over_and_alone_refused() -> None:
    stranger = sct.build_sct(bytes(32), TIME_MS, b"", b"\x30\x00")
    assert sct.verify_embedded_scts(with_scts(stranger, GOOD), CA.certificate, (LOG,)).sct == GOOD
    assert refused(with_scts(stranger)) == "sct-log-unknown"
    elsewhere = replace(LOG, log_id=bytes(32), public_key=public(ec.generate_private_key(ec.SECP256R1())))
    assert refused(LEAF, replace(elsewhere, log_id=bytes([1]) * 32)) == "sct-log-unknown"


def test_one_wrong_sct_of_a_known_log_is_a_refusal() -> None:
    wrong = sct.build_sct(LOG.log_id, TIME_MS + 1, EXTENSIONS, GOOD.signature)
    assert refused(with_scts(GOOD, wrong)) == refused(with_scts(wrong, GOOD)) == "sct-signature-invalid"


def test_the_log_s_window_covers_both_ends() -> None:
    millisecond = timedelta(milliseconds=1)
    at = replace(LOG, valid_for=Validity(TIME, TIME))
    assert sct.verify_embedded_scts(LEAF, CA.certificate, (at,)).log == at
    early = replace(LOG, valid_for=Validity(None, TIME - millisecond))
    late = replace(LOG, valid_for=Validity(TIME + millisecond, None))
    assert refused(LEAF, early) == refused(LEAF, late) == refused(LEAF, early, late) == "sct-outside-log-window"
    assert sct.verify_embedded_scts(LEAF, CA.certificate, (early, at)).log == at
    assert refused(with_scts(stamp(PLAIN, time_ms=2**64 - 1))) == "sct-outside-log-window"


def test_of_several_good_ones_the_earliest_is_told() -> None:
    later = stamp(PLAIN, time_ms=TIME_MS + 5)
    assert sct.verify_embedded_scts(with_scts(later, GOOD), CA.certificate, (LOG,)).sct == GOOD


def test_algorithms_must_fit_the_log_s_key() -> None:
    by_rsa = sct.build_sct(LOG.log_id, TIME_MS, EXTENSIONS, GOOD.signature, sig_alg=sct.RSA)
    assert refused(with_scts(by_rsa)) == "sct-algorithm-unsupported"
    raw = bytearray(GOOD.raw)
    raw[41 + 2 + len(EXTENSIONS)] = 2  # SHA-1
    assert refused(with_scts(sct.parse_sct(bytes(raw)))) == "sct-algorithm-unsupported"
    edwards = replace(LOG, public_key=public(ed25519.Ed25519PrivateKey.generate()))
    assert refused(LEAF, edwards) == "sct-algorithm-unsupported"


def test_rsa_logs_sign_too() -> None:
    key = rsa_key(0)
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    spki = load_spki(key.public_key().public_bytes(encoding, form))
    data = sct.signed_data(TIME_MS, sct.PRECERT_ENTRY, sct.precert_entry(PLAIN, CA.certificate), b"")
    signature = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    log = replace(LOG, public_key=spki, log_id=spki.key_id, key_details="PKIX_RSA_PKCS1V15_2048_SHA256")
    leaf = with_scts(sct.build_sct(log.log_id, TIME_MS, b"", signature, sig_alg=sct.RSA))
    assert sct.verify_embedded_scts(leaf, CA.certificate, (log,)).log == log


def test_malformed_scts_are_refused() -> None:
    def embed(value: bytes) -> Certificate:
        return certificate(SAN, extension(oids.SCT_LIST, value))

    good = sct.encode_sct_list([GOOD])
    version_two = bytes([1]) + GOOD.raw[1:]
    for value, reason in (
        (b"", "der-truncated"),
        (b"x" + good, "der-trailing"),
        (der.octet_string(b""), "sct-malformed"),
        (der.octet_string(b"\0\0"), "sct-malformed"),
        (der.octet_string(good + b"x"), "sct-malformed"),
        (der.octet_string(good[:-1]), "sct-malformed"),
        (der.octet_string(sct.encode_sct_list([GOOD] * 33)), "sct-malformed"),
        (der.octet_string(sct.encode_sct_list([replace(GOOD, raw=b"")])), "sct-malformed"),
        (der.octet_string(sct.encode_sct_list([replace(GOOD, raw=GOOD.raw + b"x")])), "sct-malformed"),
        (der.octet_string(sct.encode_sct_list([replace(GOOD, raw=version_two)])), "sct-version-unsupported"),
    ):
        assert refused(embed(value)) == reason


def test_what_is_signed_is_laid_out_as_the_specification_says() -> None:
    """RFC 6962 §3.2 and §3.4, byte by byte."""
    tail = bytes.fromhex("00000000000001020001") + b"entry" + b"\0\x01x"
    assert sct.signed_data(0x0102, sct.PRECERT_ENTRY, b"entry", b"x") == b"\0\0" + tail
    assert sct.merkle_tree_leaf(0x0102, sct.PRECERT_ENTRY, b"entry", b"x") == b"\0\0" + tail


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_read_as_they_are(data: bytes) -> None:
    try:
        scts = sct.parse_sct_list(data)
    except FormatError:
        return
    assert sct.encode_sct_list(scts) == data


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_of_the_list_is_refused(at: int, mask: int) -> None:
    data = bytearray(sct.encode_sct_list([GOOD]))
    data[at % len(data)] ^= mask
    try:
        (changed,) = sct.parse_sct_list(bytes(data))
        log = replace(LOG, log_id=changed.log_id)
        sct.verify_sct(changed, PLAIN, CA.certificate, log.public_key)
    except (FormatError, VerificationError):
        return
    assert replace(changed, log_id=GOOD.log_id, raw=b"") == replace(GOOD, raw=b"")  # RFC 6962 does not sign the log id


def _leaf(room: str, name: str) -> Certificate:
    path = vectors.folder(room) / name
    split = gitobject.split_object(path.suffix[1:], path.read_bytes())
    assert split.signature is not None
    signed = cms.parse_signed_data(armor.dearmor(split.signature))
    return cms.signer_certificate(signed, cms.only_signer(signed))


@pytest.mark.parametrize(
    ("room", "name"),
    [("production", name) for name in vectors.names("production", "o[fn]*line-*")]
    + [("realstack", name) for name in vectors.names("realstack", "v[12]-*")],
)
def test_scts_of_real_logs_verify(room: str, name: str) -> None:
    leaf = _leaf(room, name)
    root = parse_trusted_root((vectors.folder(room) / "trusted_root.json").read_bytes())
    issuer = next(
        one for authority in root.certificate_authorities for one in authority.chain if one.subject == leaf.issuer
    )
    found = sct.verify_embedded_scts(leaf, issuer, root.ctlogs)
    assert timedelta(0) <= found.time - leaf.not_before < timedelta(seconds=10)
    loaded = x509.load_der_x509_certificate(leaf.raw)
    assert sct.precertificate_tbs(leaf) == loaded.tbs_precertificate_bytes


def test_a_certificate_by_another_ca_without_scts_is_refused() -> None:
    leaf = _leaf("production", vectors.names("production", "other-ca-*")[0])
    root = parse_trusted_root((vectors.folder("production") / "trusted_root.json").read_bytes())
    assert refused(leaf, *root.ctlogs) == "sct-missing"
