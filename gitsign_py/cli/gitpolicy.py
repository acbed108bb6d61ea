"""What git's own commands say by a policy (gitsign.policy): TRUST_FULLY where it lets a commit pass, else TRUST_NEVER.

git gives the bytes of a commit or tag and does not say which ref they are for: a commit is judged for the branch that
HEAD is on, a tag for the ref of its name.
"""

from gitsign_py.audit.graph import GitGraph
from gitsign_py.audit.plan import current_ref
from gitsign_py.cli import wiring
from gitsign_py.cli.policysource import load_policy
from gitsign_py.core.gitobject import SignedObject, split_object
from gitsign_py.core.gittext import split_person
from gitsign_py.core.gpgstatus import Trust
from gitsign_py.policy.evaluate import evaluate
from gitsign_py.policy.facts import CommitFacts
from gitsign_py.policy.surroundings import InRepository
from gitsign_py.policy.verified import facts_of
from gitsign_py.verification.result import VerifiedSignature


def decide(
    settings: wiring.Settings, verified: VerifiedSignature, payload: bytes, object_id: str = ""
) -> tuple[Trust, str]:
    """Judge a signature that verified, over ``payload``; gives the trust and, when it is none, why.

    ``object_id`` (hex), where it is known, lets exemptions count. Raises ConfigError, PolicyError for a policy that
    cannot be read, FormatError, UncheckedError for what the policy needs and the repository does not have.
    """
    with wiring.repository(settings) as repository:
        policy = load_policy(repository, settings.config.policy)
        signed = split_object("commit" if payload.startswith(b"tree ") else "tag", payload)
        ref = f"refs/tags/{signed.name.decode('utf-8', 'replace')}" if signed.kind == "tag" else current_ref(repository)
        around = InRepository(repository, GitGraph(repository, repository.environment, repository.directory), _nobody)
        decision = evaluate(policy, _commit_facts(signed, object_id), facts_of(verified), ref, around)
    if decision.accepted:
        return "FULLY", ""
    return "NEVER", f"{decision.message} ({policy.source}) [{decision.reason}]"


def _nobody(_oid: str) -> bool:
    """Forge merges without a signature never come here: git asks about signatures alone."""
    return False


def _commit_facts(signed: SignedObject, object_id: str) -> CommitFacts:
    if signed.kind == "tag":
        tagger = split_person(signed.tagger).email.decode("utf-8", "replace")
        return CommitFacts(object_id, tagger, tagger, kind="tag")
    author, committer = (
        split_person(line).email.decode("utf-8", "replace") for line in (signed.author, signed.committer)
    )
    return CommitFacts(object_id, author, committer, signed.parents, signed.tree)
