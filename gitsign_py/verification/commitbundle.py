"""From the signature of a commit or tag to a Sigstore bundle, and back.

The key signed the DER SET of the signed attributes, so that is the bundle's artifact: other clients verify it
as a file. The payload's digest stands inside (messageDigest). The way back needs all three: bundle, artifact, payload.
"""

import hashlib

from gitsign_py.core.dsse import Envelope
from gitsign_py.core.frozen import replace
from gitsign_py.core.git.armor import armor
from gitsign_py.core.pki import cms, cmsbuild, der
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.timestampbuild import granted_token
from gitsign_py.core.sigstore.bundle import Bundle, MessageSignature
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry
from gitsign_py.errors import FormatError
from gitsign_py.verification.logged import candidate_bodies
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.signature import Opened, open_signature


def bundle_from_signature(signature: bytes, verified: VerifiedSignature) -> tuple[Bundle, bytes]:
    """Make the bundle v0.3 of an armored signature, and its artifact; ``verified`` is what verifying it gave.

    One by an instance without a log has no entry, as the signature. Raises FormatError ``bundle-not-offline`` when the
    log entry is not in the signature (online mode).
    """
    opened = open_signature(signature)
    if opened.entry is None and verified.log is not None:
        raise FormatError(
            "bundle-not-offline",
            "the signature was made in online mode: its log entry is over the object id and not in the signature",
            hint="sign with gitsign.rekorMode offline",
        )
    artifact = opened.signer.signed_bytes
    content = MessageSignature(opened.signer.signature, "sha256", hashlib.sha256(artifact).digest())
    stamps = () if opened.timestamp is None else (_response(opened.timestamp),)
    version = verified.log.version if verified.log is not None else ""
    entries = () if opened.entry is None else (_with_body(opened, opened.entry, version),)
    return Bundle("0.3", (opened.certificate.raw,), None, entries, stamps, content), artifact


def _with_body(opened: Opened, entry: LogEntry, version: str) -> LogEntry:
    """The entry with the body that its proof is over, under that body's version (some clients store another)."""
    digest = hashlib.sha256(opened.signer.signed_bytes).digest()
    body = candidate_bodies(digest, opened.signer.signature, opened.certificate).get(version)
    if body is None:
        raise FormatError("bundle-entry", f"no body of version {version} fits the signature")
    return replace(entry, kind="hashedrekord", version=version, body=body)


def _response(token: bytes) -> bytes:
    """TimeStampResp around a token: PKIStatusInfo granted (RFC 3161 §2.4.2), as bundles carry timestamps."""
    return der.sequence(der.sequence(der.integer(0)), token)


def signature_from_bundle(bundle: Bundle, artifact: bytes) -> bytes:
    """Make the armored signature again from a bundle and its artifact. Nothing is verified here.

    Raises FormatError ``bundle-not-of-a-commit`` when they cannot be those of a signature over a commit or tag.
    """
    if isinstance(bundle.content, Envelope) or not bundle.certificates or len(bundle.entries) > 1:
        raise _not_of_a_commit("needs one certificate, one log entry and a message signature")
    if not bundle.entries and not bundle.timestamps:
        raise _not_of_a_commit("it has no log entry, and no timestamp in place of one")
    if len(bundle.timestamps) > 1:
        raise _not_of_a_commit("a signature has room for one timestamp")
    try:
        der.parse(artifact, der.SET)
    except FormatError as error:
        raise _not_of_a_commit("the artifact is not the DER of signed attributes") from error
    attributes = (
        *(cmsbuild.log_entry_attribute(encode_entry(replace(entry, body=b""))) for entry in bundle.entries),
        *(cmsbuild.timestamp_attribute(granted_token(response)) for response in bundle.timestamps),
    )
    certificate = parse_certificate(bundle.certificates[0])
    made = cmsbuild.build_signed_data(certificate, artifact, bundle.signature, attributes)
    cms.parse_signed_data(made)
    return armor(made)


def _not_of_a_commit(why: str) -> FormatError:
    return FormatError("bundle-not-of-a-commit", f"not the bundle of a signature over a commit or tag: {why}")
