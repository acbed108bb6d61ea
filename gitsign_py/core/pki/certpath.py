"""Certification paths at given times (RFC 5280 §6.1), as far as Sigstore uses them.

A path runs from a leaf over intermediates to a certificate that the trust root holds. Names are compared byte by
byte; keyUsage, basicConstraints, path length, validity and unknown critical extensions are checked for each issuer.

The search starts at the trust root and goes down, so no key is used before a CA of the trust root has vouched for it:
a stranger's certificates cost one comparison with each CA, however they name or sign each other.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from gitsign_py.core.digests import sha256
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import oids
from gitsign_py.core.pki.certificate import (
    Certificate,
    basic_constraints,
    extended_key_usage,
    key_identifiers,
    key_usage,
)
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

MAX_PATH = 8
_MOST_EXPLAINED = 32  # signatures that are looked at to say why there is no path; what hostile input costs at most
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
_POLICY_LIMITS = (oids.POLICY_CONSTRAINTS, oids.INHIBIT_ANY_POLICY)


@frozen
class _Reached:
    """A CA that the anchor vouches for: ``path`` from it to the anchor, ``room`` for so many CAs below it."""

    path: tuple[Certificate, ...]
    room: int


@frozen
class _Terms:
    """The demands on each CA of a path; ``listed`` are the certificates that the trust root itself holds."""

    purpose: str
    times: tuple[datetime, ...]
    listed: frozenset[bytes]


def check_path(
    leaf: Certificate,
    chain: Sequence[Certificate],
    *,
    purpose: str,
    untrusted: Iterable[Certificate] = (),
    times: Iterable[datetime] = (),
    preferred: Iterable[Certificate] = (),
) -> tuple[Certificate, ...]:
    """Find a path from ``leaf`` to the last of ``chain`` (an authority of the trust root).

    ``untrusted`` are certificates that came with the signature: they may stand between, never end the path.
    ``purpose`` is the extended key usage asked for. Every issuer is valid at each of ``times``; the leaf's own
    validity is the caller's. Of several paths the one with ``preferred`` certificates is taken where they are as good.
    Gives the issuers, the leaf's own first, the anchor last.
    Raises VerificationError: ``certificate-untrusted`` when no path leads there, or the reason that broke the nearest.
    """
    check_critical_extensions(leaf)
    _check_limits(leaf)
    if not chain:
        raise VerificationError("certificate-untrusted", "trust root holds an authority without certificates")
    if leaf.raw == chain[-1].raw:
        return ()
    candidates = {one.raw: one for one in (*preferred, *chain, *untrusted) if one.raw not in (leaf.raw, chain[-1].raw)}
    terms = _Terms(purpose, tuple(times), frozenset(one.raw for one in chain))
    return _search(leaf, chain, list(candidates.values()), terms)


def _search(
    leaf: Certificate, chain: Sequence[Certificate], waiting: list[Certificate], terms: _Terms
) -> tuple[Certificate, ...]:
    """Go down from the anchor, the CA with the most room first: each certificate is entered once, where it is best.

    Room only shrinks on the way down, so the first CA that vouches for a certificate leaves it the most.
    """
    entered: list[_Reached] = []
    refused: list[tuple[Certificate, VerificationError]] = []
    found: list[Certificate] = [chain[-1]]
    above: tuple[Certificate, ...] = ()
    room = MAX_PATH - 2
    while True:
        for certificate in found:
            try:
                entered.append(_enter(certificate, above, room, terms))
            except VerificationError as error:
                refused.append((certificate, error))
        if not entered:
            raise _nearest(leaf, chain, waiting, refused)
        best = max(entered, key=_room_of)
        entered.remove(best)
        above, room = best.path, best.room - 1
        if _issued(leaf, best.path[0]):
            return best.path
        found = [one for one in waiting if _issued(one, best.path[0])]
        waiting = [one for one in waiting if one not in found] if found else waiting


def _room_of(reached: _Reached) -> int:
    return reached.room


def _enter(certificate: Certificate, above: tuple[Certificate, ...], room: int, terms: _Terms) -> _Reached:
    """A CA that was issued by the first of ``above``, checked; ``room`` is what that one leaves it."""
    most = _check_ca(certificate, purpose=terms.purpose)
    for time in terms.times:
        check_times((certificate,), time)
    if room < 0:
        raise VerificationError(
            "certificate-path-too-long",
            "a CA stands below another one whose path length does not allow it",
            facts={"certificate": certificate.fingerprint, "issuer": above[0].fingerprint},
        )
    if certificate.raw not in terms.listed:
        _check_sent(certificate)
    return _Reached((certificate, *above), room if most is None else min(room, most))


def _nearest(
    leaf: Certificate,
    chain: Sequence[Certificate],
    waiting: list[Certificate],
    refused: list[tuple[Certificate, VerificationError]],
) -> VerificationError:
    """Say why there is no path: what was wrong with a CA that does lead to the leaf, or a signature that is wrong."""
    left = _MOST_EXPLAINED
    listed = {one.raw for one in chain}
    for issuer, error in refused:  # grows while it runs
        if issuer == leaf:
            return error
        if error.reason == "certificate-issuer-not-ca" and issuer.raw not in listed:
            continue  # somebody's own certificate is no intermediate: what it signs is a stranger's
        for child in (leaf, *waiting):
            if left and _claims(child, issuer):
                left -= 1
                if _signed_by(child, issuer):
                    refused.append((child, error))
        waiting = [one for one in waiting if all(one is not known for known, _ in refused)]
    for one in _claimed_line(leaf, waiting):
        issuers = [issuer for issuer in chain if _claims(one, issuer)]
        if issuers and not _stands_alone(one):
            return _not_its_issuers(one, issuers)
    return VerificationError(
        "certificate-untrusted",
        "certificate is by a CA that this trust root lacks",
        facts={"certificate": leaf.fingerprint, "authority": _named_issuer(leaf)},
        hint="use the trust root of the instance that signed (--trusted-root FILE, gitsign-py initialize; for a local "
        'Sigstore eval "$(gitsign-py stack env)")',
    )


def _not_its_issuers(certificate: Certificate, issuers: Sequence[Certificate]) -> VerificationError:
    """What is wrong with a signature that CAs of this name did not make, or made by what is not looked at."""
    algorithm = certificate.signature_algorithm
    message = "certificate's signature is not its issuer's"
    if not any(_may_sign(issuer, algorithm) for issuer in issuers):
        message = f"certificate is signed by an algorithm that is not taken from its issuer ({algorithm})"
    facts = {"certificate": certificate.fingerprint, "algorithm": algorithm}
    return VerificationError("certificate-signature-invalid", message, facts=facts)


def _named_issuer(leaf: Certificate) -> str:
    """Tell CAs apart by what their leaves say of them: the name, and the id of the key."""
    try:
        key_id = key_identifiers(leaf)[1] or b""
    except FormatError:
        key_id = b""
    return sha256(leaf.issuer + key_id).hexdigest()


def _claimed_line(leaf: Certificate, waiting: Sequence[Certificate]) -> list[Certificate]:
    """The leaf and what it claims to descend from, by names alone."""
    line = [leaf]
    for child in line:  # grows while it runs
        line += [one for one in waiting if _claims(child, one) and one not in line]
    return line


def _stands_alone(certificate: Certificate) -> bool:
    """Whether it is signed by itself: a CA's new root bears the old one's name, and need not say by which key it is."""
    return certificate.issuer == certificate.subject and _signed_by(certificate, certificate)


def _issued(child: Certificate, issuer: Certificate) -> bool:
    return _claims(child, issuer) and _signed_by(child, issuer)


def _claims(child: Certificate, issuer: Certificate) -> bool:
    """Whether the child names this issuer, and its key where both key identifiers are there (RFC 5280 §4.2.1.1)."""
    if child.issuer != issuer.subject:
        return False
    (_, wanted), (found, _) = key_identifiers(child), key_identifiers(issuer)
    return wanted is None or found is None or wanted == found


@lru_cache(maxsize=64)
def _check_ca(issuer: Certificate, *, purpose: str) -> int | None:
    """The checks that do not depend on the path; passing is remembered, since an audit meets a few CAs thousands of
    times.

    Gives the path length.
    """
    check_critical_extensions(issuer)
    is_ca, path_length = basic_constraints(issuer)
    usage = key_usage(issuer)
    if not is_ca:
        raise VerificationError("certificate-issuer-not-ca", "certificate was issued by a certificate that is no CA")
    if usage is None or _KEY_CERT_SIGN not in usage:
        raise VerificationError("certificate-issuer-key-usage", "certificate's issuer may not sign certificates")
    _check_limits(issuer)
    purposes = extended_key_usage(issuer)
    if purposes is not None and purpose not in purposes and oids.ANY_EXTENDED_KEY_USAGE not in purposes:
        raise VerificationError("certificate-issuer-purpose", "certificate's issuer is a CA for another purpose")
    constraints = issuer.extension(oids.BASIC_CONSTRAINTS)
    if constraints is None or not constraints.critical:  # RFC 5280 §4.2.1.9
        raise VerificationError(
            "certificate-constraints-not-critical", "a CA of the path does not mark its basicConstraints as critical"
        )
    return path_length


def _check_limits(certificate: Certificate) -> None:
    """Refuse limits that are not evaluated here, critical or not: a CA may have forgotten the flag (§4.2.1.10, .11)."""
    if certificate.extension(oids.NAME_CONSTRAINTS) is not None:
        raise VerificationError(
            "certificate-name-constraints", "a certificate of the path has name constraints, which are not evaluated"
        )
    for oid in _POLICY_LIMITS:
        if certificate.extension(oid) is not None:
            raise VerificationError(
                "certificate-policy-constraints",
                f"a certificate of the path limits certificate policies ({oid}), which are not evaluated",
            )


def _check_sent(issuer: Certificate) -> None:
    """The contents that a CA's certificate must have (RFC 5280 §4.1.2.2, §4.2.1.1, §4.2.1.2), asked of those that were
    sent along.

    Serial number and key identifiers serve to find a certificate. Those that the trust root lists are found already,
    and their owner chose them (docs/refused.md).
    """
    if issuer.serial == 0:
        raise VerificationError("certificate-serial", "a CA that came with the signature has the serial number zero")
    if None in key_identifiers(issuer):
        raise VerificationError(
            "certificate-key-identifier",
            "a CA that came with the signature lacks the key identifier of its own or of its issuer's key",
        )


@lru_cache(maxsize=512)
def _signed_by(child: Certificate, issuer: Certificate) -> bool:
    """Remembered, since an audit meets the same CA certificates thousands of times; the key is the bytes of both."""
    algorithm = child.signature_algorithm
    if not _may_sign(issuer, algorithm):
        return False
    try:
        issuer.public_key.verify(child.signature, child.tbs, _SIGNATURE_HASHES[algorithm])
    except InvalidSignatureError:
        return False
    return True


def _may_sign(issuer: Certificate, algorithm: str) -> bool:
    """Whether signatures by this algorithm are looked at: neither RSASSA-PSS nor SHA-1, and by the key's own kind."""
    return algorithm in _KEY_KINDS.get(issuer.public_key.kind.partition("-")[0], _RSA_ALGORITHMS)


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
    return not_before - time <= accuracy and time.replace(microsecond=0) <= not_after
