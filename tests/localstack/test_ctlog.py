"""The CT log: SCTs in certificates verify, tree heads and proofs hold together, refusals are JSON."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.certificate_transparency import LogEntryType

from gitsign_py.core.encoding import ByteReader, b64_decode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.keys import load_pem
from gitsign_py.core.tlog import merkle, sct
from gitsign_py.errors import VerificationError
from tests.support.localstackkit import PEM_SPKI, b64, certify, new_key, trusted_root
from tests.support.stack import RunningStack, StackAnswer


def sth(stack: RunningStack) -> dict[str, Any]:
    return dict(stack.get("/ct/v1/get-sth").json())


def leaf_input(stack: RunningStack, index: int) -> bytes:
    (entry,) = stack.get(f"/ct/v1/get-entries?start={index}&end={index}").json()["entries"]
    return b64_decode(entry["leaf_input"])


def ders(chain: tuple[bytes, ...]) -> list[str]:
    return [b64(x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)) for pem in chain]


def test_embedded_sct_verifies_without_our_own_encoder(stack: RunningStack) -> None:
    """cryptography reads the SCT and cuts the precertificate; the signature is over RFC 6962 §3.2's struct."""
    certified = certify(stack)
    leaf = certified.leaf
    (stamp,) = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    (log,) = trusted_root(stack).ctlogs
    assert stamp.log_id == log.log_id == log.public_key.key_id
    assert stamp.entry_type is LogEntryType.PRE_CERTIFICATE
    issuer = x509.load_pem_x509_certificate(certified.chain[1]).public_key()
    spki = issuer.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    tbs = leaf.tbs_precertificate_bytes
    milliseconds = round(stamp.timestamp.timestamp() * 1000).to_bytes(8, "big")
    entry = hashlib.sha256(spki).digest() + len(tbs).to_bytes(3, "big") + tbs
    extensions = len(stamp.extension_bytes).to_bytes(2, "big") + stamp.extension_bytes
    log.public_key.verify(stamp.signature, b"\0\0" + milliseconds + b"\0\1" + entry + extensions)
    assert (
        leaf.not_valid_before_utc.timestamp() - 1 <= stamp.timestamp.timestamp() <= leaf.not_valid_after_utc.timestamp()
    )


def test_sct_names_the_place_of_its_leaf(stack: RunningStack) -> None:
    leaf = certify(stack).leaf
    (stamp,) = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    reader = ByteReader(stamp.extension_bytes)
    assert reader.uint(1) == 0
    index = int.from_bytes(reader.opaque(2), "big")
    reader.finish()
    assert leaf.tbs_precertificate_bytes in leaf_input(stack, index)
    assert index == sth(stack)["tree_size"] - 1


def test_tree_head_is_signed_and_every_entry_is_in_it(stack: RunningStack) -> None:
    for _ in range(3):
        certify(stack)
    head = sth(stack)
    root = b64_decode(head["sha256_root_hash"])
    signed = b"\0\1" + head["timestamp"].to_bytes(8, "big") + head["tree_size"].to_bytes(8, "big") + root
    signature = b64_decode(head["tree_head_signature"])
    assert signature[:2] == b"\4\3"  # sha256, ecdsa (RFC 5246 §7.4.1.4.1)
    trusted_root(stack).ctlogs[0].public_key.verify(ByteReader(signature[2:]).opaque(2), signed)
    for index in range(head["tree_size"]):
        hashed = merkle.leaf_hash(leaf_input(stack, index))
        answer = stack.get(
            f"/ct/v1/get-proof-by-hash?hash={quote(b64(hashed), safe='')}&tree_size={head['tree_size']}"
        ).json()
        assert answer["leaf_index"] == index
        path = [b64_decode(part) for part in answer["audit_path"]]
        merkle.verify_inclusion(hashed, index, head["tree_size"], path, root)


def test_older_heads_are_prefixes(stack: RunningStack) -> None:
    certify(stack)
    heads = [sth(stack)]
    for _ in range(3):
        certify(stack)
        heads.append(sth(stack))
    for old, new in pairwise(heads):
        query = f"first={old['tree_size']}&second={new['tree_size']}"
        proof = stack.get(f"/ct/v1/get-sth-consistency?{query}").json()["consistency"]
        roots = (b64_decode(old["sha256_root_hash"]), b64_decode(new["sha256_root_hash"]))
        merkle.verify_consistency(old["tree_size"], new["tree_size"], [b64_decode(p) for p in proof], *roots)


def test_chain_of_a_finished_certificate_is_logged_once(stack: RunningStack) -> None:
    chain = {"chain": ders(certify(stack).chain)}
    first, again = stack.post("/ct/v1/add-chain", chain), stack.post("/ct/v1/add-chain", chain)
    assert first.status == 200
    assert first.json() == again.json()
    index = int.from_bytes(b64_decode(first.json()["extensions"])[3:], "big")
    entry = stack.get(f"/ct/v1/get-entries?start={index}&end={index + 5}").json()["entries"][0]
    leaf = ByteReader(b64_decode(entry["leaf_input"]))
    assert (leaf.uint(1), leaf.uint(1), leaf.uint(8), leaf.uint(2)) == (0, 0, first.json()["timestamp"], 0)
    assert b64(leaf.opaque(3)) == chain["chain"][0]
    extra = ByteReader(ByteReader(b64_decode(entry["extra_data"])).opaque(3))
    assert [b64(extra.opaque(3)) for _ in range(2)] == chain["chain"][1:]
    without_root = {"chain": ders(certify(stack).chain)[:2]}
    assert stack.post("/ct/v1/add-chain", without_root).status == 200


def test_accepted_roots_are_fulcios(stack: RunningStack) -> None:
    pems = x509.load_pem_x509_certificates((stack.directory / "fulcio-root.pem").read_bytes())
    certificates = stack.get("/ct/v1/get-roots").json()["certificates"]
    assert [x509.load_der_x509_certificate(b64_decode(der)) for der in certificates] == pems


def self_signed() -> bytes:
    private, name = new_key(), x509.Name([])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def refused(answer: StackAnswer, status: int = 400) -> bool:
    value = answer.json()
    return (answer.status, value["success"], bool(value["error_message"])) == (status, False, True)


def test_bad_chains_are_refused(stack: RunningStack) -> None:
    leaf, intermediate, root = ders(certify(stack).chain)
    before = sth(stack)["tree_size"]
    for chain in (
        None,
        [],
        [7],
        ["*"],
        [b64(b"no certificate")],
        [b64(self_signed())],
        [leaf, root],
        [root, leaf],
        [root],
        [leaf, intermediate, b64(self_signed())],
        [leaf] * 11,
    ):
        assert refused(stack.post("/ct/v1/add-chain", {"chain": chain})), chain
    assert refused(stack.post("/ct/v1/add-pre-chain", {"chain": [leaf, intermediate, root]}))
    assert refused(stack.request("POST", "/ct/v1/add-chain", b"{", "application/json"))
    assert sth(stack)["tree_size"] == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("get-sth-consistency", 400),
        ("get-sth-consistency?first=0&second=1", 400),
        ("get-sth-consistency?first=2&second=1", 400),
        ("get-sth-consistency?first=1&second=99999", 400),
        ("get-sth-consistency?first=-1&second=1", 400),
        ("get-proof-by-hash?hash=*&tree_size=1", 400),
        ("get-proof-by-hash?hash=AAAA&tree_size=0", 400),
        ("get-proof-by-hash?hash=AAAA&tree_size=99999", 400),
        ("get-proof-by-hash?hash=AAAA&tree_size=1", 404),
        ("get-entries?start=1&end=0", 400),
        ("get-entries?start=99999&end=99999", 400),
        ("get-entries?start=x&end=1", 400),
    ],
)
def test_bad_reads_are_refused(stack: RunningStack, path: str, status: int) -> None:
    certify(stack)
    assert refused(stack.get(f"/ct/v1/{path}"), status)


def test_key_is_p256(stack: RunningStack) -> None:
    key = serialization.load_pem_public_key((stack.directory / "ctlog.pub").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_core_accepts_the_sct_and_no_other_log(stack: RunningStack) -> None:
    leaf, issuer, _ = (parse_certificate(b64_decode(der)) for der in ders(certify(stack).chain))
    (log,) = trusted_root(stack).ctlogs
    verified = sct.verify_embedded_scts(leaf, issuer, [log])
    assert verified.log == log
    other = replace(log, public_key=load_pem(public_pem(new_key())))
    with pytest.raises(VerificationError) as caught:
        sct.verify_embedded_scts(leaf, issuer, [other])
    assert caught.value.reason == "sct-signature-invalid"


def public_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(*PEM_SPKI)
