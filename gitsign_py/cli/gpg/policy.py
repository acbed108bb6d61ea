"""The answer to git's own commands by a policy: TRUST_FULLY where it lets a commit pass, else TRUST_NEVER.

git gives the bytes of a commit or tag and does not say which ref they are for: a commit is judged for the branch that
HEAD is on, a tag for the ref of its name.
"""

from gitsign_py.audit.approvals import Approvals
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.audit.judges import BEFORE_INTRODUCTION, commit_facts
from gitsign_py.audit.plan import current_ref
from gitsign_py.audit.scan import Scanned, scan
from gitsign_py.cli import wiring
from gitsign_py.cli.policysource import configured_policy
from gitsign_py.core.git.gitobject import join_commit, join_tag, object_id, split_object
from gitsign_py.core.git.gpgstatus import Trust
from gitsign_py.host.git.graph import GitGraph
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.facts import Decision, SignatureFacts
from gitsign_py.policy.surroundings import InRepository, Submission


def decide(
    settings: wiring.Settings,
    facts: SignatureFacts,
    payload: bytes,
    signature: bytes,
    *,
    trust_digest: str,
    in_agent: bool = False,
) -> tuple[Trust, str]:
    """Judge a ``signature`` that left ``facts``, good ones, over ``payload``; gives the trust and, if none, why.

    ``in_agent`` says that this is the agent, who leaves long walks to its client (DeclinedError). Raises ConfigError,
    PolicyError for a policy that cannot be read, FormatError, UncheckedError for what the policy needs and the
    repository does not have.
    """
    if not payload.startswith((b"tree ", b"object ")):
        return "UNDEFINED", ""  # a push certificate: policies speak about commits and tags
    with wiring.repository(settings) as repository:
        decision = decision_of(
            settings, repository, facts, payload, signature, trust_digest=trust_digest, in_agent=in_agent
        )
    if decision.accepted:
        return "FULLY", ""
    signers = settings.config.signers
    source = "policy in the history" if signers.in_history else signers.policy
    return "NEVER", f"{decision.message} ({source}) [{decision.reason}]"


def decision_of(
    settings: wiring.Settings,
    repository: GitRepository,
    facts: SignatureFacts,
    payload: bytes,
    signature: bytes,
    *,
    trust_digest: str,
    in_agent: bool = False,
) -> Decision:
    """The verdict of the configured policy on a commit or tag whose signature is good. Raises what ``decide`` does."""
    item, ref = _scanned(repository, payload, signature)
    if not settings.config.signers.in_history:
        return _by_fixed_policy(settings, repository, item, facts, ref)
    from gitsign_py.cli.gpg.history import judge_in_history  # noqa: PLC0415 - a walk needs the whole engine

    return judge_in_history(settings, repository, item, facts, ref=ref, trust_digest=trust_digest, in_agent=in_agent)


def _scanned(repository: GitRepository, payload: bytes, signature: bytes) -> tuple[Scanned, str]:
    """The object that payload and signature make, as an audit reads it, and the ref to judge it for."""
    signed = split_object("commit" if payload.startswith(b"tree ") else "tag", payload)
    join = join_commit if signed.kind == "commit" else join_tag
    data = join(payload, signature, signed.algorithm)
    item = scan(object_id(signed.kind, data, signed.algorithm), signed.kind, data)
    if signed.kind == "commit":
        return item, current_ref(repository)
    found = repository.run(["rev-parse", "-q", "--verify", f"{signed.target}^{{commit}}"], accept=(0, 1, 128))
    return item.leading_to(found.decode("ascii", "replace").strip()), f"refs/tags/{item.tag_name}"


def _by_fixed_policy(
    settings: wiring.Settings, repository: GitRepository, item: Scanned, facts: SignatureFacts, ref: str
) -> Decision:
    policy = configured_policy(repository, settings.config.signers.policy)
    graph = GitGraph(repository, repository.environment, repository.directory)
    submission = Submission(approvals=approvals_in(settings, repository))
    around = InRepository(repository, graph, _nobody, submission, None)
    decision = evaluate(policy, commit_facts(item), facts, ref, around)
    older_than = policy.introduction if item.kind == "commit" else ""
    if not decision.accepted and older_than and graph.is_ancestor(item.oid, older_than):
        return BEFORE_INTRODUCTION
    return decision


def approvals_in(settings: wiring.Settings, repository: GitRepository) -> Approvals:
    """Approvals by this process's trust root, which is loaded when a rule asks for some."""
    return Approvals(repository, lambda: VerifySettings(wiring.trusted_root(settings), wiring.now()))


def _nobody(_oid: str) -> bool:
    """Forge merges without a signature never come here: git asks about signatures alone."""
    return False
