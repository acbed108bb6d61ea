"""Believe a time-stamp token, or say exactly why not (RFC 3161, RFC 5816).

``verify_timestamp`` is the only way from a token to a time. The order: the form, the statement (TSTInfo) against the
message, then for each authority of the trust root the signer's certificate, its signature, its purpose, its validity at
the stated time, the authority's window, its path. Trust comes from the trust root alone: a certificate that the token
carries is a candidate, never an anchor. The wire format is in ``timestampbuild.py``, the rules in docs/timestamps.md.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import cms, der, essid, oids
from gitsign_py.core.pki.certificate import Certificate, basic_constraints, extended_key_usage, key_usage
from gitsign_py.core.pki.certpath import check_path, check_times
from gitsign_py.core.pki.timestampbuild import MAX_TOKEN_BYTES, TstInfo, parse_tst_info
from gitsign_py.core.trust.root import CertificateAuthority
from gitsign_py.errors import FormatError, VerificationError

DEFAULT_ACCURACY = timedelta(seconds=1)
"""Taken when an authority states none: its genTime may be cut to whole seconds (RFC 3161 §2.4.2)."""
MOST_ACCURACY = timedelta(minutes=1)
"""The part of a stated accuracy that counts: RFC 3161 bounds none, and one of years would let a time prove nothing."""
_SIGNING_BITS = frozenset({0, 1})  # digitalSignature, nonRepudiation: RFC 5280 §4.2.1.12 for id-kp-timeStamping

_REASONS = {  # the reasons of the shared code, as they are called here
    "cms-content-type-wrong": "timestamp-content-type-wrong",
    "cms-signers-none": "timestamp-signers-wrong",
    "cms-signers-several": "timestamp-signers-wrong",
    "cms-signer-not-found": "timestamp-signer-not-found",
    "cms-signer-ambiguous": "timestamp-signer-ambiguous",
    "cms-digest-weak": "timestamp-hash-not-allowed",
    "cms-digest-disagrees": "timestamp-signature-invalid",
    "cms-signature-algorithm": "timestamp-signature-invalid",
    "cms-signature-invalid": "timestamp-signature-invalid",
    "content-digest-mismatch": "timestamp-signature-invalid",
    "certificate-expired": "timestamp-certificate-not-valid-at-time",
    "certificate-not-yet-valid": "timestamp-certificate-not-valid-at-time",
}
_PROGRESS = (  # of several authorities the one that came furthest tells what was wrong
    "timestamp-signer-not-found",
    "timestamp-authority-untrusted",
    "timestamp-signer-ambiguous",
    "timestamp-signature-invalid",
    "timestamp-ess-certid-mismatch",
    "timestamp-name-mismatch",
    "timestamp-eku-wrong",
    "timestamp-key-usage-wrong",
    "timestamp-certificate-not-valid-at-time",
    "timestamp-outside-authority-window",
)


@frozen
class VerifiedTimestamp:
    """A time that an authority of the trust root vouches for.

    ``accuracy`` is what the authority stated, to ``MOST_ACCURACY``, or ``DEFAULT_ACCURACY``. ``serial`` is the token's
    number, ``policy`` a dotted OID, ``hash_name`` the hash over the message.
    """

    time: datetime
    accuracy: timedelta
    authority: CertificateAuthority
    hash_name: str
    serial: int
    policy: str


@frozen
class _Token:
    """A token that has been read, not believed."""

    signed: cms.SignedData
    signer: cms.SignerInfo
    digest: str
    content: bytes
    info: TstInfo


def verify_timestamp(
    token_der: bytes, *, message: bytes, authorities: tuple[CertificateAuthority, ...], nonce: int | None = None
) -> VerifiedTimestamp:
    """Verify a DER TimeStampToken over ``message`` against the timestamp ``authorities`` of a trust root.

    ``nonce`` is that of the request when the caller made one, else None (a stored token's nonce means nothing).
    Raises VerificationError with a ``timestamp-...`` reason, see docs/timestamps.md.
    """
    with _named("timestamp-malformed"):
        token = _open(token_der)
    _check_statement(token.info, message, nonce)
    failures: list[VerificationError] = []
    for authority in authorities:
        try:
            with _named("timestamp-malformed"):
                _check_authority(token, authority)
        except VerificationError as error:
            failures.append(error)
            continue
        return VerifiedTimestamp(
            token.info.time,
            DEFAULT_ACCURACY if token.info.accuracy is None else min(token.info.accuracy, MOST_ACCURACY),
            authority,
            oids.DIGESTS[token.info.hash_oid],
            token.info.serial,
            token.info.policy,
        )
    raise max(failures, key=_progress, default=_untrusted("the trust root has no timestamp authority"))


def _progress(error: VerificationError) -> int:
    return _PROGRESS.index(error.reason) if error.reason in _PROGRESS else -1


@contextmanager
def _named(form: str, other: str = "") -> Iterator[None]:
    """Give errors of shared code this module's reasons: ``form`` for FormatError, ``other`` for what has no name."""
    try:
        yield
    except FormatError as error:
        raise VerificationError(form, f"timestamp: {error.message}", facts={"cause": error.reason}) from error
    except VerificationError as error:
        if error.reason.startswith("timestamp-"):
            raise
        reason = _REASONS.get(error.reason, other or form)
        raise VerificationError(reason, f"timestamp: {error.message}", hint=error.hint, facts=error.facts) from error


def _open(token_der: bytes) -> _Token:
    if len(token_der) > MAX_TOKEN_BYTES:
        raise FormatError("timestamp-malformed", f"{len(token_der)} bytes, at most {MAX_TOKEN_BYTES} are read")
    signed = cms.parse_signed_data(token_der)
    signer = cms.only_signer(signed)
    digest = cms.check_algorithms(signed, signer, content_type=oids.TST_INFO)
    cms.check_attribute_order(signer)
    if signed.content is None:
        raise FormatError("timestamp-malformed", "the token holds no TSTInfo")
    return _Token(signed, signer, digest, signed.content, parse_tst_info(signed.content))


def _check_statement(info: TstInfo, message: bytes, nonce: int | None) -> None:
    """TSTInfo against what was to be stamped (RFC 3161 §2.4.2)."""
    if info.version != 1:
        raise VerificationError("timestamp-version", f"timestamp is of version {info.version}, expected 1")
    if info.critical_extensions:
        names = ", ".join(info.critical_extensions)
        raise VerificationError(
            "timestamp-extension-critical-unknown",
            f"timestamp has critical extensions that are not understood: {names}",
        )
    hash_name = oids.DIGESTS.get(info.hash_oid)
    if hash_name is None:
        raise VerificationError(
            "timestamp-hash-not-allowed", f"timestamp is over hash {info.hash_oid}, not SHA-256, SHA-384 or SHA-512"
        )
    digest = hashlib.new(hash_name, message).digest()
    if info.imprint != digest:
        raise VerificationError(
            "timestamp-imprint-mismatch",
            "timestamp is over something else than this signature",
            facts={"expected": digest.hex(), "got": info.imprint.hex()},
        )
    if nonce is not None and info.nonce != nonce:
        raise VerificationError("timestamp-nonce-mismatch", "timestamp does not repeat the nonce of the request")


def _check_authority(token: _Token, authority: CertificateAuthority) -> None:
    """All that makes the token one of ``authority``."""
    certificate = _signer_certificate(token, authority)
    cms.check_message_digest(token.signer, token.content, token.digest)
    cms.check_signature(token.signer, certificate.public_key, token.digest)
    listed = essid.signing_certificates(token.signer)
    essid.check_signer(listed, certificate)
    _check_name(token.info, certificate)
    _check_purpose(certificate)
    # Before the authority's window, which says nothing of another authority's token.
    path = _path(token, certificate, authority, essid.named(listed, (*authority.chain, *token.signed.certificates)))
    _check_times(token.info.time, certificate, authority)
    essid.check_others(listed, (certificate, *path))


def _signer_certificate(token: _Token, authority: CertificateAuthority) -> Certificate:
    """The authority's own leaf when the trust root holds one: nothing else will do, whatever the token carries.

    An authority whose chain is of CAs alone (a root given as a PEM file) takes the certificate that the token carries.
    """
    first = authority.chain[0]
    own = () if basic_constraints(first)[0] else (first,)
    certificate = cms.signer_certificate(token.signed, token.signer, extra=own)
    if own and certificate.raw != first.raw:
        raise _untrusted("timestamp was signed by another certificate than the authority's own")
    for other in token.signed.certificates:  # a twin under another name is a spoiled copy, or a bait for other readers
        if other.public_key == certificate.public_key and other.raw != certificate.raw:
            raise VerificationError(
                "timestamp-signer-ambiguous", "timestamp carries a second certificate for its signer's key"
            )
    return certificate


def _untrusted(message: str) -> VerificationError:
    return VerificationError(
        "timestamp-authority-untrusted",
        message,
        hint="use the trust root of the instance that signed (--trusted-root FILE), or gitsign.timestampCertChain",
    )


def _check_name(info: TstInfo, certificate: Certificate) -> None:
    """The tsa field, where it is there, is a name of the certificate (RFC 3161 §2.4.2)."""
    if info.tsa is None:
        return
    names = [der.context(4, certificate.subject)]
    alternatives = certificate.extension(oids.SUBJECT_ALT_NAME)
    if alternatives is not None:
        names += [name.raw for name in der.parse(alternatives.value, der.SEQUENCE).children()]
    if info.tsa not in names:
        raise VerificationError(
            "timestamp-name-mismatch", "timestamp names another authority than its certificate does"
        )


def _check_purpose(certificate: Certificate) -> None:
    """A critical extended key usage with timeStamping and nothing else (RFC 3161 §2.3), and a key that may sign."""
    extension = certificate.extension(oids.EXTENDED_KEY_USAGE)
    if extension is None or not extension.critical or extended_key_usage(certificate) != (oids.TIME_STAMPING,):
        raise VerificationError(
            "timestamp-eku-wrong", "timestamp's certificate is not, critically and solely, for time stamping"
        )
    bits = key_usage(certificate)
    if basic_constraints(certificate)[0] or (bits is not None and not (bits and bits <= _SIGNING_BITS)):
        raise VerificationError("timestamp-key-usage-wrong", "timestamp's certificate is not for signatures alone")


def _check_times(time: datetime, certificate: Certificate, authority: CertificateAuthority) -> None:
    check_times((certificate,), time)
    if not authority.valid_for.covers(time):
        raise VerificationError(
            "timestamp-outside-authority-window",
            f"timestamp of {format_rfc3339(time)} is outside the time for which the trust root lists its authority",
        )


def _path(
    token: _Token, certificate: Certificate, authority: CertificateAuthority, named: tuple[Certificate, ...]
) -> tuple[Certificate, ...]:
    """The issuers of the signer's certificate up to the authority's root, all valid at the stated time.

    The leaf that the trust root lists must lead to that root as well: a chain of one certificate proves no authority.
    Of two certificates for one issuer the one that the token names (``named``) is taken.
    """
    if certificate.serial == 0:  # RFC 5280 §4.1.2.2: positive
        raise _untrusted("timestamp's certificate has the serial number zero")
    issuers = tuple(listed for listed in authority.chain if listed.raw != certificate.raw)
    with _named("timestamp-malformed", "timestamp-authority-untrusted"):
        return check_path(
            certificate,
            issuers,
            purpose=oids.TIME_STAMPING,
            untrusted=token.signed.certificates,
            times=(token.info.time,),
            preferred=named,
        )
