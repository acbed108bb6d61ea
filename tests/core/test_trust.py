"""Trusted roots: the public ones are read and written back; windows hold at both ends; what is wrong is refused."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.keydetails import key_details
from gitsign_py.core.tlog import note
from gitsign_py.core.trust.clientconfig import parse_client_trust_config
from gitsign_py.core.trust.root import (
    MEDIA_TYPE,
    CertificateAuthority,
    TrustedRoot,
    Validity,
    format_trusted_root,
    parse_trusted_root,
)
from gitsign_py.errors import FormatError, InvalidSignatureError
from tests.support import pki, vectors
from tests.support.forgedworld import key, spki
from tests.support.logs import MemoryLog
from tests.support.pathworld import ca

DATA = Path(__file__).parents[2] / "gitsign_py" / "data"
CARRIED = [DATA / "public-good" / "trusted_root.json", DATA / "staging" / "trusted_root.json"]
START = datetime(2026, 1, 1, tzinfo=UTC)
BUILT = TrustedRoot(
    tlogs=(MemoryLog().trusted(), MemoryLog("tiled.example.com", tiled=True).trusted(end=None)),
    certificate_authorities=(
        CertificateAuthority(
            "org", "name", "https://ca.example.com", (pki.Authority().certificate,), Validity(START, None), "operator"
        ),
    ),
    ctlogs=(MemoryLog("ct.example.com").trusted(end=None),),
)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value: dict[str, Any] = json.loads(format_trusted_root(BUILT))
    change(value)
    return json.dumps(value).encode()


def refused(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        parse_trusted_root(data)
    assert "\n" not in caught.value.message
    return caught.value.reason


@pytest.mark.parametrize("path", CARRIED, ids=["public-good", "staging"])
def test_public_roots_are_read_and_written_back(path: Path) -> None:
    data = path.read_bytes()
    root = parse_trusted_root(data)
    assert root.unsupported == ()
    assert json.loads(format_trusted_root(root)) == json.loads(data)
    assert parse_trusted_root(format_trusted_root(root)).tlogs == root.tlogs


@pytest.mark.parametrize("room", ["production", "realstack"])
def test_roots_of_the_vectors_are_read_and_written_back(room: str) -> None:
    data = (vectors.folder(room) / "trusted_root.json").read_bytes()
    assert json.loads(format_trusted_root(parse_trusted_root(data))) == json.loads(data)


def test_what_the_public_root_says() -> None:
    root = parse_trusted_root(CARRIED[0].read_bytes())
    assert [log.base_url for log in root.tlogs] == [
        "https://rekor.sigstore.dev",
        "https://log2025-1.rekor.sigstore.dev",
    ]
    v1, v2 = root.tlogs
    assert v1.log_id == v1.public_key.key_id
    assert v2.log_id == note.key_id("log2025-1.rekor.sigstore.dev", v2.public_key)
    first, second = root.certificate_authorities
    assert first.valid_for.end == datetime(2022, 12, 31, 23, 59, 59, 999000, UTC)
    assert [len(first.chain), len(second.chain)] == [1, 2]
    assert second.chain[0].issuer == second.chain[1].subject == second.chain[1].issuer
    assert [log.log_id == log.public_key.key_id for log in root.ctlogs] == [True, True]
    assert root.timestamp_authorities[0].common_name == "sigstore-tsa-selfsigned"
    assert root.digest == "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66"


def test_a_built_root_survives_the_way_through_json() -> None:
    again = parse_trusted_root(format_trusted_root(BUILT))
    assert (again.tlogs, again.ctlogs) == (BUILT.tlogs, BUILT.ctlogs)
    assert again.certificate_authorities == BUILT.certificate_authorities
    assert (again.media_type, BUILT.digest) == (MEDIA_TYPE, "")


def test_a_window_without_a_start_is_written_with_one() -> None:
    """sigstore_common.proto requires it, and clients refuse a window without."""
    log = MemoryLog().trusted(start=None, end=None)
    (again,) = parse_trusted_root(format_trusted_root(TrustedRoot(tlogs=(log,)))).tlogs
    assert again.valid_for == Validity(datetime(1970, 1, 1, tzinfo=UTC), None)


def test_key_ids_of_checkpoints_are_kept() -> None:
    def add(value: dict[str, Any]) -> None:
        value["tlogs"][0]["checkpointKeyId"] = {"keyId": "AQIDBA=="}

    root = parse_trusted_root(changed(add))
    assert (root.tlogs[0].checkpoint_key_id, root.tlogs[1].checkpoint_key_id) == (b"\1\2\3\4", None)
    assert parse_trusted_root(format_trusted_root(root)).tlogs == root.tlogs


@pytest.mark.parametrize("version", ["trustedroot.v0.1+json", "trustedroot.v0.2+json", "trustedroot+json;version=0.1"])
def test_known_media_types_are_read(version: str) -> None:
    media_type = f"application/vnd.dev.sigstore.{version}"
    assert parse_trusted_root(changed(lambda value: value.update(mediaType=media_type))).media_type == media_type


def drop_ca_chain(value: dict[str, Any]) -> None:
    value["certificateAuthorities"][0]["certChain"]["certificates"] = []


def log_field(name: str, content: object) -> Callable[[dict[str, Any]], object]:
    return lambda value: value["tlogs"][0].update({name: content})


def key_field(name: str, content: object) -> Callable[[dict[str, Any]], object]:
    return lambda value: value["tlogs"][0]["publicKey"].update({name: content})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value.update(mediaType=f"{MEDIA_TYPE}9"), "trusted-root-version"),
        (lambda value: value.pop("mediaType"), "trusted-root-version"),
        (lambda value: value.update(unknown=1), "json-unknown-field"),
        (lambda value: value.update(tlogs={}), "json-type"),
        (lambda value: value.update(tlogs=[1]), "json-not-object"),
        (lambda value: value.update(tlogs=value["tlogs"] * 129), "json-too-many"),
        (log_field("revoked", True), "json-unknown-field"),
        (log_field("publicKey", None), "trusted-root-malformed"),
        (log_field("logId", None), "trusted-root-malformed"),
        (log_field("logId", {"keyId": "AQI="}), "trusted-root-malformed"),
        (log_field("logId", {"keyId": "?"}), "json-base64"),
        (key_field("rawBytes", "AAAA"), "der-unexpected-tag"),
        (key_field("rawBytes", ""), "der-truncated"),
        (key_field("keyDetails", "PKIX_ED25519"), "trusted-root-malformed"),
        (key_field("validFor", {"start": "yesterday"}), "time-invalid"),
        (key_field("validFor", {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}), "time-range-invalid"),
        (key_field("validFor", {"end": "2026-01-02T00:00:00Z"}), "time-range-missing"),
        (key_field("validFor", None), "time-range-missing"),
        (drop_ca_chain, "trusted-root-malformed"),
        (lambda value: value["certificateAuthorities"][0].pop("certChain"), "trusted-root-malformed"),
    ],
)
def test_malformed_roots_are_refused(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    assert refused(changed(change)) == reason


def test_text_that_is_no_root_is_refused() -> None:
    assert refused(b"") == "json-invalid"
    assert refused(b"[]") == "json-not-object"
    assert refused(b" " * (4 << 20) + b"{}") == "json-too-large"


@pytest.mark.parametrize("details", ["ML_DSA_65", "PKIX_ED25519_PH", "PKIX_RSA_PSS_2048_SHA256", 15, True])
def test_keys_that_cannot_be_used_are_left_out_and_named(details: object) -> None:
    root = parse_trusted_root(changed(key_field("keyDetails", details)))
    assert root.tlogs == BUILT.tlogs[1:]
    assert root.unsupported == ("tlogs[0] https://log.example.com",)


def test_logs_with_another_hash_and_certificates_with_unknown_keys_are_left_out() -> None:
    assert parse_trusted_root(changed(log_field("hashAlgorithm", "SHA2_512"))).tlogs == BUILT.tlogs[1:]
    known = BUILT.certificate_authorities[0].chain[0].raw
    unknown = known.replace(bytes.fromhex("06052b81040022"), bytes.fromhex("06052b81040021"))  # P-384 becomes P-224
    assert unknown != known
    encoded = base64.b64encode(unknown).decode()

    def change(value: dict[str, Any]) -> None:
        value["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = encoded

    root = parse_trusted_root(changed(change))
    assert root.certificate_authorities == ()
    assert root.unsupported == ("certificateAuthorities[0] https://ca.example.com",)


def test_an_authority_with_a_key_for_rsassa_pss_does_not_spoil_the_others() -> None:
    algorithm = der.sequence(der.oid(oids.RSA_PSS), der.sequence(der.context(0, der.sequence(der.oid(oids.SHA256)))))
    own = next(one for one in der.parse(ca(1, "x").certificate.tbs).children() if one.raw == spki(key(1)))
    raw = ca(1, "x").certificate.raw
    pss = der.sequence(algorithm, der.parse(own.raw).children()[1].raw)
    tbs, signed_by, signature = (part.raw for part in der.parse(raw).children())
    tbs = der.sequence(*(pss if one.raw == own.raw else one.raw for one in der.parse(tbs).children()))
    encoded = base64.b64encode(der.sequence(tbs, signed_by, signature)).decode()

    def change(value: dict[str, Any]) -> None:
        value["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = encoded

    root = parse_trusted_root(changed(change))
    assert root.unsupported == ("certificateAuthorities[0] https://ca.example.com",)
    assert root.tlogs == BUILT.tlogs


def test_windows_hold_at_both_ends() -> None:
    second = timedelta(seconds=1)
    window = Validity(START, START + second)
    assert [window.covers(START + second * step) for step in (-1, 0, 1, 2)] == [False, True, True, False]
    assert Validity().covers(START)
    assert not Validity(None, START).covers(START + second)
    assert not Validity(START, None).covers(START - second)


def test_client_trust_configurations_hold_both_documents() -> None:
    config = {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": json.loads(format_trusted_root(BUILT)),
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }
    root, signing = parse_client_trust_config(json.dumps(config).encode())
    assert (root.tlogs, signing.ca_urls) == (BUILT.tlogs, ())
    assert root.digest == signing.digest != ""
    with pytest.raises(FormatError) as caught:
        parse_client_trust_config(json.dumps(config | {"mediaType": "other"}).encode())
    assert caught.value.reason == "trusted-root-version"


def test_key_details_have_names_and_numbers() -> None:
    p256 = key_details("PKIX_ECDSA_P256_SHA_256")
    assert p256 is not None
    assert key_details(5) == p256
    assert (p256.kind, p256.hash_name) == ("ecdsa-p256", "sha256")
    assert key_details("LMS_SHA256") is key_details([]) is key_details(0) is None
    log = MemoryLog()
    log.public.verify(log.sign(b"data"), b"data", p256.hash_name, scheme=p256.scheme)
    with pytest.raises(InvalidSignatureError):
        log.public.verify(log.sign(b"data"), b"other", p256.hash_name, scheme=p256.scheme)


@given(st.data())
def test_a_changed_byte_ends_in_a_root_or_a_refusal(data: st.DataObject) -> None:
    text = bytearray(format_trusted_root(BUILT))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        root = parse_trusted_root(bytes(text))
    except FormatError:
        return
    assert parse_trusted_root(format_trusted_root(root)).tlogs == root.tlogs


@pytest.mark.parametrize("value", [None, "", "HASH_ALGORITHM_UNSPECIFIED"])
def test_a_log_that_states_no_hash_is_refused_by_name(value: object) -> None:
    """One that was dropped in silence would leave its signatures unchecked, and nobody would know why."""
    with pytest.raises(FormatError, match=r"tlogs\[0\], the log https?://\S+, has no hashAlgorithm"):
        parse_trusted_root(changed(log_field("hashAlgorithm", value)))


@pytest.mark.parametrize("value", [None, "PUBLIC_KEY_DETAILS_UNSPECIFIED"])
def test_a_log_that_states_no_key_details_is_refused_by_name(value: object) -> None:
    with pytest.raises(FormatError, match="has no keyDetails"):
        parse_trusted_root(changed(key_field("keyDetails", value)))
