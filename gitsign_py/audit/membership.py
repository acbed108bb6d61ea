"""On which refs a commit is judged, and for which branch it is counted.

Where rules differ between refs, a commit answers for every ref that it is on. A signed tag speaks for itself, by the
rules for its name; a commit behind it answers for the tag's ref only when no branch has it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from gitsign_py.audit.plan import AuditPlan, Target, ref_classes
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.frozen import field, slotted
from gitsign_py.host.git.walk import Git, list_ids


@slotted
class Membership:
    """The refs to judge each commit on, one for each group of refs with the same rules; and the ref to count it for.

    Memory: nothing but the edge of the walk where all refs have the same rules (the usual case), else some 270 bytes
    for each commit that is not on a branch of each group, or not on the first ref. With ``includes``, only those
    commits are reported.
    """

    groups: Sequence[str]
    refs: Sequence[str]
    follows_first: bool = False
    includes: frozenset[str] | None = None
    masks: dict[str, int] | None = None
    """Bits by commit where they are not ``usual``: the groups that it is judged for. None where there is one group."""
    usual: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    """Positions in ``refs`` by commit: of all of them, or of those that the walk comes to next."""
    _named: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _everywhere: tuple[tuple[str, ...], str] | None = None

    def place_of(self, item: Scanned) -> tuple[tuple[str, ...] | None, str]:
        """The refs that the commit is judged on, and the one that it is counted for; in the usual case the same of all.

        Where all refs have the same rules, that one says them all, and is the one that people look for in a message.
        """
        if self._everywhere is not None:
            return self._everywhere
        counted = self.counted_for(item.oid, item.parents)
        if self.masks is not None:
            return self.refs_of(item.oid, self.masks), counted
        if len(self.refs) == 1:
            self._everywhere = (counted,), counted
        return (counted,), counted

    def refs_of(self, oid: str, masks: Mapping[str, int]) -> tuple[str, ...] | None:
        """One ref out of each group that the commit is judged for; None when it was judged for all of them before."""
        mask = masks.get(oid, self.usual)
        if mask == 0:
            return None
        found = self._named.get(mask)
        if found is None:
            found = self._named[mask] = tuple(ref for number, ref in enumerate(self.groups) if mask >> number & 1)
        return found

    def counted_for(self, oid: str, parents: Sequence[str]) -> str:
        """The first of the refs that has the commit. In a walk from the newest on, each commit names its parents'."""
        if len(self.refs) == 1:
            return self.refs[0]
        if self.masks is not None:
            return self.refs[self.labels.get(oid, 0)]
        label = self.labels.pop(oid, 0)
        for parent in parents[:1] if self.follows_first else parents:
            if label < self.labels.get(parent, len(self.refs)):
                self.labels[parent] = label
        return self.refs[label]


def membership_of(git: Git, plan: AuditPlan, errors: IO[bytes]) -> Membership:
    """Find out which commits are on which refs. Raises UncheckedError when git fails."""
    targets = [target for target in plan.targets if target.commit]
    groups = _groups(plan, targets)
    labels: dict[str, int] = {}
    for number, target in enumerate(targets):
        labels.setdefault(target.commit, number)
    made = Membership(
        [members[0].ref for members in groups],
        [target.ref for target in targets],
        "--first-parent" in plan.options,
        _included(git, plan, errors),
        labels=labels,
    )
    if len(groups) > 1 or plan.known:
        _fill(made, git, plan, groups, errors)
    return made


def _groups(plan: AuditPlan, targets: Sequence[Target]) -> list[list[Target]]:
    """Targets with the same rules together; signed tags are a group of their own where no other ref has their rules."""
    groups = ref_classes(plan, sorted(targets, key=lambda target: bool(target.tag)))
    return sorted(map(list, groups.values()), key=lambda members: bool(members[0].tag))


def _known(plan: AuditPlan, groups: Sequence[Sequence[Target]]) -> Iterable[tuple[str, int]]:
    """Commits that refs had before, each with the group that its ref belongs to; one more group is any branch."""
    by_rules = ref_classes(plan, plan.known)
    for number, members in enumerate(groups):
        rules = next(iter(ref_classes(plan, members[:1])))
        # The commits behind a signed tag were not judged by that tag's rules: it is known to tags alone.
        yield from ((one.commit, number) for one in by_rules.get(rules, ()) if members[0].tag or not one.tag)
    yield from ((target.commit, len(groups)) for target in plan.known if target.ref.startswith("refs/heads/"))


def _included(git: Git, plan: AuditPlan, errors: IO[bytes]) -> frozenset[str] | None:
    if not plan.in_history or plan.assume_judged or not plan.exclude:
        return None
    return frozenset(list_ids(git, [*plan.commits, *(f"^{oid}" for oid in plan.exclude)], plan.options, errors))


def _fill(made: Membership, git: Git, plan: AuditPlan, groups: Sequence[Sequence[Target]], errors: IO[bytes]) -> None:
    """One walk, children before parents: each commit hands its bits on to its parents.

    To all of them, even where only first parents are reported: what a strict branch merged is on it.
    """
    bits = {target.ref: number for number, members in enumerate(groups) for target in members}
    tagged = _mask(number for number, members in enumerate(groups) if members[0].tag)
    on = _marks((target.commit, bits[target.ref]) for members in groups for target in members)
    before = _marks(_known(plan, groups))
    # With the policy in the history, what is left out of the report is judged all the same.
    exclude = () if plan.in_history and not plan.assume_judged else plan.exclude
    revisions = [*on, *before, *(f"^{oid}" for oid in exclude)]
    made.masks, everywhere = {}, _mask(range(len(groups)))
    made.usual = everywhere & ~tagged or everywhere
    options = [option for option in plan.options if option != "--first-parent"]
    for line in list_ids(git, revisions, ["--topo-order", "--parents", *options], errors):
        oid, *parents = line.split(" ")
        mine, known, label = on.pop(oid, 0), before.pop(oid, 0), made.labels.get(oid, len(made.refs))
        for parent in parents:
            on[parent] = on.get(parent, 0) | mine
            before[parent] = before.get(parent, 0) | known
            made.labels[parent] = min(made.labels.get(parent, label), label)
        if not label:
            del made.labels[oid]  # the first ref is what ``counted_for`` falls back to
        strict = mine & ~tagged if mine & ~tagged or known >> len(groups) else mine
        if strict & ~known != made.usual:
            made.masks[oid] = strict & ~known


def _mask(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def _marks(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    marks: dict[str, int] = {}
    for oid, number in pairs:
        marks[oid] = marks.get(oid, 0) | 1 << number
    return marks
