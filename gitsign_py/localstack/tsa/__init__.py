"""The time-stamp authority (RFC 3161)."""
