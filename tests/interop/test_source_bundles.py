"""Source provenance and VSA are read by other people's clients: cosign, and sigstore for Python."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from sigstore.errors import VerificationError
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from gitsign_py.clients.rekor_v2 import RekorV2Client
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tsa import TsaClient
from gitsign_py.signing.attestation import attest_with, git_artifact
from gitsign_py.signing.credential import obtain_credential
from gitsign_py.source.provenance import PREDICATE, provenance_statement
from gitsign_py.source.summary import PREDICATE as VSA
from gitsign_py.source.summary import summary_statement
from tests.support.foreign import EMAIL, ForeignBench
from tests.support.signingkit import SigningKit
from tests.support.sourcestatements import oid, provenance

pytestmark = pytest.mark.unmeasured


def signed(place: ForeignBench, rekor: int, statement: bytes) -> bytes:
    with HttpSession() as session:
        kit = SigningKit(place.stack, session)
        services = kit.services()
        if rekor == 2:
            stamps = TsaClient(session, f"{place.stack.url}/api/v1/timestamp")
            services = kit.services(timestamps=stamps, log=RekorV2Client(session, place.stack.url))
        options, artifact = kit.options(), git_artifact("gitCommit", oid(1))
        credential = obtain_credential(
            options.request, tokens=services.tokens, authority=services.authority, now=services.clock.now()
        )
        made = attest_with(credential, statement, artifact, services=services, options=options, for_others=True)
        return made.bundle


def read_by_sigstore(place: ForeignBench, bundle: bytes, kind: str) -> None:
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(place.stack.trusted_root)))
    theirs = Bundle.from_json(bundle)
    payload_type, payload = verifier.verify_dsse(theirs, Identity(identity=EMAIL, issuer=place.stack.url))
    assert (payload_type, json.loads(payload)["predicateType"]) == ("application/vnd.in-toto+json", kind)
    with pytest.raises(VerificationError):
        verifier.verify_dsse(theirs, Identity(identity="mallory@example.com", issuer=place.stack.url))


@pytest.mark.parametrize("rekor", [1, 2])
def test_both_are_read_by_others(place: ForeignBench, cosign: str, rekor: int) -> None:
    """In Rekor v1 they look for an entry of kind dsse, in v2 for a hashedrekord over the envelope."""
    made = provenance()
    proof = signed(place, rekor, provenance_statement(made))
    digest = hashlib.sha256(proof).hexdigest()
    summary = signed(place, rekor, summary_statement(made, digest, f"mailto:{EMAIL}", datetime.now(UTC)))
    for bundle, kind in ((proof, PREDICATE), (summary, VSA)):
        read_by_sigstore(place, bundle, kind)
        (place.folder / "bundle").write_bytes(bundle)
        check = [cosign, "verify-blob-attestation", "--bundle", "bundle", "--type", kind, *place.trust, *place.who]
        place.good(*check, "--digest", oid(1), "--digestAlg", "gitCommit")
        assert place.run(*check, "--digest", oid(2), "--digestAlg", "gitCommit").returncode != 0
