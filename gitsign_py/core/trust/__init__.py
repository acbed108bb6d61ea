"""Which authorities are believed, and where to sign: TrustedRoot, SigningConfig, ClientTrustConfig, their windows."""
