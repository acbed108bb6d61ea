"""Trust data of public Sigstore instances, as the ``sigstore`` package has it (PROVENANCE.md). Internal."""
