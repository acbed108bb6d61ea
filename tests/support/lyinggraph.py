"""A commit-graph file that shows other parents than the commits have."""

import hashlib

from tests.support.gitrepo import ScratchRepo


def lying_graph(server: ScratchRepo, wrong: str, right: str) -> None:
    """Write a commit-graph with ``wrong`` in place of the parent ``right`` (gitformat-commit-graph)."""
    server.git("commit-graph", "write", "--reachable")
    path = server.path / ".git/objects/info/commit-graph"
    data = bytearray(path.read_bytes())
    chunks = {}
    for number in range(data[6] + 1):
        entry = 8 + 12 * number
        chunks[bytes(data[entry : entry + 4])] = int.from_bytes(data[entry + 4 : entry + 12], "big")
    count = (chunks[b"CDAT"] - chunks[b"OIDL"]) // 20
    ids = [data[chunks[b"OIDL"] + 20 * n : chunks[b"OIDL"] + 20 * n + 20].hex() for n in range(count)]
    for number in range(count):
        at = chunks[b"CDAT"] + 36 * number + 20
        if int.from_bytes(data[at : at + 4], "big") == ids.index(right):
            data[at : at + 4] = ids.index(wrong).to_bytes(4, "big")
    data[-20:] = hashlib.sha1(data[:-20]).digest()
    path.chmod(0o644)
    path.write_bytes(data)
