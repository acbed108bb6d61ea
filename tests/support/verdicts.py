"""Which refusals leave a signature unchecked, written down apart from the package's own table."""

UNCHECKED = frozenset(
    {
        "artifact-digest-unknown",
        "bundle-signer-mismatch",
        "certificate-untrusted",
        "dsse-payload-type",
        "entry-kind-unsupported",
        "entry-version-unsupported",
        "log-entry-not-embedded",
        "log-entry-not-found",
        "log-entry-unproven",
        "log-unknown",
        "sct-log-unknown",
        "sct-version-unsupported",
        "signature-format-unsupported",
        "signature-other-hash",
        "timestamp-authority-untrusted",
        "timestamp-signer-not-found",
    }
)
