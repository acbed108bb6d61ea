"""On which refs a commit is judged: where rules differ between refs, a commit answers for every ref it is on."""

from collections.abc import Sequence
from typing import IO

from gitsign_py.audit.plan import Plan, Target, ref_classes
from gitsign_py.audit.walk import Git, list_ids


class Membership:
    """The refs to judge each commit on: one for each group of refs with the same rules.

    Memory: nothing where all refs have the same rules (the usual case), else some 100 bytes for each commit. With
    ``includes``, only those commits are reported.
    """

    def __init__(
        self, groups: Sequence[tuple[str, ...]], masks: dict[str, int], includes: frozenset[str] | None
    ) -> None:
        self._masks = masks
        self._all = tuple(refs[0] for refs in groups)
        self.includes = includes

    def refs_of(self, oid: str) -> tuple[str, ...]:
        """One ref out of each group that the commit is reachable from."""
        if not self._masks:
            return self._all
        mask = self._masks.get(oid, 0)
        return tuple(ref for number, ref in enumerate(self._all) if mask >> number & 1)


def membership_of(git: Git, plan: Plan, errors: IO[bytes]) -> Membership:
    """Find out which commits are on which group of refs. Raises UncheckedError when git fails."""
    groups = [found for found in ref_classes(plan).values() if any(target.commit for target in found)]
    exclude = [f"^{oid}" for oid in plan.exclude]
    masks: dict[str, int] = {}
    if len(groups) > 1:
        for number, targets in enumerate(groups):
            for oid in list_ids(git, [*_commits(targets), *exclude], plan.options, errors):
                masks[oid] = masks.get(oid, 0) | 1 << number
    includes = None
    if plan.in_history and not plan.assume_judged and plan.exclude:
        includes = frozenset(list_ids(git, [*plan.commits, *exclude], plan.options, errors))
    return Membership([tuple(target.ref for target in found) for found in groups], masks, includes)


def _commits(targets: Sequence[Target]) -> list[str]:
    return list(dict.fromkeys(target.commit for target in targets if target.commit))
