"""Proof for consumers by SLSA's Source track: the controls that held for a revision, and the level that follows.
Internal: its interface is the command line (docs/cli).
"""
