"""The believed authorities, and where to sign: TrustedRoot, SigningConfig, ClientTrustConfig, their windows."""
