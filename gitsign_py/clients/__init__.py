"""Clients of Sigstore's services: they fill the ports over HTTP and check that an answer answers the question."""
