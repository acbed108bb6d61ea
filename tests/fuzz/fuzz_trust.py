"""Fuzz trusted roots and signing configurations."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import all_of, instrumented, run

with instrumented():
    from gitsign_py.core.sigstore import pemtrust
    from gitsign_py.core.trust import clientconfig, signingconfig
    from gitsign_py.core.trust import root as trust


def written(data: bytes) -> None:
    root = trust.parse_trusted_root(data)
    again = trust.parse_trusted_root(trust.format_trusted_root(root))
    assert again.certificate_authorities == root.certificate_authorities
    assert len(again.tlogs) == len(root.tlogs)


one_input = all_of(
    written,
    signingconfig.parse_signing_config,
    clientconfig.parse_client_trust_config,
    pemtrust.authorities_from_pem,
    pemtrust.timestamp_authorities_from_pem,
    pemtrust.logs_from_pem,
)

if __name__ == "__main__":
    run(one_input)
