"""hashedrekord: the log entry over a digest, its signature and its verifier, versions 0.0.1 and 0.0.2.

Sources: sigstore/rekor pkg/types/hashedrekord/v0.0.1; sigstore/rekor-tiles api/proto (HashedRekordLogEntryV002). The
log hashes the *canonical* JSON (RFC 8785): members sorted, no white space, strings escaped as little as possible.
All names and values here are ASCII letters, digits and +/=-_. and there is no number, so writing the members in
sorted order is the canonical form already; importing a canonicalizer would cost 18 ms at each start.
"""

from typing import Any, Literal

from gitsign_py.core.encoding import b64_decode, b64_encode, hex_decode, load_json, pem_decode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.keydetails import key_details as find_key_details
from gitsign_py.errors import FormatError, VerificationError

MAX_BODY_BYTES = 32 << 20  # of an entry of any kind: one over an envelope may hold it
MAX_HASHEDREKORD_BYTES = 1 << 20
KIND = "hashedrekord"
VerifierKind = Literal["certificate", "public-key"]
_ALGORITHMS = {32: ("sha256", "SHA2_256"), 48: ("sha384", "SHA2_384"), 64: ("sha512", "SHA2_512")}
_LABELS: dict[str, VerifierKind] = {"CERTIFICATE": "certificate", "PUBLIC KEY": "public-key"}


@frozen
class HashedRekord:
    """The contents of the entry. ``algorithm`` is sha256, sha384 or sha512; ``verifier_der`` a certificate's DER or an
    SPKI.

    ``key_details`` names the signature algorithm (0.0.2 alone, else empty).
    """

    version: str
    algorithm: str
    digest: bytes
    signature: bytes
    verifier_der: bytes
    verifier_kind: VerifierKind
    key_details: str = ""


def hashedrekord_v001_body(digest: bytes, signature: bytes, certificate_pem: bytes) -> bytes:
    """Canonical body of a hashedrekord 0.0.1.

    ``digest`` is 32, 48 or 64 bytes of SHA-2, ``certificate_pem`` a certificate (or public key) as PEM of 64 columns
    with a newline at the end, which is how Rekor stores it. Raises FormatError ``log-body-malformed``.
    """
    algorithm = _algorithm(digest)[0]
    hashed = f'"data":{{"hash":{{"algorithm":"{algorithm}","value":"{digest.hex()}"}}}}'
    key = f'"publicKey":{{"content":"{b64_encode(certificate_pem)}"}}'
    spec = f'{{{hashed},"signature":{{"content":"{b64_encode(signature)}",{key}}}}}'
    return f'{{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{spec}}}'.encode("ascii")


def hashedrekord_v002_body(
    digest: bytes,
    signature: bytes,
    certificate_der: bytes,
    key_details: str,
    *,
    verifier_kind: VerifierKind = "certificate",
) -> bytes:
    """Canonical body of a hashedrekord 0.0.2: ``certificate_der`` is a certificate or, by kind, an SPKI.

    ``key_details`` is a name of PublicKeyDetails. Raises FormatError ``log-body-malformed``.
    """
    if not key_details.isascii() or not key_details.replace("_", "").isalnum():
        raise _malformed("its keyDetails is not a name")
    hashed = f'"data":{{"algorithm":"{_algorithm(digest)[1]}","digest":"{b64_encode(digest)}"}}'
    # "keyDetails" sorts before both "publicKey" and "x509Certificate".
    member = "x509Certificate" if verifier_kind == "certificate" else "publicKey"
    verifier = f'{{"keyDetails":"{key_details}","{member}":{{"rawBytes":"{b64_encode(certificate_der)}"}}}}'
    signed = f'"signature":{{"content":"{b64_encode(signature)}","verifier":{verifier}}}'
    spec = f'{{"hashedRekordV002":{{{hashed},{signed}}}}}'
    return f'{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{spec}}}'.encode("ascii")


def _algorithm(digest: bytes) -> tuple[str, str]:
    names = _ALGORITHMS.get(len(digest))
    if names is None:
        raise _malformed(f"its digest has {len(digest)} bytes")
    return names


def body_kind(body: bytes) -> tuple[str, str]:
    """Kind and version that a body of any kind states. Raises FormatError ``log-body-malformed`` or ``json-...``."""
    value = load_json(body, max_bytes=MAX_BODY_BYTES)
    kind, version = (value.get("kind"), value.get("apiVersion")) if isinstance(value, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(version, str):
        raise _malformed("it states no kind and apiVersion")
    return kind, version


def stated_kind(body: bytes) -> tuple[str, str]:
    """The same, empty where a body states none: for those who only pass it on."""
    try:
        return body_kind(body)
    except FormatError:
        return "", ""


def parse_hashedrekord(body: bytes) -> HashedRekord:
    """Parse a canonicalized body, all members known and none left out.

    Raises FormatError ``log-body-malformed`` (or those of JSON, base64, hex and PEM); VerificationError
    ``entry-kind-unsupported`` or ``entry-version-unsupported``.
    """
    top = _members(load_json(body, max_bytes=MAX_HASHEDREKORD_BYTES), "apiVersion", "kind", "spec")
    kind, version = _text(top["kind"]), _text(top["apiVersion"])
    check_supported(kind, version, {(KIND, "0.0.1"), (KIND, "0.0.2")})
    return _parse_v001(top["spec"]) if version == "0.0.1" else _parse_v002(top["spec"])


def check_supported(kind: str, version: str, supported: set[tuple[str, str]]) -> None:
    """Refuse other kinds and versions: ``entry-kind-unsupported``, ``entry-version-unsupported``."""
    facts = {"kind": kind[:40], "version": version[:40]}
    if kind not in {known for known, _ in supported}:
        raise VerificationError("entry-kind-unsupported", f"log entry is of the unknown kind {kind[:40]}", facts=facts)
    if (kind, version) not in supported:
        raise VerificationError(
            "entry-version-unsupported", f"log entry is of the unknown version {kind} {version[:40]}", facts=facts
        )


def _parse_v001(value: Any) -> HashedRekord:
    spec = _members(value, "data", "signature")
    hashed = _members(_members(spec["data"], "hash")["hash"], "algorithm", "value")
    signature = _members(spec["signature"], "content", "publicKey")
    algorithm = _text(hashed["algorithm"])
    digest = hex_decode(_text(hashed["value"]))
    if algorithm != _algorithm(digest)[0]:
        raise _malformed("its digest does not fit its algorithm")
    text = b64_decode(_text(_members(signature["publicKey"], "content")["content"]))
    kind, der = _pem_verifier(text)
    return HashedRekord("0.0.1", algorithm, digest, _signature(signature["content"]), der, kind)


def _pem_verifier(text: bytes) -> tuple[VerifierKind, bytes]:
    for label, kind in _LABELS.items():
        if text.startswith(f"-----BEGIN {label}-----".encode()):
            blocks = pem_decode(text, label)
            if len(blocks) == 1:
                return kind, blocks[0]
    raise _malformed("its verifier is not one certificate or public key")


def _parse_v002(value: Any) -> HashedRekord:
    spec = _members(_members(value, "hashedRekordV002")["hashedRekordV002"], "data", "signature")
    hashed = _members(spec["data"], "algorithm", "digest")
    signature = _members(spec["signature"], "content", "verifier")
    digest = b64_decode(_text(hashed["digest"]))
    names = _algorithm(digest)
    if hashed["algorithm"] != names[1]:
        raise _malformed("its digest does not fit its algorithm")
    verifier = signature["verifier"]
    by_key = isinstance(verifier, dict) and "publicKey" in verifier
    member = "publicKey" if by_key else "x509Certificate"
    verifier = _members(verifier, "keyDetails", member)
    details = find_key_details(_text(verifier["keyDetails"]))
    if details is None:
        raise _malformed("its keyDetails names an algorithm that is not supported")
    der = b64_decode(_text(_members(verifier[member], "rawBytes")["rawBytes"]))
    kind: VerifierKind = "public-key" if by_key else "certificate"
    return HashedRekord("0.0.2", names[0], digest, _signature(signature["content"]), der, kind, details.name)


def _members(value: Any, *names: str) -> dict[str, Any]:
    """An object with exactly these members."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise _malformed(f"an object does not have exactly the members {', '.join(names)}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _malformed("a member is not a text")
    return value


def _signature(value: Any) -> bytes:
    signature = b64_decode(_text(value))
    if not signature:
        raise _malformed("its signature is empty")
    return signature


def _malformed(why: str) -> FormatError:
    return FormatError("log-body-malformed", f"body of the log entry is malformed: {why}")
