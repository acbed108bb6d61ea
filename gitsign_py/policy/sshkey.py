"""SSH public keys as one line of text (RFC 4253 §6.6) and their fingerprint as ssh-keygen prints it."""

import base64
import hashlib

from gitsign_py.core.encoding import b64_decode
from gitsign_py.errors import FormatError


def ssh_fingerprint(public: str) -> str:
    """``SHA256:...`` of ``TYPE BASE64``; empty when the text is no such key."""
    name, _, text = public.partition(" ")
    try:
        blob = b64_decode(text)
    except FormatError:
        return ""
    # The blob repeats the type as its first string; a line whose two names differ is two keys to two readers.
    encoded = name.encode("ascii", "replace")
    if not name or not blob.startswith(len(encoded).to_bytes(4, "big") + encoded):
        return ""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    return f"SHA256:{digest}"
