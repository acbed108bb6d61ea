"""Sign one payload: ephemeral key, certificate, CMS signature and log entry, all checked before the caller has them.

``sign_payload`` makes the signature that git stores, ``attest`` a signed in-toto statement. The services are ports:
``gitsign_py.clients`` has them over HTTP, and a program may bring its own.
"""

from gitsign_py.core.exports import exported

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from gitsign_py.core.dsse import envelope_json
    from gitsign_py.core.git.gitobject import join_commit, join_tag
    from gitsign_py.core.sigstore.token import IdentityToken
    from gitsign_py.ports import (
        CertificateAuthority,
        Clock,
        IssuedCertificate,
        TimestampAuthority,
        TokenSource,
        TransparencyLog,
    )
    from gitsign_py.signing.attestation import Attestation, attest, git_artifact, statement_about
    from gitsign_py.signing.credential import Credential, CredentialRequest, obtain_credential
    from gitsign_py.signing.flow import (
        Mode,
        SigningOptions,
        SigningResult,
        SigningServices,
        sign_payload,
        sign_with,
    )
    from gitsign_py.signing.objectname import object_name
else:
    __getattr__ = exported(
        __name__,
        {
            "Attestation": "signing.attestation",
            "CertificateAuthority": "ports",
            "Clock": "ports",
            "Credential": "signing.credential",
            "CredentialRequest": "signing.credential",
            "IdentityToken": "core.sigstore.token",
            "IssuedCertificate": "ports",
            "Mode": "signing.flow",
            "SigningOptions": "signing.flow",
            "SigningResult": "signing.flow",
            "SigningServices": "signing.flow",
            "TimestampAuthority": "ports",
            "TokenSource": "ports",
            "TransparencyLog": "ports",
            "attest": "signing.attestation",
            "envelope_json": "core.dsse",
            "git_artifact": "signing.attestation",
            "join_commit": "core.git.gitobject",
            "join_tag": "core.git.gitobject",
            "object_name": "signing.objectname",
            "obtain_credential": "signing.credential",
            "sign_payload": "signing.flow",
            "sign_with": "signing.flow",
            "statement_about": "signing.attestation",
        },
    )

__all__ = [
    "Attestation",
    "CertificateAuthority",
    "Clock",
    "Credential",
    "CredentialRequest",
    "IdentityToken",
    "IssuedCertificate",
    "Mode",
    "SigningOptions",
    "SigningResult",
    "SigningServices",
    "TimestampAuthority",
    "TokenSource",
    "TransparencyLog",
    "attest",
    "envelope_json",
    "git_artifact",
    "join_commit",
    "join_tag",
    "object_name",
    "obtain_credential",
    "sign_payload",
    "sign_with",
    "statement_about",
]
