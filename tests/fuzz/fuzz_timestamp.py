"""Fuzz timestamps: requests, responses, tokens."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import all_of, instrumented, run

with instrumented():
    from gitsign_py.core.pki import timestampbuild
    from gitsign_py.core.sigstore.timestamp import verify_timestamp
    from tests.support.forgedworld import World

AUTHORITIES = World().trusted.timestamp_authorities


def verify(data: bytes) -> None:
    verify_timestamp(data, message=b"hello", authorities=AUTHORITIES)


one_input = all_of(
    verify,
    timestampbuild.parse_request,
    timestampbuild.parse_response,
    timestampbuild.granted_token,
    timestampbuild.parse_tst_info,
)

if __name__ == "__main__":
    run(one_input)
