"""Cut a release: ``python -m tools.release 0.9.0`` (CONTRIBUTING.md, "Releases")."""
