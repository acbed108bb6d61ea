"""Git signatures in one pass: what it gives or refuses is what the general reader gives or refuses, to the word."""

import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.core.pki import cms, cmsbuild, der, gitsigned
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.errors import FormatError
from tests.support.pki import Authority
from tests.support.thorough import THOROUGH

CA = Authority()
KEY = ec.generate_private_key(ec.SECP256R1())
LEAF = CA.leaf(key=KEY)
ENTRY = cmsbuild.log_entry_attribute(bytes(range(256)) * 2)
TOKEN = cmsbuild.timestamp_attribute(der.sequence(der.integer(1), der.null()))
ROUNDS = 20_000 if THOROUGH else 4_000


def made(*unsigned: cms.Attribute, year: int = 2026, leaf: Certificate = LEAF) -> bytes:
    attributes = cmsbuild.build_signed_attributes(b"tree\n", datetime(year, 1, 1, tzinfo=UTC))
    return cmsbuild.build_signed_data(leaf, attributes, KEY.sign(attributes, ec.ECDSA(hashes.SHA256())), unsigned)


SHAPES = {"online": made(), "logged": made(ENTRY), "stamped": made(TOKEN), "both": made(ENTRY, TOKEN)}


def said(read: object, data: bytes) -> object:
    """The record, or the refusal in all its words."""
    assert callable(read)
    try:
        return read(data)
    except FormatError as error:
        return type(error), error.reason, error.message, dict(error.facts)


def alike(data: bytes) -> bool:
    """Both readers say the same; whether it was a record."""
    expected = said(cms.parse_signed_data, data)
    assert said(gitsigned.parse_signature, data) == expected, data.hex()
    return isinstance(expected, cms.SignedData)


@pytest.mark.parametrize("shape", ["logged", "stamped", "both"])
def test_the_usual_shapes_are_read_in_one_pass(shape: str) -> None:
    data = SHAPES[shape]
    quick = gitsigned._in_one_pass(data)
    assert quick is not None
    assert quick == cms.parse_signed_data(data)
    assert quick.certificates[0].extensions == LEAF.extensions  # which equality leaves to the bytes


def test_a_signature_of_another_shape_is_left_to_the_general_reader() -> None:
    """A GeneralizedTime; a CA of so short a name that less than 256 octets follow the certificate."""
    for data in (made(ENTRY, year=2050), SHAPES["online"]):
        assert gitsigned._in_one_pass(data) is None
        assert alike(data)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_octet_changed_left_out_or_doubled(shape: str) -> None:
    data = SHAPES[shape]
    outcomes = Counter[bool]()
    for at, octet in enumerate(data):
        for other in {0x00, 0x7F, 0x80, 0xFF, octet ^ 0x01, octet ^ 0x20, (octet + 1) & 0xFF} - {octet}:
            outcomes[alike(data[:at] + bytes((other,)) + data[at + 1 :])] += 1
        for changed in (data[:at], data[:at] + data[at + 1 :], data[: at + 1] + data[at:]):
            outcomes[alike(changed)] += 1
    assert min(outcomes[True], outcomes[False]) > 100


# --- structure -------------------------------------------------------------------------------------------------------


class Node:
    """An element that can be changed and written again, with all lengths around it as they must be."""

    def __init__(self, element: der.Element) -> None:
        self.tag, self.content = element.tag, element.content
        self.parts: list[Node] = []
        if element.tag & 0x20:
            self.parts = [Node(child) for child in element.children()]

    def write(self) -> bytes:
        return der.encode(self.tag, b"".join(part.write() for part in self.parts) if self.parts else self.content)

    def all(self) -> "list[Node]":
        return [self, *(one for part in self.parts for one in part.all())]


def spoil(root: Node, rng: random.Random) -> None:
    """Change one thing that leaves everything around it well-formed."""
    nodes = root.all()
    parents = [node for node in nodes if node.parts]
    if not parents:
        return  # an earlier change left nothing out of which more could be taken
    parent = rng.choice(parents)
    at = rng.randrange(len(parent.parts))
    kind = rng.choice(("leave out", "double", "swap", "other", "tag", "content", "wrap"))
    chosen = parent.parts[at]
    if kind == "leave out":
        parent.parts.pop(at)
        parent.content = b""
    elif kind == "double":
        parent.parts.insert(at, chosen)
    elif kind == "swap":
        other = rng.randrange(len(parent.parts))
        parent.parts[at], parent.parts[other] = parent.parts[other], chosen
    elif kind == "other":
        parent.parts[at] = rng.choice(nodes[1:]) if parent is root else parent.parts[rng.randrange(len(parent.parts))]
    elif kind == "tag":
        chosen.tag = rng.choice((der.SEQUENCE, der.SET, der.OCTET_STRING, der.INTEGER, der.NULL, 0xA0, 0xA1, 0x80))
    elif kind == "content":
        chosen.parts, chosen.content = [], rng.choice((b"", b"\x01", b"\x00\x01", bytes(13), bytes(127), bytes(300)))
    else:
        parent.parts[at] = Node(der.parse(der.sequence()))
        parent.parts[at].parts = [chosen]


def test_changed_structures() -> None:
    """Elements left out, doubled, moved, wrapped, of another tag or content; one to three changes each."""
    rng = random.Random(20261130)
    shapes, outcomes = list(SHAPES.values()), Counter[bool]()
    for _ in range(ROUNDS):
        root = Node(der.parse(rng.choice(shapes)))
        for _ in range(rng.randint(1, 3)):
            spoil(root, rng)
        outcomes[alike(root.write())] += 1
    assert min(outcomes[True], outcomes[False]) > ROUNDS // 100


@pytest.mark.parametrize("length", [0, 1, 64, 127, 128, 255, 256])
def test_signatures_of_any_length(length: int) -> None:
    """An ECDSA signature has some 71 octets; from 128 on the length has another form."""
    attributes = cmsbuild.build_signed_attributes(b"tree\n", datetime(2026, 1, 1, tzinfo=UTC))
    data = cmsbuild.build_signed_data(LEAF, attributes, bytes(length), (ENTRY,))
    assert alike(data)
    assert (gitsigned._in_one_pass(data) is not None) is (length < 128)


def test_the_sizes_at_which_lengths_change_their_form() -> None:
    """Around 65,535 octets in all, and around 256 of the last part."""
    for size in (*range(200, 270), *range(64_200, 65_600, 7)):
        assert alike(made(cmsbuild.log_entry_attribute(bytes(size))))


def test_a_signer_that_the_certificate_does_not_name() -> None:
    """The name is compared with the certificate's: another serial number is the general reader's."""
    data = bytearray(made(ENTRY))
    end = data.rindex(der.integer(LEAF.serial)) + len(der.integer(LEAF.serial))
    data[end - 1] ^= 1
    assert gitsigned._in_one_pass(bytes(data)) is None
    assert alike(bytes(data))
