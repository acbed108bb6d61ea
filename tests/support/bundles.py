"""Bundles made to order: a CA and CT log of the local stack, logs in memory, a timestamp authority, and no sockets.

What is made is a JSON object that a test may spoil before it is verified.
"""

import hashlib
import json
import weakref
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, Envelope, EnvelopeSignature, pae
from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.sigstore.bundle import Bundle, MessageSignature, format_bundle
from gitsign_py.core.tlog.entrytypes import LogEntry
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body, hashedrekord_v002_body
from gitsign_py.core.tlog.rekorbodies import dsse_v001_body, intoto_v002_body
from gitsign_py.core.trust.root import CertificateAuthority, TrustedRoot
from gitsign_py.core.trust.validity import Validity
from gitsign_py.localstack import clientfiles
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog.log import CtLog
from gitsign_py.localstack.directory import prepare_directory
from gitsign_py.localstack.fulcio.ca import Fulcio
from gitsign_py.localstack.fulcio.claims import identify
from gitsign_py.localstack.idp.issuer import Issuer
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.state import State
from tests.support import tsafactory
from tests.support.logs import MemoryLog, public

AT = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)
START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ISSUER, PERSON = "http://127.0.0.1:9", "alice@example.com"
ARTIFACT = b"what was signed\n"
DETAILS = "PKIX_ECDSA_P256_SHA_256"
_OLD = "application/vnd.dev.sigstore.bundle+json;version="


def statement(content: bytes = ARTIFACT, **change: Any) -> bytes:
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact", "digest": {"sha256": hashlib.sha256(content).hexdigest()}}],
        "predicateType": "https://example.com/predicate",
        "predicate": {},
        **change,
    }
    return json.dumps({name: item for name, item in value.items() if item is not None}).encode()


@dataclass(frozen=True, slots=True)
class Identity:
    """A key with its certificate, or a managed key without one."""

    private: ec.EllipticCurvePrivateKey
    certificate: Certificate | None

    @property
    def public(self) -> PublicKey:
        return public(self.private)

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))

    @property
    def pem(self) -> bytes:
        if self.certificate is None:
            return pem_encode(self.public.spki, "PUBLIC KEY")
        return pem_encode(self.certificate.raw, "CERTIFICATE")

    @property
    def der(self) -> bytes:
        return self.public.spki if self.certificate is None else self.certificate.raw


class BundleMaker:
    """A Sigstore in ``directory``; the time is ``AT`` unless a call says otherwise."""

    def __init__(self, directory: Path) -> None:
        self._now = AT - timedelta(hours=2)  # the keys' windows start here
        state = State(prepare_directory(directory))
        weakref.finalize(self, state.close)
        context = Context(ISSUER, state, Keyring(state), clock=lambda: self._now)
        self._ctlog = CtLog(context)
        self._fulcio = Fulcio(context, Issuer(context), self._ctlog)
        self.rekor, self.tiled = MemoryLog(), MemoryLog("tiled.example.com", tiled=True)
        self.tsa = tsafactory.make_authority(
            ca=tsafactory.make_ca(not_before=START), not_before=START, not_after=END + timedelta(days=365)
        )
        for log in (self.rekor, self.tiled):
            log.fill(3)

    @property
    def trusted_root(self) -> TrustedRoot:
        made = clientfiles.trusted_root([self._fulcio.trust(), self._ctlog.trust()])
        chain = tuple(parse_certificate(der) for der in self.tsa.chain_der)
        tsa = CertificateAuthority("tests", "tsa", "https://tsa.example", chain, Validity(START, END))
        return TrustedRoot(
            tlogs=(self.rekor.trusted(), self.tiled.trusted()),
            certificate_authorities=made.certificate_authorities,
            ctlogs=made.ctlogs,
            timestamp_authorities=(tsa,),
        )

    def certified(self, person: str = PERSON, *, at: datetime | None = None) -> Identity:
        self._now = at or AT - timedelta(seconds=5)
        private = ec.generate_private_key(ec.SECP256R1())
        claims: dict[str, Any] = {"email": person, "email_verified": True} if "://" not in person else {"sub": person}
        chain, _ = self._fulcio._issue(identify({"iss": ISSUER, "sub": person, **claims}), private.public_key())
        return Identity(private, parse_certificate(chain[0]))

    def managed(self) -> Identity:
        return Identity(ec.generate_private_key(ec.SECP256R1()), None)

    def stamp(self, signature: bytes, time: datetime = AT, **how: Any) -> bytes:
        token = tsafactory.make_token(self.tsa, signature, time=time, signer={"time": time}, **how)
        return tsafactory.make_response(token)

    def entry(self, body: bytes, kind: str, version: str, *, time: datetime = AT, tiled: bool = False) -> LogEntry:
        """Log a body, some fillers after it, and give the entry with its proof (and promise)."""
        log = self.tiled if tiled else self.rekor
        index = log.append(body)
        log.fill(2)
        made = log.entry(index, offset=0 if tiled else 1000, time=None if tiled else int(time.timestamp()))
        return LogEntry(
            made.log_index,
            made.log_id,
            kind,
            version,
            made.integrated_time,
            made.signed_entry_timestamp,
            made.inclusion_proof,
            made.body,
        )

    def hashedrekord(self, who: Identity, data: bytes, signature: bytes, *, tiled: bool = False) -> LogEntry:
        digest = hashlib.sha256(data).digest()
        if not tiled:
            return self.entry(hashedrekord_v001_body(digest, signature, who.pem), "hashedrekord", "0.0.1")
        kind: Any = "public-key" if who.certificate is None else "certificate"
        body = hashedrekord_v002_body(digest, signature, who.der, DETAILS, verifier_kind=kind)
        return self.entry(body, "hashedrekord", "0.0.2", tiled=True)

    def message(self, who: Identity | None = None, *, content: bytes = ARTIFACT, tiled: bool = False) -> dict[str, Any]:
        """A bundle v0.3 over ``content``: by Rekor v1 (SET), or ``tiled`` with a timestamp."""
        who = who or self.certified()
        signature = who.sign(content)
        signed = MessageSignature(signature, "sha256", hashlib.sha256(content).digest())
        entry = self.hashedrekord(who, content, signature, tiled=tiled)
        return bundle_object(who, signed, entry, (self.stamp(signature),) if tiled else ())

    def attestation(
        self, kind: str = "dsse 0.0.1", *, who: Identity | None = None, payload: bytes | None = None
    ) -> dict[str, Any]:
        """A bundle v0.3 with an in-toto statement, logged as ``kind``."""
        who = who or self.certified()
        payload = statement() if payload is None else payload
        signature = who.sign(pae(IN_TOTO_PAYLOAD_TYPE, payload))
        envelope = Envelope(payload, IN_TOTO_PAYLOAD_TYPE, (EnvelopeSignature(signature),))
        stamps = () if kind.endswith("1") or kind.startswith("intoto") else (self.stamp(signature),)
        return bundle_object(who, envelope, self._envelope_entry(kind, who, envelope), stamps)

    def _envelope_entry(self, kind: str, who: Identity, envelope: Envelope) -> LogEntry:
        signature = envelope.signatures[0].signature
        if kind == "dsse 0.0.1":
            return self.entry(dsse_v001_body(envelope, [who.pem]), "dsse", "0.0.1")
        if kind == "intoto 0.0.2":
            return self.entry(intoto_v002_body(envelope, [who.pem]), "intoto", "0.0.2")
        if kind == "dsse 0.0.2":
            return self.entry(dsse_v002_body(who, envelope), "dsse", "0.0.2", tiled=True)
        encoded = pae(envelope.payload_type, envelope.payload)
        return self.hashedrekord(who, encoded, signature, tiled=kind.endswith("2"))


def dsse_v002_body(who: Identity, envelope: Envelope) -> bytes:
    raw = {"rawBytes": b64(who.der)}
    verifier = {"keyDetails": DETAILS, "publicKey" if who.certificate is None else "x509Certificate": raw}
    spec = {
        "payloadHash": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(envelope.payload).digest())},
        "signatures": [{"content": b64(envelope.signatures[0].signature), "verifier": verifier}],
    }
    value = {"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": spec}}
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def bundle_object(
    who: Identity, content: MessageSignature | Envelope, entry: LogEntry, timestamps: tuple[bytes, ...] = ()
) -> dict[str, Any]:
    certificates = () if who.certificate is None else (who.certificate.raw,)
    hint = "hint" if who.certificate is None else None
    made: dict[str, Any] = json.loads(format_bundle(Bundle("0.3", certificates, hint, (entry,), timestamps, content)))
    return made


def as_version(bundle: dict[str, Any], version: str) -> dict[str, Any]:
    """The same bundle in an older version's form."""
    material = dict(bundle["verificationMaterial"])
    material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    return {**bundle, "mediaType": _OLD + version, "verificationMaterial": material}


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def unb64(text: str) -> bytes:
    return b64decode(text)
