"""The clients of Rekor, of the timestamp authority and of CT logs, as their projects publish them."""

import hashlib
import json
import re
import subprocess

import pytest

from tests.support.foreign import ARTIFACT, ForeignBench, find_program

pytestmark = pytest.mark.unmeasured

DIGEST = hashlib.sha256(ARTIFACT).hexdigest()
KEY = ["--pki-format", "x509", "--public-key", "key.pub"]
ENTRY = [
    "--artifact",
    "artifact",
    "--signature",
    "signature",
    "--type",
    "hashedrekord",
    "--artifact-hash",
    DIGEST,
    *KEY,
]


def sign(place: ForeignBench) -> None:
    """Another signature of the artifact by the same key; ECDSA gives no two that are alike."""
    if not (place.folder / "key").exists():
        place.good("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "key")
        place.good("openssl", "ec", "-in", "key", "-pubout", "-out", "key.pub")
    place.good("openssl", "dgst", "-sha256", "-sign", "key", "-out", "signature", "artifact")


def rekor(place: ForeignBench, *arguments: str) -> str:
    program = find_program("rekor-cli")
    return place.good(program, *arguments, "--rekor_server", place.stack.url).stdout


def test_rekor_cli_uploads_finds_and_verifies(place: ForeignBench) -> None:
    sign(place)
    uuid = re.findall(r"entries/([0-9a-f]{80})\n", rekor(place, "upload", *ENTRY))[0]
    assert f"already exists; available at: {place.stack.url}/api/v1/log/entries/{uuid}" in rekor(
        place, "upload", *ENTRY
    )
    entry = json.loads(rekor(place, "get", "--uuid", uuid, "--format", "json"))
    assert entry["Body"]["HashedRekordObj"]["data"]["hash"]["value"] == DIGEST
    index = str(entry["LogIndex"])
    assert json.loads(rekor(place, "get", "--log-index", index, "--format", "json")) == entry
    for searched in (["--artifact", "artifact"], ["--sha", f"sha256:{DIGEST}"], KEY):
        assert uuid in rekor(place, "search", *searched)
    assert uuid[16:] in rekor(place, "verify", "--uuid", uuid)
    assert uuid[16:] in rekor(place, "verify", "--log-index", index)


def test_rekor_cli_follows_the_log(place: ForeignBench) -> None:
    """It keeps the checkpoint that it saw, and asks for a proof that the next one only adds to it."""
    sizes = []
    for _ in range(3):
        sign(place)
        rekor(place, "upload", *ENTRY)
        told = rekor(place, "loginfo")
        assert "Verification Successful!" in told
        sizes += re.findall(r"Active Tree Size: +(\d+)", told)
        assert (place.folder / "home/.rekor/state.json").exists()
    assert sizes == sorted(set(sizes), key=int)
    proof = rekor(place, "logproof", "--first-size", sizes[0], "--last-size", sizes[-1])
    assert "Hashes: [" in proof


def test_timestamp_cli(place: ForeignBench) -> None:
    program = find_program("timestamp-cli")
    stamp = ["timestamp", "--hash", "sha256", "--artifact", "artifact", "--out", "response"]
    place.good(program, "--timestamp_server", place.stack.url, *stamp)
    chain = str(place.stack.directory / "tsa-chain.pem")
    check = [program, "verify", "--timestamp", "response", "--artifact", "artifact", "--certificate-chain", chain]
    place.good(*check)
    place.artifact.write_bytes(ARTIFACT + b"!")
    assert place.run(*check).returncode == 1


def ct(place: ForeignBench, *arguments: str, key: str = "ctlog.pub") -> "subprocess.CompletedProcess[str]":
    where = ["--log_uri", place.stack.url, "--pub_key", str(place.stack.directory / key)]
    return place.run(find_program("ctclient"), *arguments, *where)


@pytest.fixture
def certified(place: ForeignBench) -> None:
    """Three certificates in the CT log."""
    for _ in range(3):
        place.good("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "ct-key")
        public = place.good("openssl", "ec", "-in", "ct-key", "-pubout").stdout
        (place.folder / "subject").write_text("alice@example.com")
        place.good("openssl", "dgst", "-sha256", "-sign", "ct-key", "-out", "possession", "subject")
        proof = place.good("openssl", "base64", "-A", "-in", "possession").stdout
        request = {
            "credentials": {"oidcIdentityToken": place.stack.token()},
            "publicKeyRequest": {"publicKey": {"content": public}, "proofOfPossession": proof},
        }
        answer = place.stack.post("/api/v2/signingCert", request)
        assert answer.status == 200, answer.body


def test_ctclient(place: ForeignBench, certified: None) -> None:
    head = ct(place, "get-sth")
    size = int(re.findall(r"\(size=(\d+)\)", head.stdout)[0])
    assert ct(place, "get-sth", key="rekor.pub").returncode != 0, "a head by another key"
    consistent = ct(place, "get-consistency-proof", "--prev_size", "1", "--size", str(size))
    assert consistent.returncode == 0, consistent.stderr
    assert f"Consistency proof from size 1 to size {size}" in consistent.stdout
    entries = ct(place, "get-entries", "--first", "0", "--last", str(size - 1))
    assert entries.stdout.count("pre-certificate from issuer") == size
    assert "fulcio-root" in ct(place, "get-roots").stdout
    leaf = place.stack.get(f"/ct/v1/get-entries?start={size - 1}&end={size - 1}").json()["entries"][0]["leaf_input"]
    leaf_hash = place.good(
        "sh", "-c", f"(printf '\\0'; printf %s {leaf} | openssl base64 -d -A) | openssl dgst -sha256 -r"
    ).stdout.split()[0]
    included = ct(place, "get-inclusion-proof", "--leaf_hash", leaf_hash, "--size", str(size))
    assert included.returncode == 0, included.stderr
    assert f"Inclusion proof for index {size - 1} in tree of size {size}" in included.stdout
