"""An instance without a log, as GitHub's own: Fulcio and a timestamp authority; every output says what is missing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.tlog.vkey import ED25519
from gitsign_py.core.trust.root import TrustedRoot, format_trusted_root, parse_trusted_root
from gitsign_py.errors import UncheckedError, VerificationError
from gitsign_py.verification import Requirements, Verifier, verdict_of
from gitsign_py.verification.steps import Report
from tests.support.bulksigner import BulkSigner
from tests.support.stack import RunningStack, running_stack
from tests.support.witnesskit import ORIGIN, policy, vkey
from tests.support.workbench import Workbench


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("bare") / "stack", "--without", "rekor1,rekor2") as stack:
        yield stack


@pytest.fixture
def unlogged(bare: RunningStack, tmp_path: Path) -> Workbench:
    made = Workbench(tmp_path, bare)
    made.init()
    made.env["SIGSTORE_ID_TOKEN"] = bare.token()
    return made


def test_commits_and_attestations_verify_and_say_that_they_are_in_no_log(unlogged: Workbench) -> None:
    unlogged.commit()
    payload = split_commit(unlogged.raw("commit", "HEAD")).payload
    made = unlogged.tool("--status-fd=2", "-bsau", "x", stdin=payload)
    assert (made.returncode, b"in no log, since the trust root lists none" in made.stderr) == (0, True), made.stderr
    git = unlogged.try_git("verify-commit", "HEAD")
    assert (git.returncode, b"in no log, since the trust root lists none" in git.stderr) == (0, True), git.stderr
    plain = unlogged.verify("HEAD")
    assert (plain.returncode, b"(in no log)" in plain.stdout) == (0, True)
    verbose = unlogged.verify("-v", "HEAD").stdout.decode()
    assert verbose.count("left out    ") >= 3
    [judgement] = json.loads(unlogged.verify("--json", "HEAD").stdout)
    steps = {step["number"]: step["outcome"] for step in judgement["steps"]}
    assert [steps[number] for number in ("2.3", "4.1", "4.2", "4.3", "5.1", "5.2", "5.3")] == [
        "passed", "skipped", "skipped", "skipped", "passed", "passed", "passed",
    ]  # fmt: skip
    assert (judgement["log"], judgement["times"][0]["source"]) == (None, "timestamp")
    audit = json.loads(unlogged.tool("audit", "--offline", "--format", "json").stdout)
    assert [record["verdict"] for record in audit["records"]] == ["good"]
    assert "lists no log" in json.dumps(audit)
    (unlogged.folder / "predicate.json").write_text("{}")
    attested = unlogged.tool("attest", "-f", str(unlogged.folder / "predicate.json"), "--type", "https://example.com/t")
    assert b"in no log" in attested.stdout, (attested.stdout, attested.stderr)


def test_a_trust_root_that_lists_a_log_never_leaves_it_out(
    unlogged: Workbench, bench: Workbench, tmp_path: Path
) -> None:
    """Nor does ``none`` in a repository's configuration change what verifies."""
    unlogged.commit()
    listing = logged(parse_trusted_root(unlogged.stack.trusted_root.read_bytes()), tmp_path)
    (tmp_path / "listing.json").write_bytes(format_trusted_root(listing))
    unlogged.git("config", "gitsign.rekor", "none")
    done = unlogged.verify("--trusted-root", str(tmp_path / "listing.json"), "HEAD")
    assert (done.returncode, b"log-" in done.stdout) == (3, True), done.stdout
    refused = unlogged.try_git(
        "commit", "--allow-empty", "-S", "-m", "x", GITSIGN_TRUSTED_ROOT=str(tmp_path / "listing.json")
    )
    assert (refused.returncode != 0, b"[log-needed]" in refused.stderr) == (True, True), refused.stderr
    bench.git("config", "gitsign.rekor", "none")
    before = bench.stack.get("/api/v1/log").json()["treeSize"]
    either: list[dict[str, Any]] = [
        {"GITSIGN_REKOR_URL": "none"},
        {"SIGSTORE_REKOR_URL": "none", "GITSIGN_REKOR_URL": ""},
    ]
    for variables in either:
        done = bench.try_git("commit", "--allow-empty", "-S", "-m", "x", **variables)
        assert (done.returncode != 0, b"[log-needed]" in done.stderr) == (True, True), done.stderr
    assert bench.stack.get("/api/v1/log").json()["treeSize"] == before


def test_without_a_timestamp_server_nothing_is_asked(unlogged: Workbench) -> None:
    done = unlogged.try_git(
        "commit", "--allow-empty", "-S", "-m", "x", GITSIGN_TIMESTAMP_SERVER_URL="", SIGSTORE_TIMESTAMP_SERVER_URL=""
    )
    assert (done.returncode != 0, b"[timestamp-server-missing]" in done.stderr) == (True, True), done.stderr


def test_a_bundle_of_it_has_a_timestamp_in_place_of_an_entry(unlogged: Workbench) -> None:
    unlogged.commit()
    where = unlogged.folder / "bundle"
    where.mkdir()
    done = unlogged.tool("bundle", "export", "--output", str(where))
    assert done.returncode == 0, done.stderr
    [bundle], [artifact] = where.glob("*.json"), where.glob("*.der")
    material = json.loads(bundle.read_text())["verificationMaterial"]
    assert (material.get("tlogEntries", []), len(material["timestampVerificationData"]["rfc3161Timestamps"])) == ([], 1)
    checked = unlogged.tool("verify-bundle", "--any-identity", "--bundle", str(bundle), str(artifact))
    assert (checked.returncode, b"in no log" in checked.stdout) == (0, True), (checked.stdout, checked.stderr)
    files = ("--bundle", str(bundle), "--artifact", str(artifact))
    again = unlogged.tool("bundle", "import", "--any-identity", *files, "HEAD")
    assert again.stdout.strip() == (split_commit(unlogged.raw("commit", "HEAD")).signature or b"").strip(), again.stderr


def test_doctor_wants_a_timestamp_authority_and_no_log(unlogged: Workbench) -> None:
    found = {one["name"]: one for one in json.loads(unlogged.tool("doctor", "--offline", "--json").stdout)["findings"]}
    assert (found["keys"]["outcome"], "CA, timestamp authority and CT log" in found["keys"]["message"]) == ("ok", True)


def test_setup_writes_such_an_instance_into_the_settings(unlogged: Workbench) -> None:
    done = unlogged.tool("setup", "--instance", str(unlogged.stack.directory))
    assert done.returncode == 0, done.stderr
    for name in unlogged.stack.environment():
        unlogged.env.pop(name)
    assert unlogged.git("config", "gitsign.rekor") == "none"
    unlogged.commit()
    plain = unlogged.verify("HEAD")
    assert (plain.returncode, b"(in no log)" in plain.stdout) == (0, True), plain.stderr


def logged(root: TrustedRoot, folder: Path) -> TrustedRoot:
    return replace(root, tlogs=BulkSigner(folder / "other").trusted_root.tlogs)


def test_each_root_and_what_it_lists(unlogged: Workbench, tmp_path: Path) -> None:
    """A log that is listed and cannot be used is a log; without a timestamp nothing proves the time."""
    unlogged.commit()
    signed = split_commit(unlogged.raw("commit", "HEAD"))
    root = parse_trusted_root(unlogged.stack.trusted_root.read_bytes())

    def check(trusted: TrustedRoot, required: Requirements = Requirements()) -> Report:  # noqa: B008 - frozen
        report = Report()
        verifier = Verifier(trusted, datetime.now(UTC), requirements=required)
        verifier.verify(signed.payload, signed.signature or b"", report=report)
        return report

    assert [step.number for step in check(root).steps if step.outcome == "skipped"] == ["4.1", "4.2", "4.3", "6.1"]
    with pytest.raises(VerificationError) as caught:
        check(root, Requirements(witnesses=policy(f"log {vkey(ORIGIN, 200, ED25519)}", "quorum a")))
    assert caught.value.reason == "checkpoint-missing"  # a quorum that is asked for is not left out with the log
    value = json.loads(format_trusted_root(logged(root, tmp_path)))
    value["tlogs"][0]["publicKey"]["keyDetails"] = "PKIX_ED448"
    unusable = parse_trusted_root(json.dumps(value).encode())
    assert (unusable.tlogs, unusable.has_no_log) == ((), False)
    for listing in (unusable, logged(root, tmp_path)):
        with pytest.raises(UncheckedError):
            check(listing)
    with pytest.raises(VerificationError) as caught:
        check(replace(root, ctlogs=()))
    assert (caught.value.reason, verdict_of(caught.value)) == ("sct-log-unknown", "unchecked")
    with pytest.raises(VerificationError) as caught:
        check(replace(root, timestamp_authorities=()))
    assert verdict_of(caught.value) == "unchecked"


def test_an_online_signature_without_a_timestamp_is_unchecked(tmp_path: Path) -> None:
    signer = BulkSigner(tmp_path / "authority", online=True)
    root = replace(signer.trusted_root, tlogs=())
    payload = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nx\n"
    armored = signer.sign("alice@example.com", payload, datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(UncheckedError) as caught:
        Verifier(root, datetime.now(UTC)).verify(payload, armored, object_id="0" * 40)
    assert (caught.value.reason, caught.value.step) == ("log-unknown", "4.1")
