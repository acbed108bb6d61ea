"""Statements of SLSA's Source track in a repository, in refs/attestations/commits: read, verified, then believed.

Anybody may have written these bundles. One counts when it verifies by the run's trust root, is signed by the attester
that the caller names, and is about the very commit, ref and repository.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from gitsign_py.audit.attested import AttestedObjects
from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError, VerificationError
from gitsign_py.host.git.attestationrefs import SUFFIX
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.signing.attestation import git_artifact
from gitsign_py.source.continuity import Link
from gitsign_py.source.provenance import read_provenance
from gitsign_py.source.summary import Summary, Wanted, check_provenance, check_summary, verifier_id
from gitsign_py.verification.bundle import VerifiedBundle, verify_bundle
from gitsign_py.verification.identity import ExpectedIdentity
from gitsign_py.verification.renewal import Renew, checked
from gitsign_py.verification.steps import Requirements

REF = "refs/attestations/commits"
PROVENANCE, SUMMARY = "source-provenance-", "source-vsa-"
MAX_LOOKED_AT = 128
"""Bundles of one kind about one commit."""
_MAX_BYTES = 1 << 20
_MAX_COMMITS = 64
_COMPARED = 8
_ABOUT = ("source-predicate", "source-subject", "source-verifier", "source-repository", "source-ref")
_ORDER = (*_ABOUT, "source-not-passed", "source-level", "source-provenance-missing", "source-since")
"""The reasons of refusals, from the statement that has least to do with the question to the one that has most."""


@frozen
class Attester:
    """Whose statements count, by which trust root and witnesses, at which time."""

    expected: ExpectedIdentity
    trusted_root: TrustedRoot
    now: datetime
    renew: Renew | None = None
    witnesses: WitnessPolicy | None = None


@frozen
class Bundle:
    """A stored bundle that nobody has verified."""

    name: str
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256, hex."""
        return hashlib.sha256(self.data).hexdigest()


@frozen
class VerifiedSummary:
    """A VSA that passed every comparison, who signed it, and the provenance that it rests on."""

    summary: Summary
    bundle: VerifiedBundle
    link: Link


def place_of(repository_uri: str, ref: str) -> str:
    """The part of a stored name by which statements about a ref are found."""
    return hashlib.sha256(f"{repository_uri}\0{ref}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


class SourceStatements:
    """The statements by one attester about one ref, in one repository. The ref that has them is read once."""

    def __init__(self, repository: GitRepository, attester: Attester, repository_uri: str, ref: str) -> None:
        self._repository, self._attester = repository, attester
        self._uri, self._ref, self._place = repository_uri, ref, place_of(repository_uri, ref)
        self._objects = AttestedObjects(repository, REF)
        self._links: dict[str, Sequence[Link]] = {}

    def links_at(self, revision: str) -> Sequence[Link]:
        """The verified provenances of a commit, the newest first; what does not verify is no evidence.

        They are asked for by each summary about the commit, of which anybody may have stored copies.
        """
        if revision not in self._links:
            self._links[revision] = self._linked(revision)
        return self._links[revision]

    def _linked(self, revision: str) -> Sequence[Link]:
        found = []
        for bundle in self._bundles(revision, PROVENANCE):
            try:
                found.append(self._link(bundle, revision))
            except GitsignError:
                continue
        return sorted(found, key=lambda link: link.provenance.time, reverse=True)

    def newest(self) -> Link | None:
        """The newest statement about the ref, whichever commit it is about.

        Of those that were stored last: an old one that somebody stores again is not the newest.
        """
        latest: list[Link] = []
        for revision in self._revisions():
            latest += self.links_at(revision)[:1]
            if len(latest) == _COMPARED:
                break
        return max(latest, key=lambda link: link.provenance.time, default=None)

    def check(self, wanted: Wanted) -> VerifiedSummary:
        """Find a VSA that says what is wanted.

        Raises VerificationError ``source-summary-missing`` where there is none at all, else what the one that comes
        nearest was refused for: what ``verify_bundle``, ``check_summary`` and ``check_provenance`` raise.
        """
        refusals: list[GitsignError] = []
        for bundle in self._bundles(wanted.revision, SUMMARY):
            try:
                return self._checked(bundle, wanted)
            except GitsignError as error:
                refusals.append(error)
        if not refusals:
            raise VerificationError(
                "source-summary-missing",
                f"no summary about {wanted.revision} on {wanted.ref} of {wanted.repository} is here: its level is 0",
                hint=f"fetch {REF}, and compare the names with those that the server states",
            )
        raise max(refusals, key=_nearness)

    def _checked(self, bundle: Bundle, wanted: Wanted) -> VerifiedSummary:
        verified = self._verified(bundle, wanted.revision)
        statement = verified.statement
        assert statement is not None  # noqa: S101 - over an object's id there is no other content
        verifier = verifier_id(verified.identity or "", verified.san_type or "", verified.issuer or "")
        summary = check_summary(statement, wanted, verifier)
        link = next((one for one in self.links_at(wanted.revision) if one.digest in summary.inputs), None)
        if link is None:
            raise VerificationError(
                "source-provenance-missing",
                f"the provenance that the summary of {wanted.revision} rests on is not here, or does not verify",
                hint=f"fetch {REF} as a whole",
            )
        check_provenance(link.provenance, summary, wanted)
        return VerifiedSummary(summary, verified, link)

    def _link(self, bundle: Bundle, revision: str) -> Link:
        statement = self._verified(bundle, revision).statement
        assert statement is not None  # noqa: S101 - as above
        read = read_provenance(statement)
        if (read.repository, read.ref, read.revision) != (self._uri, self._ref, revision):
            raise VerificationError("source-subject", "provenance is about another ref, revision or repository")
        return Link(read, bundle.digest)

    def _verified(self, bundle: Bundle, revision: str) -> VerifiedBundle:
        attester, artifact = self._attester, git_artifact("gitCommit", revision)
        return checked(
            attester.trusted_root,
            attester.renew,
            lambda root: verify_bundle(
                bundle.data,
                artifact=artifact,
                trusted_root=root,
                now=attester.now,
                expected=attester.expected,
                requirements=Requirements(witnesses=attester.witnesses),
            ),
        )

    def _bundles(self, revision: str, prefix: str) -> Iterator[Bundle]:
        start, count = f"{prefix}{self._place}-".encode(), 0
        for name, oid in self._objects.files(revision):
            if not name.startswith(start) or not name.endswith(SUFFIX.encode()):
                continue
            count += 1
            if count > MAX_LOOKED_AT:
                return
            data = self._repository.read(oid).data
            if len(data) <= _MAX_BYTES:
                yield Bundle(name.decode("utf-8", "replace"), data)

    def _revisions(self) -> Iterator[str]:
        """The commits that statements about the ref were stored for, the newest statement first, each once."""
        if not self._objects.tip:
            return
        self._objects.check()  # before git looks for what differs in such trees
        names = f":(glob)*/{PROVENANCE}{self._place}-*{SUFFIX}"
        asked = ["rev-list", f"--max-count={_MAX_COMMITS}", "--full-history", self._objects.tip, "--", names]
        commits = self._repository.run(asked)
        shown = ["diff-tree", "--stdin", "-r", "--root", "-m", "--no-commit-id", "--name-only", "-z", "--", names]
        paths = self._repository.run(shown, stdin=commits).decode("utf-8", "replace").split("\0")
        yield from dict.fromkeys(path.partition("/")[0] for path in paths if path)


def _nearness(error: GitsignError) -> int:
    return _ORDER.index(error.reason) + 1 if error.reason in _ORDER else 0
