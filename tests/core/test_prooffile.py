"""Proof files (C2SP tlog-proof): the form of the specification, written the same again, and everything else refused."""

import pytest

from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.tlog.prooffile import ProofFile, format_proof_file, parse_proof_file
from gitsign_py.errors import FormatError

HASH = b64_encode(b"\x07" * 32)
CHECKPOINT = b"example.com/log\n9\n" + HASH.encode() + b"\n\n\xe2\x80\x94 example.com/log AAAAAAAA\n"


def text(*lines: str) -> bytes:
    return "\n".join(lines).encode() + b"\n\n" + CHECKPOINT


def test_the_form_of_the_specification() -> None:
    data = text("c2sp.org/tlog-proof@v1", "extra aGk=", "index 7", HASH, HASH)
    found = parse_proof_file(data)
    assert found == ProofFile(7, (b"\x07" * 32,) * 2, CHECKPOINT, b"hi")
    assert format_proof_file(found) == data


@pytest.mark.parametrize("lines", [("index 0",), ("index 0", HASH), ("extra aGk=", "index 12")])
def test_extra_data_and_hashes_may_be_missing(lines: tuple[str, ...]) -> None:
    data = text("c2sp.org/tlog-proof@v1", *lines)
    assert format_proof_file(parse_proof_file(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        text("c2sp.org/tlog-proof@v2", "index 0"),
        text("c2sp.org/tlog-proof@v1"),
        text("c2sp.org/tlog-proof@v1", "index 00"),
        text("c2sp.org/tlog-proof@v1", "index -1"),
        text("c2sp.org/tlog-proof@v1", "index 9223372036854775808"),
        text("c2sp.org/tlog-proof@v1", "index 0", "AAAA"),
        text("c2sp.org/tlog-proof@v1", "index 0", HASH.rstrip("=")),
        text("c2sp.org/tlog-proof@v1", "index 0", *[HASH] * 65),
        text("c2sp.org/tlog-proof@v1", "extra ", "index 0"),
        text("c2sp.org/tlog-proof@v1", "extra aGk=", "extra aGk=", "index 0"),
        text("c2sp.org/tlog-proof@v1", "index 0", "extra aGk="),
        text("c2sp.org/tlog-proof@v1", "index 0", "\u00e9"),
        b"c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nindex 0\n\n",
        text("c2sp.org/tlog-proof@v1", "index 0") + b"x" * 600_000,
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        parse_proof_file(data)
    assert caught.value.reason == "proof-file-malformed"
