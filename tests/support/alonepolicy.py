"""A policy by which one person may do everything; ``format`` it with ``email`` and ``issuer``."""

ALICE_ALONE = """\
version = 1
administrators = ["alice"]

[people.alice]
identities = [{{ subject = "{email}", issuer = "{issuer}" }}]

[[rules]]
name = "all"
allow = ["alice"]
"""
