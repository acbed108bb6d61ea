"""The OIDC issuer: login page, code and device flows, tokens."""
