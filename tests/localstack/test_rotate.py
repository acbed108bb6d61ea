"""Keys that change on a running stack: clients carry on, old signatures stay good, windows are kept."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sigstore.errors import VerificationError as SigstoreError
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.pki.keys import load_pem
from gitsign_py.core.pki.timestampbuild import granted_token
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.tlog.logentry import entry_from_protojson, entry_from_rekor_v1
from gitsign_py.core.tlog.tlogproof import verify_entry
from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
from gitsign_py.errors import UsageError, VerificationError
from gitsign_py.localstack.context import Sources
from gitsign_py.localstack.expiry import warnings
from gitsign_py.localstack.idp.issuer import REQUEST_AUDIENCE, Issuer, TokenOrder
from gitsign_py.localstack.rotate import ROTATIONS, rotate
from gitsign_py.localstack.stack import Stack
from tests.localstack.test_tsa import MESSAGE, query, stamp
from tests.support.localstackkit import certify, trusted_root
from tests.support.rekor2kit import ENTRIES as V2_ENTRIES
from tests.support.rekor2kit import proposal
from tests.support.stack import RunningStack, running_stack

POLICY_EMAIL = "alice@example.com"


@pytest.fixture
def rotating(tmp_path: Path) -> Any:
    with running_stack(tmp_path / "stack") as stack:
        yield stack


def test_a_new_timestamp_key_stamps_and_the_old_tokens_stay_good(rotating: RunningStack) -> None:
    before = granted_token(stamp(rotating, query()))
    key = rotate(rotating.directory, rotating.url, "tsa", "ecdsa-p384")
    after = granted_token(stamp(rotating, query()))
    old, new = trusted_root(rotating).timestamp_authorities
    assert (old.valid_for.end is not None, new.valid_for.end, key.kind) == (True, None, "ecdsa-p384")
    for token, authority in ((before, old), (after, new)):
        assert verify_timestamp(token, message=MESSAGE, authorities=(old, new)).authority == authority
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(after, message=MESSAGE, authorities=(old,))
    assert caught.value.reason == "timestamp-authority-untrusted"


def test_a_new_shard_of_rekor2_has_an_origin_of_its_own(rotating: RunningStack) -> None:
    before = entry_from_protojson(rotating.post(V2_ENTRIES, proposal(b"before")).json())
    rotate(rotating.directory, rotating.url, "rekor2", "ecdsa-p256")
    after = entry_from_protojson(rotating.post(V2_ENTRIES, proposal(b"after")).json())
    logs = trusted_root(rotating).tlogs
    assert [log.base_url for log in logs[-2:]] == ["http://rekor2.local", "http://2.rekor2.local"]
    for entry, log in ((before, logs[-2]), (after, logs[-1])):
        assert verify_entry(entry, [entry.body], logs).log == log
    assert rotating.get("/rekor2/1/api/v2/checkpoint").body.startswith(b"rekor2.local\n1\n")
    for path in ("/api/v2/checkpoint", "/rekor2/2/api/v2/checkpoint"):
        assert rotating.get(path).body.startswith(b"2.rekor2.local\n1\n")
    with pytest.raises(VerificationError):
        verify_entry(after, [after.body], logs[:-1])


def test_a_new_shard_of_rekor_counts_on(rotating: RunningStack) -> None:
    who = certify(rotating)
    ((uuid, first),) = rotating.post("/api/v1/log/entries", who.entry(b"before")).json().items()
    rotate(rotating.directory, rotating.url, "rekor")
    ((new_uuid, second),) = rotating.post("/api/v1/log/entries", who.entry(b"after")).json().items()
    assert second["logIndex"] == first["logIndex"] + 1
    assert second["logID"] != first["logID"]
    assert second["verification"]["inclusionProof"]["logIndex"] == 0
    again = rotating.get(f"/api/v1/log/entries/{uuid}").json()[uuid]
    logs = trusted_root(rotating).tlogs
    for name, value in ((uuid, first), (uuid, again), (new_uuid, second)):
        entry = entry_from_rekor_v1(name, value)
        verify_entry(entry, [entry.body], logs)
    newest = load_pem(rotating.get("/api/v1/log/publicKey").body)
    assert newest.key_id.hex() == second["logID"]
    assert (rotating.directory / "rekor.pub").read_bytes().startswith(pem_encode(newest.spki, "PUBLIC KEY"))


@pytest.mark.parametrize("what", ["ca", "ctlog"])
def test_a_new_ca_or_ct_log_is_used_and_listed(rotating: RunningStack, what: str) -> None:
    def listed(root: TrustedRoot) -> tuple[Any, ...]:
        return root.certificate_authorities if what == "ca" else root.ctlogs

    (only,) = listed(trusted_root(rotating))
    before = datetime.now(UTC)
    rotate(rotating.directory, rotating.url, what)
    after = datetime.now(UTC)
    old, new = listed(trusted_root(rotating))
    windows = [old.valid_for, new.valid_for]
    grace = timedelta(minutes=10) if what == "ca" else timedelta(seconds=1)
    assert windows[0].start == only.valid_for.start
    assert windows[0].end is not None
    assert before.replace(microsecond=0) <= windows[0].end - grace <= after + timedelta(seconds=1)
    assert windows[1].end is None
    assert certify(rotating)


def test_sigstore_carries_on_over_every_rotation(rotating: RunningStack) -> None:
    """What was signed before and after verifies with the last trust root; what comes after does not with the first."""
    policy = Identity(identity=POLICY_EMAIL, issuer=rotating.url)
    first = trust(rotating)
    bundles = [sign(rotating, 2)]
    for what in ROTATIONS:
        rotate(rotating.directory, rotating.url, what)
        bundles += [sign(rotating, 1), sign(rotating, 2)]
    for bundle in bundles:
        Verifier(trusted_root=trust(rotating).trusted_root).verify_artifact(b"blob", bundle, policy)
    with pytest.raises(SigstoreError):
        Verifier(trusted_root=first.trusted_root).verify_artifact(b"blob", bundles[-1], policy)


def trust(stack: RunningStack, version: int = 2) -> ClientTrustConfig:
    value = json.loads((stack.directory / "client_trust_config.json").read_text())
    urls = value["signingConfig"]["rekorTlogUrls"]
    value["signingConfig"]["rekorTlogUrls"] = [url for url in urls if url["majorApiVersion"] == version]
    config = ClientTrustConfig.from_json(json.dumps(value))
    config.force_tlog_version = version
    return config


def sign(stack: RunningStack, version: int) -> Bundle:
    context = SigningContext.from_trust_config(trust(stack, version))
    with context.signer(IdentityToken(stack.token())) as signer:
        return signer.sign_artifact(b"blob")


def test_a_stack_that_is_down_can_be_rotated(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack") as stack:
        url, before = stack.url, trusted_root(stack)
    key = rotate(tmp_path / "stack", url, "rekor")
    after = parse_trusted_root((tmp_path / "stack" / "trusted_root.json").read_bytes())
    assert len(after.tlogs) == len(before.tlogs) + 1
    with running_stack(tmp_path / "stack") as stack:
        who = certify(stack)
        ((_, entry),) = stack.post("/api/v1/log/entries", who.entry(b"x")).json().items()
        assert entry["logID"] == key.key_id.hex()


def test_a_key_of_a_kind_that_does_not_fit_is_refused_and_changes_nothing(rotating: RunningStack) -> None:
    before = (rotating.directory / "trusted_root.json").read_bytes()
    with pytest.raises(UsageError) as caught:
        rotate(rotating.directory, rotating.url, "tsa", "ed25519")
    assert caught.value.reason == "rotate-key-kind"
    assert (rotating.directory / "trusted_root.json").read_bytes() == before


def test_timestamps_of_the_same_second_stay_inside_the_old_window(rotating: RunningStack) -> None:
    """Rotation and stamping in one second: the window closes a second later, so nothing falls between."""
    for _ in range(3):
        before = granted_token(stamp(rotating, query()))
        rotate(rotating.directory, rotating.url, "tsa")
        after = granted_token(stamp(rotating, query()))
        authorities = trusted_root(rotating).timestamp_authorities
        used = [
            verify_timestamp(token, message=MESSAGE, authorities=authorities).authority for token in (before, after)
        ]
        assert used == list(authorities[-2:])


def test_every_log_stays_where_it_was(rotating: RunningStack) -> None:
    """What follows a log by its URL goes on after a rotation: CT logs, shards of Rekor v1 and tiled logs."""
    certify(rotating)
    rotating.post(V2_ENTRIES, proposal(b"before"))
    ct = rotating.get("/ctlog/1/ct/v1/get-sth").json()
    assert ct["tree_size"] == 1
    tiles = {path: rotating.get(f"/rekor2.local/{path}").body for path in ("tile/0/000.p/1", "tile/entries/000.p/1")}
    treeid = rotating.get("/api/v1/log").json()["treeID"]
    for what in ("ctlog", "rekor", "rekor2"):
        rotate(rotating.directory, rotating.url, what)
    certify(rotating, "bob@example.com")
    assert [log.base_url for log in trusted_root(rotating).ctlogs] == [f"{rotating.url}/ctlog/{n}" for n in (1, 2)]
    assert rotating.get("/ctlog/1/ct/v1/get-sth").json()["sha256_root_hash"] == ct["sha256_root_hash"]
    old, new = (rotating.get(f"{place}/ct/v1/get-entries?start=0&end=0").json() for place in ("/ctlog/1", "/ctlog/2"))
    assert (old != new, rotating.get("/ct/v1/get-entries?start=0&end=0").json() == new) == (True, True)
    assert rotating.get("/ctlog/3/ct/v1/get-sth").status == rotating.get("/3.rekor2.local/checkpoint").status == 404
    assert {path: rotating.get(f"/rekor2.local/{path}").body for path in tiles} == tiles
    assert rotating.get("/rekor2.local/checkpoint").body.startswith(b"rekor2.local\n1\n")
    assert rotating.get("/2.rekor2.local/checkpoint").body.startswith(b"2.rekor2.local\n0\n")
    key = rotating.get(f"/api/v1/log/publicKey?treeID={treeid}").body
    assert rotating.get("/api/v1/log").json()["inactiveShards"][0]["treeID"] == treeid
    assert key == (rotating.directory / "rekor-1.pub").read_bytes() != (rotating.directory / "rekor-2.pub").read_bytes()
    both = [(rotating.directory / f"rekor-{number}.pub").read_bytes() for number in (2, 1)]
    assert (rotating.directory / "rekor.pub").read_bytes() == b"".join(both)


def test_a_new_tsa_root_has_units_of_its_own(rotating: RunningStack) -> None:
    before = granted_token(stamp(rotating, query()))
    rotate(rotating.directory, rotating.url, "tsa-root")
    after = granted_token(stamp(rotating, query()))
    old, new = trusted_root(rotating).timestamp_authorities
    assert old.chain[-1] != new.chain[-1]
    for token, authority in ((before, old), (after, new)):
        assert verify_timestamp(token, message=MESSAGE, authorities=(old, new)).authority == authority
    assert (rotating.directory / "tsa-chain.pem").read_bytes() == (rotating.directory / "tsa-chain-2.pem").read_bytes()
    assert rotating.get("/api/v1/timestamp/certchain").body == (rotating.directory / "tsa-chain-2.pem").read_bytes()


def test_tokens_of_the_issuers_old_key_count_for_ten_minutes(tmp_path: Path) -> None:
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    stack = Stack(tmp_path / "s", 0, sources=Sources(lambda: now[0]))
    issuer = Issuer(stack.context)
    old = issuer.mint(TokenOrder("alice@example.com", audience=REQUEST_AUDIENCE, seconds=86_400))
    issuer.context.keyring.close(issuer.keys[0], now[0] + ROTATIONS["idp"].grace)
    issuer.new_key()
    new = issuer.mint(TokenOrder("alice@example.com", audience=REQUEST_AUDIENCE, seconds=86_400))
    assert all(issuer.own_claims(token, REQUEST_AUDIENCE) for token in (old, new))
    now[0] += timedelta(minutes=10)
    assert (issuer.own_claims(old, REQUEST_AUDIENCE), len(issuer.keys)) == (None, 1)
    assert issuer.own_claims(new, REQUEST_AUDIENCE)
    stack.close()


@pytest.mark.parametrize("days", [0, 6, 29, 364, 366])
def test_what_expires_is_said_a_year_a_month_and_a_week_before(tmp_path: Path, days: int) -> None:
    Stack(tmp_path / "s", 0).close()
    ends = datetime.now(UTC) + timedelta(days=3650)
    found = warnings(tmp_path / "s", ends - timedelta(days=days))
    assert len(found) == (5 if days < 366 else 0)
    for rotation in ("ca", "tsa", "tsa-root", "tuf-root") if found else ():
        assert any(text.endswith(f"stack rotate {rotation}") for text in found)
    assert all(("has expired" if days == 0 else "expires in") in text for text in found)
    assert warnings(tmp_path / "none", ends) == ()
