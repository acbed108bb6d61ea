"""The plan of an audit: refs and ids, what is left out, and by which policy."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from gitsign_py.audit.knownsigners import KnownSigners
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import PolicyError, UncheckedError, UsageError
from gitsign_py.host.git.naming import commit_of, full_name, ids_of, list_refs, symbolic_ref
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import has_two_hashes
from gitsign_py.host.git.walk import Git
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.model import Policy

if TYPE_CHECKING:
    from gitsign_py.audit.closing import Closing

RefClass = tuple[object, ...]
"""The key that refs share when they are judged alike."""


@frozen
class Target:
    """A commit from which to walk, for a full ref name (rules go by it); ``tag`` is the annotated tag on the way.

    ``end`` is the ref that a symbolic one leads to, by its name in its namespace: it is what was judged.
    """

    ref: str
    commit: str
    tag: str = ""
    end: str = ""


@frozen
class AuditPlan:
    """A walk: ``exclude`` are ids whose history is left out, ``options`` are rev-list's.

    ``policy`` None means that a good signature is accepted as good; it is verified where ``signers`` list who made it.
    With ``in_history`` the policy is the one in the commits, from ``introduction`` on; ``policy`` is then the newest
    one, which closes the windows of people who left, out of ``closing``. Without either the audit looks for the
    protected branch itself.
    ``assume_judged`` says that the history left out was judged when it came in (a server's own refs); ``known`` are
    those refs, where the policy is in the history: what a ref had before is not judged on it again. ``policies`` are
    all that can be in force there; when they are not known, each ref is taken to have rules of its own.
    ``pusher`` is who brings the commits, where a hook knows it. ``was_accepted`` tells of a commit behind what is left
    out whether it was accepted when it was judged; without it all of them count as accepted.
    """

    targets: tuple[Target, ...]
    exclude: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    policy: Policy | None = None
    introduction: str = ""
    in_history: bool = False
    assume_judged: bool = False
    known: tuple[Target, ...] = ()
    policies: tuple[Policy, ...] = ()
    tags_only: bool = False
    pusher: Pusher | None = None
    closing: "Closing | None" = None
    was_accepted: Callable[[str], bool] | None = None
    signers: KnownSigners = KnownSigners()

    @property
    def commits(self) -> tuple[str, ...]:
        """The commits to walk from, each once."""
        return tuple(dict.fromkeys(target.commit for target in self.targets if target.commit))


def read_refs(repository: GitRepository, patterns: tuple[str, ...] = ()) -> tuple[Target, ...]:
    """All refs below ``patterns`` (none: all) as targets; annotated tags with their commit, other objects left out."""
    targets = []
    for line in list_refs(repository, *patterns):
        if line.kind == "commit":
            targets.append(Target(line.name, line.oid))
        elif line.kind == "tag":
            peeled, kind = line.peeled, line.peeled_kind
            if kind == "tag":  # a list of refs looks behind one tag, not behind a tag of a tag
                peeled, kind = commit_of(repository, line.oid), "commit"
            targets.append(Target(line.name, peeled if kind == "commit" else "", line.oid))
    return tuple(targets)


def current_ref(repository: GitRepository) -> str:
    """The full name of the branch that HEAD is on, or ``HEAD``."""
    return symbolic_ref(repository, "HEAD") or "HEAD"


def resolve_targets(repository: GitRepository, words: tuple[str, ...]) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """Read revisions and ranges as git does: targets, and ids to leave out. Raises UsageError ``revision-unknown``."""
    targets: list[Target] = []
    exclude: list[str] = []
    for word in words or ("HEAD",):
        for oid in _parse(repository, word):
            if oid.startswith("^"):
                exclude.append(oid[1:])
            else:
                targets.append(_target(repository, word, oid))
    return tuple(targets), tuple(exclude)


def _unknown(word: str) -> UsageError:
    words = f"git knows no revision {word!r}"
    return UsageError("revision-unknown", words if word != "HEAD" else "HEAD names no commit: there is none here yet")


def _parse(repository: GitRepository, word: str) -> list[str]:
    if not word or word.startswith("-") or "\n" in word or repository.missing_ref(word):
        raise _unknown(word)
    repository.check_unambiguous(word)
    try:
        found = ids_of(repository, word)
    except UncheckedError as error:
        if error.reason != "git-failed":
            raise
        words = error.message.removeprefix("git failed: ")
        raise UsageError("revision-unknown", f"git knows no revision {word!r}: {words}") from error
    if not found:
        raise _unknown(word)
    return found


def _target(repository: GitRepository, word: str, oid: str) -> Target:
    """A word's end: the ref that it names (in a range, its right side), else the branch that HEAD is on."""
    end = word.rpartition("..")[2].lstrip(".") or "HEAD"
    commit = commit_of(repository, oid)
    if not commit and repository.read(oid).kind != "tag":
        raise UsageError("revision-kind", f"{word} is not a commit or a tag")
    named = repository.tag_ref(end, oid) if commit != oid else ""
    ref = named or full_name(repository, end) or current_ref(repository)
    return Target(ref, commit, oid if commit != oid else "")


def check_introduction(repository: GitRepository, introduction: str) -> None:
    """Raise PolicyError ``introduction-missing`` unless the introduction is a commit that is here.

    UncheckedError of the same reason where the repository is one that lacks objects: it may be among them.
    """
    try:
        kind = repository.read(introduction).kind
    except UncheckedError as error:
        words, hint = f"introduction commit {introduction} is not in the repository", "fetch the whole history"
        if lacking := repository.lacks_objects:
            raise UncheckedError("introduction-missing", f"{words}, which is {lacking}", hint=hint) from error
        raise PolicyError("introduction-missing", words, hint=f"{hint}, or correct the id") from error
    if kind != "commit":
        raise PolicyError("introduction-missing", f"introduction {introduction} is a {kind}, not a commit")


def judged_part(plan: AuditPlan) -> AuditPlan:
    """The plan without the refs that its policy leaves alone (``unjudged``).

    A policy that stands in what is audited is nobody's word: what it leaves alone is judged (see ``in_history``).
    """
    policy = plan.policy
    if policy is None or (plan.in_history and not plan.assume_judged):
        return plan
    return replace(plan, targets=tuple(target for target in plan.targets if policy.judges(target.ref)))


def ref_classes(plan: AuditPlan, targets: Iterable[Target]) -> Mapping[RefClass, tuple[Target, ...]]:
    """Targets grouped by the rules that speak about their ref: they are judged alike."""
    groups: dict[RefClass, list[Target]] = {}
    for target in targets:
        groups.setdefault(_ref_class(plan, target.ref), []).append(target)
    return {rules: tuple(found) for rules, found in groups.items()}


def _ref_class(plan: AuditPlan, ref: str) -> RefClass:
    if plan.in_history:
        return tuple(policy.class_of(ref) for policy in plan.policies) or (ref,)
    return () if plan.policy is None else plan.policy.class_of(ref)


def git_of(repository: GitRepository, *, whole: bool = False) -> Git:
    """Where the walk's own git processes run: as those of the repository.

    A walk ends where the history is cut off; with ``whole`` it fails there instead.
    """
    if repository.direct is not None:
        return Git(repository.environment, repository.directory, direct=repository.direct.history, whole=whole)
    grafts = "" if whole else repository.grafts
    return Git(repository.environment, repository.directory, grafts, has_two_hashes(repository))
