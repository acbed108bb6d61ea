"""The certificate authority, as Fulcio serves it: API v1 and v2, its trust bundle and its configuration.

Requests, answers and error bodies have the shape of the real server's (``{"code", "message", "details"}``). The real
one answers every trouble with a token by the same sentence; here ``details`` also names the reason, in the form that
gRPC has for it (google.rpc.ErrorInfo).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gitsign_py.core.encoding import b64_encode, pem_encode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.trust.root import CertificateAuthority, Validity
from gitsign_py.core.trust.signingconfig import ConfiguredService as Endpoint
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog.log import CtLog
from gitsign_py.localstack.fulcio import certificates, idtoken
from gitsign_py.localstack.fulcio.certificates import CertifiedKey
from gitsign_py.localstack.fulcio.certrequest import (
    asked_key_v1,
    asked_key_v2,
    bearer,
    body_token,
    read_object,
    read_v2,
)
from gitsign_py.localstack.fulcio.claims import Identity, identify, identify_as, token_refusal
from gitsign_py.localstack.fulcio.issuerkeys import ALGORITHMS, IssuerKeys
from gitsign_py.localstack.fulcio.issuers import ForeignIssuer, find
from gitsign_py.localstack.idp.issuer import CLIENT_ID, Issuer
from gitsign_py.localstack.keyring import ServerKey
from gitsign_py.localstack.requestlog import note_identity
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, TrustPart, json_response

NAME = "fulcio"
ROOT, INTERMEDIATE = "fulcio-root", "fulcio-intermediate"
PEM_CHAIN = "application/pem-certificate-chain"
_GRPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 409: 6, 413: 11, 415: 3, 503: 14}
"""gRPC status codes (google.rpc.Code) by HTTP status: 3 INVALID_ARGUMENT, 5 NOT_FOUND, 12 UNIMPLEMENTED, ..."""
_DETACHED, _NO_SCT, _WRONG_SCT = f"{NAME}:detached-sct", f"{NAME}:no-sct", f"{NAME}:wrong-sct"
_EXPIRED = f"{NAME}:expired-certificate"


def grpc_errors(refusal: Refusal) -> Response:
    """Write a refusal as a gRPC gateway does; a reason becomes a google.rpc.ErrorInfo in ``details``."""
    details: list[dict[str, str]] = []
    if refusal.reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        details = [{"@type": kind, "reason": refusal.reason, "domain": "gitsign-py.local"}]
    code = refusal.code or _GRPC_CODES.get(refusal.status, 13)
    value = {"code": code, "message": refusal.message, "details": details}
    return json_response(value, refusal.status, refusal.headers)


class Fulcio:
    """Checks tokens, certifies keys, logs precertificates in ``ctlog``."""

    def __init__(
        self,
        context: Context,
        issuer: Issuer | None,
        ctlog: CtLog,
        foreign: Sequence[ForeignIssuer] = (),
        keys: IssuerKeys | None = None,
    ) -> None:
        """``issuer`` is the stack's own, when it has one; ``foreign`` are others, with their ``keys``."""
        self.context = context
        self._issuer = issuer
        self._foreign, self._keys = tuple(foreign), keys or IssuerKeys()
        self._ctlog = ctlog
        if not context.keyring.all(INTERMEDIATE):
            self.new_authority()

    def new_authority(self) -> ServerKey:
        """Make a root and an intermediate, valid from now; the caller closes the earlier ones (``stack rotate``)."""
        root = self._new_ca(ROOT, None, path_length=1)
        return self._new_ca(INTERMEDIATE, root, path_length=0)

    def _new_ca(self, role: str, signer: ServerKey | None, *, path_length: int) -> ServerKey:
        now = self.context.now(NAME)
        name = certificates.ca_name(role)
        serial = certificates.serial_number(self.context.random(20))
        starts = now.replace(microsecond=0)
        return self.context.keyring.add(
            role,
            "ecdsa-p384",
            now,
            certificate=lambda private: certificates.ca_certificate(
                private, name, serial, starts, signer=signer, path_length=path_length
            ),
        )

    def chain_of(self, intermediate: ServerKey) -> tuple[bytes, ...]:
        """Intermediate and root, DER."""
        child = x509.load_der_x509_certificate(intermediate.certificate)
        for root in self.context.keyring.all(ROOT):
            if _issued(child, x509.load_der_x509_certificate(root.certificate)):
                return intermediate.certificate, root.certificate
        raise Refusal(503, "the intermediate certificate has no root")

    # -- handlers -------------------------------------------------------------------------------------------------

    def sign_v2(self, request: Request) -> Response:
        """``POST /api/v2/signingCert``: a public key with a proof of possession, or a CSR; token in body or header."""
        body = read_v2(request)
        identity = self._identify(body_token(body) or bearer(request))
        key = asked_key_v2(body, identity)
        chain, detached = self._issue(identity, key)
        pems = [pem_encode(der, "CERTIFICATE").decode() for der in chain]
        if detached:
            value: dict[str, Any] = {
                "chain": {"certificates": pems},
                "signedCertificateTimestamp": b64_encode(detached),
            }
            return json_response({"signedCertificateDetachedSct": value})
        return json_response({"signedCertificateEmbeddedSct": {"chain": {"certificates": pems}}})

    def sign_v1(self, request: Request) -> Response:
        """``POST /api/v1/signingCert``: Bearer token, key as base64 DER, proof of possession; 201 and a PEM chain."""
        body = read_object(request)
        identity = self._identify(bearer(request))
        key = asked_key_v1(body, identity)
        chain, detached = self._issue(identity, key)
        headers = {"SCT": b64_encode(detached)} if detached else {}
        return Response(201, b"".join(pem_encode(der, "CERTIFICATE") for der in chain), PEM_CHAIN, headers)

    def trust_bundle(self, _: Request) -> Response:
        """``GET /api/v2/trustBundle``: every chain that certificates of this CA may end in."""
        chains = [self.chain_of(key) for key in self.context.keyring.all(INTERMEDIATE)]
        pems = [[pem_encode(der, "CERTIFICATE").decode() for der in chain] for chain in chains]
        return json_response({"chains": [{"certificates": chain} for chain in pems]})

    def root_cert(self, _: Request) -> Response:
        """``GET /api/v1/rootCert``: the chain of the current intermediate, PEM."""
        chain = self.chain_of(self.context.keyring.current(INTERMEDIATE))
        return Response(200, b"\n".join(pem_encode(der, "CERTIFICATE") for der in chain), PEM_CHAIN)

    def configuration(self, _: Request) -> Response:
        """``GET /api/v2/configuration``: whose tokens are taken and which claim the proof of possession signs."""
        own = [] if self._issuer is None else [ForeignIssuer(self.context.url, CLIENT_ID, "email")]
        return json_response({"issuers": [_issuer_json(one) for one in (*own, *self._foreign)]})

    # -- the work -------------------------------------------------------------------------------------------------

    def _identify(self, token: str) -> Identity:
        if not token:
            raise token_refusal("token-missing")
        now = self.context.now(NAME)
        stated = idtoken.stated_issuer(token)
        foreign = find(self._foreign, stated)
        if foreign is not None:
            claims = idtoken.verify_by(
                token,
                lambda name: self._keys.key(stated, name),
                ALGORITHMS,
                issuer=stated,
                audience=foreign.audience,
                now=now,
            )
            return identify_as(foreign, claims)
        if self._issuer is None:
            raise token_refusal("token-issuer-unknown")
        return identify(
            idtoken.verify(token, keys=self._issuer.keys, issuer=self.context.url, audience=CLIENT_ID, now=now)
        )

    def _issue(self, identity: Identity, key: CertifiedKey) -> tuple[tuple[bytes, ...], bytes]:
        """Chain as DER, leaf first, and the JSON of a detached SCT (empty: the SCT is embedded)."""
        note_identity(identity.value)
        issuer, setting = self.context.keyring.current(INTERMEDIATE), self.context.hook.setting
        chain = self.chain_of(issuer)
        starts = self.context.now(NAME).replace(microsecond=0)
        if setting(_EXPIRED) is not None:
            starts -= timedelta(hours=1)
        builder = self._builder(identity, key, starts, issuer)
        if setting(_DETACHED) is not None:
            leaf = certificates.leaf(builder, b"", issuer)
            return (leaf, *chain), self._ctlog.add_chain_json((leaf, *chain))
        if setting(_NO_SCT) is not None:
            return (certificates.leaf(builder, b"", issuer), *chain), b""
        logged = builder if setting(_WRONG_SCT) is None else self._builder(identity, key, starts, issuer)
        sct_list = self._ctlog.sct_list_for((certificates.precertificate(logged, issuer), *chain))
        return (certificates.leaf(builder, sct_list, issuer), *chain), b""

    def _builder(
        self, identity: Identity, key: CertifiedKey, starts: datetime, issuer: ServerKey
    ) -> x509.CertificateBuilder:
        """A certificate with a serial number of its own."""
        serial = certificates.serial_number(self.context.random(20))
        return certificates.leaf_builder(identity, key, serial, starts, issuer)

    def trust(self) -> TrustPart:
        """Each chain with the window of its intermediate, the URL, and the PEM files that other clients read."""
        keys = self.context.keyring.all(INTERMEDIATE)
        chains = [self.chain_of(key) for key in keys]
        authorities = tuple(
            CertificateAuthority(
                organization=certificates.ORGANIZATION,
                common_name=ROOT,
                uri=self.context.url,
                chain=tuple(parse_certificate(der) for der in chain),
                valid_for=key.validity,
                operator="local",
            )
            for key, chain in zip(keys, chains, strict=True)
        )
        pems = [[pem_encode(der, "CERTIFICATE") for der in chain] for chain in chains]
        files = {
            "fulcio-root.pem": b"".join(chain[-1] for chain in pems),
            "fulcio-chain.pem": b"".join(pem for chain in pems for pem in chain),
        }
        endpoint = Endpoint(self.context.url, 1, Validity(keys[0].starts, None), "local")
        return TrustPart(certificate_authorities=authorities, ca_urls=(endpoint,), files=files)


def service(fulcio: Fulcio) -> Service:
    """The routes of the CA. Like the real one it reads JSON whatever the media type says."""
    routes = (
        Route("POST", "/api/v2/signingCert", fulcio.sign_v2),
        Route("POST", "/api/v1/signingCert", fulcio.sign_v1),
        Route("GET", "/api/v2/trustBundle", fulcio.trust_bundle),
        Route("GET", "/api/v1/rootCert", fulcio.root_cert),
        Route("GET", "/api/v2/configuration", fulcio.configuration),
    )
    return Service(NAME, routes, grpc_errors, fulcio.trust)


def _issuer_json(issuer: ForeignIssuer) -> dict[str, Any]:
    return {
        ("wildcardIssuerUrl" if issuer.pattern else "issuerUrl"): issuer.url,
        "audience": issuer.audience,
        "challengeClaim": "email" if issuer.kind == "email" else "sub",
        "spiffeTrustDomain": issuer.trust_domain,
        "issuerType": issuer.kind,
        "subjectDomain": issuer.subject_domain,
        "skipEmailVerification": False,
    }


def _issued(child: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(root)
    except (InvalidSignature, ValueError, TypeError):  # other signature, other name, other kind of key
        return False
    return True
