"""The time-stamp authority (RFC 3161): ``POST /api/v1/timestamp`` and its chain.

Requests are read, and tokens written, by the core.
Certificates are put in when the request asks for them (certReq) and left out when not; genTime has whole seconds and an
accuracy of one. A token comes with HTTP status 201, as from Sigstore's own authority. A request that cannot be stamped
is answered with a PKIFailure of status "rejection" and HTTP status 200, as RFC 3161 §3.4 has it; a wrong media type,
and a request in JSON that cannot be stamped, are HTTP errors.
"""

import hashlib
from datetime import datetime

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.timestampbuild import TimestampRequest, parse_request
from gitsign_py.core.trust.root import CertificateAuthority, Validity
from gitsign_py.core.trust.signingconfig import ConfiguredService as Endpoint
from gitsign_py.errors import FormatError
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog.log import pem_files
from gitsign_py.localstack.fulcio.certificates import ORGANIZATION, ca_certificate, ca_name, serial_number
from gitsign_py.localstack.keyfiles import PrivateKey
from gitsign_py.localstack.keyring import ServerKey
from gitsign_py.localstack.service import JSON, Refusal, Request, Response, Route, Service, TrustPart, plain_errors
from gitsign_py.localstack.tsa import tsatoken
from gitsign_py.localstack.tsa.tsajson import parse_json_request
from gitsign_py.localstack.tsa.tsatoken import POLICY, Unit, granted, refused, unit_certificate

NAME = "tsa"
ROOT_ROLE, ROLE = "tsa-root", "tsa"
PATH = "/api/v1/timestamp"
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
MAX_QUERY = 16 * 1024
_FAILURES = {
    "timestamp-hash-not-allowed": tsatoken.BAD_ALGORITHM,
    "timestamp-extension-critical-unknown": tsatoken.UNACCEPTED_EXTENSION,
    "timestamp-malformed": tsatoken.BAD_REQUEST,
    "timestamp-policy": tsatoken.UNACCEPTED_POLICY,
}


class TimestampAuthority:
    """Holds the keys: one root, and under it one signing unit after the other."""

    def __init__(self, context: Context, *, kind: str = "ecdsa-p256") -> None:
        """Make root and unit on first start; ``kind`` is ecdsa-p256 or ecdsa-p384."""
        self.context = context
        starts = context.now(NAME)
        if not context.keyring.all(ROOT_ROLE):
            self.new_root(starts)
        if not context.keyring.all(ROLE):
            self.new_unit(starts, kind)

    def new_root(self, starts: datetime) -> ServerKey:
        """Make a root; units that are made from now on are under it."""
        return self.context.keyring.add(
            ROOT_ROLE, "ecdsa-p384", starts, certificate=lambda key: self._root(key, starts)
        )

    def new_unit(self, starts: datetime, kind: str = "ecdsa-p256") -> ServerKey:
        """Make a signing unit under the root; it stamps from now on."""
        return self.context.keyring.add(ROLE, kind, starts, certificate=lambda key: self._leaf(key, starts))

    def _root(self, private: PrivateKey, starts: datetime) -> bytes:
        serial = serial_number(self.context.random(20))
        name = ca_name(f"local TSA root {serial:x}"[:32])
        return ca_certificate(private, name, serial, starts.replace(microsecond=0), signer=None, path_length=0)

    def _leaf(self, private: PrivateKey, starts: datetime) -> bytes:
        serial = serial_number(self.context.random(20))
        name = ca_name(f"local TSA {serial:x}"[:32])
        root = self.context.keyring.current(ROOT_ROLE)
        return unit_certificate(private, name, serial, starts.replace(microsecond=0), root)

    def unit(self) -> Unit:
        """The unit that stamps now."""
        return self._with_chain(self.context.keyring.current(ROLE))

    def _with_chain(self, key: ServerKey) -> Unit:
        """The chain of a unit: to the root that it was made under."""
        issuer = parse_certificate(key.certificate).issuer
        for root in self.context.keyring.all(ROOT_ROLE):
            if parse_certificate(root.certificate).subject == issuer:
                return Unit(key, (key.certificate, root.certificate))
        raise Refusal(503, "the timestamp unit's certificate has no root")

    def timestamp(self, request: Request) -> Response:
        """``POST /api/v1/timestamp``: a DER TimeStampReq or its words in JSON in, a DER TimeStampResp out."""
        in_json = request.headers.get("content-type", "").lower().startswith(JSON)
        try:
            query = parse_json_request(request) if in_json else parse_request(request.body)
            self._check(query)
        except FormatError as error:
            if in_json:
                raise Refusal(400, error.message) from error
            failure = _FAILURES.get(error.reason, tsatoken.BAD_DATA_FORMAT)
            return Response(200, refused(failure, error.message), REPLY)
        serial = serial_number(self.context.random(20))
        return Response(201, granted(self.unit(), query, self.context.now(NAME), serial), REPLY)

    def _check(self, query: TimestampRequest) -> None:
        if len(query.imprint) != hashlib.new(query.hash_name).digest_size:
            raise FormatError("der-length", "the imprint does not have its hash's length")
        if query.policy not in (None, POLICY):
            raise FormatError("timestamp-policy", f"policy {query.policy} is not kept here, {POLICY} is")

    def chain(self, _: Request) -> Response:
        """``GET /api/v1/timestamp/certchain``: the chain of the present unit as PEM, leaf first."""
        return Response(200, _pem(self.unit()), "application/pem-certificate-chain")

    def trust(self) -> TrustPart:
        """Every unit with its window, the URL, and the present chain as ``tsa-chain.pem``."""
        keys = self.context.keyring.all(ROLE)
        url = f"{self.context.url}{PATH}"
        authorities = tuple(
            CertificateAuthority(
                ORGANIZATION,
                "local TSA",
                url,
                tuple(parse_certificate(certificate) for certificate in self._with_chain(key).chain),
                key.validity,
                "local",
            )
            for key in keys
        )
        endpoint = Endpoint(url, 1, Validity(keys[0].starts, None), "local")
        chains = [_pem(self._with_chain(key)) for key in keys]
        files = pem_files("tsa-chain", chains, "pem") | {"tsa-chain.pem": chains[-1]}  # clients take it for one chain
        return TrustPart(timestamp_authorities=authorities, tsa_urls=(endpoint,), files=files)


def service(authority: TimestampAuthority) -> Service:
    """The routes of the authority."""
    routes = (
        Route("POST", PATH, authority.timestamp, accepts=(QUERY, JSON), max_body=MAX_QUERY, lane="computing"),
        Route("GET", f"{PATH}/certchain", authority.chain),
    )
    return Service(NAME, routes, plain_errors, authority.trust)


def _pem(unit: Unit) -> bytes:
    return b"".join(pem_encode(certificate, "CERTIFICATE") for certificate in unit.chain)
