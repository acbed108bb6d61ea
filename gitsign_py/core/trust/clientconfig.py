"""ClientTrustConfig: a TrustedRoot and a SigningConfig in one file (protobuf-specs, sigstore_trustroot.proto).

A module of its own, since a verification needs the first alone and git starts the program for each one.
"""

import hashlib

from gitsign_py.core.encoding import load_json
from gitsign_py.core.protojson import Message
from gitsign_py.core.trust.root import MAX_BYTES, TrustedRoot, read_trusted_root
from gitsign_py.core.trust.signingconfig import SigningConfig, read_signing_config
from gitsign_py.errors import FormatError

MEDIA_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


def parse_client_trust_config(data: bytes) -> tuple[TrustedRoot, SigningConfig]:
    """Parse a ClientTrustConfig (at most 4 MiB). Raises FormatError as the parsers of the two do."""
    fields = ("mediaType", "trustedRoot", "signingConfig")
    top = Message(load_json(data, max_bytes=MAX_BYTES), fields, "client trust configuration")
    if top.text("mediaType") != MEDIA_TYPE:
        raise FormatError("trusted-root-version", "client trust configuration has a media type that is not supported")
    digest = hashlib.sha256(data).hexdigest()
    return (
        read_trusted_root(top.value("trustedRoot"), digest),
        read_signing_config(top.value("signingConfig"), digest),
    )
