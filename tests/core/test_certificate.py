"""Certificates, Fulcio's profile and paths: read as cryptography wrote them, refused with a reason each."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.pki import certificate as certs
from gitsign_py.core.pki import certpath, der, fulcio, oids
from gitsign_py.errors import FormatError, GitsignError, VerificationError
from tests.support.forgedworld import World, extension
from tests.support.pki import ISSUER, START, Authority, issuer_extensions, name, usage

ROOT = Authority()
INTERMEDIATE = Authority("intermediate", ROOT, path_length=0, purposes=[ExtendedKeyUsageOID.CODE_SIGNING])
LEAF = INTERMEDIATE.leaf()
CHAIN = (INTERMEDIATE.certificate, ROOT.certificate)


def path(leaf: certs.Certificate, *chain: certs.Certificate, **options: object) -> tuple[certs.Certificate, ...]:
    return certpath.check_path(leaf, chain or CHAIN, purpose=oids.CODE_SIGNING, **options)  # type: ignore[arg-type]


def refusal(action: object, *arguments: object, **options: object) -> str:
    assert callable(action)
    with pytest.raises(GitsignError) as caught:
        action(*arguments, **options)
    return caught.value.reason


def test_fields_agree_with_cryptography() -> None:
    foreign = x509.load_der_x509_certificate(LEAF.raw)
    assert LEAF.serial == foreign.serial_number
    assert (LEAF.not_before, LEAF.not_after) == (foreign.not_valid_before_utc, foreign.not_valid_after_utc)
    assert LEAF.tbs == foreign.tbs_certificate_bytes
    assert LEAF.signature == foreign.signature
    assert LEAF.issuer == foreign.issuer.public_bytes()
    assert [(e.oid, e.critical) for e in LEAF.extensions] == [
        (e.oid.dotted_string, e.critical) for e in foreign.extensions
    ]
    assert certs.parse_pem_chain(foreign.public_bytes(Encoding.PEM) * 2) == (LEAF, LEAF)


def test_identity_of_a_leaf() -> None:
    found = fulcio.certificate_identity(LEAF)
    assert (found.value, found.san_type, found.issuer) == ("alice@example.com", "email", ISSUER)


def test_claims_are_read_raw_and_as_text() -> None:
    extra: list[tuple[x509.ExtensionType, bool]] = [
        (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.5"), b"org/repo"), False),
        (
            x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.14"), der.utf8_string("refs/heads/main")),
            False,
        ),
    ]
    claims = fulcio.certificate_identity(INTERMEDIATE.leaf(extra=extra)).claims
    assert claims == {"github_workflow_repository": "org/repo", "source_repository_ref": "refs/heads/main"}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "certificate-san-missing"),
        ([x509.RFC822Name("a@b.c"), x509.RFC822Name("d@e.f")], "certificate-san-several"),
        ([x509.RFC822Name("a@b.c"), x509.UniformResourceIdentifier("https://a")], "certificate-san-several"),
        ([x509.DNSName("example.com")], "certificate-san-unsupported"),
        ([x509.OtherName(ObjectIdentifier("1.2.3"), der.utf8_string("x"))], "certificate-san-unsupported"),
        ([x509.UniformResourceIdentifier("https://a\nb")], "certificate-san-unsupported"),
    ],
)
def test_names_that_are_refused(names: list[x509.GeneralName], reason: str) -> None:
    assert refusal(fulcio.certificate_identity, INTERMEDIATE.leaf(names=names)) == reason


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/a/b/.github/workflows/x.yml@refs/heads/main",
        "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/v1.0%2B%C3%BC",
        "spiffe://example.org/ns/a/sa/b",
        "https://user@example.org:8443?x=[1]#y",
        "https://[2001:db8::1]:443/",
        "urn:example:alice",
        "file:///alice",
        "alice/bob",
    ],
)
def test_uris(text: str) -> None:
    assert fulcio.certificate_identity(INTERMEDIATE.leaf(names=[x509.UniformResourceIdentifier(text)])).value == text


@pytest.mark.parametrize(
    "text",
    [
        "https://a b/",
        "https://a/%zz",
        "https://a/%2",
        "https://a..b/",
        "https://a./",
        "https://[::1",
        "https://a:80x/",
        "https://a/<b>",
        "//a..b/",
        "1:a",
    ],
)
def test_uris_that_are_none(text: str) -> None:
    """Go's crypto/x509 refuses the certificate as a whole, and with it every client that is built on it."""
    leaf = INTERMEDIATE.leaf(names=[x509.UniformResourceIdentifier(text)])
    assert refusal(fulcio.certificate_identity, leaf) == "certificate-san-invalid"


def test_uri_and_other_name() -> None:
    uri = INTERMEDIATE.leaf(
        names=[x509.UniformResourceIdentifier("https://github.com/o/r/.github/workflows/x.yml@refs/heads/main")]
    )
    assert fulcio.certificate_identity(uri).san_type == "uri"
    other = x509.OtherName(ObjectIdentifier(oids.FULCIO_OTHER_NAME), der.utf8_string("alice!example.com"))
    found = fulcio.certificate_identity(INTERMEDIATE.leaf(names=[other]))
    assert (found.value, found.san_type) == ("alice!example.com", "other")


def test_issuers_that_are_refused() -> None:
    assert refusal(fulcio.certificate_identity, INTERMEDIATE.leaf(issuers=[])) == "certificate-issuer-missing"
    disagree = INTERMEDIATE.leaf(issuers=issuer_extensions(ISSUER, "https://other.example.com"))
    assert refusal(fulcio.certificate_identity, disagree) == "certificate-issuer-disagrees"
    raw = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), b"\xff")
    assert (
        refusal(fulcio.certificate_identity, INTERMEDIATE.leaf(issuers=[(raw, False)])) == "certificate-claim-invalid"
    )
    empty = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), b"")
    assert (
        refusal(fulcio.certificate_identity, INTERMEDIATE.leaf(issuers=[(empty, False)]))
        == "certificate-issuer-missing"
    )


def test_one_issuer_extension_is_enough() -> None:
    for only in issuer_extensions():
        assert fulcio.certificate_identity(INTERMEDIATE.leaf(issuers=[only])).issuer == ISSUER


def test_profile() -> None:
    fulcio.check_profile(LEAF)
    time_stamping = INTERMEDIATE.leaf(purposes=[ExtendedKeyUsageOID.TIME_STAMPING])
    assert refusal(fulcio.check_profile, time_stamping) == "certificate-not-code-signing"
    assert refusal(fulcio.check_profile, INTERMEDIATE.leaf(purposes=[])) == "certificate-not-code-signing"
    assert refusal(fulcio.check_profile, INTERMEDIATE.leaf(ca=True)) == "certificate-is-ca"
    assert refusal(fulcio.check_profile, INTERMEDIATE.leaf(digital_signature=False)) == "certificate-key-usage"
    assert refusal(fulcio.check_profile, INTERMEDIATE.certificate) == "certificate-is-ca"


def test_path_ends_at_the_root() -> None:
    assert path(LEAF) == CHAIN
    assert path(LEAF, ROOT.certificate, untrusted=[INTERMEDIATE.certificate]) == CHAIN
    assert path(LEAF, INTERMEDIATE.certificate) == (INTERMEDIATE.certificate,)
    assert path(ROOT.leaf(), ROOT.certificate) == (ROOT.certificate,)


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)])
def test_paths_with_other_ca_keys(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> None:
    authority = Authority("other", key=key)
    assert path(authority.leaf(), authority.certificate) == (authority.certificate,)


def test_paths_that_are_refused() -> None:
    stranger = Authority("stranger")
    twin = Authority("intermediate", ROOT)  # the same name, another key
    no_ca = Authority("noca", ROOT, ca=False, key_cert_sign=True)
    no_sign = Authority("nosign", ROOT, key_cert_sign=False)
    deep = Authority("deep", INTERMEDIATE)
    other_purpose = Authority("tsa", ROOT, purposes=[ExtendedKeyUsageOID.TIME_STAMPING])
    critical = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
    odd = Authority("odd", ROOT, extra=[critical])
    assert refusal(path, stranger.leaf()) == "certificate-untrusted"
    assert refusal(path, LEAF, stranger.certificate) == "certificate-untrusted"
    assert refusal(path, twin.leaf()) == "certificate-signature-invalid"
    assert refusal(path, no_ca.leaf(), no_ca.certificate, ROOT.certificate) == "certificate-issuer-not-ca"
    assert refusal(path, no_sign.leaf(), no_sign.certificate, ROOT.certificate) == "certificate-issuer-key-usage"
    assert refusal(path, deep.leaf(), deep.certificate, *CHAIN) == "certificate-path-too-long"
    assert (
        refusal(path, other_purpose.leaf(), other_purpose.certificate, ROOT.certificate) == "certificate-issuer-purpose"
    )
    assert refusal(path, odd.leaf(), odd.certificate, ROOT.certificate) == "certificate-extension-critical"
    assert refusal(path, INTERMEDIATE.leaf(extra=[critical])) == "certificate-extension-critical"
    assert refusal(certpath.check_path, LEAF, (), purpose=oids.CODE_SIGNING) == "certificate-untrusted"


def test_a_signature_by_rsassa_pss_is_read_and_never_believed() -> None:
    """A root may be signed so, since nobody looks at a root's own signature; what it signs so is not believed."""
    own, leaf_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)

    def signed(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, subject: str, ca: bool) -> certs.Certificate:
        builder = x509.CertificateBuilder(name("rsa"), name(subject), public, 7, START, START + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
        builder = builder.add_extension(usage(key_cert_sign=ca, digital_signature=not ca), critical=True)
        made = builder.sign(own, hashes.SHA256(), rsa_padding=pss)
        return certs.parse_certificate(made.public_bytes(Encoding.DER))

    root = signed(own.public_key(), "rsa", True)
    good = Authority("rsa", key=own)
    assert path(good.leaf(), root) == (root,)
    assert refusal(path, signed(leaf_key.public_key(), "leaf", False), root) == "certificate-signature-invalid"


def test_untrusted_certificates_never_end_a_path() -> None:
    stranger = Authority("stranger")
    assert refusal(path, stranger.leaf(), untrusted=[stranger.certificate]) == "certificate-untrusted"


def test_a_loop_of_ca_certificates_ends() -> None:
    one_key, two_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    one, two = Authority("one", key=one_key), Authority("two", key=two_key)
    crossed = [
        two.sign(one_key, one.subject, START, START + timedelta(days=1), _ca_extensions()),
        one.sign(two_key, two.subject, START, START + timedelta(days=1), _ca_extensions()),
    ]
    assert refusal(path, one.leaf(), ROOT.certificate, untrusted=crossed) == "certificate-untrusted"


def _ca_extensions() -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.BasicConstraints(True, None), True), (usage(key_cert_sign=True), True)]


def test_times_are_inclusive_at_both_ends() -> None:
    certpath.check_times([LEAF], LEAF.not_before)
    certpath.check_times([LEAF], LEAF.not_after + timedelta(microseconds=999_999))
    assert refusal(certpath.check_times, [LEAF], LEAF.not_after + timedelta(seconds=1)) == "certificate-expired"
    assert (
        refusal(certpath.check_times, [LEAF], LEAF.not_before - timedelta(microseconds=1))
        == "certificate-not-yet-valid"
    )


@given(st.integers(0, len(LEAF.raw) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_breaks_the_signature(position: int, bit: int) -> None:
    data = bytearray(LEAF.raw)
    data[position] ^= 1 << bit
    try:
        changed = certs.parse_certificate(bytes(data))
        fulcio.check_profile(changed)
        path(changed)
    except (FormatError, VerificationError):
        return
    raise AssertionError(f"bit {bit} of byte {position} can be flipped")


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        certs.parse_certificate(data)


def test_structures_that_are_refused() -> None:
    outer = der.parse(LEAF.raw).children()
    other_algorithm = der.sequence(der.oid(oids.ECDSA_SHA256))
    assert (
        refusal(certs.parse_certificate, der.sequence(outer[0].raw, other_algorithm, outer[2].raw))
        == "certificate-algorithm-mismatch"
    )
    assert refusal(certs.parse_certificate, b"\x00" * (certs.MAX_CERTIFICATE_BYTES + 1)) == "certificate-too-large"
    tbs = outer[0].children()
    extensions = der.parse(tbs[-1].content).children()

    def rebuilt(version: bytes, *items: bytes) -> bytes:
        parts = [version, *(part.raw for part in tbs[1:-1]), der.context(3, der.sequence(*items))]
        return der.sequence(der.sequence(*parts), outer[1].raw, outer[2].raw)

    v3, raws = tbs[0].raw, [extension.raw for extension in extensions]
    assert refusal(certs.parse_certificate, rebuilt(der.context(0, der.integer(1)), *raws)) == "certificate-version"
    assert refusal(certs.parse_certificate, rebuilt(v3, *raws, raws[0])) == "certificate-extension-repeated"
    many = [der.sequence(der.oid(f"1.2.{n}"), der.octet_string(b"")) for n in range(65)]
    assert refusal(certs.parse_certificate, rebuilt(v3, *many)) == "certificate-too-large"
    default = der.sequence(der.oid("1.2.3"), der.boolean(value=False), der.octet_string(b""))
    assert refusal(certs.parse_certificate, rebuilt(v3, default)) == "der-default"


@pytest.mark.parametrize(
    ("number", "value", "shown"),
    [
        ("25", der.utf8_string("of tomorrow"), "of tomorrow"),
        ("1024", der.utf8_string("x"), "x"),
        ("25", b"\x02\x01\x05", None),  # a number: no text, and no error
        ("25", b"\xff", None),
        ("025", der.utf8_string("x"), None),
    ],
)
def test_a_claim_of_tomorrow_is_shown_by_its_number(number: str, value: bytes, shown: str | None) -> None:
    oid = f"{oids.SIGSTORE}.1.{number}"
    if number.startswith("0"):
        assert not oids.is_later_claim(oid)
        return
    leaf = World().leaf(extra=[extension(oid, value)])
    assert fulcio.certificate_identity(leaf).claims.get(oid) == shown


def test_known_claims_are_no_later_ones() -> None:
    assert not any(oids.is_later_claim(oid) for oid in (*oids.FULCIO_CLAIMS, *oids.FULCIO_GITHUB_CLAIMS))
