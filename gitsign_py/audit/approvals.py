"""Approvals in refs/attestations/trees, verified: the bundles that ``gitsign-py approve`` signs.

Anybody may have written these bundles. A bundle counts when it verifies by the run's trust root, its statement is about
the very tree, and its fields are those of the commit; nothing else is looked at.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitsign_py.audit.attested import AttestedObjects
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.host.git.attestationrefs import SUFFIX
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.approvals import PREDICATE, WITHDRAWAL, Approval, change_of
from gitsign_py.policy.facts import CommitFacts, SignatureFacts

if TYPE_CHECKING:
    from gitsign_py.verification.renewal import Renew

REF = "refs/attestations/trees"
PREFIX = "approval-"
MAX_LOOKED_AT = 128
"""Bundles for one tree."""
MAX_USELESS = 4_096
"""Bundles that prove nothing, in one run: anybody may have put as many as are looked at beside each tree."""
_MAX_BYTES = 1 << 20
_Said = tuple[Approval, tuple[str, ...]]
"""A statement and the change that it is about, as ``change_of`` has it."""


class Approvals:
    """Port ``ApprovalSource`` for one repository. The ref is read once.

    ``renew`` may find a newer trust root: by one that is too old a withdrawal would prove nothing.
    """

    def __init__(
        self, repository: GitRepository, settings: Callable[[], VerifySettings], renew: "Renew | None" = None
    ) -> None:
        self._repository, self._settings, self._renew = repository, settings, renew
        self._objects = AttestedObjects(repository, REF)
        self._useless = 0
        self._verified: dict[tuple[str, str], _Said | None] = {}

    def approvals(self, commit: CommitFacts) -> Sequence[Approval]:
        """Those about the commit's change. Raises UncheckedError ``approvals-too-many``, ``attestations-too-many``, and
        for objects that are not there.
        """
        wanted = change_of(commit)
        found = (self._read(oid, commit.tree) for oid in self._bundles(commit.tree))
        return [approval for approval, change in filter(None, found) if change == wanted]

    def _bundles(self, tree: str) -> Iterator[str]:
        count = 0
        for name, oid in self._objects.files(tree):
            if name.startswith(PREFIX.encode()) and name.endswith(SUFFIX.encode()):
                count += 1
                if count > MAX_LOOKED_AT:  # a withdrawal may be behind them
                    raise _too_many(f"more than {MAX_LOOKED_AT} statements about the tree {tree} are in {REF}")
                yield oid

    def _read(self, oid: str, tree: str) -> _Said | None:
        """The statement in a bundle; None for what proves nothing."""
        key = oid, tree  # a bundle says nothing beside another tree, where anybody may have put a copy
        if key not in self._verified:
            if self._useless == MAX_USELESS:
                raise _too_many(
                    f"{MAX_USELESS} statements in {REF} prove nothing about the trees that they stand beside"
                )
            data = self._repository.read(oid).data
            try:
                self._verified[key] = self._checked(data, tree) if len(data) <= _MAX_BYTES else None
            except GitsignError:
                self._verified[key] = None
            self._useless += self._verified[key] is None
        return self._verified[key]

    def _checked(self, data: bytes, tree: str) -> _Said | None:
        from gitsign_py.signing.attestation import git_artifact  # noqa: PLC0415 - for rules that want approvals alone
        from gitsign_py.verification.bundle import verify_bundle  # noqa: PLC0415
        from gitsign_py.verification.renewal import checked  # noqa: PLC0415
        from gitsign_py.verification.steps import Requirements  # noqa: PLC0415

        settings = self._settings()
        if settings.trusted_root is None:
            return None
        artifact, now = git_artifact("gitTree", tree), settings.now
        requirements = Requirements(witnesses=settings.witnesses)
        found = checked(
            settings.trusted_root,
            self._renew,
            lambda root: verify_bundle(data, artifact=artifact, trusted_root=root, now=now, requirements=requirements),
        )
        statement = found.statement
        if found.identity is None or found.san_type is None or statement is None or statement.predicate is None:
            return None
        fields = _fields(statement.predicate)
        if statement.predicate_type not in (PREDICATE, WITHDRAWAL) or fields is None:
            return None
        ref, *change = fields
        facts = SignatureFacts(
            "good",
            "sigstore",
            identity=found.identity,
            san_type=found.san_type,  # type: ignore[arg-type]
            issuer=found.issuer or "",
            claims=found.claims,
            times=tuple((one.source, one.time) for one in found.times),
        )
        said = json.dumps([statement.predicate_type, statement.predicate], sort_keys=True)
        told = f"{found.key.key_id.hex()} {said}"  # not the signature or certificate: ECDSA's have a second form
        return Approval(ref, statement.predicate_type == WITHDRAWAL, facts, told), tuple(change)


def _fields(predicate: Mapping[str, Any]) -> list[str] | None:
    """Ref and change that a statement names, None where one of them is no text."""
    others = predicate.get("mergedIDs", [])
    fields = [
        *map(predicate.get, ("targetRef", "fromID", "targetID")),
        *(others if isinstance(others, list) else [None]),
    ]
    texts = [one for one in fields if isinstance(one, str)]
    return texts if len(texts) == len(fields) else None


def _too_many(words: str) -> UncheckedError:
    return UncheckedError("approvals-too-many", words, hint="let its owner take out those that do not verify")
