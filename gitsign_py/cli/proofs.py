"""Proof files of C2SP tlog-proof on their way into ``verify``: read, and held against the signature."""

from collections.abc import Sequence

from gitsign_py.cli.judgement import Judgement
from gitsign_py.clients.trustroot import read_bounded
from gitsign_py.core import digests
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog.entrytypes import InclusionProof, LogEntry
from gitsign_py.core.tlog.logentry import decode_entry
from gitsign_py.core.tlog.prooffile import parse_proof_file
from gitsign_py.core.tlog.tlogproof import log_of_checkpoint, verify_entry
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError, UsageError, VerificationError
from gitsign_py.host.git.objects import GitRepository, Revision
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.verification.logged import candidate_bodies
from gitsign_py.verification.signature import Sources, open_signature
from gitsign_py.verification.steps import Report
from gitsign_py.verification.verifier import Verifier


def read_proof(path: str, root: TrustedRoot) -> LogEntry:
    """The entry of a proof file, unverified. One without our extra data names no body: the signature must give it.

    Raises FormatError ``proof-file-malformed``, VerificationError ``log-unknown``, ConfigError for the file.
    """
    proof = parse_proof_file(read_bounded(path, "--proof"))
    log = log_of_checkpoint(proof.checkpoint, root.tlogs)
    bare = LogEntry(proof.index, log.log_id, "hashedrekord", "0.0.1", 0, b"", None)
    entry = decode_entry(proof.extra) if proof.extra else bare
    return replace(entry, inclusion_proof=InclusionProof(proof.index, b"", 0, proof.hashes, proof.checkpoint))


def only_one(revisions: Sequence[Revision]) -> Revision:
    """The one revision that a proof can be of. Raises UsageError ``proof-of-several``."""
    if len(revisions) != 1:
        raise UsageError("proof-of-several", f"a proof is of one commit or tag, and {len(revisions)} were named")
    return revisions[0]


def with_entry(verifier: Verifier, proof: LogEntry) -> Verifier:
    """The verifier for which the proof is all that is known of an online-mode signature's entry."""
    return replace(verifier, find=Sources(kept=lambda _: (proof,)))


def with_proof(judgement: Judgement, repository: GitRepository, proof: LogEntry, root: TrustedRoot) -> Judgement:
    """Hold the proof against a signature that verified with the entry that it carries; another was proven already."""
    verified = judgement.verified
    if judgement.smime is not None:
        no_entry = VerificationError("log-entry-mismatch", "proof is of no S/MIME signature: these are in no log")
        return replace(judgement, smime=None, error=no_entry)
    if verified is None or verified.log is None or not verified.log.embedded:
        return judgement
    signature = split_stored(repository, repository.read(judgement.revision.oid)).signature or b""
    opened = open_signature(signature)
    digest = digests.sha256(opened.signer.signed_bytes).digest()
    bodies = tuple(candidate_bodies(digest, opened.signer.signature, opened.certificate).values())
    report = Report()
    error: GitsignError | None = None
    try:
        with report.step("4.3") as facts:
            facts["proof_index"] = proof.log_index
            facts["tree_size"] = verify_entry(proof, bodies, root.tlogs).checkpoint.size
    except GitsignError as refusal:
        error = refusal
    steps = (*judgement.steps, *report.steps)
    return replace(judgement, steps=steps, verified=None if error else verified, error=error)
