"""Distinguished names: one text for each, however a person wrote it."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gitsign_py.core.pki import der
from gitsign_py.core.pki.ber import definite
from gitsign_py.core.pki.distinguished import name_text, written_name
from gitsign_py.errors import FormatError

PARTS = [
    (NameOID.COUNTRY_NAME, "DE"),
    (NameOID.ORGANIZATION_NAME, 'A+B, "C" <d>; e\\'),
    (NameOID.COMMON_NAME, " #Zoë "),
    (NameOID.EMAIL_ADDRESS, "zoe@example.com"),
]


def raw(*parts: tuple[x509.ObjectIdentifier, str]) -> bytes:
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts]).public_bytes()


def test_what_is_written_reads_back() -> None:
    for parts in (PARTS, PARTS[:1], PARTS[2:3], [(NameOID.COMMON_NAME, "a=b\u202e\n")]):
        text = name_text(raw(*parts))
        assert written_name(text) == text
        assert text.isprintable()
    assert name_text(raw(*PARTS[::3])) == "emailAddress=zoe@example.com,C=DE"
    assert name_text(raw()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "E=zoe@example.com, CN=Zoe, C=DE",
        "email=zoe@example.com,cn=Zoe,c=DE",
        "OID.1.2.840.113549.1.9.1=zoe@example.com ; 2.5.4.3 = Zoe , C=DE",
        "1.2.840.113549.1.9.1=#160f7a6f65406578616d706c652e636f6d,CN=\\5a\\6f\\65,C=DE",
    ],
)
def test_ways_to_write_one_name(text: str) -> None:
    """The last of them is how gpgsm writes an address."""
    assert written_name(text) == "emailAddress=zoe@example.com,CN=Zoe,C=DE"


def test_cryptography_writes_names_that_are_read_alike() -> None:
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in PARTS])
    assert written_name(name.rfc4514_string()) == name_text(raw(*PARTS))


def test_other_names_stay_others() -> None:
    names = ["CN=Zoe", "CN=zoe", "CN=Zoe\\ ", "CN=Zoe,O=x", "CN=Zoe+O=x", "O=x,CN=Zoe", "OU=Zoe", "CN=Zo\\c3\\ab"]
    assert len({written_name(name) for name in names}) == len(names)
    assert written_name("CN=Zoe+O=x") == written_name("O=x+CN=Zoe")


@pytest.mark.parametrize(
    "text", ["", "Zoe", "CN=Zoe,", "XY=Zoe", "CN=\\", 'CN="Zoe"', "CN=\\ff", "CN=#04", "CN=" + "x" * 5000]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(FormatError):
        written_name(text)


def test_a_value_that_is_no_string_stands_as_its_der() -> None:
    odd = der.sequence(der.set_of([der.sequence(der.oid("2.5.4.3"), der.octet_string(b"\x01"))]))
    assert name_text(odd) == "CN=#040101"
    assert written_name("CN=#040101") == "CN=#040101"


def test_indefinite_lengths_become_definite() -> None:
    inner = der.sequence(der.integer(5), der.octet_string(b"\x00\x00"))
    made = b"\x30\x80\xa0\x80" + inner + b"\0\0\0\0"
    assert definite(made) == der.sequence(der.context(0, inner))
    assert definite(inner) == inner
    for odd in (made[:-1], made + b"\0", b"\x04\x80\0\0", b"\x30\x80" * 30 + b"\0\0" * 30, b"\x30", b""):
        with pytest.raises(FormatError):
            definite(odd)
