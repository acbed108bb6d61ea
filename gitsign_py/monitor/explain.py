"""The entries that commits of repositories explain: the digest that a log entry would be over, for each commit and tag.

An entry of a signature log holds a digest, not a commit. Here every commit's digest is made again (of its signed
attributes in offline mode, of its id in online mode): an entry by one of our people without a commit stands out.
"""

import hashlib
import tempfile
from collections.abc import Iterator

from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.gitobject import SignedObject, signature_format
from gitsign_py.core.tlog.entrytypes import LogEntry
from gitsign_py.core.tlog.tlogproof import verify_entry
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError, ServiceError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import has_two_hashes, split_stored
from gitsign_py.host.git.walk import Git, walk
from gitsign_py.monitor.compare import Grown, judge_growth
from gitsign_py.monitor.findings import Finding
from gitsign_py.monitor.heads import Head, Kind, open_head
from gitsign_py.monitor.sources import LogSource
from gitsign_py.verification.logged import candidate_bodies
from gitsign_py.verification.signature import Opened, open_signature

_REFS = ("--branches", "--tags", "--remotes")


@frozen
class Replayed:
    """A commit or tag with the digests that its entry may be over, and its entry where the signature carries one."""

    oid: str
    digests: tuple[str, ...]
    opened: Opened | None = None


def replay(repository: GitRepository, known: frozenset[str]) -> Iterator[Replayed]:
    """Every commit on a branch, remote branch or tag, and every annotated tag, but for those in ``known``.

    Raises what a walk raises: a history that is not whole explains nothing.
    """
    git = Git(repository.environment, repository.directory, two_hashes=has_two_hashes(repository))
    with tempfile.TemporaryFile() as errors:
        for stored in walk(git, (), _REFS, errors):
            if stored.oid not in known:
                yield _replayed(repository, stored.oid)
    for oid in _tags(repository):
        if oid not in known:
            yield _replayed(repository, oid)


def _tags(repository: GitRepository) -> Iterator[str]:
    lines = repository.run(["for-each-ref", "--format=%(objecttype) %(objectname)", "refs/tags"]).decode("ascii")
    yield from (line[4:] for line in lines.splitlines() if line.startswith("tag "))


def _replayed(repository: GitRepository, oid: str) -> Replayed:
    online = f"sha256:{hashlib.sha256(oid.encode()).hexdigest()}"
    try:
        opened = _opened(split_stored(repository, repository.read(oid)))
    except GitsignError:  # what cannot be read was signed by nobody
        return Replayed(oid, (online,))
    if opened is None:
        return Replayed(oid, (online,))
    offline = f"sha256:{hashlib.sha256(opened.signer.signed_bytes).hexdigest()}"
    return Replayed(oid, (offline, online), opened)


def _opened(signed: SignedObject) -> Opened | None:
    if signed.signature is None or signature_format(signed.signature) != "x509":
        return None
    return open_signature(signed.signature)


# --- is an embedded entry in the log that was followed? -------------------------------------------------------------


def entry_of(replayed: Replayed) -> tuple[LogEntry, tuple[bytes, ...]] | None:
    """The entry that a signature carries, with the bodies that it may have."""
    opened = replayed.opened
    if opened is None or opened.entry is None or opened.entry.inclusion_proof is None:
        return None
    digest = hashlib.sha256(opened.signer.signed_bytes).digest()
    return opened.entry, tuple(candidate_bodies(digest, opened.signer.signature, opened.certificate).values())


def claimed_head(entry: LogEntry, kind: Kind, root: TrustedRoot) -> Head:
    """The head in a signature's entry, verified. Raises VerificationError, FormatError."""
    proof = entry.inclusion_proof
    return open_head(kind, b"" if proof is None else proof.checkpoint, root)


def check_logged(replayed: Replayed, source: LogSource, head: Head, root: TrustedRoot, *, now: int) -> Finding | None:
    """Whether a commit's entry is in the tree that the log shows us; None also where it is another log's to say.

    The signer's head must be a beginning of ours: then the proof in the signature holds for our tree too. A log that
    showed the signer another tree cannot prove that. Raises ServiceError when the log does not answer.
    """
    found = entry_of(replayed)
    if found is None or found[0].log_id != head.log.log_id:
        return None
    entry, bodies = found
    try:
        theirs = claimed_head(entry, source.kind, root)
        verify_entry(entry, bodies, root.tlogs)
    except GitsignError as error:
        return _missing(replayed, head, f"its proof does not hold: {error.message}", now)
    if theirs.tree != head.tree or theirs.size > head.size:
        return None
    if _begins(theirs, source, head):
        return None
    words = f"the tree of {theirs.size} entries that its proof is about is no beginning of the log's"
    return _missing(replayed, head, words, now)


def _begins(theirs: Head, source: LogSource, head: Head) -> bool:
    if theirs.size == head.size:
        return theirs.root == head.root
    try:
        proof = source.consistency(head, theirs.size, head.size)
    except ServiceError as error:
        if error.reason != "service-status":
            raise
        return False
    return isinstance(judge_growth((theirs.size, theirs.root), head, proof), Grown)


def _missing(replayed: Replayed, head: Head, words: str, now: int) -> Finding:
    return Finding("entry-not-logged", head.tree, replayed.oid, f"{replayed.oid}: {words}", now, {"oid": replayed.oid})
