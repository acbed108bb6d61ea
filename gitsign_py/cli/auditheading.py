"""The heading of every report: what was judged, by what, who asked and when, and what was not seen."""

import getpass
import socket
from collections.abc import Sequence

from gitsign_py import __version__
from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.refaliases import alias_notices
from gitsign_py.audit.reports.base import Heading
from gitsign_py.cli.auditing import AuditSetup
from gitsign_py.cli.policysource import is_file
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.printing import without_password
from gitsign_py.host.git.naming import commit_at, commit_of, list_refs, remotes, setting
from gitsign_py.host.git.objects import GitRepository

_FEW = 100  # more names than that are no words for a command line


def heading(repository: GitRepository, plan: AuditPlan, prepared: AuditSetup, revisions: Sequence[str]) -> Heading:
    """The heading of a report."""
    words, digest = policy_words(plan)
    return Heading(
        repository=str(repository.common_directory),
        revisions=tuple(revisions),
        policy=words,
        policy_digest=digest,
        trust_root=prepared.trust_source,
        trust_root_digest=prepared.trust_digest,
        version=__version__,
        time=format_rfc3339(prepared.resources.settings.now.replace(microsecond=0)),
        notices=(
            *notices(repository),
            *alias_notices(repository, plan),
            *_without_log(prepared),
            *([prepared.stale] if prepared.stale else []),
        ),
        refs=_refs(repository, plan.targets),
        remote=_remote(repository),
        policy_commit=_policy_commit(repository, plan),
        trust_root_version=prepared.trust_version,
        run_by=_person(),
    )


def policy_words(plan: AuditPlan) -> tuple[str, str]:
    """By what a plan judges, in words, and the digest of the policy where one text judges all of it."""
    if plan.in_history:
        left = plan.closing.ref if plan.closing and plan.closing.ref else "nobody"
        words = f"in the history, from {plan.introduction[:12]} on; who has left says {left}"
    elif plan.policy is not None:
        words = plan.policy.source
    elif plan.signers.allowed:
        words = f"none: gitsign.allowedSigner says who may sign ({len(plan.signers.allowed)})"
    else:
        words = "none: a good signature is good, and verified only by an allowed signer"
    return words, plan.policy.digest if plan.policy is not None else ""


def _policy_commit(repository: GitRepository, plan: AuditPlan) -> str:
    """The commit that the policy is read from, or that says who has left; a file has none."""
    if plan.in_history:
        ref = plan.closing.ref if plan.closing and plan.closing.ref else ""
        return commit_at(repository, ref) if ref.startswith("refs/") else ""
    return _commit_of(repository, plan.policy.source) if plan.policy is not None else ""


def _refs(repository: GitRepository, targets: Sequence[Target]) -> tuple[tuple[str, str], ...]:
    """The refs and what they name.

    With --ref, and for what is given by its id, a commit is judged by the rules for a ref that does not name it.
    """
    names = {target.ref for target in targets}
    lines = list_refs(repository, *(names if len(names) < _FEW else ()))
    there = {line.name: (line.oid, line.peeled) for line in lines} | {"HEAD": ("", "")}

    def is_named(target: Target) -> bool:
        known = there.get(target.ref)
        if known is None:
            return False
        # A list of refs looks behind one tag, not behind a tag of a tag; and HEAD is not in it.
        own = {target.tag, target.commit} - {""}
        return not own.isdisjoint(known) or commit_of(repository, target.ref) == target.commit

    found = {(one.ref if is_named(one) else f"as on {one.ref}", one.tag or one.commit): None for one in targets}
    return tuple(found)


def _without_log(prepared: AuditSetup) -> tuple[str, ...]:
    root = prepared.resources.settings.trusted_root
    if root is None or not root.has_no_log:
        return ()
    return ("the trust root lists no log: a timestamp proves the time, and nothing shows that signatures are public",)


def _commit_of(repository: GitRepository, source: str) -> str:
    """The commit of ``REV:PATH``; a file has none."""
    revision, colon, _ = source.partition(":")
    return commit_at(repository, revision) if colon and not is_file(source) else ""


def _remote(repository: GitRepository) -> str:
    """The URL of origin, or of the only remote, without a name or password in it."""
    names = remotes(repository)
    name = "origin" if "origin" in names else names[0] if len(names) == 1 else ""
    return without_password(setting(repository, f"remote.{name}.url")) if name else ""


def _person() -> str:
    """The account and the machine: an officer asks for them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's number without a name, Windows without USERNAME
        name = "unknown"
    return f"{name}@{socket.gethostname()}"


def notices(repository: GitRepository) -> tuple[str, ...]:
    """The things that an audit does not see, or that try to fool it, in sentences; empty for a whole and plain
    repository.
    """
    found = []
    if cuts := repository.cuts:
        found.append(
            "shallow clone: the history is cut off, and what lies beyond was not seen; "
            f"{len(cuts)} commits have parents that are not here, among them {min(cuts)}"
        )
    elif repository.is_shallow:
        found.append("a list of shallow commits is there (.git/shallow): it is not followed, and hides nothing")
    if repository.is_partial:
        found.append("partial clone: objects may be missing; nothing is fetched, and what needs them is unchecked")
    if list_refs(repository, "refs/replace/"):
        found.append("replace refs are there (refs/replace/): they are not followed, the stored commits are judged")
    grafts = repository.common_directory / "info" / "grafts"
    if grafts.is_file() and grafts.stat().st_size:
        found.append("grafts are there (info/grafts): they are not followed, the stored parents are judged")
    return tuple(found)
