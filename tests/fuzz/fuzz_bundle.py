"""Fuzz bundles."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import NOW, all_of, instrumented, run

with instrumented():
    from gitsign_py.core.sigstore.bundle import format_bundle, parse_bundle
    from gitsign_py.verification.bundle import artifact_of, verify_bundle
    from tests.support.forge import forge
    from tests.support.forgedworld import World

ROOT = forge(World()).root


def written(data: bytes) -> None:
    bundle = parse_bundle(data)
    assert parse_bundle(format_bundle(bundle))


def verify(data: bytes) -> None:
    verify_bundle(data, artifact=artifact_of(b"hello"), trusted_root=ROOT, now=NOW)


one_input = all_of(written, verify)

if __name__ == "__main__":
    run(one_input)
