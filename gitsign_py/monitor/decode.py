"""The contents of an entry: its kind, the digest it is over, and who signed; read for a watch list, verified by nobody
yet.

Logs take what anybody sends, so an entry that cannot be read is a fact about its sender: it is reported as unread, and
the rest of the log goes on.
"""

import hashlib
from collections.abc import Mapping

from gitsign_py.core.frozen import field, frozen, replace
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.fulcio import certificate_identity
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.tlog.ctleaf import certificate_of
from gitsign_py.core.tlog.hashedrekord import KIND, body_kind, parse_hashedrekord
from gitsign_py.core.tlog.rekorbodies import parse_envelope_body
from gitsign_py.core.tlog.sct import precertificate_tbs
from gitsign_py.errors import GitsignError
from gitsign_py.monitor.sources import RawEntry

CERTIFICATE = "certificate"
_UNKNOWN = "unknown"
_FOREIGN = ("log-body-kind", "entry-kind-unsupported", "entry-version-unsupported")
_READ = (KIND, "dsse", "intoto")
_CANONICAL = b'{"apiVersion":"'  # how each body begins in canonical JSON (RFC 8785)
_NAMELESS = ("certificate-san-missing", "certificate-issuer-missing")


@frozen
class SeenSigner:
    """Whom an entry names. ``identity`` is empty for a bare key; ``fingerprint`` (SHA-256 of the DER) too.

    ``key`` is the SHA-256 of the SubjectPublicKeyInfo in hex; ``tbs`` that of the TBS without SCTs and poison, which
    a precertificate shares with its certificate; ``certificate`` DER. ``window`` are notBefore and notAfter, POSIX.
    ``problem`` says why a certificate that has names tells none of them.
    """

    identity: str = ""
    issuer: str = ""
    san_type: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    key: str = ""
    tbs: bytes = b""
    certificate: bytes = b""
    window: tuple[int, int] = (0, 0)
    problem: str = ""


@frozen
class SeenEntry:
    """``kind`` and ``version`` as the entry states them ("certificate" in a CT log), ``digest`` as algorithm:hex.

    ``problem`` says why nothing more could be read; ``foreign`` that it is of a kind which this program does not read,
    ``broken`` that it states no kind at all.
    """

    kind: str
    version: str = ""
    digest: str = ""
    signature: bytes = b""
    signers: tuple[SeenSigner, ...] = ()
    problem: str = ""
    foreign: bool = False
    broken: bool = False

    @property
    def unread(self) -> str:
        """The reason why it may name somebody who is not seen; empty when everything was read."""
        return self.problem or next((one.problem for one in self.signers if one.problem), "")


def decode(entry: RawEntry) -> SeenEntry:
    """Read an entry; what cannot be read is said in ``problem``."""
    kind = CERTIFICATE if entry.ct is not None else ""
    if entry.problem:
        return SeenEntry(kind or _UNKNOWN, problem=entry.problem, broken=True)
    try:
        if entry.ct is not None:
            return SeenEntry(CERTIFICATE, signers=(_of_certificate(certificate_of(entry.ct)),))
        kind, version = body_kind(entry.leaf)
        return _hashed(entry.leaf) if kind == KIND else _envelope(entry.leaf, kind, version)
    except GitsignError as error:
        foreign = error.reason in _FOREIGN and kind not in _READ
        return SeenEntry(kind or _UNKNOWN, problem=_words(error), foreign=foreign, broken=not kind)


def unreadable(entry: RawEntry) -> str:
    """Why an entry cannot be read by anybody, empty where it has the form of one: a look that costs next to nothing.

    A log checks what it takes, so this is a new form, or one that somebody found a way to log.
    """
    if entry.problem or entry.ct is not None or (entry.leaf.startswith(_CANONICAL) and entry.leaf.endswith(b"}")):
        return entry.problem
    try:
        body_kind(entry.leaf)
    except GitsignError as error:
        return _words(error)
    return ""


def _words(error: GitsignError) -> str:
    return f"{error.message} [{error.reason}]"


def _hashed(body: bytes) -> SeenEntry:
    found = parse_hashedrekord(body)
    signer = _signer(found.verifier_der, found.verifier_kind)
    digest = f"{found.algorithm}:{found.digest.hex()}"
    return SeenEntry(KIND, found.version, digest, found.signature, (signer,))


def _envelope(body: bytes, kind: str, version: str) -> SeenEntry:
    found = parse_envelope_body(body, kind, version)
    signers = tuple(_signer(one.verifier_der, one.verifier_kind) for one in found.signatures)
    return SeenEntry(kind, version, f"{found.algorithm}:{found.payload_digest.hex()}", b"", signers)


def _signer(der: bytes, kind: str) -> SeenSigner:
    if kind == "certificate":
        return _of_certificate(parse_certificate(der))
    return SeenSigner(key=load_spki(der).key_id.hex())


def _of_certificate(certificate: Certificate) -> SeenSigner:
    """Certificates that are not Fulcio's are logged too: they have a key and a fingerprint, and no identity."""
    window = (int(certificate.not_before.timestamp()), int(certificate.not_after.timestamp()))
    bare = SeenSigner(
        fingerprint=certificate.fingerprint,
        key=certificate.public_key.key_id.hex(),
        tbs=hashlib.sha256(precertificate_tbs(certificate)).digest(),
        certificate=certificate.raw,
        window=window,
    )
    try:
        names = certificate_identity(certificate)
    except GitsignError as error:
        return bare if error.reason in _NAMELESS else replace(bare, problem=_words(error))
    return replace(bare, identity=names.value, issuer=names.issuer, san_type=names.san_type, claims=dict(names.claims))
