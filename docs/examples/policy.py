"""Ask a policy about a commit that does not exist yet."""

from datetime import UTC, datetime

from gitsign_py.policy import CommitFacts, SignatureFacts, evaluate, parse_policy

POLICY = b"""\
version = 1
administrators = ["alice"]

[people.alice]
identities = [{ subject = "alice@example.com", issuer = "https://issuer.example.com" }]

[[rules]]
name = "main"
refs = ["refs/heads/main"]
allow = ["alice"]
"""

policy = parse_policy(POLICY, "example")
commit = CommitFacts("1" * 40, "alice@example.com", "alice@example.com")
for identity in ("alice@example.com", "mallory@example.com"):
    signature = SignatureFacts(
        "good",
        "sigstore",
        identity,
        "https://issuer.example.com",
        san_type="email",
        times=(("log", datetime(2026, 1, 1, tzinfo=UTC)),),
    )
    decision = evaluate(policy, commit, signature, "refs/heads/main")
    print(f"{identity}: {decision.verdict} [{decision.reason}]")
