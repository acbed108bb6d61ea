"""Fuzz signatures: armor, CMS and everything behind them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import NOW, all_of, instrumented, run

with instrumented():
    from gitsign_py.core.git import armor
    from gitsign_py.core.pki import cms
    from gitsign_py.verification import verify_signature
    from tests.support.forge import COMMIT, forge
    from tests.support.forgedworld import World

ROOT = forge(World()).root


def verify(data: bytes) -> None:
    verify_signature(COMMIT, armor.armor(data), trusted_root=ROOT, now=NOW)


def parts(data: bytes) -> None:
    """The steps that a wrong signature would keep the fuzzer from."""
    signed = cms.parse_signed_data(data)
    signer = cms.only_signer(signed)
    cms.signing_time(signer)
    cms.signer_certificate(signed, signer)
    name = cms.check_algorithms(signed, signer)
    cms.check_attribute_order(signer)
    cms.check_message_digest(signer, COMMIT, name)


one_input = all_of(verify, parts, armor.dearmor)

if __name__ == "__main__":
    run(one_input)
