"""Transparency logs: Merkle proofs, notes, checkpoints, entries and their bodies, and the promises of CT logs."""
