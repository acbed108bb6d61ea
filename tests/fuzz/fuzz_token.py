"""Fuzz identity tokens."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import NOW, all_of, instrumented, run

with instrumented():
    from gitsign_py.core.sigstore import mapping, token


def claims(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    found = token.parse_unverified(text)
    mapping.certificate_issuers(found)
    mapping.certificate_identities(found)
    token.challenge_subject(found)
    token.check_claims(found, audience="sigstore", now=NOW)


one_input = all_of(claims)

if __name__ == "__main__":
    run(one_input)
