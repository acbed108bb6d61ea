"""Who stands in the commits that we write below refs/notes/ and refs/attestations/."""

import time

from gitsign_py.host.git.objects import GitRepository


def committer(repository: GitRepository) -> bytes:
    """Name, address and time as git has them; ours where an account has no address, as a server's."""
    line = repository.run(["var", "GIT_COMMITTER_IDENT"], accept=(0, 128)).strip()
    return line or f"gitsign-py <gitsign-py@localhost> {int(time.time())} +0000".encode()
