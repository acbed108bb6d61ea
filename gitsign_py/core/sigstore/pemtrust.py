"""Parts of a trust root from PEM files, as the variables of cosign and gitsign name them.

A PEM file states no window of validity: what stands in it is believed for any time, within its certificates' own.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from gitsign_py.core.encoding import pem_decode
from gitsign_py.core.pki.certificate import Certificate, basic_constraints, parse_pem_chain
from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.tlog import note
from gitsign_py.core.trust.root import CertificateAuthority, TransparencyLogInstance
from gitsign_py.core.trust.validity import Validity
from gitsign_py.errors import FormatError

_DETAILS = {
    "ecdsa-p256": "PKIX_ECDSA_P256_SHA_256",
    "ecdsa-p384": "PKIX_ECDSA_P384_SHA_384",
    "ecdsa-p521": "PKIX_ECDSA_P521_SHA_512",
    "ed25519": "PKIX_ED25519",
    "rsa": "PKIX_RSA_PKCS1V15_2048_SHA256",
}


def authorities_from_pem(text: bytes, uri: str = "") -> tuple[CertificateAuthority, ...]:
    """Read CAs: each self-signed certificate of the file is a root, the others stand below any of them.

    Raises FormatError ``pem-invalid``, ``certificate-...`` or ``pem-no-root``.
    """
    certificates = parse_pem_chain(text)
    return _authorities((), [one for one in certificates if not _is_root(one)], certificates, uri)


def timestamp_authorities_from_pem(text: bytes, uri: str = "") -> tuple[CertificateAuthority, ...]:
    """Read timestamp authorities: one for each leaf and root of the file; without a leaf the token must carry it.

    Raises as ``authorities_from_pem``.
    """
    certificates = parse_pem_chain(text)
    leaves = [one for one in certificates if not basic_constraints(one)[0]]
    between = [one for one in certificates if one not in leaves and not _is_root(one)]
    heads: list[tuple[Certificate, ...]] = [(leaf,) for leaf in leaves]
    return tuple(made for head in heads or [()] for made in _authorities(head, between, certificates, uri))


def _authorities(
    head: Sequence[Certificate], between: Sequence[Certificate], certificates: Sequence[Certificate], uri: str
) -> tuple[CertificateAuthority, ...]:
    roots = [one for one in certificates if _is_root(one)]
    if not roots:
        raise FormatError("pem-no-root", "PEM file has no self-signed root certificate")
    return tuple(CertificateAuthority("", "", uri, (*head, *between, root), Validity()) for root in roots)


def _is_root(certificate: Certificate) -> bool:
    return certificate.subject == certificate.issuer and basic_constraints(certificate)[0]


def logs_from_pem(text: bytes, base_url: str = "") -> tuple[TransparencyLogInstance, ...]:
    """Read the keys of logs. The log id is SHA-256 of the key (RFC 6962 §3.2).

    An Ed25519 log of Rekor v2 is named by its origin as well (C2SP signed-note): the host of ``base_url``.
    Raises FormatError ``pem-invalid`` or ``key-...``.
    """
    return tuple(_log(load_spki(der), base_url) for der in pem_decode(text, "PUBLIC KEY"))


def _log(key: PublicKey, base_url: str) -> TransparencyLogInstance:
    host = urlsplit(base_url).hostname or ""
    by_origin = key.kind == "ed25519" and host
    return TransparencyLogInstance(
        base_url=base_url,
        hash_algorithm="SHA2_256",
        public_key=key,
        key_details=_DETAILS[key.kind],
        valid_for=Validity(),
        log_id=note.key_id(host, key) if by_origin else key.key_id,
    )
