"""History mode as it is defined, slowly and plainly: whoever reads this should find nothing to doubt.

A commit is authorised by the policies of all its parents (the rule of ``guix git authenticate``). Nothing of the
program is used: neither its policies, which are values here, nor its trees, walks and merge bases.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import takewhile
from typing import TypeVar

ISSUER = "https://accounts.example.com"
POLICY_PATH = ".gitsign/policy.toml"
SECRETS = "secrets/"
MAIN = "refs/heads/main"
FORGE = "noreply@forge.example"
V = TypeVar("V")


@dataclass(frozen=True)
class Policy:
    """Who signs, until when; who administers; who may sign what lies in secrets, and who may sign on main.

    ``copies`` are the ways in which the forge may copy a head: squash, rebase.
    """

    people: tuple[tuple[str, datetime | None], ...]
    administrators: tuple[str, ...]
    keepers: tuple[str, ...]
    mergers: tuple[str, ...]
    copies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The same for the program."""
        lines = ["version = 1", f"administrators = {list(self.administrators)}"]
        for name, until in self.people:
            lines += [f"[people.{name}]", f'identities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]']
            lines += [f"until = {until:%Y-%m-%dT%H:%M:%SZ}"] if until else []
        if self.copies:
            lines += ["[forges.forge]", f'committer = "{FORGE}"', "reproducible = true"]
            lines += [f"{kind} = true" for kind in self.copies]
        for name, where, allow in (
            ("secrets", 'paths = ["/secrets/**"]', self.keepers),
            ("main", f'refs = ["{MAIN}"]', self.mergers),
            ("rest", "", [name for name, _ in self.people]),
        ):
            lines += ["[[rules]]", f'name = "{name}"', where, f"allow = {list(allow)}"]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Commit:
    """What counts of a commit. ``signer`` is empty where no good signature is; ``policy`` None where none is valid.

    ``words`` are author line and message. ``heads`` are the pull requests that the message names.
    """

    oid: str
    parents: tuple[str, ...]
    files: Mapping[str, str]
    policy: Policy | None
    signer: str
    committer: str
    at: datetime
    author: str = ""
    is_signed: bool = True
    words: str = ""
    heads: tuple[str, ...] = ()


@dataclass
class Reference:
    """Judges what follows ``introduction`` on ``ref``; ``commits`` are those that are there."""

    commits: Mapping[str, Commit]
    introduction: str
    ref: str = MAIN
    closing: Policy | None = None
    _accepted: dict[str, bool] = field(default_factory=dict)
    _ancestors: dict[str, frozenset[str]] = field(default_factory=dict)

    def accepts(self, oid: str) -> bool:
        """Tell whether a commit may stay."""
        if oid not in self._accepted:
            self._accepted[oid] = oid in self.before or (self.is_inside(oid) and self._is_authorised(self.commits[oid]))
        return self._accepted[oid]

    @cached_property
    def before(self) -> frozenset[str]:
        """The introduction and what is older: pinned."""
        return self.ancestors(self.introduction)

    def ancestors(self, oid: str) -> frozenset[str]:
        """A commit and all before it that is there."""
        if oid not in self._ancestors:
            commit = self.commits.get(oid)
            older = (self.ancestors(parent) for parent in commit.parents) if commit else ()
            self._ancestors[oid] = frozenset({oid}).union(*older) if commit else frozenset()
        return self._ancestors[oid]

    def is_inside(self, oid: str) -> bool:
        """Every way back leads to the introduction; a new root, an older commit or a gap leads elsewhere."""
        if oid == self.introduction:
            return True
        commit = self.commits.get(oid)
        return commit is not None and bool(commit.parents) and all(map(self.is_inside, commit.parents))

    def in_force(self, oid: str) -> frozenset[Policy]:
        """The policies in force after a commit inside: its own, or what a refused one had from its parents."""
        own = self.commits[oid].policy
        if self.accepts(oid) and own is not None:
            return frozenset({own})
        return frozenset[Policy]().union(*(self.in_force(parent) for parent in self.commits[oid].parents))

    def _is_authorised(self, commit: Commit) -> bool:
        policies = frozenset[Policy]().union(*(self.in_force(parent) for parent in commit.parents))
        if commit.policy is None or not policies:
            return False
        return all(self._lets_stay(policy, commit) for policy in policies) and self._is_open(commit)

    def _lets_stay(self, policy: Policy, commit: Commit) -> bool:
        return self._allows(policy, commit) or self._behind(policy, commit) is not None

    def _is_open(self, commit: Commit) -> bool:
        """The newest policy ends what its people may sign, wherever they sign."""
        until = dict(self.closing.people).get(commit.signer) if self.closing else None
        return until is None or commit.at <= until

    def _allows(self, policy: Policy, commit: Commit) -> bool:
        people = dict(policy.people)
        if commit.signer not in people or commit.committer != commit.signer:
            return False
        until = people[commit.signer]
        if until is not None and commit.at > until:
            return False
        if self._changes_policy(commit) and commit.signer not in policy.administrators:
            return False
        return self._may_bring(policy, commit.signer, commit)

    def _may_bring(self, policy: Policy, person: str, commit: Commit) -> bool:
        """The rules let the person change what the commit changes."""
        secret, other = self._changed(commit)
        rest = policy.mergers if self.ref == MAIN else tuple(dict(policy.people))
        return (not secret or person in policy.keepers) and ((secret and not other) or person in rest)

    # -- what a forge copies --------------------------------------------------------------------------------------

    def _behind(self, policy: Policy, commit: Commit) -> str | None:
        """Who stands behind a squash or rebase of an accepted head that adds nothing; None where there is no such."""
        people = dict(policy.people)
        may_be = not commit.is_signed and len(commit.parents) == 1 and commit.committer in (FORGE, *people)
        for kind in policy.copies if may_be else ():
            for oid in self._copied(kind, commit):
                person = self._person(kind, commit, oid, people)
                keeps = self._has_policy_of(oid, commit) and person in policy.administrators
                if person and (keeps or not self._changes_policy(commit)) and self._may_bring(policy, person, commit):
                    return person
        return None

    def _has_policy_of(self, oid: str, commit: Commit) -> bool:
        return commit.files.get(POLICY_PATH) == self.commits[oid].files.get(POLICY_PATH)

    def _copied(self, kind: str, commit: Commit) -> Iterable[str]:
        """Heads that give the commit's files when they are merged into its parent; commits that do when applied."""
        [parent] = commit.parents
        if kind == "squash":
            for head in commit.heads:
                [*bases] = self.bases(parent, head)
                new = self.ancestors(head) - self.ancestors(parent)
                if (
                    len(bases) == 1
                    and new
                    and commit.oid not in new
                    and commit.files == self._merged(bases[0], parent, head)
                ):
                    yield head
            return
        for oid, other in takewhile(lambda item: item[0] != commit.oid, self.commits.items()):  # in the order of making
            if oid not in self.ancestors(commit.oid) and len(other.parents) == 1 and other.words == commit.words:
                [base] = other.parents
                if other.files != self.commits[base].files and commit.files == self._merged(base, parent, oid):
                    yield oid

    def _merged(self, base: str, ours: str, theirs: str) -> Mapping[str, str] | None:
        """Path by path; None where both sides changed one."""
        was, left, right = (self.commits[oid].files for oid in (base, ours, theirs))
        merged = {}
        for path in {*was, *left, *right}:
            values = {left.get(path), right.get(path)}
            if len(values) > 1:
                values -= {was.get(path)}
            if len(values) > 1:
                return None
            [value] = values
            if value is not None:
                merged[path] = value
        return merged

    def _person(self, kind: str, commit: Commit, oid: str, people: Mapping[str, object]) -> str | None:
        """Who signed the commit that was applied again; of a squash its author, who signed some of the head."""
        behind = {oid} if kind == "rebase" else self.ancestors(oid) - self.ancestors(commit.parents[0])
        if not all(map(self.accepts, behind)):
            return None
        signers = {self.commits[one].signer or self._copier(one) for one in behind} - {""}
        author = commit.author if commit.author in people else None
        if kind == "rebase" and len(signers) == 1:
            return next((name for name in signers if name in people), None)
        return author if kind == "rebase" or author in signers else None

    def _copier(self, oid: str) -> str:
        """Who stands behind a copy that was accepted, by the last of the policies in force."""
        commit = self.commits[oid]
        policies = frozenset[Policy]().union(*(self.in_force(parent) for parent in commit.parents))
        return next(filter(None, (self._behind(policy, commit) for policy in policies)), "") or ""

    def _changes_policy(self, commit: Commit) -> bool:
        def held(oid: str) -> object:
            return self.in_force(oid) if self.is_inside(oid) else None

        assert commit.policy is not None
        return not self._is_explained(commit, frozenset({commit.policy}), held, unrelated=None)

    def _changed(self, commit: Commit) -> tuple[bool, bool]:
        """Whether the commit changes something in secrets, and elsewhere."""

        def explains(path: str) -> bool:
            def value(oid: str) -> object:
                return self.commits[oid].files.get(path)

            return self._is_explained(commit, commit.files.get(path), value, unrelated=())

        paths = {path for parent in commit.parents for path in self.commits[parent].files} | set(commit.files)
        changed = {path for path in paths if not explains(path)}
        secret = {path for path in changed if path.startswith(SECRETS)}
        return bool(secret), bool(changed - secret)

    def _is_explained(
        self, commit: Commit, own: object, value: Callable[[str], object], *, unrelated: tuple[()] | None
    ) -> bool:
        """Some parent has the value, and each other parent has it too, or left it alone since each base of the two.

        ``unrelated`` () says that a pair without a base had nothing before; None that it explains nothing.
        """

        def left_alone(other: str, one: str) -> bool:
            bases = self.bases(one, other)
            if not bases:
                return unrelated is not None and value(other) is None
            return all(value(base) == value(other) for base in bases)

        return any(
            value(one) == own and all(value(other) == own or left_alone(other, one) for other in commit.parents)
            for one in commit.parents
        )

    def bases(self, one: str, other: str) -> frozenset[str]:
        """Common ancestors that no other common ancestor comes after."""
        common = self.ancestors(one) & self.ancestors(other)
        return frozenset(oid for oid in common if not any(oid in self.ancestors(newer) - {newer} for newer in common))


def first_refused(reference: Reference, tips: Iterable[str]) -> str:
    """A commit that may not stay, out of what lies behind the tips; empty for none."""
    behind = frozenset[str]().union(*map(reference.ancestors, tips))
    return next((oid for oid in sorted(behind) if not reference.accepts(oid)), "")
