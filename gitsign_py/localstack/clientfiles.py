"""The files that clients read: trusted_root.json, signing_config.json, both in one for sigstore-python, and PEM
files.
"""

import json
from collections.abc import Iterable

from gitsign_py.core.trust.root import TrustedRoot, format_trusted_root
from gitsign_py.core.trust.signingconfig import SigningConfig, format_signing_config
from gitsign_py.localstack.service import Service, TrustPart
from gitsign_py.localstack.state import State

TRUSTED_ROOT, SIGNING_CONFIG, CLIENT_CONFIG = "trusted_root.json", "signing_config.json", "client_trust_config.json"
_CLIENT_CONFIG_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


def trusted_root(parts: Iterable[TrustPart]) -> TrustedRoot:
    """The trusted root over all parts."""
    parts = tuple(parts)
    return TrustedRoot(
        tlogs=tuple(item for part in parts for item in part.tlogs),
        certificate_authorities=tuple(item for part in parts for item in part.certificate_authorities),
        ctlogs=tuple(item for part in parts for item in part.ctlogs),
        timestamp_authorities=tuple(item for part in parts for item in part.timestamp_authorities),
    )


def signing_config(parts: Iterable[TrustPart]) -> SigningConfig:
    """Where to sign, over all parts."""
    parts = tuple(parts)
    return SigningConfig(
        ca_urls=tuple(item for part in parts for item in part.ca_urls),
        oidc_urls=tuple(item for part in parts for item in part.oidc_urls),
        rekor_urls=tuple(item for part in parts for item in part.rekor_urls),
        tsa_urls=tuple(item for part in parts for item in part.tsa_urls),
    )


def write(state: State, services: Iterable[Service]) -> dict[str, str]:
    """Write every client file anew from what the services say now; gives name to path. Readers see old or new."""
    parts = tuple(service.trust() for service in services)
    root, config = format_trusted_root(trusted_root(parts)), format_signing_config(signing_config(parts))
    both = {"mediaType": _CLIENT_CONFIG_TYPE, "trustedRoot": json.loads(root), "signingConfig": json.loads(config)}
    files = {TRUSTED_ROOT: root, SIGNING_CONFIG: config, CLIENT_CONFIG: json.dumps(both, indent=2).encode()}
    for part in parts:
        files |= part.files
    return {name: str(state.write_file(name, data, 0o644)) for name, data in files.items()}
