"""The right to sign for ten minutes: a key that exists in memory alone, and a certificate that says whose it is.

Nothing is signed before the certificate has been checked as strictly as a verifier would: it is over our key, from a
CA of the trust root, logged, of the right profile, and it names the identity and the issuer that the token names.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.keys import Ecdsa
from gitsign_py.core.sigstore.mapping import (
    IssuerConfiguration,
    certificate_identities,
    is_plain,
    kind_for,
    may_identify,
    may_vouch,
)
from gitsign_py.core.sigstore.token import UnverifiedClaims, check_claims, parse_unverified
from gitsign_py.errors import FormatError, PolicyError, ServiceError, VerificationError
from gitsign_py.ports import CertificateAuthority, IssuedCertificate, Sign, TokenSource
from gitsign_py.signing.wanted import WantedSigner, check_possible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.core.pki.fulcio import CertificateIdentity
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.verification.renewal import Renew


@frozen
class Credential:
    """A checked certificate and the means to sign with its key; the key itself is out of reach.

    ``sign`` takes a message and gives the DER ECDSA signature over its SHA-256.
    """

    certificate: Certificate
    identity: "CertificateIdentity"
    sign: Sign = field(repr=False)

    def usable(self, at: datetime) -> bool:
        """Tell whether the certificate covers this time (for keeping a credential between signatures)."""
        return self.certificate.not_before <= at <= self.certificate.not_after


@frozen
class CredentialRequest:
    """The identity of the wanted certificate, and what it is checked against.

    ``audience`` is the client id that tokens are for; ``issuer`` the one that the token must be of, when one is set;
    ``committer`` the names and addresses of which the identity must be one (gitsign.matchCommitter), empty for any.
    ``require_sct`` is off for a private CA without a CT log. ``renew`` may give a newer trust root. ``wanted`` is the
    signer that git was told. ``agree`` hears of the identity (and its kind) that is about to become public, where the
    CA makes another one of the token than the token alone says; it may raise.
    """

    trusted_root: "TrustedRoot"
    audience: str = "sigstore"
    issuer: str | None = None
    committer: tuple[str, ...] = ()
    require_sct: bool = True
    renew: "Renew | None" = None
    wanted: WantedSigner = WantedSigner()
    agree: Callable[[str, str], None] | None = None


def new_key() -> tuple[bytes, Sign]:
    """Make an ephemeral P-256 key. Gives its DER SubjectPublicKeyInfo and the function that signs with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")  # SEC 1 §2.3.3, uncompressed
    algorithm = der.sequence(der.oid(oids.EC_PUBLIC_KEY), der.oid(oids.CURVE_P256))  # RFC 5480 §2

    def sign(message: bytes) -> bytes:
        return key.sign(message, Ecdsa(hashes.SHA256()))

    return der.sequence(algorithm, der.bit_string(point)), sign


def obtain_credential(
    request: CredentialRequest, *, tokens: TokenSource, authority: CertificateAuthority, now: datetime
) -> Credential:
    """Get a token, make a key, have it certified, check the certificate.

    ``now`` (aware) is compared with the token's times. Raises VerificationError ``token-...``, PolicyError
    ``committer-mismatch``, FormatError, ConfigError, or ServiceError, ``certificate-unusable`` among others.
    """
    token = tokens.token()
    claims = parse_unverified(token.raw)
    check_claims(claims, now=now, audience=request.audience, issuer=request.issuer)
    unclear = not is_plain(claims) or not request.wanted.may_be(claims)
    _check_prospect(request, claims, authority.configuration_of(claims.issuer, ask=unclear))
    spki, sign = new_key()
    issued = authority.issue(
        token=token, public_key_spki=spki, sign=sign, agree=lambda found: _check_prospect(request, claims, found)
    )
    certificate, identity = _checked(issued, spki, request)
    _check_same_person(identity, certificate, claims, authority)
    request.wanted.require(identity.value, identity.issuer)
    return Credential(certificate, identity, sign)


def _check_prospect(
    request: CredentialRequest, claims: UnverifiedClaims, configuration: IssuerConfiguration | None
) -> None:
    """Refuse here whatever is to be refused: a certificate that is issued stands in a public log for good."""
    names = certificate_identities(claims, configuration)
    check_possible(request.wanted, claims, configuration)
    _check_committer(names, request.committer)
    if request.agree is not None and names[-1] != certificate_identities(claims)[-1]:
        request.agree(names[-1], kind_for(claims, configuration))


def _check_committer(identities: tuple[str, ...], committer: tuple[str, ...]) -> None:
    if committer and not set(identities) & set(committer):
        raise PolicyError(
            "committer-mismatch",
            f"you are signed in as {identities[0]}, the committer is {', '.join(committer)}",
            hint="sign in as the committer, set user.email, or turn gitsign.matchCommitter off",
            facts={"identity": identities[0], "committer": ", ".join(committer)},
        )


def _checked(
    issued: IssuedCertificate, spki: bytes, request: CredentialRequest
) -> "tuple[Certificate, CertificateIdentity]":
    from gitsign_py.verification.renewal import checked  # noqa: PLC0415 - as the next
    from gitsign_py.verification.signer import check_signer  # noqa: PLC0415 - may be loaded while Fulcio answers
    from gitsign_py.verification.steps import Report  # noqa: PLC0415 - likewise

    with _unusable():
        if not issued.chain:
            raise FormatError("certificate-missing", "there is none in the answer")
        certificate = parse_certificate(issued.chain[0])
        untrusted = tuple(parse_certificate(one) for one in issued.chain[1:])
        if certificate.public_key.spki != spki:
            raise VerificationError("certificate-other-key", "it is over another key than the one we sent")
        if issued.detached_sct is not None and request.require_sct:
            raise VerificationError(
                "certificate-sct-detached",
                "its certificate timestamp (SCT) came beside it, and a Git signature has no place for that",
                hint="let the CA embed SCTs (Fulcio does when it has a CT log and a CA key of its own)",
            )
        signer = checked(
            request.trusted_root,
            request.renew,
            lambda root: check_signer(Report(), certificate, untrusted, root, require_sct=request.require_sct),
        )
    return certificate, signer.identity


@contextmanager
def _unusable() -> Iterator[None]:
    try:
        yield
    except (FormatError, VerificationError) as error:
        raise ServiceError(
            "certificate-unusable",
            f"the certificate from Fulcio cannot be used: {error.message}",
            hint=error.hint or "check that gitsign.fulcio and the trust root belong to the same instance",
            facts={"cause": error.reason, **error.facts},
        ) from error


def _check_same_person(
    identity: "CertificateIdentity", certificate: Certificate, claims: UnverifiedClaims, authority: CertificateAuthority
) -> None:
    """The certificate names whom the token names: a CA's slip must not make us sign as somebody else.

    The CA is asked how it maps tokens where the token alone does not explain the names.
    """
    value, kind, subject = identity.value, identity.san_type, identity.claims.get("token_subject")
    configuration = None
    if not (may_vouch(claims, identity.issuer) and may_identify(claims, value, kind, subject)):
        configuration = authority.configuration_of(claims.issuer)
    with _unusable():
        if not may_vouch(claims, identity.issuer, configuration):
            raise VerificationError(
                "certificate-other-issuer",
                f"it names the issuer {identity.issuer}, the token is from {claims.issuer}",
                facts={"expected": claims.issuer, "got": identity.issuer, "certificate": certificate.fingerprint},
            )
        if not may_identify(claims, value, kind, subject, configuration):
            names = certificate_identities(claims)
            raise VerificationError(
                "certificate-other-identity",
                f"it names {identity.value}, the token is for {names[0]}",
                facts={"expected": names[0], "got": identity.value, "certificate": certificate.fingerprint},
            )


def check_usable(credential: Credential, now: datetime) -> None:
    """Refuse to sign with a certificate that is over: the log's time would prove the signature worthless.

    Raises VerificationError ``credential-expired``.
    """
    if now > credential.certificate.not_after:
        end = format_rfc3339(credential.certificate.not_after)
        raise VerificationError(
            "credential-expired",
            f"the signing certificate was valid to {end}, it is now {format_rfc3339(now.replace(microsecond=0))}",
            hint="get a new one; if it is new, set this machine's clock",
            facts={"not_after": end},
        )
