"""A policy that lies in the history it judges: each commit follows the policy in its parents, in all of them.

The idea is that of ``guix git authenticate`` and of Sequoia's ``sq-git``, with keyless identities for keys. It starts
at the introduction, a commit that the user pins by id: what is older is accepted as it is, the introduction too, and
its policy is the first one. From there on, parents first:

- A commit may do what the policies of its parents let its signer do. It never follows the policy that it brings
  itself, so nobody adds themselves.
- Changing, deleting or breaking the policy is a change to ``.gitsign``, for administrators alone; a commit that
  leaves no valid policy behind is refused whoever signed it.
- A refused commit's change to the policy has no effect on the commits after it, until an administrator's commit has
  the same policy in its tree.
- A branch that left the history before the introduction carries no policy that anybody vouched for, whatever lies in
  its tree: its commits are refused, and so is a merge of it.
- A commit hangs on the introduction only when each of its parents does, and a parent does only when it was judged here,
  or is vouched for because it was judged before. A parent of which nothing is known does not.
"""

from collections.abc import Callable, Iterable

from gitsign_py.core.frozen import field, frozen, slotted
from gitsign_py.errors import FormatError, PolicyError, UncheckedError
from gitsign_py.policy.evaluation import evaluate_one
from gitsign_py.policy.facts import CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.heads import Heads
from gitsign_py.policy.merges import asks_pusher, late_author, late_pusher
from gitsign_py.policy.model import POLICY_FOLDER, POLICY_PATH, Policy
from gitsign_py.policy.names import looks_like
from gitsign_py.policy.parse import parse_policy
from gitsign_py.policy.rules import Case
from gitsign_py.policy.signers import check_window, find_signers
from gitsign_py.policy.surroundings import (
    NOTHING_CHANGED,
    InRepository,
    MergeGraph,
    Submission,
    bases_of_parents,
    commit_tree,
)
from gitsign_py.policy.trees import Entry, find_path
from gitsign_py.ports import ObjectSource

_BY_FORGE = ("forge-merge", "forge-squash", "forge-rebase")
_POLICY_FILE = POLICY_PATH.removeprefix(f"{POLICY_FOLDER}/")


@frozen
class JudgedBefore:
    """The commits that are left out here. ``older`` are known not to come after the introduction, ``vouched`` come
    after it. ``was_accepted`` tells whether one that was judged was accepted; without it all of them were.
    """

    older: frozenset[str] = frozenset()
    vouched: frozenset[str] = frozenset()
    was_accepted: Callable[[str], bool] | None = None


@slotted
class PolicyHistory:
    """Judges the commits after an introduction, each once, parents first.

    ``closing``, if there is one, is the newest policy: whoever has left by it signs nothing new on an old branch
    either. ``unclosed`` says that there should be a newest policy and is none: then no signature is accepted. ``heads``
    makes what judges heads of pull requests on some refs (``headhistory.py``). Memory: some 90 bytes for each commit
    after the introduction.
    """

    source: ObjectSource
    graph: MergeGraph
    introduction: str
    before: JudgedBefore = JudgedBefore()
    closing: Policy | None = None
    submission: Submission = Submission()
    unclosed: UncheckedError | None = None
    heads: "Callable[[PolicyHistory, tuple[str, ...]], Heads] | None" = None
    _inside: set[bytes] = field(default_factory=set)
    _refused: set[str] = field(default_factory=set)
    _held_back: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _parsed: dict[str, Policy | PolicyError] = field(default_factory=dict)
    _groups: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = field(default_factory=dict)
    _heads: dict[tuple[str, ...], Heads] = field(default_factory=dict)

    def start(self) -> Policy:
        """The introduction's own policy. Raises PolicyError when it has none, or none that is valid."""
        return self._policy(self._folder(self.introduction))

    def judge(self, commit: CommitFacts, signature: SignatureFacts, refs: Iterable[str]) -> Decision:
        """Judge one commit, whose parents have been judged, on each of ``refs``.

        Raises UncheckedError for objects that are not there, FormatError for broken ones; the commit is refused then.
        """
        if commit.oid == self.introduction:
            return Decision("exempt", "introduction", "introduction commit, pinned by its id", "introduction")
        if not self._find_root(commit):
            self._refused.add(commit.oid)
            if signature.status == "malformed" or not commit.tree:  # whose parents nobody knows
                return Decision(signature.status, signature.reason, signature.message)
            return Decision(
                "unauthorised",
                "older-than-introduction",
                "commit does not come after the introduction in all its parents",
                "introduction",
            )
        # Held back until it is accepted, so that an object that cannot be read on the way leaves nothing half done.
        self._refused.add(commit.oid)
        self._held_back[commit.oid] = ()
        inherited = self._inherited(commit)
        # As long as nobody can say whether it is accepted, what comes after it must satisfy its policy and the others.
        self._held_back[commit.oid] = tuple(dict.fromkeys((*inherited, self._folder(commit.oid))))
        decision = self._judge_by(inherited, commit, signature, tuple(refs))
        if decision.accepted:
            decision = self._check_left_behind(commit, inherited, decision)
        if decision.verdict != "unchecked":
            self._held_back[commit.oid] = inherited
        if decision.accepted:
            self._refused.discard(commit.oid)
            del self._held_back[commit.oid]
        return self._or_unclosed(decision)

    def is_accepted(self, oid: str) -> bool:
        """Tell whether a commit that was judged, or is older than the introduction, may stay."""
        return oid not in self._refused

    def pass_over(self, commit: CommitFacts) -> None:
        """Take a commit as accepted that was judged before; where it hangs counts for what comes after it."""
        if commit.oid != self.introduction:
            self._find_root(commit)

    def judge_tag(self, tag: CommitFacts, target: str, signature: SignatureFacts, refs: Iterable[str]) -> Decision:
        """Judge a tag by the policies in force at the commit ``target`` that it leads to (empty: to none)."""
        decision = Decision("unauthorised", "policy-missing", "no policy is in force at what the tag names")
        if signature.status != "good":
            decision = Decision(signature.status, signature.reason, signature.message)
        for policy in self.policies_at(target) if target else ():
            decision = evaluate_one(policy, tag, signature, refs, NOTHING_CHANGED)
            if not decision.accepted:
                return decision
        return self._or_unclosed(self._check_closing(decision, signature))

    def policies_at(self, commit: str) -> tuple[Policy, ...]:
        """The policies for what names a commit that was judged: the first policy for what is older, none beside it."""
        bases = self.graph.merge_bases((commit, self.introduction))
        if commit in bases:
            return (self.start(),)
        if self.introduction not in bases or not self.is_inside(commit):
            return ()
        return tuple(self._policy(folder) for folder in self.effective(commit))

    def _find_root(self, commit: CommitFacts) -> bool:
        """All parents lead to the introduction; a new root leads nowhere. The finding holds for what comes after."""
        rooted = bool(commit.parents) and all(map(self.is_inside, commit.parents))
        if rooted:
            self._inside.add(bytes.fromhex(commit.oid))
        return rooted

    def is_inside(self, oid: str) -> bool:
        """Tell whether a commit that was judged, or is vouched for, comes after the introduction in all its parents."""
        if oid == self.introduction:
            return True
        return oid not in self.before.older and (oid in self.before.vouched or bytes.fromhex(oid) in self._inside)

    def _inherited(self, commit: CommitFacts) -> tuple[str, ...]:
        folders = (folder for parent in commit.parents for folder in self.effective(parent))
        return tuple(dict.fromkeys(folders))

    def effective(self, commit: str) -> tuple[str, ...]:
        """Tree ids of the ``.gitsign`` folders in force after a commit: its own, or what a refused one inherited.

        Both after one that could not be checked. Raises UncheckedError where not even that can be read.
        """
        held = self._held_back.get(commit)
        if held == ():
            raise UncheckedError(
                "policy-unread", f"policy in force before {commit} could not be read, so none is after"
            )
        return held or (self._folder(commit),)

    def _folder(self, commit: str) -> str:
        entry = find_path(self.source, commit_tree(self.source, commit), POLICY_FOLDER)
        return entry.oid if entry is not None and entry.is_tree else ""

    def _judge_by(
        self, folders: Iterable[str], commit: CommitFacts, signature: SignatureFacts, refs: tuple[str, ...]
    ) -> Decision:
        around = _InHistory(self.source, self.graph, self.is_accepted, self.submission, self._heads_on(refs), self)
        decision = Decision("unauthorised", "policy-missing", "no parent has a policy")
        wants_pusher = False
        for policy in map(self._policy, folders):
            decision = evaluate_one(policy, commit, signature, self._distinct(policy, refs), around)
            if not decision.accepted:
                return decision
            wants_pusher = wants_pusher or asks_pusher(policy, decision)
        if self.closing is not None and decision.verdict in _BY_FORGE:
            case = Case(self.closing, commit, signature, refs[0], around)
            late = late_author(case) if decision.verdict == "forge-merge" else None
            return late or (late_pusher(case) if wants_pusher else None) or decision
        return self._check_closing(decision, signature)

    def _heads_on(self, refs: tuple[str, ...]) -> Heads | None:
        if self.heads is None:
            return None
        if refs not in self._heads:
            self._heads[refs] = self.heads(self, refs)
        return self._heads[refs]

    def _distinct(self, policy: Policy, refs: tuple[str, ...]) -> tuple[str, ...]:
        """One ref for each group with the same rules: a push may bring thousands of refs."""
        if len(refs) < 2:
            return refs
        found = self._groups.get((policy.digest, refs))
        if found is None:
            by_rules = {policy.class_of(ref): ref for ref in reversed(refs)}
            found = self._groups[policy.digest, refs] = tuple(by_rules.values())
        return found

    def _check_closing(self, decision: Decision, signature: SignatureFacts) -> Decision:
        if self.closing is None or decision.verdict != "verified":
            return decision
        for signer in find_signers(self.closing, signature):
            if late := check_window(signer, signature):
                return late
        return decision

    def _or_unclosed(self, decision: Decision) -> Decision:
        if self.unclosed is None or not decision.accepted or decision.verdict == "exempt":
            return decision
        return Decision("unchecked", self.unclosed.reason, self.unclosed.message)

    def _check_left_behind(self, commit: CommitFacts, inherited: tuple[str, ...], decision: Decision) -> Decision:
        """A commit that is allowed to change the policy must leave a valid one."""
        folder = self._folder(commit.oid)
        if folder in inherited:
            return decision
        try:
            self._policy(folder)
        except PolicyError as error:
            reason = "policy-deleted" if error.reason == "policy-missing" else "policy-broken"
            return Decision("unauthorised", reason, error.message, "administrators", decision.principal)
        return decision

    def _policy(self, folder: str) -> Policy:
        found = self._parsed.get(folder)
        if found is None:
            try:
                found = self._read(folder)
            except PolicyError as error:
                found = error
            self._parsed[folder] = found
        if isinstance(found, PolicyError):
            raise found
        return found

    def _read(self, folder: str) -> Policy:
        return _read_policy(self.source, find_path(self.source, folder, _POLICY_FILE) if folder else None)

    def changes_policy(self, commit: CommitFacts) -> bool:
        """Tell whether the commit itself gives ``.gitsign`` another value than is in force in its parents.

        As for other paths (``changes.changed_paths``), a merge may take the value of the side that changed it: one
        parent has it, and each other parent has it too or the value of all merge bases of these two.
        """
        parents = tuple(dict.fromkeys(commit.parents))
        own, held = (self._folder(commit.oid),), [self.effective(parent) for parent in parents]
        holders = [number for number, folders in enumerate(held) if folders == own]
        others = [number for number, folders in enumerate(held) if folders != own]
        if not others or not holders:
            return bool(others)
        bases = bases_of_parents(self.graph, parents)
        return not any(
            all(self._left_alone(held[other], bases[min(one, other), max(one, other)]) for other in others)
            for one in holders
        )

    def _left_alone(self, folders: tuple[str, ...], bases: tuple[str, ...]) -> bool:
        """A pair without a merge base tells nothing: nobody vouched for the policy of one of its sides."""
        return bool(bases) and all(self._effective_base(base) == folders for base in bases)

    def _effective_base(self, commit: str) -> tuple[str, ...]:
        """The policy of a merge base: it hangs on the introduction as its two sides do, but for what was left out."""
        if commit in self.before.older:
            return ()
        if self.is_unknown(commit):  # what a refused one did to its policy never was in force
            raise UncheckedError("policy-unread", f"whether {commit} was accepted is not known, nor its policy")
        return self.effective(commit)

    def is_unknown(self, commit: str) -> bool:
        """Tell whether nothing is known of a commit that was left out because it was judged before."""
        was_accepted = self.before.was_accepted
        return was_accepted is not None and not self.is_inside(commit) and not was_accepted(commit)


@frozen
class _InHistory(InRepository):
    """Surroundings in which ``.gitsign`` is compared with the policies in force, not with the parents' trees."""

    history: PolicyHistory

    def approvers(self, policy: Policy, commit: CommitFacts, ref: str) -> frozenset[str]:
        """As everywhere, without those who have left by now."""
        return self.approved_by(policy, commit, ref, self.history.closing)

    def changed_below(self, commit: CommitFacts, folder: str) -> str:
        """As everywhere, but for the policy's folder."""
        if folder != POLICY_FOLDER:
            return InRepository.changed_below(self, commit, folder)
        if self.history.changes_policy(commit):
            return POLICY_PATH
        own = POLICY_FOLDER.encode()
        return self._first_changed(commit, lambda name: name != own and looks_like(name, folder))


def _read_policy(source: ObjectSource, entry: Entry | None) -> Policy:
    """Read the policy's file. A link or a submodule is none: what lies behind it is not in the commit."""
    if entry is None:
        raise PolicyError("policy-missing", f"there is no {POLICY_PATH}")
    if not entry.is_file:
        raise PolicyError("policy-missing", f"{POLICY_PATH} is no file, but a folder, a link or a submodule")
    return parse_policy(source.read(entry.oid).data, POLICY_PATH)


def policy_at(source: ObjectSource, commit: str) -> Policy | None:
    """The policy in the tree of ``commit``, if there is a valid one. Raises UncheckedError for what is not there."""
    try:
        return _read_policy(source, find_path(source, commit_tree(source, commit), POLICY_PATH))
    except (PolicyError, FormatError):
        return None


def closing_policy(source: ObjectSource, tip: str) -> Policy | None:
    """The same, where there need not be one: it can only refuse, so no trust rests on it."""
    try:
        return policy_at(source, tip)
    except UncheckedError:
        return None
