"""Answers of a server that is broken: each function takes a right answer and gives a wrong one."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.localstack.service import JSON, Response, json_response

_EXTRA_HASH = bytes(32)


def garbage(response: Response) -> Response:
    """Bytes that are no JSON, DER, PEM or tile, as many as there were (at least 16), with the same status and type."""
    length = max(16, len(response.body))
    noise = b"".join(hashlib.sha256(b"garbage %d" % part).digest() for part in range(length // 32 + 1))
    return replace(response, body=b"\xff" + noise[: length - 1])


def cut_off(response: Response) -> Response:
    """The first half of the body under the whole one's length: the server then breaks the connection."""
    length = max(2, len(response.body))
    headers = {**response.headers, "Content-Length": str(length)}
    return replace(response, body=response.body[: length // 2], headers=headers)


def spoil_proofs(response: Response) -> Response:
    """Turn a bit in every inclusion proof of a JSON answer; a proof without hashes gets one too many."""
    if response.media_type != JSON:
        return response
    try:
        value = json.loads(response.body)
    except ValueError:
        return response
    _spoil(value)
    return json_response(value, response.status, response.headers)


def _spoil(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _spoil(item)
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "inclusionProof" and isinstance(item, dict):
                item["hashes"] = _spoiled(item.get("hashes") or [], item.get("rootHash", ""))
            else:
                _spoil(item)


def _spoiled(hashes: list[str], root: str) -> list[str]:
    """The hashes in their own spelling: hex as Rekor v1 has it, base64 as version 2 has it."""
    in_hex = len(root) == 64
    if not hashes:
        return [_EXTRA_HASH.hex() if in_hex else b64_encode(_EXTRA_HASH)]
    first = bytearray(bytes.fromhex(hashes[0]) if in_hex else b64_decode(hashes[0]))
    first[0] ^= 1
    return [bytes(first).hex() if in_hex else b64_encode(bytes(first)), *hashes[1:]]
