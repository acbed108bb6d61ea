"""Step 4.4: signatures and bundles whose log entries are cosigned, or not, or at another time."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.logentry import LogEntry
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.errors import UncheckedError, VerificationError
from gitsign_py.policy.verified import facts_of
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.steps import Requirements
from gitsign_py.verification.verifier import Verifier
from tests.support.bundlecheck import refused, verify, with_checkpoint
from tests.support.bundles import AT, BundleMaker
from tests.support.forge import Forged, forge
from tests.support.forgedworld import T0, World
from tests.support.witnesskit import LOG, A, B, Cosigner, policy

SEEN = int((T0 + timedelta(minutes=1)).timestamp())
LATER = int((T0 + timedelta(days=30)).timestamp())
NOW = T0 + timedelta(days=60)
BOTH = policy("group both all a b", "quorum both")
REQUIRED = Requirements(witnesses=BOTH)


def cosigned(*by: Cosigner, log: Literal["v1", "v2"] = "v2", time: int = SEEN, **how: Any) -> Forged:
    """A commit whose checkpoint these witnesses cosigned."""

    def add(entry: LogEntry) -> LogEntry:
        proof = entry.inclusion_proof
        assert proof is not None
        opened = note.parse_note(proof.checkpoint)
        lines = [one.cosign(opened.text, time) for one in by]
        return replace(
            entry,
            inclusion_proof=replace(proof, checkpoint=note.format_note(opened.text, [*opened.signatures, *lines])),
        )

    return forge(World(), log=log, entry=add, **how)


def verified(made: Forged, asked: WitnessPolicy | None, *, now: datetime = NOW) -> VerifiedSignature:
    verifier = Verifier(made.root, now, Requirements(witnesses=asked))
    return verifier.verify(made.payload, made.signature, object_id=made.oid)


def refusal(made: Forged, asked: WitnessPolicy | None, *, now: datetime = NOW) -> tuple[str, str]:
    with pytest.raises(VerificationError) as caught:
        verified(made, asked, now=now)
    return caught.value.step, caught.value.reason


def times(found: VerifiedSignature) -> list[tuple[str, int]]:
    return [(one.source, int(one.time.timestamp())) for one in found.times]


def test_a_quorum_is_a_step_and_the_only_time_of_rekor_v2() -> None:
    found = verified(cosigned(A, B), BOTH)
    assert times(found) == [("witness", SEEN)]
    (step,) = (step for step in found.steps if step.number == "4.4")
    assert (step.outcome, step.facts["witnesses"], step.facts["quorum"]) == ("passed", "a, b", "both")
    assert facts_of(found).times == (("witness", datetime.fromtimestamp(SEEN, UTC)),)


def test_without_a_policy_nobody_is_a_witness() -> None:
    assert refusal(cosigned(A, B), None) == ("5.2", "time-unproven")
    found = verified(cosigned(A, B, timestamp={}), None)
    assert "4.4" not in [step.number for step in found.steps]
    assert [one.source for one in found.times] == ["timestamp"]


def test_too_few_are_bad_whatever_else_proves_the_time() -> None:
    for made in (cosigned(A, timestamp={}), cosigned(timestamp={})):
        assert refusal(made, BOTH) == ("4.4", "witness-quorum-missing")


def test_a_log_that_is_not_listed_leaves_the_signature_unchecked() -> None:
    listed = policy(f"log {LOG}", "quorum a")
    with pytest.raises(UncheckedError) as caught:
        verified(cosigned(A), listed)
    assert (caught.value.step, caught.value.reason) == ("4.4", "witness-log-unlisted")


def test_rekor_v1_is_held_to_the_cosignatures_that_it_carries() -> None:
    assert [one.source for one in verified(cosigned(log="v1"), BOTH).times] == ["log"]
    assert [one.source for one in verified(cosigned(A, B, log="v1"), BOTH).times] == ["log", "witness"]
    assert refusal(cosigned(A, log="v1"), BOTH) == ("4.4", "witness-quorum-missing")


def test_a_later_cosignature_says_nothing_where_something_else_does() -> None:
    """A checkpoint that was fetched a month later; alone it proves that the certificate had ended."""
    assert [one.source for one in verified(cosigned(A, B, time=LATER, timestamp={}), BOTH).times] == ["timestamp"]
    assert refusal(cosigned(A, B, time=LATER), BOTH) == ("5.3", "certificate-expired")


def test_a_cosignature_before_the_certificate_contradicts_it() -> None:
    before = int(T0.timestamp()) - 60
    assert refusal(cosigned(A, B, time=before), BOTH) == ("5.3", "certificate-not-yet-valid")
    assert refusal(cosigned(A, B, time=before, timestamp={}), BOTH) == ("5.3", "certificate-not-yet-valid")


def test_a_time_to_come_is_told_from_a_clock_that_is_a_little_off() -> None:
    made = cosigned(A, B)
    seen = datetime.fromtimestamp(SEEN, UTC)
    assert times(verified(made, BOTH, now=seen - timedelta(minutes=5))) == [("witness", SEEN)]
    assert refusal(made, BOTH, now=seen - timedelta(minutes=6)) == ("4.4", "witness-quorum-missing")


def test_a_quorum_of_none_asks_nothing_and_proves_no_time() -> None:
    assert refusal(cosigned(A), policy("quorum none")) == ("5.2", "time-unproven")
    assert [one.source for one in verified(cosigned(timestamp={}), policy("quorum none")).times] == ["timestamp"]


# -- bundles ----------------------------------------------------------------------------------------------------------

AT_SECONDS = int(AT.timestamp())


def bundle(maker: BundleMaker, *by: Cosigner, tiled: bool = True, time: int = AT_SECONDS) -> dict[str, Any]:
    def add(opened: note.Note) -> bytes:
        return note.format_note(opened.text, [*opened.signatures, *(one.cosign(opened.text, time) for one in by)])

    return with_checkpoint(maker.message(tiled=tiled), add)


def test_a_bundle_is_held_to_the_policy_too(maker: BundleMaker) -> None:
    found = verify(maker, bundle(maker, A, B), requirements=REQUIRED)
    assert [one.source for one in found.times] == ["timestamp", "witness"]
    assert "4.4" in [step.number for step in found.steps]
    refused(maker, bundle(maker, A), "4.4", "witness-quorum-missing", requirements=REQUIRED)


def test_a_bundle_that_only_witnesses_date_is_verified(maker: BundleMaker) -> None:
    made = bundle(maker, A, B)
    made["verificationMaterial"].pop("timestampVerificationData")
    refused(maker, made, "5.2", "time-unproven")
    assert [one.source for one in verify(maker, made, requirements=REQUIRED).times] == ["witness"]


def test_a_bundle_without_a_checkpoint_is_no_way_around_a_policy_with_logs(maker: BundleMaker) -> None:
    """Bundles of version 0.1 may rest on the promise of Rekor v1 alone."""
    made = maker.message()
    made["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"
    material = made["verificationMaterial"]
    material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    material["tlogEntries"][0].pop("inclusionProof")
    assert verify(maker, made, requirements=REQUIRED).times
    with_log = Requirements(witnesses=policy(f"log {LOG}", "quorum a"))
    refused(maker, made, "4.4", "checkpoint-missing", requirements=with_log)
