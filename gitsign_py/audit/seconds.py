"""Second signatures in a repository of two hash algorithms: each is a job of its own, under the object's other name.

That name is the repository's word (``objects/loose-object-idx``), and whoever made the repository can write any there.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from gitsign_py.audit.jobs import Job
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.frozen import replace
from gitsign_py.core.git.gitobject import signature_format
from gitsign_py.core.git.othernames import named, other_payload
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.host.git.program import QUIET, run_git
from gitsign_py.host.git.storedobject import other_names
from gitsign_py.host.git.walk import Git
from gitsign_py.policy.facts import SignatureFacts

UNNAMED = SignatureFacts("unchecked", "sigstore", reason="signature-second-unchecked")


def second_jobs(git: Git, items: Sequence[Scanned]) -> dict[str, Job | SignatureFacts]:
    """By the object's id the job of its second signature, or why there can be none; git is asked once for all."""
    signed = [one for one in items if one.form == "sigstore" and one.split and one.split.other_signature is not None]
    if not signed:
        return {}
    try:
        names = other_names(
            lambda arguments: run_git([*QUIET, *arguments], environment=git.environment, directory=git.directory),
            [oid for one in signed if one.split for oid in (one.oid, *named(one.split))],
        )
    except GitsignError as error:
        return {one.oid: replace(UNNAMED, message=error.message) for one in signed}
    given = Counter(names[oid] for oid in {one.oid for one in signed} if oid in names)
    return {one.oid: _shared(one) if given[names.get(one.oid, "")] > 1 else _job(one, names) for one in signed}


def content_of(job: Job) -> bytes:
    """The digest of what is verified: facts of a second signature are kept under it, and not under a name alone."""
    digest = hashlib.sha256(len(job.payload).to_bytes(8, "big"))
    digest.update(job.payload)
    digest.update(job.signature)
    return digest.digest()


def _shared(item: Scanned) -> SignatureFacts:
    return replace(UNNAMED, message=f"git gives {item.oid} and another object the same other name")


def _job(item: Scanned, names: Mapping[str, str]) -> Job | SignatureFacts:
    split = item.split
    other = split.other_signature if split is not None else None
    if split is None or other is None or signature_format(other) != "x509":
        return SignatureFacts("bad", "sigstore", message="it is of another form than the first one")
    try:
        payload = other_payload(split, names)
    except UncheckedError as error:
        return replace(UNNAMED, message=error.message)
    if item.oid not in names:
        return replace(UNNAMED, message=f"git does not know the other name of {item.oid}")
    return Job(names[item.oid], payload, other)


def with_second(first: SignatureFacts, second: SignatureFacts) -> SignatureFacts:
    """The facts of an object with two signatures: both are good and one person's, or it is not good."""
    if first.status != "good":
        return first
    if second.status == "good" and _who(first) == _who(second):
        return first
    if second.status == "unchecked":
        return SignatureFacts("unchecked", "sigstore", reason=second.reason, message=second.message)
    why = f"it is not good: {second.message}" if second.status != "good" else f"it is by {second.identity}"
    return SignatureFacts(
        "bad", "sigstore", reason="signature-second-wrong", message=f"the second signature is wrong: {why}"
    )


def _who(facts: SignatureFacts) -> tuple[str, str, str]:
    return facts.identity, facts.san_type, facts.issuer
