"""Entries whose certificates are full of markup, bidirectional and control characters, on the pages about logs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gitsign_py.core.encoding import b64_encode, pem_encode
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body
from gitsign_py.monitor.pages.desk import Desk, Shelf
from gitsign_py.monitor.pages.markup import headers
from gitsign_py.monitor.replica import Replica
from gitsign_py.monitor.replicasource import ReplicaSource
from tests.support.memorylog import signed_source
from tests.support.pagekit import harmless
from tests.support.pki import Authority

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</code></td></table><h1>Verified</h1>",
    "]]><!--",
    "javascript:alert(1)//",
    "\u202ecilla@example.com\u202c",
    "\u2066\u2069\u200f\u061c\ufeff\u200b",
    "\x1b[31m\x07\x00\r\nSet-Cookie: a=b",
    "&lt;b&gt;&amp;&#60;",
    "\u2028\u2029\x85",
    "a" * 20_000,
)
USER_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")


def utf8(text: str) -> bytes:
    data = text.encode()
    size = len(data).to_bytes(3, "big").lstrip(b"\0") or b"\0"
    return b"\x0c" + (bytes([len(data)]) if len(data) < 128 else bytes([0x80 | len(size)]) + size) + data


def certificate(evil: str) -> Certificate:
    """A leaf with the text as its name and as a claim, and as its issuer where an old extension could have it."""
    claim = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.12"), utf8(evil))
    issuer = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), utf8(evil)), False)]
    return Authority().leaf(
        names=[x509.OtherName(USER_NAME, utf8(evil))],
        issuers=issuer,  # type: ignore[arg-type]
        extra=[(claim, False)],
    )


def desk(folder: Path, *bodies: bytes) -> Desk:
    """The desk over a replica of a log that signed these entries."""
    log = signed_source(*bodies, name="evil<b>.example")
    Replica(folder).update(log, log.heads()[0])
    root = log.root

    @contextmanager
    def shelf() -> Iterator[Shelf]:
        yield Shelf((ReplicaSource(Replica(folder), root),), root)

    return Desk(shelf, lambda: NOW, front=lambda: "")


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_nothing_of_a_certificate_becomes_markup(tmp_path: Path, evil: str) -> None:
    signed = pem_encode(certificate(evil).raw, "CERTIFICATE")
    made = desk(tmp_path / "r", hashedrekord_v001_body(b"\1" * 32, b"signature", signed))
    entry = made.answer("/log/entry", {"index": "0"})
    assert entry.status == 200
    read = harmless(entry.body)
    assert "Not verified." in read.words
    assert read.elements.count("h1") == 1
    people = harmless(made.answer("/log/people", {}).body)
    found = harmless(made.answer("/log/search", {"q": evil[:300]}).body)
    visible = evil if evil.isprintable() and len(evil) < 300 else ""
    for page in (read, people):
        assert visible in page.words
    assert visible in found.words
    assert harmless(made.answer("/", {}).body).words.count("evil<b>.example") > 0


def test_a_page_does_not_grow_with_a_certificate(tmp_path: Path) -> None:
    """Hundreds of names in a certificate: the page shows some, and how many there are."""
    names: list[x509.GeneralName] = [x509.RFC822Name(f"{number:05}{'x' * 50}@example.com") for number in range(500)]
    signed = pem_encode(Authority().leaf(names=names).raw, "CERTIFICATE")
    page = desk(tmp_path / "r", hashedrekord_v001_body(b"\1" * 32, b"signature", signed)).answer(
        "/log/entry", {"index": "0"}
    )
    assert "450" in harmless(page.body).words
    assert len(page.body) < 400_000


def bodies() -> list[bytes]:
    evil = "".join(EVIL[:9])
    return [
        evil.encode(),
        json.dumps({"kind": evil, "apiVersion": evil, "spec": {}}).encode(),
        json.dumps({"kind": "hashedrekord", "apiVersion": "0.0.1", "spec": {evil: evil}}).encode(),
        b'{"kind":"hashedrekord","apiVersion":"0.0.1","spec":' + b"[" * 5000,
        hashedrekord_v001_body(b"\1" * 32, b"s", pem_encode(b"\x30\x03<b>", "CERTIFICATE")),
        b"\xff\xfe" + b64_encode(evil.encode()).encode(),
        b"",
    ]


@pytest.mark.parametrize("number", range(7))
def test_an_entry_of_any_bytes_gets_a_page(tmp_path: Path, number: int) -> None:
    made = desk(tmp_path / "r", bodies()[number])
    page = made.answer("/log/entry", {"index": "0"})
    harmless(page.body)
    assert page.status == 200
    assert harmless(made.answer("/", {}).body).words


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_nothing_of_a_question_becomes_markup(tmp_path: Path, evil: str) -> None:
    made = desk(tmp_path / "r", b"entry")
    for path, query in (
        ("/log/search", {"q": evil}),
        ("/log/entry", {"index": evil, "log": evil}),
        ("/log/people", {"log": evil}),
    ):
        page = made.answer(path, query)
        harmless(page.body)
        assert page.status in (200, 400)


def test_the_policy_lets_nothing_run() -> None:
    policy = headers()["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not any(word in policy for word in ("script-src", "unsafe", "*", "http:", "https:"))
