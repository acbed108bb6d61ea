"""A test for each published advisory that has a meaning here, named after it (docs/threat-model.md has the table).

Most show that the vectors which do what the advisory tells are refused for the right reason; the rest ask the part of
the program that an attacker would meet.
"""

import gc
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import DelegatedRole  # type: ignore[attr-defined]

from gitsign_py.clients.rekor import MAX_FOUND, RekorClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tuf import initialize, refresh
from gitsign_py.core import dsse
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.pki import der
from gitsign_py.core.pki.timestampbuild import parse_request
from gitsign_py.core.sigstore.bundle import parse_bundle
from gitsign_py.core.sigstore.token import check_state, parse_unverified
from gitsign_py.errors import GitsignError
from gitsign_py.verification import verify_signature
from tests.fuzz.seed import seeds
from tests.support.badserver import reply, serving
from tests.support.forge import COMMIT, TREE, forge
from tests.support.forgedworld import T0, World
from tests.support.stack import RunningStack
from tests.support.tufrepo import Delegation, TufRepository, serve
from tests.vectors.cases_object import OTHER_TREE
from tests.verification import test_refused

THREATS = Path(__file__).parents[2] / "docs" / "threat-model.md"
_BY_NAME = {vector.name.removesuffix("_fail"): vector for vector in test_refused.ALL}


def refused(*names: str) -> None:
    """These vectors are refused, by the step and for the reason that they state."""
    for name in names:
        assert _BY_NAME[name].expect["status"] in (1, 3)
        test_refused.test_library(_BY_NAME[name])


def accepted(*names: str) -> None:
    for name in names:
        assert _BY_NAME[name].expect["status"] == 0
        test_refused.test_library(_BY_NAME[name])


def reason(call: object, *arguments: object, **keywords: object) -> str:
    with pytest.raises(GitsignError) as caught:
        call(*arguments, **keywords)  # type: ignore[operator]
    return caught.value.reason


# --- gitsign ---------------------------------------------------------------------------------------------------------


def test_cve_2023_47122_keys_come_from_the_trust_root_alone() -> None:
    refused("log-key-from-server", "online-other-log", "log-unknown", "log-none", "set-by-other-key")


def test_cve_2024_51746_each_of_several_entries_must_prove_itself() -> None:
    refused("entry-other-hash", "online-other-commit", "online-right-unproven", "online-other-certificate")
    accepted("online-several")


def test_cve_2026_44309_what_is_verified_is_the_stored_bytes() -> None:
    """The signature is over the object as a lenient reader would write it again, with the second tree."""
    written_again = COMMIT.replace(TREE, OTHER_TREE)
    stored = COMMIT.replace(b"tree " + TREE + b"\n", b"tree " + TREE + b"\ntree " + OTHER_TREE + b"\n")
    made = forge(World(), payload=stored, signed_payload=written_again)
    assert reason(split_commit, made.data) == "header-order"
    late = T0 + timedelta(days=1)
    arguments = {"trusted_root": made.root, "now": late}
    assert reason(verify_signature, stored, made.signature, **arguments) == "content-digest-mismatch"
    assert verify_signature(written_again, made.signature, trusted_root=made.root, now=late)
    refused("tree-twice", "tree-twice-at-the-top", "author-twice", "gpgsig-twice", "parent-after-author")


def test_cve_2026_44310_no_certificates_is_a_refusal_and_no_crash() -> None:
    refused("signer-not-in-certificates", "signers-none")


# --- cosign ----------------------------------------------------------------------------------------------------------


def test_cve_2022_23649_an_entry_of_another_signature_proves_nothing() -> None:
    refused("entry-other-signature", "entry-v2-other-signature", "entry-v2-other-certificate")


def test_cve_2022_35929_an_attestation_must_be_a_statement() -> None:
    for payload in (b"{}", b"[]", b'{"_type":"https://in-toto.io/Statement/v1"}', b"not json"):
        assert reason(dsse.parse_statement, payload)


def test_cve_2022_36056_identity_and_log_are_never_left_out_silently() -> None:
    refused("entry-foreign-body", "identity-other", "issuer-other", "entry-empty", "set-wrong", "checkpoint-malformed")


def _bundle(**material: object) -> bytes:
    value = json.loads(seeds()["fuzz_bundle"]["v03"])
    value["verificationMaterial"] |= material
    return json.dumps(value).encode()


def _entries(count: int) -> bytes:
    value = json.loads(_bundle())
    return _bundle(tlogEntries=value["verificationMaterial"]["tlogEntries"] * count)


def test_cve_2023_46737_what_a_server_lists_without_end_is_not_looked_at() -> None:
    names = [f"{number:064x}" for number in range(MAX_FOUND + 1)]
    with serving(reply(200, names, {"Content-Type": "application/json"})) as server, HttpSession() as session:
        assert reason(RekorClient(session, server.url).find, digest=bytes(32)) == "service-answer-invalid"
        assert len(server.requests) == 1


def test_cve_2024_29902_an_answer_has_a_size_limit() -> None:
    body = b'"' + b"a" * (40 << 20) + b'"'
    with serving(reply(200, body, {"Content-Type": "application/json"})) as server, HttpSession() as session:
        assert reason(RekorClient(session, server.url).find, digest=bytes(32)) == "service-answer-too-large"


def test_cve_2024_29903_counts_are_limited_before_anything_is_made_of_them() -> None:
    assert reason(parse_bundle, _entries(33)) == "json-too-many"
    assert parse_bundle(_entries(1))


def test_cve_2026_22703_a_bundles_entry_is_of_this_very_signature() -> None:
    refused("entry-foreign-body", "entry-other-hash", "entry-other-certificate", "entry-other-signature")


def test_cve_2026_24122_every_certificate_of_the_path_is_valid_at_the_proven_time() -> None:
    refused("intermediate-expired", "ca-window-over", "ca-window-to-come")


def test_cve_2026_39395_a_malformed_statement_is_no_success() -> None:
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": "00"}}]}
    assert reason(dsse.parse_statement, json.dumps(statement).encode()) == "statement-malformed"
    assert reason(dsse.parse_statement, b'{"predicateType": "x"') != ""


# --- sigstore-python -------------------------------------------------------------------------------------------------


def test_ghsa_hhfg_fwrw_87w7_integrated_time_counts_beside_a_timestamp() -> None:
    refused("expired-at-log-time-only", "expired-at-timestamp", "set-time-changed", "time-in-future", "time-zero")


def test_cve_2026_24408_an_answer_with_another_state_is_refused() -> None:
    assert reason(check_state, expected="a" * 43, got="b" * 43) == "oidc-state-mismatch"
    assert reason(check_state, expected="a" * 43, got=None) == "oidc-state-mismatch"


# --- sigstore-go -----------------------------------------------------------------------------------------------------


def test_cve_2024_45395_entries_timestamps_and_subjects_are_limited() -> None:
    stamp = json.loads(_bundle())["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]
    many = _bundle(timestampVerificationData={"rfc3161Timestamps": [stamp] * 33})
    assert reason(parse_bundle, many) == "json-too-many"
    subjects = [{"digest": {"sha256": "00" * 32}}] * (dsse.MAX_SUBJECTS + 1)
    statement = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "x", "subject": subjects}
    assert reason(dsse.parse_statement, json.dumps(statement).encode()) == "statement-malformed"


def test_ghsa_wqqc_jjcq_vfxm_windows_of_keys_are_checked_at_the_time_of_signing() -> None:
    refused("log-window-over", "log-window-to-come", "log-v2-window-over", "sct-outside-window")
    refused("timestamp-outside-window")


def test_ghsa_9vcr_p3rj_q5q6_one_log_cannot_speak_twice() -> None:
    refused("sct-one-wrong", "timestamp-twice", "unsigned-attribute-twice", "checkpoint-signature-wrong-twin")


# --- the services, as far as the local Sigstore is like them ---------------------------------------------------------


def test_cve_2023_33199_malformed_proposals_are_answered(stack: RunningStack) -> None:
    specs: list[object] = [None, {}, [], {"content": None}, {"content": {"envelope": None}}]
    for kind in ("intoto", "dsse", "hashedrekord"):
        for spec in specs:
            answer = stack.post("/api/v1/log/entries", {"apiVersion": "0.0.2", "kind": kind, "spec": spec})
            assert 400 <= answer.status < 500, (kind, spec, answer.status)


def test_cve_2026_23831_an_empty_message_is_answered(stack: RunningStack) -> None:
    specs: list[object] = [{"message": ""}, {"data": {}}]
    for spec in specs:
        answer = stack.post("/api/v1/log/entries", {"apiVersion": "0.0.1", "kind": "cose", "spec": spec})
        assert 400 <= answer.status < 500


def test_cve_2026_24117_the_log_fetches_nothing(stack: RunningStack) -> None:
    with serving(reply(200, b"key")) as server:
        answer = stack.post("/api/v1/index/retrieve", {"publicKey": {"format": "x509", "url": server.url}})
        assert server.requests == []
    assert 400 <= answer.status < 500


def test_cve_2026_22772_the_ca_asks_no_issuer_but_its_own(stack: RunningStack) -> None:
    """Also GHSA-f5mr-q85p-6hh6: there is no discovery that could be redirected."""
    with serving(reply(200, {})) as server:
        token = _token({"iss": server.url, "sub": "x", "aud": "sigstore", "exp": 4102444800, "iat": 1})
        request = {"credentials": {"oidcIdentityToken": token}, "publicKeyRequest": {}}
        answer = stack.post("/api/v2/signingCert", request)
        assert server.requests == []
    assert 400 <= answer.status < 500


def _token(claims: dict[str, object]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    return ".".join([*(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "AAAA"])


def test_cve_2025_66506_a_token_of_dots_is_refused_at_once() -> None:
    assert reason(parse_unverified, "." * 60_000) == reason(parse_unverified, "." * 60_000_000)


def test_cve_2025_66564_a_request_with_a_huge_name_is_refused() -> None:
    arcs = der.encode(der.OID, b"\x2a" + b"\x81" * 100_000 + b"\x01")
    imprint = der.sequence(der.sequence(arcs), der.octet_string(bytes(32)))
    assert reason(parse_request, der.sequence(der.integer(1), imprint)).startswith(("der-", "timestamp-"))


def test_cve_2026_39984_the_signers_own_certificate_is_for_time_stamping() -> None:
    refused("timestamp-bait-certificate", "timestamp-twin-certificate", "timestamp-other-certificate-id")


# --- TUF -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> TufRepository:
    made = TufRepository(tmp_path / "tuf")
    made.publish({"trusted_root.json": b"{}"})
    return made


def test_cve_2020_15163_a_root_that_failed_is_never_trusted_later(mirror: TufRepository, tmp_path: Path) -> None:
    first = mirror.root
    forged = json.loads(first)
    forged["signed"]["version"] = 2
    (mirror.directory / "2.root.json").write_text(json.dumps(forged))
    with serve(mirror.directory) as url:
        for _ in range(2):  # what was refused once is refused again
            assert reason(initialize, url, first, tmp_path / "cache").startswith("trust-root")
    assert not list((tmp_path / "cache").rglob("2.root.json"))


def test_cve_2020_6174_one_signature_does_not_count_twice(mirror: TufRepository, tmp_path: Path) -> None:
    """Also GMS-2022-4197. The same signature twice, for a threshold of two."""
    forged = json.loads(mirror.root)
    forged["signed"]["version"] = 2
    forged["signed"]["roles"]["root"]["threshold"] = 2
    forged["signatures"] *= 2
    (mirror.directory / "2.root.json").write_text(json.dumps(forged))
    with serve(mirror.directory) as url:
        assert reason(initialize, url, mirror.root, tmp_path / "cache").startswith("trust-root")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # python-tuf leaves a download that it gives up to gc
def test_cve_2020_6173_metadata_of_very_many_signatures_is_refused(mirror: TufRepository, tmp_path: Path) -> None:
    forged = json.loads((mirror.directory / "timestamp.json").read_bytes())
    forged["signatures"] *= 20_000
    (mirror.directory / "timestamp.json").write_text(json.dumps(forged))
    with serve(mirror.directory) as url:
        assert reason(initialize, url, mirror.root, tmp_path / "cache").startswith("trust-root")
    gc.collect()


def test_cve_2021_41131_names_from_metadata_do_not_leave_the_cache(mirror: TufRepository, tmp_path: Path) -> None:
    """Also CVE-2026-24137, CVE-2026-24686: two targets are asked for by names of our own, whatever else is listed."""
    mirror.publish({"trusted_root.json": b"{}", "..%2Fescaped.json": b"{}"})
    with serve(mirror.directory) as url:
        initialize(url, mirror.root, tmp_path / "inside" / "cache")
    assert {path.name for path in tmp_path.iterdir()} == {"tuf", "inside"}
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["cache"]


def test_ghsa_qp9x_wp8f_qgjj_the_case_of_a_name_counts_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.normcase", str.lower)  # as on Windows
    role = DelegatedRole("a", ["key"], 1, terminating=False, paths=["Root/*"])
    assert role.is_delegated_path("Root/trusted_root.json")
    assert not role.is_delegated_path("root/trusted_root.json")


def test_cve_2022_29173_older_metadata_is_not_newer(mirror: TufRepository, tmp_path: Path) -> None:
    """A mirror replays what it gave out before, all of it signed and none of it expired."""
    old = {path.name: path.read_bytes() for path in mirror.directory.glob("*.json")}
    mirror.publish({"trusted_root.json": b'{"new": true}'})
    with serve(mirror.directory) as url:
        initialize(url, mirror.root, tmp_path / "cache")
        for name, data in old.items():
            (mirror.directory / name).write_bytes(data)
        assert reason(refresh, tmp_path / "cache") == "trust-root-rolled-back"


@pytest.mark.parametrize(("listed", "found"), [({"trusted_root.json": b"top"}, b"top"), ({}, b"first")])
def test_cve_2024_47534_delegations_are_followed_in_their_order(
    mirror: TufRepository, tmp_path: Path, listed: dict[str, bytes], found: bytes
) -> None:
    """The top role before those that it delegates to, and among them the first before what it delegates to."""
    inner = Delegation("inner", {"trusted_root.json": b"inner"})
    first = Delegation("first", {"trusted_root.json": b"first"}, (inner,))
    second = Delegation("second", {"trusted_root.json": b"second"})
    mirror.publish(listed, delegations=(first, second))
    with serve(mirror.directory) as url:
        assert initialize(url, mirror.root, tmp_path / "cache").trusted_root == found


@pytest.mark.parametrize("threshold", [0, -1])
def test_cve_2026_23992_a_threshold_of_none_is_refused(mirror: TufRepository, tmp_path: Path, threshold: int) -> None:
    root = json.loads(mirror.root)
    root["signed"]["roles"]["timestamp"]["threshold"] = threshold
    root["signatures"] = []
    with serve(mirror.directory) as url:
        assert reason(initialize, url, json.dumps(root).encode(), tmp_path / "cache") == "trust-root-tampered"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
@pytest.mark.parametrize("text", ["[]", "{}", '{"signed": 1, "signatures": 1}', "[" * 400, '{"signed": {"_type": []}}'])
def test_cve_2026_23991_json_that_is_no_metadata_is_refused(
    mirror: TufRepository, tmp_path: Path, name: str, text: str
) -> None:
    (mirror.directory / name).write_text(text)
    with serve(mirror.directory) as url:
        assert reason(initialize, url, mirror.root, tmp_path / "cache").startswith("trust-root")
    gc.collect()


# --- the table -------------------------------------------------------------------------------------------------------


def _named_in_table() -> Iterator[str]:
    for line in THREATS.read_text().splitlines():
        yield from re.findall(r"`(test_[a-z0-9_]+)`", line)


def test_the_table_names_every_test_and_no_other() -> None:
    own = {name for name in globals() if re.match(r"test_(cve|ghsa)_", name)}
    assert {name for name in _named_in_table() if re.match(r"test_(cve|ghsa)_", name)} == own
