"""The certificate transparency log (RFC 6962)."""
