"""A policy with one of everything."""

from tests.support.history import ISSUER

TEAM = f"""\
version = 1
administrators = ["alice"]

[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]

[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]
emails = ["bob@users.noreply.example.net"]
from = 2024-01-01
until = 2024-06-30

[people.carol]
identities = [{{ subject = "carol@example.com", issuer = "{ISSUER}" }}]

[workflows.release]
subject-pattern = "^https://forge\\\\.example/o/r/\\\\.ci/release\\\\.yml@refs/tags/v[0-9.]+$"
issuer = "https://ci.example.com"
claims = {{ source_repository_uri = "https://forge.example/o/r" }}
claim-patterns = {{ source_repository_ref = "^refs/tags/v[0-9.]+$" }}
emails = ["bot@example.com"]

[groups]
developers = ["alice", "bob", "carol"]

[keys.dave-pgp]
format = "openpgp"
fingerprint = "0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567"

[keys.forge-pgp]
format = "openpgp"
fingerprint = "FFFF456789ABCDEF0123456789ABCDEF01234567"

[people.dave]
keys = ["dave-pgp"]
emails = ["dave@example.com"]

[forges.forge]
committer = "noreply@forge.example"
reproducible = true
keys = ["forge-pgp"]

[[rules]]
name = "secrets"
paths = ["/secrets/**"]
allow = ["alice"]

[[rules]]
name = "releases"
refs = ["refs/tags/v*"]
allow = ["alice", "release"]
times = ["timestamp"]

[[rules]]
name = "main"
refs = ["refs/heads/**"]
allow = ["developers", "release", "dave"]

[[exemptions]]
commits = ["{"e" * 40}"]
reason = "made before the laptop was set up"
"""
