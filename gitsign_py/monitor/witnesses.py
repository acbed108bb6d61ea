"""The witnesses of a signature log's head, held against a policy (gitsign.witnessPolicy)."""

from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.tlog.checkpoint import Checkpoint
from gitsign_py.core.tlog.cosigned import check_cosigned, cosigners
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.monitor.findings import Finding
from gitsign_py.monitor.heads import Head
from gitsign_py.verification.result import CLOCK_SKEW

COSIGNED = ("rekor1", "rekor2")
"""The kinds of logs that a witness policy is about; CT logs have promises of their own."""


@frozen
class Witnessed:
    """A head with the witnesses that cosigned it, and what the policy has against it (None: nothing)."""

    head: Head
    refusal: VerificationError | FormatError | None = None


def witnessed(head: Head, policy: WitnessPolicy, *, now: int) -> Witnessed:
    """Verify the cosignatures of a verified head."""
    stated = Checkpoint(head.tree, head.size, head.root)
    try:
        head = replace(head, witnesses=cosigners(policy, head.signed, stated))
        latest = now + int(CLOCK_SKEW.total_seconds())
        check_cosigned(policy, head.signed, stated, head.log.public_key, latest=latest)
    except (VerificationError, FormatError) as error:
        return Witnessed(head, error)
    return Witnessed(head)


def unwitnessed(head: Head, policy: WitnessPolicy, *, now: int) -> Finding | None:
    """The alarm about a head that the policy refuses."""
    refusal = witnessed(head, policy, now=now).refusal
    if refusal is None:
        return None
    facts = {**refusal.facts, "cause": refusal.reason, "size": head.size}
    return Finding("checkpoint-unwitnessed", head.tree, f"{head.size}:{refusal.reason}", refusal.message, now, facts)
