"""Fuzz commits and tags as stored bytes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import all_of, instrumented, run

with instrumented():
    from gitsign_py.core.git import gitobject


def commit(data: bytes) -> None:
    """What is split joins again to the same payload and signature."""
    signed = gitobject.split_commit(data, two_hashes=True)
    assert signed.subject is not None
    if signed.signature is not None:
        again = gitobject.split_commit(gitobject.join_commit(signed.payload, signed.signature, signed.algorithm))
        assert (again.payload, again.signature) == (signed.payload, signed.signature)


def tag(data: bytes) -> None:
    """A tag is its payload and its signature; a header with another signature stands between."""
    signed = gitobject.split_tag(data, two_hashes=True)
    assert signed.subject is not None
    if signed.other_signature is None:
        assert signed.payload + (signed.signature or b"") == data


one_input = all_of(commit, tag)

if __name__ == "__main__":
    run(one_input)
