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
from gitsign_py.localstack.rotate import ROTATIONS, rotate
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
