"""The form of bundles: versions, their requirements, limits, and what is not a bundle."""

import copy
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigstore.models import Bundle as ForeignBundle

from gitsign_py.core.dsse import Envelope
from gitsign_py.core.sigstore.bundle import (
    MAX_BUNDLE_BYTES,
    MEDIA_TYPE_V03,
    MessageSignature,
    format_bundle,
    parse_bundle,
)
from gitsign_py.errors import FormatError, GitsignError

REALSTACK = Path(__file__).parents[1] / "vectors/foreign/realstack"
OLD = "application/vnd.dev.sigstore.bundle+json;version="
B64 = b64encode(b"x" * 32).decode()
ENTRY: dict[str, Any] = {
    "logIndex": "7",
    "logId": {"keyId": B64},
    "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
    "integratedTime": "1700000000",
    "inclusionPromise": {"signedEntryTimestamp": B64},
    "inclusionProof": {
        "logIndex": "3",
        "rootHash": B64,
        "treeSize": "9",
        "hashes": [B64, B64],
        "checkpoint": {"envelope": "log.example\n9\nAAAA\n\n\u2014 log.example AAAA\n"},
    },
    "canonicalizedBody": B64,
}
BUNDLE: dict[str, Any] = {
    "mediaType": MEDIA_TYPE_V03,
    "verificationMaterial": {
        "certificate": {"rawBytes": B64},
        "tlogEntries": [ENTRY],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": B64}]},
    },
    "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": B64}, "signature": B64},
}
DSSE = {"payload": B64, "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": B64, "keyid": ""}]}


def changed(*path: Any, value: Any = None, base: dict[str, Any] = BUNDLE) -> dict[str, Any]:
    """A copy of the bundle with one field set, or removed when ``value`` is None."""
    copied = copy.deepcopy(base)
    place: Any = copied
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copied


def older(version: str, **change: Any) -> dict[str, Any]:
    material = {**BUNDLE["verificationMaterial"], "x509CertificateChain": {"certificates": [{"rawBytes": B64}]}}
    del material["certificate"]
    return {**BUNDLE, "mediaType": OLD + version, "verificationMaterial": {**material, **change}}


def parse(value: Any) -> Any:
    return parse_bundle(json.dumps(value).encode())


def refused(value: Any, reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(value)
    assert caught.value.reason == reason


def test_a_bundle_is_read_and_written_back() -> None:
    bundle = parse(BUNDLE)
    assert bundle.version == "0.3"
    assert bundle.content == MessageSignature(b"x" * 32, "sha256", b"x" * 32)
    assert (bundle.certificates, bundle.key_hint, bundle.timestamps) == ((b"x" * 32,), None, (b"x" * 32,))
    assert bundle.entries[0].log_index == 7
    assert parse_bundle(format_bundle(bundle)) == bundle


@pytest.mark.parametrize("media_type", [MEDIA_TYPE_V03, OLD + "0.3"])
def test_version_03_has_two_names(media_type: str) -> None:
    assert parse(changed("mediaType", value=media_type)).version == "0.3"


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_older_versions_have_a_chain(version: str) -> None:
    assert parse(older(version)).version == version
    refused(changed("mediaType", value=OLD + version), "bundle-signer")
    refused(older(version, x509CertificateChain={"certificates": []}), "bundle-signer")
    refused({**older(version), "mediaType": MEDIA_TYPE_V03}, "bundle-signer")


def test_an_envelope_and_a_managed_key() -> None:
    value = changed("messageSignature", base={**BUNDLE, "dsseEnvelope": DSSE})
    bundle = parse(value)
    assert isinstance(bundle.content, Envelope)
    assert bundle.signature == b"x" * 32
    assert parse_bundle(format_bundle(bundle)) == bundle
    material = {"publicKey": {"hint": "h"}, "tlogEntries": [ENTRY]}
    bundle = parse({**BUNDLE, "verificationMaterial": material})
    assert (bundle.certificates, bundle.key_hint) == ((), "h")
    assert parse_bundle(format_bundle(bundle)) == bundle
    assert parse({**BUNDLE, "verificationMaterial": {"publicKey": {}}}).key_hint == ""


def test_the_algorithm_of_a_digest_may_be_a_number() -> None:
    number = changed("messageSignature", "messageDigest", "algorithm", value=1)
    assert parse(number) == parse(BUNDLE)


def test_proof_and_promise_as_the_versions_ask_for_them() -> None:
    no_promise, no_proof, no_checkpoint = copy.deepcopy(ENTRY), copy.deepcopy(ENTRY), copy.deepcopy(ENTRY)
    del no_promise["inclusionPromise"]
    del no_proof["inclusionProof"]
    del no_checkpoint["inclusionProof"]["checkpoint"]
    refused(older("0.1", tlogEntries=[no_promise]), "bundle-promise-missing")
    for entry in (no_proof, no_checkpoint):
        assert parse(older("0.1", tlogEntries=[entry])).entries
        refused(older("0.2", tlogEntries=[entry]), "bundle-proof-missing")
        refused(changed("verificationMaterial", "tlogEntries", value=[entry]), "bundle-proof-missing")
        with pytest.raises(FormatError, match="inclusion proof with a checkpoint"):
            format_bundle(parse(older("0.1", tlogEntries=[entry])))
    assert parse(older("0.2", tlogEntries=[no_promise])).entries


MATERIAL = "verificationMaterial"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (changed("mediaType", value=OLD + "99.9"), "bundle-version"),
        (changed("mediaType"), "bundle-version"),
        (changed(MATERIAL), "bundle-malformed"),
        (changed("extra", value=1), "json-unknown-field"),
        (changed(MATERIAL, "certificate"), "bundle-signer"),
        (changed(MATERIAL, "certificate", value={"rawBytes": ""}), "bundle-signer"),
        (changed(MATERIAL, "publicKey", value={"hint": ""}), "json-oneof"),
        (changed("messageSignature"), "bundle-content"),
        (changed("dsseEnvelope", value=DSSE), "json-oneof"),
        (changed("messageSignature", "signature"), "bundle-content"),
        (changed("messageSignature", "signature", value="not base64!"), "json-base64"),
        (changed("messageSignature", "messageDigest"), "bundle-digest"),
        (changed("messageSignature", "messageDigest", "algorithm", value="SHA1"), "bundle-digest"),
        (changed("messageSignature", "messageDigest", "algorithm", value=True), "bundle-digest"),
        (changed("messageSignature", "messageDigest", "algorithm", value=["SHA2_256"]), "bundle-digest"),
        (changed("messageSignature", "messageDigest", "algorithm", value="SHA2_512"), "bundle-digest"),
        (changed(MATERIAL, "tlogEntries", value=[ENTRY] * 2), "bundle-duplicate"),
        (changed(MATERIAL, "tlogEntries", value=[ENTRY, ENTRY | {"integratedTime": "1"}]), "bundle-duplicate"),
        (changed(MATERIAL, "tlogEntries", value=[ENTRY] * 33), "json-too-many"),
        (changed(MATERIAL, "tlogEntries", 0, "canonicalizedBody"), "bundle-entry"),
        (changed(MATERIAL, "tlogEntries", 0, "inclusionProof", "rootHash"), "bundle-entry"),
        (changed(MATERIAL, "tlogEntries", 0, "inclusionProof", "rootHash", value=[]), "json-type"),
        (changed(MATERIAL, "tlogEntries", 0, "inclusionProof", "treeSize"), "bundle-entry"),
        (changed(MATERIAL, "tlogEntries", 0, "logIndex", value="-1"), "json-int64"),
        (changed(MATERIAL, "tlogEntries", 0, "inclusionProof", "hashes", value=[B64] * 65), "json-too-many"),
        (changed(MATERIAL, "timestampVerificationData", "rfc3161Timestamps", value=[{}]), "bundle-malformed"),
        (
            changed(MATERIAL, "timestampVerificationData", "rfc3161Timestamps", value=[{"signedTimestamp": B64}] * 2),
            "bundle-duplicate",
        ),
        ([], "json-not-object"),
        (None, "json-not-object"),
    ],
)
def test_what_is_refused(value: Any, reason: str) -> None:
    refused(value, reason)


@pytest.mark.parametrize("count", [0, 2, 40])
def test_an_envelope_has_exactly_one_signature(count: int) -> None:
    envelope = {**DSSE, "signatures": [{"sig": B64}] * count}
    reason = "json-too-many" if count > 32 else "bundle-dsse-signatures"
    refused(changed("messageSignature", base={**BUNDLE, "dsseEnvelope": envelope}), reason)


def test_an_envelope_without_signature_bytes_is_refused() -> None:
    envelope = {**DSSE, "signatures": [{"sig": "", "keyid": "k"}]}
    refused(changed("messageSignature", base={**BUNDLE, "dsseEnvelope": envelope}), "bundle-content")


@pytest.mark.parametrize("data", [b"", b"{", b'{"mediaType":1}', b"\xff", b'{"a":1,"a":2}', b"[" * 100_000])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_bundle(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "mediaType",
                        "verificationMaterial",
                        "tlogEntries",
                        "certificate",
                        "rawBytes",
                        "messageSignature",
                        "signature",
                        "hint",
                        "x",
                    ]
                ),
                x,
                max_size=4,
            )
        ),
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    for whole in ({**BUNDLE, MATERIAL: value}, value):
        with suppress(GitsignError):
            assert parse(whole).version == "0.3"


@pytest.mark.parametrize("name", ["sigstore-python.v2", "cosign.v2"])
def test_bundles_of_other_clients_are_written_back_with_the_same_meaning(name: str) -> None:
    path = REALSTACK / f"{name}.sigstore.json"
    bundle = parse_bundle(path.read_bytes())
    ours = format_bundle(bundle)
    assert parse_bundle(ours) == bundle
    theirs = ForeignBundle.from_json(path.read_bytes())
    assert ForeignBundle.from_json(ours).signing_certificate == theirs.signing_certificate
    entry = {name: value for name, value in theirs.log_entry._inner.to_dict().items() if value != "0"}
    assert ForeignBundle.from_json(ours).log_entry._inner.to_dict() == entry


FLOODS: dict[str, Callable[[], str]] = {
    "a million hashes": lambda: '["' + '","'.join([B64] * 1_000_000) + '"]',
    "as many hashes as fit": lambda: '["' + '","'.join([B64] * 330_000) + '"]',
    "many brackets": lambda: "[" + "[]," * 5_000_000 + "[]]",
    "many numbers": lambda: "[" + "1.5," * 4_000_000 + "1]",
    "many fields": lambda: "{" + ",".join(f'"{number}":0' for number in range(1_000_000)) + "}",
    "one long text": lambda: '"' + "A" * (15 << 20) + '"',
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_refused_at_once(name: str, tmp_path: Path) -> None:
    """In the time of a few million additions, a second or less, and in 200 MB, in a process of its own."""
    text = json.dumps(BUNDLE).replace('"hashes": ["' + B64 + '", "' + B64 + '"]', '"hashes": ' + FLOODS[name]())
    assert len(text) > 10 << 20
    (tmp_path / "bundle.json").write_text(text)
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from gitsign_py.core.sigstore.bundle import parse_bundle\n"
        "from gitsign_py.errors import FormatError\n"
        "data = Path(sys.argv[1]).read_bytes()\n"
        "start = time.process_time()\n"
        "try:\n"
        "    parse_bundle(data)\n"
        "except FormatError as error:\n"
        "    seconds = time.process_time() - start\n"
        "    peak = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "    start, total = time.process_time(), 0\n"
        "    for number in range(5_000_000):\n"
        "        total += number\n"
        "    print(error.reason, seconds, time.process_time() - start, peak)\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", code, str(tmp_path / "bundle.json")]
    run = subprocess.run(command, capture_output=True, check=True, env=env)
    reason, seconds, additions, kilobytes = run.stdout.split()
    assert reason.decode() in ("bundle-too-large", "json-type")
    assert float(seconds) < 3 * float(additions)
    assert int(kilobytes) < 200_000


def test_the_size_is_bounded() -> None:
    with pytest.raises(FormatError) as caught:
        parse_bundle(b" " * (MAX_BUNDLE_BYTES + 1))
    assert caught.value.reason == "bundle-too-large"
