"""Fuzz certificates, their names and their SCTs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import all_of, instrumented, run

with instrumented():
    from gitsign_py.core.pki import fulcio
    from gitsign_py.core.pki.certificate import key_identifiers, parse_certificate, parse_pem_chain
    from gitsign_py.core.pki.certpath import check_path
    from gitsign_py.core.pki.oids import CODE_SIGNING
    from gitsign_py.core.tlog import sct
    from tests.support.forgedworld import World

WORLD = World()


def scts(data: bytes) -> None:
    """A list that is read is written the same again."""
    assert sct.encode_sct_list(sct.parse_sct_list(data)) == data


def embedded(data: bytes) -> None:
    certificate = parse_certificate(data)
    sct.precertificate_tbs(certificate)
    sct.verify_embedded_scts(certificate, WORLD.intermediate.certificate, WORLD.trusted.ctlogs)


def names(data: bytes) -> None:
    fulcio.certificate_identity(parse_certificate(data))


def profile(data: bytes) -> None:
    certificate = parse_certificate(data)
    key_identifiers(certificate)
    fulcio.check_profile(certificate)


def path(data: bytes) -> None:
    certificate = parse_certificate(data)
    check_path(certificate, (certificate, WORLD.root.certificate), purpose=CODE_SIGNING, untrusted=(certificate,))


one_input = all_of(scts, embedded, names, profile, path, parse_pem_chain)

if __name__ == "__main__":
    run(one_input)
