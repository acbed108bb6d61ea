"""Object identifiers as dotted strings, each with its source."""

# CMS: RFC 5652 §4, §5.1, §11
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"

# Timestamps: RFC 3161 §2.4.2 and appendix A; RFC 5816; RFC 5035
TST_INFO = "1.2.840.113549.1.9.16.1.4"
TIMESTAMP_TOKEN = "1.2.840.113549.1.9.16.2.14"  # noqa: S105 - an OID, not a secret
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"

# Digests: NIST CSOR, RFC 5754 §2; SHA-1 only to be named when it is refused
SHA1 = "1.3.14.3.2.26"
SHA256 = "2.16.840.1.101.3.4.2.1"
SHA384 = "2.16.840.1.101.3.4.2.2"
SHA512 = "2.16.840.1.101.3.4.2.3"
DIGESTS = {SHA256: "sha256", SHA384: "sha384", SHA512: "sha512"}

# Keys and signatures: RFC 5480 §2.1.1, RFC 5758 §3.2, RFC 8017 appendix A, RFC 8410 §3
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
CURVE_P256 = "1.2.840.10045.3.1.7"
CURVE_P384 = "1.3.132.0.34"
CURVE_P521 = "1.3.132.0.35"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
ECDSA_SHA384 = "1.2.840.10045.4.3.3"
ECDSA_SHA512 = "1.2.840.10045.4.3.4"
RSA = "1.2.840.113549.1.1.1"
RSA_SHA256 = "1.2.840.113549.1.1.11"
RSA_SHA384 = "1.2.840.113549.1.1.12"
RSA_SHA512 = "1.2.840.113549.1.1.13"
RSA_PSS = "1.2.840.113549.1.1.10"
ED25519 = "1.3.101.112"

# Certificate extensions: RFC 5280 §4.2; certificate transparency: RFC 6962 §3.1, §3.3
SUBJECT_KEY_ID = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
SUBJECT_ALT_NAME = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
NAME_CONSTRAINTS = "2.5.29.30"
AUTHORITY_KEY_ID = "2.5.29.35"
POLICY_CONSTRAINTS = "2.5.29.36"
EXTENDED_KEY_USAGE = "2.5.29.37"
INHIBIT_ANY_POLICY = "2.5.29.54"
SCT_LIST = "1.3.6.1.4.1.11129.2.4.2"
PRECERTIFICATE_POISON = "1.3.6.1.4.1.11129.2.4.3"
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"

# Sigstore: Fulcio's docs/oid-info.md; arc 1.3.6.1.4.1.57264
SIGSTORE = "1.3.6.1.4.1.57264"
SIGSTORE_OCTETS = bytes.fromhex("2b0601040183bf30")
"""The octets that each identifier below that arc begins with: no form of BER can write them in another way."""
FULCIO_ISSUER_V1 = f"{SIGSTORE}.1.1"
FULCIO_OTHER_NAME = f"{SIGSTORE}.1.7"
FULCIO_ISSUER_V2 = f"{SIGSTORE}.1.8"
LOG_ENTRY = f"{SIGSTORE}.3.1"
PRERELEASE_LOG_ATTRIBUTES = frozenset(f"{SIGSTORE}.3.{number}" for number in (0, 2, 3, 4, 5, 6, 7, 8))
"""Nine attributes of an early pre-release client; .3.1 among them had another form. Refused by name."""

# The claims of GitHub workflows as raw bytes, from before Fulcio 1.0 (oid-info.md, "deprecated")
FULCIO_GITHUB_CLAIMS = {
    f"{SIGSTORE}.1.2": "github_workflow_trigger",
    f"{SIGSTORE}.1.3": "github_workflow_sha",
    f"{SIGSTORE}.1.4": "github_workflow_name",
    f"{SIGSTORE}.1.5": "github_workflow_repository",
    f"{SIGSTORE}.1.6": "github_workflow_ref",
}

_LAST_KNOWN, _LONGEST_NUMBER = 24, 4

# The claims as DER UTF8String, in the order of oid-info.md
FULCIO_CLAIMS = {
    f"{SIGSTORE}.1.{number}": name
    for number, name in enumerate(
        (
            "build_signer_uri",
            "build_signer_digest",
            "runner_environment",
            "source_repository_uri",
            "source_repository_digest",
            "source_repository_ref",
            "source_repository_identifier",
            "source_repository_owner_uri",
            "source_repository_owner_identifier",
            "build_config_uri",
            "build_config_digest",
            "build_trigger",
            "run_invocation_uri",
            "source_repository_visibility",
            "deployment_environment",
            "token_subject",
        ),
        start=9,
    )
}


def is_later_claim(oid: str) -> bool:
    """Tell whether this is a claim that Fulcio has got after those above: it is known by its number alone."""
    room, _, number = oid.rpartition(".")
    if room != f"{SIGSTORE}.1" or not (number.isascii() and number.isdigit()) or len(number) > _LONGEST_NUMBER:
        return False
    return str(int(number)) == number and int(number) > _LAST_KNOWN
