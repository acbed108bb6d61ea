"""Sign a commit on a local Sigstore, as git would have it signed."""

import os
from datetime import UTC, datetime
from pathlib import Path

from gitsign_py.clients import FulcioClient, HttpSession, RekorClient, StackTokenSource
from gitsign_py.localstack import Stack
from gitsign_py.signing import CredentialRequest, SigningOptions, SigningServices, join_commit, sign_payload
from gitsign_py.verification import parse_trusted_root

PAYLOAD = b"""\
tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
author Alice <alice@example.com> 1767225600 +0000
committer Alice <alice@example.com> 1767225600 +0000

A commit
"""


class SystemClock:
    """The port ``Clock``."""

    def now(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC)


with Stack(Path("stack"), port=0) as stack, HttpSession() as session:
    services = SigningServices(
        tokens=StackTokenSource(session, stack.url, "alice@example.com"),
        authority=FulcioClient(session, stack.url),
        log=RekorClient(session, stack.url),
        clock=SystemClock(),
        random=os.urandom,
    )
    trusted_root = parse_trusted_root(stack.info.trusted_root.read_bytes())
    signed = sign_payload(PAYLOAD, services=services, options=SigningOptions(CredentialRequest(trusted_root)))

Path("commit").write_bytes(join_commit(PAYLOAD, signed.armored))  # git hash-object -t commit -w commit
print(f"signed by {signed.identity}, log index {signed.log_index}")
