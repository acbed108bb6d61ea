"""The certificate authority: requests, claims and certificates."""
