"""Bounds that several rooms share; a module of its own, since git's front loads next to nothing else."""

MAX_OBJECT_BYTES = 32 << 20
"""32 MiB: the largest git object that is read. Commits and tags have kilobytes; a policy file is a small blob."""
