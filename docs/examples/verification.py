"""Verify a commit from its stored bytes: ``git cat-file commit HEAD > commit``."""

from datetime import UTC, datetime
from pathlib import Path

from gitsign_py.errors import GitsignError
from gitsign_py.verification import Expected, ExpectedIdentity, Verifier, parse_trusted_root, split_commit, verdict_of

trusted_root = parse_trusted_root(Path("trusted_root.json").read_bytes())
verifier = Verifier(trusted_root, datetime.now(UTC))
expected = ExpectedIdentity(Expected("alice@example.com"), Expected("https://issuer.example.com"))
try:
    commit = split_commit(Path("commit").read_bytes())
    verified = verifier.verify(commit.payload, commit.signature or b"", expected=expected)
except GitsignError as error:
    print(f"{verdict_of(error)}: {error.message} [{error.reason}]")
else:
    print(f"verified: {verified.identity}, {verified.issuer}")
