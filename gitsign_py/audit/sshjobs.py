"""SSH signatures in the worker processes: what our own code finds good."""

from gitsign_py.audit.jobs import Job
from gitsign_py.core.git.sshsig import verify_ssh_signature
from gitsign_py.errors import FormatError, VerificationError


def good_ssh_key(job: Job) -> str:
    """The fingerprint of the key that the signature is good by; empty for what ssh-keygen is to judge."""
    try:
        return verify_ssh_signature(job.signature, job.payload, b"git")
    except (FormatError, VerificationError):
        return ""
