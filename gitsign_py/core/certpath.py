"""Certification paths at a given time (RFC 5280 §6.1), as far as Sigstore uses them.

A path runs from a leaf over intermediates to a certificate that the trust root holds. Names are compared byte by
byte; keyUsage, basicConstraints, path length, validity and unknown critical extensions are checked for each issuer.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from gitsign_py.core import oids
from gitsign_py.core.certificate import (
    Certificate,
    basic_constraints,
    extended_key_usage,
    key_identifiers,
    key_usage,
)
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.errors import InvalidSignatureError, VerificationError

MAX_PATH = 8
_KEY_CERT_SIGN = 5
_SIGNATURE_HASHES = {
    oids.ECDSA_SHA256: "sha256",
    oids.ECDSA_SHA384: "sha384",
    oids.ECDSA_SHA512: "sha512",
    oids.RSA_SHA256: "sha256",
    oids.RSA_SHA384: "sha384",
    oids.RSA_SHA512: "sha512",
    oids.ED25519: "sha512",
}
_KEY_KINDS = {"ecdsa": (oids.ECDSA_SHA256, oids.ECDSA_SHA384, oids.ECDSA_SHA512), "ed25519": (oids.ED25519,)}
_RSA_ALGORITHMS = (oids.RSA_SHA256, oids.RSA_SHA384, oids.RSA_SHA512)
_KNOWN_EXTENSIONS = frozenset(
    {oids.KEY_USAGE, oids.BASIC_CONSTRAINTS, oids.EXTENDED_KEY_USAGE, oids.SUBJECT_ALT_NAME, oids.SCT_LIST}
)


def check_path(
    leaf: Certificate,
    chain: Sequence[Certificate],
    *,
    purpose: str,
    untrusted: Iterable[Certificate] = (),
) -> tuple[Certificate, ...]:
    """Find a path from ``leaf`` to the last of ``chain`` (an authority of the trust root), times aside.

    ``untrusted`` are certificates that came with the signature: they may stand between, never end the path.
    ``purpose`` is the extended key usage asked for. Gives the issuers, the leaf's own first, the anchor last.
    Raises VerificationError: ``certificate-untrusted`` when no path leads there, or the reason that broke the nearest.
    """
    check_critical_extensions(leaf)
    if not chain:
        raise VerificationError("certificate-untrusted", "trust root holds an authority without certificates")
    anchor, failure = chain[-1], None
    trusted = {certificate.raw for certificate in chain}
    candidates = (*chain, *(extra for extra in untrusted if extra.raw not in trusted))
    stack: list[tuple[Certificate, ...]] = [(leaf,)]
    while stack:
        path = stack.pop()
        if path[-1].raw == anchor.raw:
            return path[1:]
        for issuer in candidates if len(path) < MAX_PATH else ():
            if issuer.subject != path[-1].issuer or issuer in path or not _ids_match(path[-1], issuer):
                continue
            try:
                _check_issuer(path[-1], issuer, purpose=purpose, below=len(path) - 1)
            except VerificationError as error:
                if issuer.raw in trusted:  # what an unknown certificate lacks is of no interest: it is unknown
                    failure = failure or error
            else:
                stack.append((*path, issuer))
    raise failure or VerificationError(
        "certificate-untrusted",
        "certificate was not issued by a CA of the trust root",
        facts={"certificate": leaf.fingerprint},
        hint="use the trust root of the instance that signed (--trusted-root FILE, gitsign-py initialize)",
    )


def _ids_match(child: Certificate, issuer: Certificate) -> bool:
    """Match authorityKeyIdentifier against subjectKeyIdentifier where both are there (RFC 5280 §4.2.1.1)."""
    (_, wanted), (found, _) = key_identifiers(child), key_identifiers(issuer)
    return wanted is None or found is None or wanted == found


def _check_issuer(child: Certificate, issuer: Certificate, *, purpose: str, below: int) -> None:
    """Check one step of the path: ``issuer`` may issue, and did issue, ``child``; ``below`` CAs stand between."""
    _check_ca(issuer, purpose=purpose, below=below)
    if not _signed_by(child, issuer):
        raise VerificationError("certificate-signature-invalid", "certificate's signature is not its issuer's")


@lru_cache(maxsize=64)
def _check_ca(issuer: Certificate, *, purpose: str, below: int) -> None:
    """What does not depend on the child; passing is remembered, since an audit meets a few CAs thousands of times."""
    check_critical_extensions(issuer)
    is_ca, path_length = basic_constraints(issuer)
    usage = key_usage(issuer)
    if not is_ca:
        raise VerificationError("certificate-issuer-not-ca", "certificate was issued by a certificate that is no CA")
    if usage is None or _KEY_CERT_SIGN not in usage:
        raise VerificationError("certificate-issuer-key-usage", "certificate's issuer may not sign certificates")
    if path_length is not None and below > path_length:
        raise VerificationError(
            "certificate-path-too-long", f"CA allows {path_length} CAs below it, the path has {below}"
        )
    if issuer.extension(oids.NAME_CONSTRAINTS) is not None:  # critical by §4.2.1.10, but a CA may have forgotten that
        raise VerificationError(
            "certificate-name-constraints", "certificate's issuer has name constraints, which are not evaluated here"
        )
    purposes = extended_key_usage(issuer)
    if purposes is not None and purpose not in purposes and oids.ANY_EXTENDED_KEY_USAGE not in purposes:
        raise VerificationError("certificate-issuer-purpose", "certificate's issuer is a CA for another purpose")


@lru_cache(maxsize=512)
def _signed_by(child: Certificate, issuer: Certificate) -> bool:
    """Remembered, since an audit meets the same CA certificates thousands of times; the key is the bytes of both."""
    algorithm = child.signature_algorithm
    allowed = _KEY_KINDS.get(issuer.public_key.kind.partition("-")[0], _RSA_ALGORITHMS)
    if algorithm not in allowed:
        return False
    try:
        issuer.public_key.verify(child.signature, child.tbs, _SIGNATURE_HASHES[algorithm])
    except InvalidSignatureError:
        return False
    return True


def check_critical_extensions(certificate: Certificate) -> None:
    """Refuse a critical extension that nobody here understands (RFC 5280 §4.2)."""
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _KNOWN_EXTENSIONS:
            raise VerificationError(
                "certificate-extension-critical",
                f"certificate has the critical extension {extension.oid} that is not understood",
            )


def check_times(certificates: Iterable[Certificate], time: datetime) -> None:
    """Check that every certificate is valid at ``time``, ends inclusive (RFC 5280 §4.1.2.5).

    Raises VerificationError ``certificate-expired`` or ``certificate-not-yet-valid``.
    """
    for certificate in certificates:
        # The fields hold whole seconds, and the last second belongs to the validity in full.
        if time.replace(microsecond=0) > certificate.not_after:
            raise VerificationError(
                "certificate-expired",
                f"certificate had expired at the proven time: valid to {format_rfc3339(certificate.not_after)}, "
                f"time {format_rfc3339(time)}",
            )
        if time < certificate.not_before:
            raise VerificationError(
                "certificate-not-yet-valid",
                "certificate was not yet valid at the proven time: valid from "
                f"{format_rfc3339(certificate.not_before)}, time {format_rfc3339(time)}",
            )


def covers_with_accuracy(time: datetime, accuracy: timedelta, not_before: datetime, not_after: datetime) -> bool:
    """Say whether a time that is known to ``accuracy`` may lie in a certificate's validity.

    It may precede ``not_before`` by at most the accuracy: authorities cut genTime to their resolution, so a signature
    made in the very second of its certificate can be stamped before it (RFC 3161 §2.4.2: the true time lies within
    genTime plus or minus accuracy). The end has no such grace, since a key that outlives its certificate is what the
    end guards against; it is inclusive, in whole seconds (RFC 5280 §4.1.2.5).
    """
    return not_before - accuracy <= time and time.replace(microsecond=0) <= not_after
