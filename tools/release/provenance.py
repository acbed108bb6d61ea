"""How the files of a release were made, as a SLSA provenance predicate (slsa.dev/spec/v1.0/provenance)."""

import json
import platform
from collections.abc import Mapping

TYPE = "https://slsa.dev/provenance/v1"
_HOME = "https://gitsign-py.invalid"


def provenance(commit: str, version: str, files: Mapping[str, str], *, epoch: str) -> bytes:
    """Give the predicate; ``files`` are SHA-256 digests (hex) by name, ``commit`` is the tree that they were made of.

    The attestation is about the commit, so what was made of it stands under byproducts.
    """
    value = {
        "buildDefinition": {
            "buildType": f"{_HOME}/release/v1",
            "externalParameters": {"version": version, "SOURCE_DATE_EPOCH": epoch},
            "internalParameters": {"python": platform.python_version()},
            "resolvedDependencies": [{"uri": f"git+{_HOME}", "digest": {"gitCommit": commit}}],
        },
        "runDetails": {
            "builder": {"id": f"{_HOME}/tools/release"},
            "byproducts": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(files.items())],
        },
    }
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
