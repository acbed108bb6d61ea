"""Rekor v1: answers and refusals in the form of the real server's; promises, proofs and checkpoints that verify."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from gitsign_py.core.encoding import b64_decode
from gitsign_py.core.pki.keys import PublicKey, load_pem
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.checkpoint import Checkpoint, open_checkpoint
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body
from gitsign_py.core.tlog.logentry import verify_set
from gitsign_py.core.tlog.rekorjson import entry_from_rekor_v1, rekor_v1_object
from gitsign_py.errors import VerificationError
from tests.support.localstackkit import PEM_SPKI, Certified, b64, certify, new_key, recorded, shape
from tests.support.stack import RunningStack, StackAnswer

ENTRIES = "/api/v1/log/entries"


@pytest.fixture(scope="module")
def who(stack: RunningStack) -> Certified:
    return certify(stack)


@pytest.fixture(scope="module")
def logged(stack: RunningStack, who: Certified) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """UUID, entry as answered, entry as proposed."""
    stack.post(ENTRIES, who.entry(b"a neighbour"))
    proposed = who.entry(b"the entry")
    answer = stack.post(ENTRIES, proposed)
    assert answer.status == 201
    ((uuid, entry),) = answer.json().items()
    return uuid, entry, proposed


Logged = tuple[str, dict[str, Any], dict[str, Any]]


def log_key(stack: RunningStack) -> PublicKey:
    return load_pem(stack.get("/api/v1/log/publicKey").body)


def same_form(answer: StackAnswer, name: str) -> None:
    """Status, media type and JSON shape are those of the transcript."""
    real = recorded(name)
    assert (answer.status, answer.headers.get("content-type", "")) == (real.status, real.media_type)
    if real.body:
        assert shape(answer.json()) == shape(json.loads(real.body))
    else:
        assert answer.body == b""


# -- what is right ----------------------------------------------------------------------------------------------------


def test_created_entry_has_the_form_of_the_real_server(stack: RunningStack, who: Certified, logged: Logged) -> None:
    answer = stack.post(ENTRIES, who.entry(b"form"))
    same_form(answer, "rekor1/001")
    (uuid,) = answer.json()
    assert answer.headers["etag"] == uuid
    assert answer.headers["location"] == f"{ENTRIES}/{uuid}"


def test_promise_proof_and_checkpoint_verify(stack: RunningStack, logged: Logged) -> None:
    uuid, entry, _ = logged
    key = log_key(stack)
    body = b64_decode(entry["body"])
    promised = {name: entry[name] for name in ("body", "integratedTime", "logID", "logIndex")}
    key.verify(b64_decode(entry["verification"]["signedEntryTimestamp"]), rfc8785.dumps(promised))
    assert entry["logID"] == key.key_id.hex()
    proof = entry["verification"]["inclusionProof"]
    opened = open_checkpoint(proof["checkpoint"].encode(), key).checkpoint
    tree_id = stack.get("/api/v1/log").json()["treeID"]
    assert opened == Checkpoint(
        f"{urlsplit(stack.url).hostname} - {tree_id}", proof["treeSize"], bytes.fromhex(proof["rootHash"])
    )
    hashes_ = [bytes.fromhex(part) for part in proof["hashes"]]
    merkle.verify_inclusion(merkle.leaf_hash(body), proof["logIndex"], proof["treeSize"], hashes_, opened.root)
    assert uuid == f"{int(tree_id):016x}{merkle.leaf_hash(body).hex()}"


def test_body_is_canonical_json_with_the_canonical_certificate(logged: Logged, who: Certified) -> None:
    _, entry, proposed = logged
    body = b64_decode(entry["body"])
    value = json.loads(body)
    assert rfc8785.dumps(value) == body
    assert value == proposed
    # Without its last newline and with CRLF it is the same certificate, so it gives the same body.
    assert base64.b64decode(value["spec"]["signature"]["publicKey"]["content"]) == who.chain[0]


def test_other_spelling_of_the_certificate_is_the_same_entry(
    stack: RunningStack, logged: Logged, who: Certified
) -> None:
    uuid, _, proposed = logged
    other = json.loads(json.dumps(proposed))
    spelled = who.chain[0].rstrip().replace(b"\n", b"\r\n")
    other["spec"]["signature"]["publicKey"]["content"] = b64(spelled)
    answer = stack.post(ENTRIES, other)
    assert (answer.status, answer.headers["location"]) == (409, f"{ENTRIES}/{uuid}")


def test_entry_is_found_by_uuid_leaf_hash_and_index(stack: RunningStack, logged: Logged) -> None:
    uuid, entry, _ = logged
    for path in (f"{ENTRIES}/{uuid}", f"{ENTRIES}/{uuid[16:]}", f"{ENTRIES}?logIndex={entry['logIndex']}"):
        found = stack.get(path).json()[uuid]
        assert {name: found[name] for name in found if name != "verification"} == {
            name: entry[name] for name in entry if name != "verification"
        }
        assert found["verification"]["signedEntryTimestamp"] == entry["verification"]["signedEntryTimestamp"]
    same_form(stack.get(f"{ENTRIES}/{uuid}"), "rekor1/007")
    same_form(stack.get(f"{ENTRIES}/{uuid[16:].upper()}"), "rekor1/008")
    same_form(stack.get(f"{ENTRIES}?logIndex={entry['logIndex']}"), "rekor1/009")


def test_entries_are_retrieved_together(stack: RunningStack, logged: Logged) -> None:
    uuid, entry, proposed = logged
    index = entry["logIndex"]
    by_index = stack.post(f"{ENTRIES}/retrieve", {"logIndexes": [index - 1, index]})
    same_form(by_index, "rekor1/017")
    assert [list(found) for found in by_index.json()][1] == [uuid]
    by_uuid = stack.post(f"{ENTRIES}/retrieve", {"entryUUIDs": [uuid]})
    same_form(by_uuid, "rekor1/018")
    by_entry = stack.post(f"{ENTRIES}/retrieve/", {"entries": [proposed]})
    same_form(by_entry, "rekor1/019")
    missing = {"logIndexes": [10**9], "entryUUIDs": ["0" * 64], "entries": []}
    assert (by_uuid.json()[0].keys(), by_entry.json()[0].keys()) == ({uuid}, {uuid})
    assert stack.post(f"{ENTRIES}/retrieve", missing).json() == []


def test_index_finds_by_hash_address_and_certificate(stack: RunningStack, who: Certified) -> None:
    other = certify(stack, "Found-By-Index@Example.com")  # tests share the stack, and others sign there
    first, second, third = (
        next(iter(stack.post(ENTRIES, one.entry(data)).json()))
        for one, data in ((other, b"index one"), (other, b"index two"), (who, b"index one"))
    )
    digest = "sha256:" + hashlib.sha256(b"index one").hexdigest()
    key = {"format": "x509", "content": b64(other.chain[0])}

    def search(**query: object) -> Any:
        return stack.post("/api/v1/index/retrieve", query).json()

    assert search(hash=digest) == [first, third]
    assert search(hash=digest.removeprefix("sha256:").upper()) == [first, third]
    assert search(email="found-by-index@example.com") == [first, second]
    assert search(publicKey=key) == [first, second]
    assert search(publicKey=key, hash=digest) == [first, second, third]
    assert search(publicKey=key, hash=digest, operator="or") == [first, second, third]
    assert search(publicKey=key, hash=digest, operator="and") == [first]
    assert search(email="found-by-index@example.com", hash=digest, operator="and") == [first]
    assert search(hash="sha256:" + "0" * 64) == []
    same_form(stack.post("/api/v1/index/retrieve", {"hash": digest}), "rekor1/012")
    same_form(stack.post("/api/v1/index/retrieve", {"email": "found-by-index@example.com"}), "rekor1/013")
    same_form(stack.post("/api/v1/index/retrieve", {"publicKey": key}), "rekor1/014")
    same_form(stack.post("/api/v1/index/retrieve", {"hash": "sha256:" + "0" * 64}), "rekor1/016")


def test_log_and_key_have_the_form_of_the_real_server(stack: RunningStack, logged: Logged) -> None:
    answer = stack.get("/api/v1/log")
    same_form(answer, "rekor1/021")
    same_form_of_text = stack.get("/api/v1/log/publicKey")
    real = recorded("rekor1/024")
    assert same_form_of_text.headers["content-type"] == real.media_type
    assert (stack.directory / "rekor.pub").read_bytes() == same_form_of_text.body
    opened = open_checkpoint(answer.json()["signedTreeHead"].encode(), log_key(stack)).checkpoint
    assert (opened.size, opened.root.hex()) == (answer.json()["treeSize"], answer.json()["rootHash"])
    by_id = stack.get(f"/api/v1/log/publicKey?treeID={answer.json()['treeID']}")
    assert by_id.body == same_form_of_text.body


def test_every_earlier_size_is_consistent(stack: RunningStack, logged: Logged) -> None:
    size = stack.get("/api/v1/log").json()["treeSize"]
    last = stack.get(f"/api/v1/log/proof?lastSize={size}").json()["rootHash"]
    for first in range(1, size + 1):
        old = stack.get(f"/api/v1/log/proof?firstSize=1&lastSize={first}").json()["rootHash"]
        answer = stack.get(f"/api/v1/log/proof?firstSize={first}&lastSize={size}")
        proof = [bytes.fromhex(part) for part in answer.json()["hashes"]]
        merkle.verify_consistency(first, size, proof, bytes.fromhex(old), bytes.fromhex(last))
    same_form(stack.get(f"/api/v1/log/proof?firstSize=1&lastSize={size}"), "rekor1/022")


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_plain_public_keys_and_other_digests_are_taken(stack: RunningStack, algorithm: str) -> None:
    private: Any
    for private in (new_key(), rsa.generate_private_key(65537, 2048)):
        data = algorithm.encode()
        digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[algorithm]
        if isinstance(private, rsa.RSAPrivateKey):
            signature = private.sign(data, padding.PKCS1v15(), digest)
        else:
            signature = private.sign(data, ec.ECDSA(digest))
        pem = private.public_key().public_bytes(*PEM_SPKI)
        answer = stack.post(ENTRIES, proposed(algorithm, data, signature, pem))
        assert answer.status == 201, answer.body
        found = stack.post("/api/v1/index/retrieve", {"publicKey": {"format": "x509", "content": b64(pem)}})
        assert found.json() == list(answer.json())


def proposed(algorithm: str, data: bytes, signature: bytes, pem: bytes) -> dict[str, Any]:
    value = {"algorithm": algorithm, "value": hashlib.new(algorithm, data).hexdigest()}
    signed = {"content": b64(signature), "publicKey": {"content": b64(pem)}}
    return {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {"data": {"hash": value}, "signature": signed}}


# -- what is refused --------------------------------------------------------------------------------------------------


def test_repeated_entry_gets_409_with_its_location(stack: RunningStack, logged: Logged) -> None:
    uuid, _, proposed_entry = logged
    answer = stack.post(ENTRIES, proposed_entry)
    same_form(answer, "rekor1/002")
    assert answer.headers["location"] == f"{ENTRIES}/{uuid}"
    real = json.loads(recorded("rekor1/002").body)["message"]
    assert answer.json()["message"] == real[: real.rindex(" ") + 1] + uuid


def test_wrong_signature_version_and_media_type_are_refused_as_really(stack: RunningStack, who: Certified) -> None:
    entry = who.entry(b"refused")
    wrong = json.loads(json.dumps(entry))
    wrong["spec"]["data"]["hash"]["value"] = hashlib.sha256(b"something else").hexdigest()
    body = json.dumps(entry).encode()
    answers = {
        "rekor1/003": stack.post(ENTRIES, wrong),
        "rekor1/005": stack.post(ENTRIES, entry | {"apiVersion": "9.9.9"}),
        "rekor1/006": stack.request("POST", ENTRIES, body, "text/plain"),
    }
    for name, answer in answers.items():
        same_form(answer, name)
        assert answer.json() == json.loads(recorded(name).body)


def test_malformed_json_is_the_clients_fault(stack: RunningStack) -> None:
    """The real server says 500 here; 400 says whose mistake it is."""
    answer = stack.request("POST", ENTRIES, b"{", "application/json")
    assert answer.status == 400
    assert shape(answer.json()) == shape(json.loads(recorded("rekor1/004").body))


def change(entry: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(entry))
    *parents, last = path.split(".")
    at = changed
    for name in parents:
        at = at[name]
    at[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "intoto"),
        ("kind", None),
        ("spec", None),
        ("spec.data", []),
        ("spec.data.hash.algorithm", "md5"),
        ("spec.data.hash.value", "00"),
        ("spec.data.hash.value", "Z" * 64),
        ("spec.data.hash.value", 7),
        ("spec.signature.content", ""),
        ("spec.signature.content", "*"),
        ("spec.signature.content", b64(b"no signature")),
        ("spec.signature.publicKey.content", b64(b"no key")),
        ("spec.signature.publicKey.content", b64(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
        (
            "spec.signature.publicKey.content",
            b64(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(*PEM_SPKI)),
        ),
        ("spec.signature.publicKey.content", b64(new_key().public_key().public_bytes(*PEM_SPKI))),
    ],
)
def test_bad_entry_gets_400_and_is_not_logged(stack: RunningStack, who: Certified, path: str, value: object) -> None:
    size = stack.get("/api/v1/log").json()["treeSize"]
    answer = stack.post(ENTRIES, change(who.entry(b"bad"), path, value))
    assert (answer.status, answer.json()["code"]) == (400, 400)
    assert answer.json()["message"].startswith("error processing entry: ")
    assert stack.get("/api/v1/log").json()["treeSize"] == size


def test_entry_that_is_no_object_gets_400(stack: RunningStack) -> None:
    assert stack.post(ENTRIES, []).status == 400
    assert stack.post(f"{ENTRIES}/retrieve", {"entries": ["x"]}).status == 400


def test_missing_entries_get_an_empty_404(stack: RunningStack) -> None:
    same_form(stack.get(f"{ENTRIES}?logIndex=99999999"), "rekor1/010")
    same_form(stack.get(f"{ENTRIES}/{'0' * 64}"), "rekor1/011")
    assert stack.get(f"{ENTRIES}/{'0' * 80}").status == 404


def test_sizes_past_the_end_get_400(stack: RunningStack, logged: Logged) -> None:
    same_form(stack.get("/api/v1/log/proof?firstSize=1&lastSize=1000000"), "rekor1/023")
    assert stack.get("/api/v1/log/proof?firstSize=2&lastSize=1").status == 400
    assert stack.get("/api/v1/log/proof?lastSize=1&treeID=7").status == 400


def test_more_than_ten_at_once_get_422(stack: RunningStack) -> None:
    answer = stack.post(f"{ENTRIES}/retrieve", {"logIndexes": list(range(11))})
    same_form(answer, "rekor1/020")
    assert answer.json() == json.loads(recorded("rekor1/020").body)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (ENTRIES, 602),
        (f"{ENTRIES}?logIndex=x", 601),
        (f"{ENTRIES}?logIndex=-1", 609),
        (f"{ENTRIES}?logIndex=1_0", 601),
        (f"{ENTRIES}/xyz", 605),
        (f"{ENTRIES}/{'0' * 63}", 605),
        ("/api/v1/log/proof", 602),
        ("/api/v1/log/proof?lastSize=0", 609),
        ("/api/v1/log/proof?firstSize=x&lastSize=1", 601),
    ],
)
def test_bad_parameters_get_422_with_the_code_of_the_rule(stack: RunningStack, path: str, code: int) -> None:
    answer = stack.get(path)
    assert (answer.status, answer.json()["code"]) == (422, code)
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("log/entries/retrieve", {"logIndexes": ["1"]}, 422, 601),
        ("log/entries/retrieve", {"logIndexes": [True]}, 422, 601),
        ("log/entries/retrieve", {"logIndexes": [-1]}, 422, 609),
        ("log/entries/retrieve", {"logIndexes": 1}, 422, 601),
        ("log/entries/retrieve", {"entryUUIDs": [1]}, 422, 601),
        ("log/entries/retrieve", {"entryUUIDs": ["x"]}, 422, 605),
        ("index/retrieve", {}, 400, 400),
        ("index/retrieve", {"hash": "sha256:00"}, 422, 605),
        ("index/retrieve", {"hash": "sha512:" + "0" * 64}, 422, 605),
        ("index/retrieve", {"hash": 7}, 422, 605),
        ("index/retrieve", {"email": "nobody"}, 422, 601),
        ("index/retrieve", {"email": "a@b.c", "operator": "xor"}, 422, 606),
        ("index/retrieve", {"publicKey": "x"}, 422, 601),
        ("index/retrieve", {"publicKey": {"content": "AAAA"}}, 422, 602),
        ("index/retrieve", {"publicKey": {"format": "other", "content": "AAAA"}}, 422, 606),
        ("index/retrieve", {"publicKey": {"format": "x509", "content": "*"}}, 422, 601),
        ("index/retrieve", {"publicKey": {"format": "x509"}}, 400, 400),
        ("index/retrieve", {"publicKey": {"format": "pgp", "content": "AAAA"}}, 400, 400),
        ("index/retrieve", {"publicKey": {"format": "x509", "content": "AAAA"}}, 400, 400),
    ],
)
def test_bad_queries_are_refused(
    stack: RunningStack, path: str, query: dict[str, object], status: int, code: int
) -> None:
    answer = stack.post(f"/api/v1/{path}", query)
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_core_reads_the_answer_and_writes_the_same(stack: RunningStack, who: Certified, logged: Logged) -> None:
    """Our reader of Rekor v1's answers, its SET and its body against what the log says."""
    uuid, answered, proposed_entry = logged
    entry = entry_from_rekor_v1(uuid, answered)
    verify_set(entry, log_key(stack))
    assert rekor_v1_object(entry) == answered
    signature = base64.b64decode(proposed_entry["spec"]["signature"]["content"])
    digest = hashlib.sha256(b"the entry").digest()
    assert entry.body == hashedrekord_v001_body(digest, signature, who.chain[0])
    with pytest.raises(VerificationError):
        verify_set(replace(entry, integrated_time=entry.integrated_time + 1), log_key(stack))
