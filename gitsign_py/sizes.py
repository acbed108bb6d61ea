"""Bounds that several rooms share; a module of its own, since git's front loads next to nothing else."""

MAX_OBJECT_BYTES = 32 << 20
"""32 MiB: the largest git object that is read. A policy is a small blob, a tree of a hundred thousand files 4 MiB."""
MAX_COMMIT_BYTES = 8 << 20
"""8 MiB, for commits and tags, which have kilobytes: some seven copies of a commit are made on the way to a verdict."""
