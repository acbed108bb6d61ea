"""Sign an in-toto statement about a git object: credential, DSSE signature, timestamp, log entry, a last look.

The result is a Sigstore bundle with everything a verifier needs, judged by the same verifier before it is given out.
The log holds a hashedrekord over the envelope's pre-authentication encoding, which both versions of Rekor take, and
never sees the statement. Where clients of others are to read the bundle, Rekor v1 gets an entry of kind dsse.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, Envelope, EnvelopeSignature, envelope_json, pae
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.signedattributes import refuse_signed_attributes
from gitsign_py.core.pki.timestampbuild import TimestampRequest, build_request
from gitsign_py.core.sigstore.bundle import Bundle, format_bundle
from gitsign_py.errors import ServiceError, VerificationError
from gitsign_py.signing.credential import Credential, check_usable, obtain_credential
from gitsign_py.signing.flow import SigningOptions, SigningServices, check_without_log
from gitsign_py.verification.bundle import Artifact, VerifiedBundle, verify_bundle
from gitsign_py.verification.renewal import checked
from gitsign_py.verification.steps import Requirements

if TYPE_CHECKING:
    from gitsign_py.core.tlog.logentry import LogEntry

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@frozen
class Attestation:
    """``envelope`` is the DSSE envelope as JSON, ``bundle`` the Sigstore bundle as JSON, ``verified`` its contents."""

    envelope: bytes
    bundle: bytes
    verified: VerifiedBundle


def git_artifact(digest_name: str, oid: str) -> Artifact:
    """The git object as a subject of statements: ``gitCommit`` or ``gitTree``, and its id (hex)."""
    return Artifact({digest_name: bytes.fromhex(oid)}, None)


def statement_about(digest_name: str, oid: str, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """Write the in-toto statement (version 1) about one git object as JSON."""
    value = {
        "_type": STATEMENT_TYPE,
        "subject": [{"digest": {digest_name: oid}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def attest(statement: bytes, artifact: Artifact, *, services: SigningServices, options: SigningOptions) -> Attestation:
    """Sign a statement with a new credential, log it, and verify what came of it.

    Raises as ``sign_payload`` does; ServiceError ``attestation-unverifiable`` when the result does not verify.
    """
    if services.log is None:
        check_without_log(services, options)
    credential = obtain_credential(
        options.request, tokens=services.tokens, authority=services.authority, now=services.clock.now()
    )
    return attest_with(credential, statement, artifact, services=services, options=options)


def attest_with(
    credential: Credential,
    statement: bytes,
    artifact: Artifact,
    *,
    services: SigningServices,
    options: SigningOptions,
    for_others: bool = False,
) -> Attestation:
    """Sign a statement with a credential that is already there; see ``attest`` for what it raises.

    ``for_others``: the log gets the envelope itself, as other clients want it of Rekor v1. Raises PolicyError
    ``signed-attributes`` as well.
    """
    refuse_signed_attributes(statement)
    check_usable(credential, services.clock.now())
    signature = credential.sign(pae(IN_TOTO_PAYLOAD_TYPE, statement))
    stamps = _timestamps(signature, services)
    envelope = Envelope(statement, IN_TOTO_PAYLOAD_TYPE, (EnvelopeSignature(signature),))
    entries = _entries(envelope, credential.certificate.raw, services, for_others=for_others)
    bundle = format_bundle(Bundle("0.3", (credential.certificate.raw,), None, entries, stamps, envelope))
    return Attestation(envelope_json(envelope), bundle, _verified(bundle, artifact, services, options))


def _entries(
    envelope: Envelope, certificate: bytes, services: SigningServices, *, for_others: bool
) -> "tuple[LogEntry, ...]":
    """The log's entry; none on an instance without a log."""
    if services.log is None:
        return ()
    if for_others:
        return (services.log.submit_envelope(envelope=envelope, certificate=certificate),)
    digest = hashlib.sha256(pae(envelope.payload_type, envelope.payload)).digest()
    signature = envelope.signatures[0].signature
    return (services.log.submit(digest=digest, signature=signature, certificate=certificate),)


def _timestamps(signature: bytes, services: SigningServices) -> tuple[bytes, ...]:
    """The time-stamp response over the signature, as bundles carry it; ``_verified`` checks it."""
    if services.timestamps is None:
        return ()
    nonce = int.from_bytes(services.random(8), "big") >> 1
    request = TimestampRequest("sha256", hashlib.sha256(signature).digest(), nonce=nonce)
    return (services.timestamps.timestamp(build_request(request)),)


def _verified(bundle: bytes, artifact: Artifact, services: SigningServices, options: SigningOptions) -> VerifiedBundle:
    now, required = services.clock.now(), Requirements(witnesses=options.witnesses)
    try:
        return checked(
            options.trusted_root,
            options.request.renew,
            lambda root: verify_bundle(bundle, artifact=artifact, trusted_root=root, now=now, requirements=required),
        )
    except VerificationError as error:
        raise ServiceError(
            "attestation-unverifiable",
            f"the new attestation does not verify and is not stored: {error.message}",
            hint=error.hint or "check that the services and the trust root belong to the same instance",
            facts={"cause": error.reason, **error.facts},
        ) from error
