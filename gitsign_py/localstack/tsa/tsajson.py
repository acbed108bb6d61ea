"""A timestamp request in JSON, as Sigstore's authority takes it beside DER (its openapi.yaml, TimestampRequest)."""

import re
from typing import Any

from gitsign_py.core.encoding import b64_decode
from gitsign_py.core.pki.timestampbuild import TimestampRequest
from gitsign_py.errors import FormatError
from gitsign_py.localstack.service import Request

_HASHES = ("sha256", "sha384", "sha512")
_POLICY = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,8})){1,32}\Z")
_MAX_NONCE_BITS = 512


def parse_json_request(request: Request) -> TimestampRequest:
    """Read ``artifactHash`` (base64), ``hashAlgorithm``, ``certificates``, ``nonce`` and ``tsaPolicyOID``.

    Certificates are left out unless they are asked for. Raises FormatError: ``json-...`` or ``base64-...`` for the
    form, ``timestamp-hash-not-allowed`` for a hash outside SHA-2, ``timestamp-malformed`` for any other member.
    """
    asked = request.json_object()
    hash_name = _text(asked, "hashAlgorithm").lower()
    if hash_name not in _HASHES:
        raise FormatError("timestamp-hash-not-allowed", f"hashAlgorithm must be one of {', '.join(_HASHES)}")
    certificates = asked.get("certificates", False)
    if not isinstance(certificates, bool):
        raise FormatError("timestamp-malformed", "certificates must be true or false")
    imprint = b64_decode(_text(asked, "artifactHash"))
    return TimestampRequest(hash_name, imprint, _nonce(asked), certificates, _policy(asked))


def _text(asked: dict[str, Any], name: str) -> str:
    found = asked.get(name, "")
    if not isinstance(found, str):
        raise FormatError("timestamp-malformed", f"{name} must be a text")
    return found


def _nonce(asked: dict[str, Any]) -> int | None:
    found = asked.get("nonce")
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or found.bit_length() > _MAX_NONCE_BITS:
        raise FormatError("timestamp-malformed", "nonce must be a whole number")
    return found


def _policy(asked: dict[str, Any]) -> str | None:
    found = _text(asked, "tsaPolicyOID")
    if found and not _POLICY.match(found):
        raise FormatError("timestamp-malformed", "tsaPolicyOID must be numbers with dots between")
    return found or None
