"""S/MIME signatures by the CAs of companies: told apart from Sigstore's, read, and judged by gpgsm's words.

gpgsm knows those CAs (GnuPG's trustlist.txt), the trust root does not. Its verdict is laxer than the numbered steps: no
log, no proven time. So nothing that could be Sigstore's comes to it: neither what holds an identifier of Sigstore
anywhere, in a certificate or an attribute, nor what a CA of the trust root issued.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from gitsign_py.core.frozen import frozen
from gitsign_py.core.git import armor
from gitsign_py.core.pki import ber, der, oids
from gitsign_py.core.pki.distinguished import name_text
from gitsign_py.errors import FormatError, UncheckedError, VerificationError

TYPE_CHECKING = False  # cryptography, which an audit loads in the processes that verify
if TYPE_CHECKING:
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.verification.result import ProvenTime

_MAX_PARTS = 64
_VERDICTS = ("GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG")
_TRUSTED = ("TRUST_FULLY", "TRUST_ULTIMATE")


@frozen
class SmimeSignature:
    """A signature as it was read, not verified: the signer's ``certificate`` (DER), the names in it, ``value`` the
    signature itself, and the RFC 3161 token that came with it.
    """

    certificate: bytes
    subject: str
    issuer: str
    value: bytes
    timestamp: bytes | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signer's certificate, hex."""
        return hashlib.sha256(self.certificate).hexdigest()

    @property
    def named(self) -> str:
        """The signer for people to read."""
        return self.subject or f"certificate {self.fingerprint}"


@frozen
class VerifiedSmime:
    """A signature that gpgsm found good, by a CA that it trusts. ``claimed`` is the signer's own time, which proves
    nothing; ``times`` are proven by timestamp authorities of the trust root, and mostly there are none.
    """

    signature: SmimeSignature
    claimed: datetime | None
    times: "tuple[ProvenTime, ...]" = ()
    trusted_root_digest: str = ""


def read_smime(armored: bytes, root: "TrustedRoot | None") -> SmimeSignature | None:
    """Read a signature that is for gpgsm; None for Sigstore's, and for all that is no whole signature by one signer.

    The numbered steps say what is wrong with those. Raises nothing.
    """
    try:
        data = armor.dearmor(armored)
        if oids.SIGSTORE_OCTETS in data:
            return None
        issuer, found = _signed(ber.definite(data))
    except FormatError:
        return None
    authorities = root.certificate_authorities if root is not None else ()
    return None if issuer in [one.subject for authority in authorities for one in authority.chain[:1]] else found


def _signed(data: bytes) -> tuple[bytes, SmimeSignature]:
    """The signer's issuer (DER) and the signature. RFC 5652 §5.1. Raises FormatError."""
    outer = der.inside(der.parse(data))
    if der.read_oid(outer.next()) != oids.SIGNED_DATA:
        raise FormatError("cms-not-signed-data", "CMS content is no SignedData")
    reader = der.inside(der.parse(outer.next(0xA0).content))
    outer.done()
    reader.next(der.INTEGER)
    reader.next(der.SET)
    content = der.inside(reader.next(der.SEQUENCE))
    is_detached = der.read_oid(content.next()) == oids.DATA and content.peek() is None
    certificates = reader.next(0xA0).children()
    reader.optional(0xA1)  # CRLs: gpgsm is asked to look at none
    signers = reader.next(der.SET).children()
    reader.done()
    if len(signers) != 1 or len(certificates) > _MAX_PARTS or not is_detached:
        raise FormatError("cms-not-signed-data", "signature is not detached, by one signer")
    return _by_signer(signers[0], certificates)


def _by_signer(signer: der.Element, certificates: Sequence[der.Element]) -> tuple[bytes, SmimeSignature]:
    reader = der.inside(signer)
    reader.next(der.INTEGER)
    named = der.inside(reader.next(der.SEQUENCE))
    issuer, serial = named.next(der.SEQUENCE).raw, named.next(der.INTEGER).raw
    reader.next(der.SEQUENCE)
    reader.optional(0xA0)
    reader.next(der.SEQUENCE)
    value = der.read_octet_string(reader.next())
    token = _token(reader.optional(0xA1))
    found = {one.raw: names[2] for one in certificates if (names := _names(one))[:2] == (issuer, serial)}
    if len(found) != 1:
        raise FormatError("cms-signer-not-found", "one certificate of the signer is not in the signature")
    [(certificate, subject)] = found.items()
    return issuer, SmimeSignature(certificate, name_text(subject), name_text(issuer), value, token)


def _names(certificate: der.Element) -> tuple[bytes, bytes, bytes]:
    """Issuer, serial number and subject of a certificate, each as DER (RFC 5280 §4.1)."""
    reader = der.inside(der.inside(certificate).next())
    reader.optional(0xA0)
    serial = reader.next(der.INTEGER).raw
    reader.next(der.SEQUENCE)
    issuer = reader.next(der.SEQUENCE).raw
    reader.next(der.SEQUENCE)
    return issuer, serial, reader.next(der.SEQUENCE).raw


def _token(attributes: der.Element | None) -> bytes | None:
    for attribute in () if attributes is None else attributes.children():
        reader = der.inside(attribute)
        if der.read_oid(reader.next()) == oids.TIMESTAMP_TOKEN:
            values = reader.next(der.SET).children()
            return values[0].raw if len(values) == 1 else None
    return None


def judged(signature: SmimeSignature, said: bytes, root: "TrustedRoot | None") -> VerifiedSmime:
    """Judge by what gpgsm said on its status descriptor (GnuPG's doc/DETAILS).

    Raises VerificationError ``signature-invalid``, ``key-revoked`` and what ``verify_timestamp`` raises; UncheckedError
    ``certificate-untrusted``, ``key-expired``, ``smime-unread``.
    """
    lines = [
        line.split(" ")[1:] for line in said.decode("utf-8", "replace").split("\n") if line.startswith("[GNUPG:] ")
    ]
    verdicts = [line[0] for line in lines if line[:1] and line[0] in _VERDICTS]
    verdict = verdicts[0] if len(verdicts) == 1 else ""
    if verdict == "BADSIG":
        raise VerificationError("signature-invalid", "signature does not verify, says gpgsm")
    if verdict == "REVKEYSIG":
        raise VerificationError("key-revoked", "signature is by a certificate that was revoked, says gpgsm")
    if verdict in ("EXPKEYSIG", "EXPSIG"):
        raise UncheckedError("key-expired", "certificate has expired, and nothing proves that the signature is older")
    valid = [line[1:] for line in lines if line[:1] == ["VALIDSIG"]]
    trust = [line[0] for line in lines if line[:1] and line[0].startswith("TRUST_")]
    if verdict != "GOODSIG" or len(valid) != 1 or not _is_of(signature, valid[0]):
        raise UncheckedError("smime-unread", "gpgsm gives no verdict on this signature")
    if len(trust) != 1 or trust[0] not in _TRUSTED:
        raise UncheckedError(
            "certificate-untrusted",
            f"an S/MIME certificate by a CA that gpgsm does not trust, and this trust root lacks: {signature.issuer}",
            hint="if you do, put the fingerprint of its root (gpgsm --list-keys) into trustlist.txt of GnuPG's home",
        )
    return VerifiedSmime(signature, _claimed(valid[0]), _times(signature, root), root.digest if root else "")


def _is_of(signature: SmimeSignature, valid: Sequence[str]) -> bool:
    """Gpgsm names a certificate by SHA-1, and looks it up among those that it knows: it must be the one in here."""
    digests = (hashlib.sha1(signature.certificate, usedforsecurity=False), hashlib.sha256(signature.certificate))
    return valid[:1] != [] and valid[0].lower() in [digest.hexdigest() for digest in digests]


def _claimed(valid: Sequence[str]) -> datetime | None:
    """The third field of VALIDSIG: gpgsm writes ISO 8601, as 20261130T135504, or seconds."""
    text = valid[2] if len(valid) > 2 else ""
    try:
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(int(text), UTC) if int(text) else None
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _times(signature: SmimeSignature, root: "TrustedRoot | None") -> "tuple[ProvenTime, ...]":
    """The time of a timestamp by an authority of the trust root; one by another proves nothing here."""
    if signature.timestamp is None or root is None:
        return ()
    from gitsign_py.core.sigstore.timestamp import verify_timestamp  # noqa: PLC0415 - 14 ms, for those that have one
    from gitsign_py.verification.result import ProvenTime  # noqa: PLC0415 - as above
    from gitsign_py.verification.verdict import verdict_of  # noqa: PLC0415 - as above

    try:
        stamp = verify_timestamp(signature.timestamp, message=signature.value, authorities=root.timestamp_authorities)
    except (FormatError, VerificationError) as error:
        if verdict_of(error) == "unchecked":
            return ()
        raise
    return (ProvenTime(stamp.time, "timestamp", stamp.authority.uri, stamp.accuracy),)
