"""Real signatures by the thousand, without sockets: the local CA and CT log called directly, a log in memory.

A certificate serves its person for as long as it is valid, as with the agent; ``fresh`` takes one for each signature.
"""

import hashlib
import weakref
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.git.armor import armor
from gitsign_py.core.pki import cmsbuild
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.cms import Attribute
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry, hashedrekord_v001_body
from gitsign_py.core.trust.root import TrustedRoot, format_trusted_root, parse_trusted_root
from gitsign_py.localstack import clientfiles
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog.log import CtLog
from gitsign_py.localstack.directory import prepare_directory
from gitsign_py.localstack.fulcio.ca import Fulcio
from gitsign_py.localstack.fulcio.claims import identify
from gitsign_py.localstack.idp.issuer import Issuer
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.state import State
from tests.support.history import ISSUER, START
from tests.support.logs import MemoryLog

LIFE = timedelta(minutes=9)


class BulkSigner:
    """A Sigstore of its own in ``directory``; ``sign`` is a Signer for the history language."""

    def __init__(self, directory: Path, *, fresh: bool = False, online: bool = False) -> None:
        self._now = START - timedelta(days=365)
        self._fresh, self._online = fresh, online
        state = State(prepare_directory(directory))
        weakref.finalize(self, state.close)
        context = Context(ISSUER, state, Keyring(state), clock=lambda: self._now)
        self._ctlog = CtLog(context)
        self._fulcio = Fulcio(context, Issuer(context), self._ctlog)
        self.log = MemoryLog()
        self.entries: dict[str, LogEntry] = {}
        self._held: dict[str, tuple[ec.EllipticCurvePrivateKey, Certificate]] = {}

    @property
    def trusted_root(self) -> TrustedRoot:
        """The trust root, as clients read it."""
        return parse_trusted_root(self.trusted_root_json)

    @property
    def trusted_root_json(self) -> bytes:
        """The same as JSON."""
        made = clientfiles.trusted_root([self._fulcio.trust(), self._ctlog.trust()])
        return format_trusted_root(
            TrustedRoot(
                tlogs=(self.log.trusted(start=None, end=None),),
                certificate_authorities=made.certificate_authorities,
                ctlogs=made.ctlogs,
                timestamp_authorities=(),
            )
        )

    def sign(self, person: str, payload: bytes, at: datetime) -> bytes:
        """Give the armored signature by ``person`` (an address, a URI, or after ``uri:`` any text as one) at a time."""
        private, certificate = self._certified(person, at)
        attributes = cmsbuild.build_signed_attributes(payload, at)
        signature = private.sign(attributes, ec.ECDSA(hashes.SHA256()))
        unsigned: tuple[Attribute, ...] = ()
        if not self._online:
            entry = self._logged(attributes, signature, certificate, at)
            unsigned = (cmsbuild.log_entry_attribute(encode_entry(entry)),)
        return armor(cmsbuild.build_signed_data(certificate, attributes, signature, unsigned))

    def log_online(self, oid: str, person: str, at: datetime) -> None:
        """Online mode: log a second signature, over the object's id."""
        private, certificate = self._certified(person, at)
        message = oid.encode()
        self.entries[oid] = self._logged(message, private.sign(message, ec.ECDSA(hashes.SHA256())), certificate, at)

    def _logged(self, data: bytes, signature: bytes, certificate: Certificate, at: datetime) -> LogEntry:
        digest = hashlib.sha256(data).digest()
        index = self.log.append(hashedrekord_v001_body(digest, signature, pem_encode(certificate.raw, "CERTIFICATE")))
        return self.log.entry(index, time=int(at.timestamp()))

    def _certified(self, person: str, at: datetime) -> tuple[ec.EllipticCurvePrivateKey, Certificate]:
        held = self._held.get(person)
        if held and not self._fresh and held[1].not_before <= at <= held[1].not_before + LIFE:
            return held
        self._now = at
        private = ec.generate_private_key(ec.SECP256R1())
        claims: dict[str, Any] = {"email": person, "email_verified": True} if "://" not in person else {"sub": person}
        if person.startswith("uri:"):
            claims = {"email": person.removeprefix("uri:"), "email_verified": True}
        named = identify({"iss": ISSUER, "sub": person, **claims})
        if person.startswith("uri:"):
            named = replace(named, kind="uri")
        chain, _ = self._fulcio._issue(named, private.public_key())
        self._held[person] = private, parse_certificate(chain[0])
        return self._held[person]
