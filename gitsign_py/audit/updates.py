"""What a push would change: ref updates as git tells them to its hooks, and the plans that judge what they bring."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gitsign_py.audit.plan import Plan, Target, ref_classes
from gitsign_py.errors import FormatError, PolicyError, UncheckedError
from gitsign_py.host.repository import GitRepository


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref from ``old`` to ``new``, ids in hex; all zeros stand for no object."""

    ref: str
    old: str
    new: str

    @property
    def brings_nothing(self) -> bool:
        """Tell whether the ref goes away, or becomes another name of a ref that is judged itself."""
        return not self.new.strip("0") or self.new.startswith("ref:")


def parse_updates(data: bytes) -> tuple[RefUpdate, ...]:
    """Read the lines ``OLD SP NEW SP REF`` of pre-receive and reference-transaction (githooks(5))."""
    updates = []
    for line in data.split(b"\n"):
        if not line:
            continue
        words = line.decode("utf-8", "surrogateescape").split(" ", 2)
        if len(words) != 3:
            raise FormatError("hook-input", "git gave a line to the hook that is no ref update")
        updates.append(RefUpdate(words[2], words[0], words[1]))
    return tuple(updates)


def parse_push(data: bytes) -> tuple[RefUpdate, ...]:
    """Read the lines ``LOCAL-REF SP LOCAL-OID SP REMOTE-REF SP REMOTE-OID`` of pre-push (githooks(5))."""
    updates = []
    for line in data.split(b"\n"):
        words = line.decode("utf-8", "surrogateescape").split(" ")
        if len(words) == 4:
            updates.append(RefUpdate(words[2], words[3], words[1]))
        elif line:
            raise FormatError("hook-input", "git gave a line to the hook that is no ref to push")
    return tuple(updates)


def targets_of(repository: GitRepository, updates: Iterable[RefUpdate]) -> tuple[Target, ...]:
    """What the new values are: a commit, or tags with the commit behind them. Raises UncheckedError, PolicyError."""
    return tuple(_target(repository, update) for update in updates if not update.brings_nothing)


def _target(repository: GitRepository, update: RefUpdate) -> Target:
    found = repository.read(update.new)
    if found.kind == "commit":
        return Target(update.ref, update.new)
    if found.kind != "tag":
        raise PolicyError("ref-kind", f"{update.ref} would name a {found.kind}, which nobody can have signed")
    peeled = repository.run(["rev-parse", "-q", "--verify", f"{update.new}^{{commit}}"], accept=(0, 1, 128))
    return Target(update.ref, peeled.decode("ascii").strip(), update.new)


def plans(plan: Plan, existing: Sequence[Target]) -> tuple[Plan, ...]:
    """One plan for each group of updated refs with the same rules.

    A commit is new to a group when no existing ref of that very group reaches it: what lies on a branch with lenient
    rules already is judged once more when a strict branch takes it in.
    """
    groups = ref_classes(replace(plan, targets=tuple(existing)))
    made = []
    for rules, targets in ref_classes(plan).items():
        known = tuple(dict.fromkeys(target.commit for target in groups.get(rules, ()) if target.commit))
        made.append(replace(plan, targets=targets, exclude=known))
    return tuple(made)


def judged_only(plan: Plan, updates: Iterable[RefUpdate]) -> tuple[RefUpdate, ...]:
    """The updates that the policy has anything to say about."""
    policy = plan.policy
    return tuple(update for update in updates if policy is None or policy.judges(update.ref))


def check_known(repository: GitRepository, oid: str) -> bool:
    """Tell whether an object is here (the other side's tip of a push may not be)."""
    try:
        repository.read(oid)
    except UncheckedError:
        return False
    return True
