"""Keyless Git signing with Sigstore: sign, verify, audit.

Importing the package imports nothing else, since ``git`` starts the program anew for every signature. Programs may use
what docs/api.md lists: the names that ``verification``, ``signing``, ``clients``, ``audit``, ``policy``, ``localstack``
and ``errors`` export. Everything else is internal and may change in any release. The rooms of the house and the
direction of imports are drawn in docs/architecture.md.
"""

__version__ = "0.9.0"
