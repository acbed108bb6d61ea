"""Trust data of public Sigstore instances, as the ``sigstore`` package carries it; PROVENANCE.md says where from."""
